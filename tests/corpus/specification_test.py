import json
import re
from pathlib import Path

import pytest

from lealla_tf.corpus.specification import (
    CorpusFile,
    matches_language,
    parse_corpus,
    split_language_pair,
    split_tfds_path,
)
from lealla_tf.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def _in_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = (
        "a.tsv",
        "a.tsv.gz",
        "a.txt",
        "m.tmx",
        "m.tmx.gz",
        "UN.en-de.en",
        "UN.en-de.de",
        "x.en.gz",
        "x.de.gz",
        "bin",
    )
    for name in names:
        Path(name).touch()


def write_shards(directory, pairs, kind="lealla-shards"):
    Path(directory).mkdir()
    manifest = {"kind": kind, "language_pairs": {pair: {} for pair in pairs}}
    Path(directory, "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("de=a.tsv", CorpusFile("en-de", "tsv", "a.tsv")),
        ("de=a.tsv.gz", CorpusFile("en-de", "tsv", "a.tsv.gz")),
        ("de=a.txt", CorpusFile("en-de", "tsv", "a.txt")),
        ("fr-de=a.tsv", CorpusFile("fr-de", "tsv", "a.tsv")),
        ("zh-Hant=a.tsv", CorpusFile("en-zh-Hant", "tsv", "a.tsv")),
        ("pt-BR=a.tsv", CorpusFile("en-pt-BR", "tsv", "a.tsv")),
        ("zh-Hant-pt-BR=a.tsv", CorpusFile("zh-Hant-pt-BR", "tsv", "a.tsv")),
        ("de=m.tmx", CorpusFile("en-de", "tmx", "m.tmx")),
        ("de=m.tmx.gz", CorpusFile("en-de", "tmx", "m.tmx.gz")),
        ("en-de=UN.en-de.{en,de}", CorpusFile("en-de", "moses", "UN.en-de.en", "UN.en-de.de")),
        ("de=x.{en,de}.gz", CorpusFile("en-de", "moses", "x.en.gz", "x.de.gz")),
        ("de=UN.en-de.en,UN.en-de.de", CorpusFile("en-de", "moses", "UN.en-de.en", "UN.en-de.de")),
        ("de=tfds:wmt14_translate/de-en", CorpusFile("en-de", "tfds", "wmt14_translate/de-en")),
    ],
)
def test_forms(argument, expected):
    assert parse_corpus([argument]) == (expected,)


def test_a_file_whose_name_has_a_comma_is_one_file():
    Path("a,b.tsv").touch()
    assert parse_corpus(["de=a,b.tsv"]) == (CorpusFile("en-de", "tsv", "a,b.tsv"),)


def test_order_is_kept_and_a_language_pair_may_have_several_files():
    files = parse_corpus(["de=a.tsv", "fr=a.txt", "de=m.tmx"])
    assert [(file.language_pair, file.path) for file in files] == [
        ("en-de", "a.tsv"),
        ("en-fr", "a.txt"),
        ("en-de", "m.tmx"),
    ]


def test_a_bare_directory_of_shards_gives_all_its_language_pairs():
    write_shards("shards", ["en-de", "en-fr"])
    assert parse_corpus(["shards"]) == (
        CorpusFile("en-de", "shards", "shards"),
        CorpusFile("en-fr", "shards", "shards"),
    )
    assert parse_corpus(["fr=shards"]) == (CorpusFile("en-fr", "shards", "shards"),)


