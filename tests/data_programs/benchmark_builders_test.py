"""The United Nations corpus and BUCC as TensorFlow data sets, from made files of their layouts."""

import gzip
import re

import pytest
import tensorflow_datasets as tfds

from data import bucc, united_nations
from lealla_tf.corpus.filtering import FileReport
from lealla_tf.corpus.reading import read_pairs
from lealla_tf.corpus.specification import parse_corpus


def read(argument):
    """The pairs of one value of `--corpus`."""
    (file,) = parse_corpus([argument])
    return list(read_pairs(file, "stop", FileReport(file.name)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two parts of the corpus: the third line lacks a side, and the fourth repeats the first."""
    directory = tmp_path_factory.mktemp("UNv1.0")
    for name, text in {
        "en-fr.en": "One.\nTwo.\nThree.\nOne.\nOne.\n",
        "en-fr.fr": "Un.\nDeux.\n\nUn.\nUne.\n",
        "testset.en": "Yes.\n",
        "testset.es": "Sí.\n",
        "testset.fr": "Oui.\n",
    }.items():
        (directory / f"UNv1.0.{name}").write_text(text, encoding="utf-8")
    (directory / "UNv1.0.testset.fr").unlink()
    (directory / "UNv1.0.testset.fr.gz").write_bytes(gzip.compress(b"Oui.\n"))
    return directory


def test_united_nations(corpus, tmp_path, capsys):
    assert united_nations.main(["--data", str(corpus), "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "es-en testset: 1 pairs of 1 lines (0 without a side, 0 repeated)",
        "fr-en bilingual: 3 pairs of 5 lines (1 without a side, 1 repeated)",
        "fr-en testset: 1 pairs of 1 lines (0 without a side, 0 repeated)",
    ]
    name = "tfds:united_nations/fr-en"
    assert read(f"fr-en={name}:bilingual@{tmp_path}") == [("Un.", "One."), ("Deux.", "Two."), ("Une.", "One.")]
    assert read(f"en-fr={name}:testset@{tmp_path}") == [("Yes.", "Oui.")]
    assert united_nations.main(["--data", str(corpus), "--output", str(tmp_path)]) == 1
    assert "united_nations/es-en/1.0.0: is prepared already; remove it" in capsys.readouterr().err


def test_a_part_and_a_pair_of_the_united_nations(corpus, tmp_path):
    arguments = ["--data", str(corpus), "--output", str(tmp_path), "--part", "testset", "--languages", "es-fr"]
    assert united_nations.main(arguments) == 0
    assert [path.name for path in (tmp_path / "united_nations").iterdir()] == ["es-fr"]
    assert read(f"es-fr=tfds:united_nations/es-fr:testset@{tmp_path}") == [("Sí.", "Oui.")]


def test_files_of_the_united_nations_that_are_not_aligned(corpus, tmp_path, capsys):
    (tmp_path / "UNv1.0.6way.en").write_text("One.\nTwo.\n", encoding="utf-8")
    (tmp_path / "UNv1.0.6way.fr").write_text("Un.\n", encoding="utf-8")
    assert united_nations.main(["--data", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert "UNv1.0.6way.en:2: has no partner" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/**/*.tfrecord*"))


def write_bucc(directory, split, gold):
    """A split of German and English, as the task gives it out; the second English sentence holds a tab."""
    texts = {
        "de": "de-1\tEins.\nde-2\tZwei.\n",
        "en": "en-1\tThree.\nen-2\tOne\tof all.\nen-3\tTwo.\n",
        "gold": gold,
    }
    for kind, text in texts.items():
        if text:
            (directory / f"de-en.{split}.{kind}").write_text(text, encoding="utf-8")


def test_bucc(tmp_path, capsys):
    write_bucc(tmp_path, "training", "de-2\ten-3\nde-1\ten-2\n")
    write_bucc(tmp_path, "test", "")
    assert bucc.main(["--data", str(tmp_path), "--output", f"{tmp_path}/out"]) == 0
    assert capsys.readouterr().out.endswith(f"3 configurations stand in {tmp_path}/out: de-en de-en.de de-en.en\n")
    name = f"tfds:bucc_benchmark/de-en:training@{tmp_path}/out"
    assert read(f"de-en={name}") == [("Zwei.", "Two."), ("Eins.", "One\tof all.")]
    translated = tfds.builder("bucc_benchmark/de-en", data_dir=tmp_path / "out")
    assert list(translated.info.splits) == ["training"], "the test split was given out without gold"
    english = tfds.as_numpy(tfds.load("bucc_benchmark/de-en.en", data_dir=tmp_path / "out", split="test"))
    assert [(row["id"].decode(), row["sentence"].decode()) for row in english] == [
        ("en-1", "Three."),
        ("en-2", "One\tof all."),
        ("en-3", "Two."),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("de-en.training.gold", "de-9\ten-1\n"), "de-en.training.gold:1: names 'de-9', an id that"),
        (("de-en.test.de", None), "de-en.test.de: cannot be read (No such file or directory)"),
        (("de-en.test.en", "no tab\n"), "de-en.test.en:1: must be id<TAB>sentence"),
    ],
)
def test_all_files_of_bucc_are_checked_before_one_is_written(tmp_path, capsys, change, message):
    write_bucc(tmp_path, "training", "de-2\ten-3\n")
    write_bucc(tmp_path, "test", "")
    name, text = change
    (tmp_path / name).unlink()
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert bucc.main(["--data", str(tmp_path), "--output", f"{tmp_path}/out"]) == 1
    assert re.search(r"^python -m data\.bucc: .*" + re.escape(message), capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_is_told_before_the_work(tmp_path, capsys):
    write_bucc(tmp_path, "training", "de-2\ten-3\n")
    (tmp_path / "file").touch()
    assert bucc.main(["--data", str(tmp_path), "--output", f"{tmp_path}/file"]) == 1
    assert f"cannot be written, for {tmp_path}/file is a file" in capsys.readouterr().err