def test_paths_of_a_list_are_relative_to_it(tmp_path):
    Path("lists").mkdir()
    entries = [
        {"language_pair": "de", "path": "../a.tsv"},
        {"language_pair": "en-de", "path": "../bin", "format": "tsv"},
        {"language_pair": "en-de", "path": "../UN.en-de.en", "target_path": "../UN.en-de.de"},
        {"language_pair": "en-de", "path": str(tmp_path / "x.{en,de}.gz")},
        {"language_pair": "fr", "path": "opus/en-fr:train", "format": "tfds"},
    ]
    Path("lists/corpus.json").write_text(json.dumps(entries), encoding="utf-8")
    assert parse_corpus(["lists/corpus.json"]) == (
        CorpusFile("en-de", "tsv", "lists/../a.tsv"),
        CorpusFile("en-de", "tsv", "lists/../bin"),
        CorpusFile("en-de", "moses", "lists/../UN.en-de.en", "lists/../UN.en-de.de"),
        CorpusFile("en-de", "moses", str(tmp_path / "x.en.gz"), str(tmp_path / "x.de.gz")),
        CorpusFile("en-fr", "tfds", "opus/en-fr:train"),
    )


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("de=", "Nothing stands behind `=` in 'de='; the forms are de=FILE.tsv"),
        ("a.tsv", "'a.tsv' does not say its language; the forms are"),
        ("nothing", "Unknown corpus 'nothing'; the forms are"),
        ("de=bin", "In 'de=bin': 'bin' has no form that says its format; the forms are"),
        ("de=a.en,b.de,c.fr", "'a.en,b.de,c.fr' has no form that says its format"),
        ("german=a.tsv", "Received: 'german'. A single language X means en-X."),
        ("zh_Hant=a.tsv", "Received: 'zh_Hant'."),
        ("en=a.tsv", "A language pair is two different languages, source-target, like en-de"),
        ("de=UN.en-de.{de,en}", "the source file comes first: write {en,de} for the language pair en-de."),
        ("de=tfds:Not a name", "A data set is named as tfds:name/config[:version][:split][@data_dir]"),
    ],
)
def test_unknown_forms_are_usage_errors_of_one_line(argument, message):
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        parse_corpus([argument])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("de=none.tsv", "none.tsv: does not exist; name an existing file for en-de."),
        ("de=UN.en-de.{en,fr}", "UN.en-de.fr: does not exist; name an existing file for en-de."),
        ("./none", "./none: does not exist; name a directory of shards, or put the language before it."),
        ("none.json", "none.json: cannot be read (No such file or directory)."),
        (
            "de=empty",
            "empty: is a directory without manifest.json; name a file, or a directory that `lealla prepare` wrote.",
        ),
        ("empty", "empty: is a directory without manifest.json"),
        ("other", "manifest.json: says kind 'checkpoint', not 'lealla-shards'; name one that `lealla prepare` wrote."),
        ("no_pairs", "manifest.json: names no language pairs; write the shards again with `lealla prepare`."),
        ("ja=shards", "shards: holds no en-ja; its language pairs are en-de, en-fr."),
    ],
)
def test_missing_files_are_data_errors(argument, message):
    Path("empty").mkdir()
    write_shards("shards", ["en-de", "en-fr"])
    write_shards("other", ["en-de"], kind="checkpoint")
    write_shards("no_pairs", [])
    with pytest.raises(DataError, match=re.escape(message)):
        parse_corpus([argument])


def test_a_directory_in_place_of_a_file_of_a_pair():
    Path("d.en").mkdir()
    with pytest.raises(DataError, match=r"d.en: is a directory; name a file for en-de."):
        parse_corpus(["de=d.en,UN.en-de.de"])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "list.json: must be a non-empty list of objects with language_pair and path."),
        ([{"path": "a.tsv"}], "list.json: entry 1: must be an object of language_pair, path and"),
        ([{"language_pair": "de", "path": "a.tsv", "weight": "2"}], "entry 1: must be an object of language_pair"),
        ([{"language_pair": "de", "path": 3}], "entry 1: the values must be strings"),
        ([{"language_pair": "german", "path": "a.tsv"}], "entry 1: A language pair is two different languages"),
        ([{"language_pair": "de", "path": "bin"}], "entry 1: 'bin' has no form"),
        (
            [{"language_pair": "de", "path": "a.tsv", "format": "csv"}],
            "entry 1: the format 'csv' does not fit the path",
        ),
    ],
)
def test_bad_lists(entries, message):
    Path("list.json").write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(message)):
        parse_corpus(["list.json"])


def test_a_missing_file_in_a_list_is_named():
    Path("list.json").write_text('[{"language_pair": "de", "path": "b.tsv"}]', encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.tsv: does not exist"):
        parse_corpus(["list.json"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("en-de", "csv", "a"), r"`format` must be one of tsv, moses, tmx, tfds, shards. Received: format='csv'."),
        (("en-de", "moses", "a"), "`target_path` belongs to the format moses, and to no other"),
        (("en-de", "tsv", "a", "b"), "Received: format='tsv', target_path='b'."),
        (("de", "tsv", "a"), "A language pair is two different languages"),
    ],
)
def test_corpus_file_is_validated(arguments, message):
    with pytest.raises(ValueError, match=message):
        CorpusFile(*arguments)


def test_names_for_reports():
    assert CorpusFile("en-de", "moses", "a.en", "a.de").name == "a.en,a.de"
    assert CorpusFile("en-de", "tfds", "opus/de-en").name == "tfds:opus/de-en"
    assert CorpusFile("en-de", "tsv", "a.tsv").name == "a.tsv"


def test_split_language_pair():
    assert split_language_pair("en-de") == ("en", "de")
    assert split_language_pair("zh-Hant-pt-BR") == ("zh-Hant", "pt-BR")
    assert split_language_pair("deu-eng") == ("deu", "eng")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("opus", ("opus", "train", "")),
        ("opus/de-en:test", ("opus/de-en", "test", "")),
        ("opus/de-en:1.0.0", ("opus/de-en:1.0.0", "train", "")),
        ("opus/de-en:1.0.0:train[:10%]@/a:b@c", ("opus/de-en:1.0.0", "train[:10%]", "/a:b@c")),
        ("parallel_files/en-zh-Hant@dir", ("parallel_files/en-zh-Hant", "train", "dir")),
    ],
)
def test_split_tfds_path(path, expected):
    assert split_tfds_path(path) == expected


def test_matches_language():
    assert all(matches_language(tag, "en") for tag in ("en", "EN", "en-US", "en_gb"))
    assert not any(matches_language(tag, "en") for tag in ("", "eng", "e", "de", "x-en"))
    assert matches_language("ZH-hant-TW", "zh-Hant")
    assert not matches_language("zh", "zh-Hant")
