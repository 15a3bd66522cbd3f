import json

import pytest

from lealla_tf.config import CorpusConfig, FilterConfig
from lealla_tf.corpus import opening
from lealla_tf.corpus.opening import open_corpus, read_filtered, split_held_out
from lealla_tf.corpus.preparing import prepare_corpus
from lealla_tf.corpus.segments import Segment
from lealla_tf.corpus.specification import parse_corpus
from lealla_tf.errors import DataError


def lines(count, start=0):
    return [f"Sentence {n}.\tSatz {n}." for n in range(start, start + count)]


def write(path, rows):
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path):
    """100 pairs of German in two files, 15 of Finnish in one, some of them bad."""
    write(tmp_path / "a.tsv", [*lines(60), "no tab", "\tempty", *lines(3)])
    write(tmp_path / "b.tsv", [*lines(40, 60), "same\tsame"])
    write(tmp_path / "fi.tsv", [f"Sentence {n}.\tLause {n}." for n in range(15)])
    return tuple(f"{key}={tmp_path / name}" for key, name in (("de", "a.tsv"), ("de", "b.tsv"), ("fi", "fi.tsv")))


def pairs_of(segment):
    return list(zip(*segment.texts(), strict=True))


def opened(files, validation_pairs=5, **config):
    return open_corpus(CorpusConfig(files=tuple(files), **config), validation_pairs, with_teacher=False)


def everything(corpus, language_pair):
    source = corpus.sources[language_pair]
    return [pair for number in range(len(source.sizes)) for pair in pairs_of(source.load(number))]


def test_pairs_are_read_filtered_and_held_out(files):
    corpus = open_corpus(CorpusConfig(files=files), 5, False)
    assert list(corpus.sources) == ["en-de", "en-fi"]
    train, held_out = everything(corpus, "en-de"), pairs_of(corpus.validation["en-de"])
    assert len(train) == 95 and len(held_out) == 5
    assert sorted(train + held_out) == sorted(tuple(line.split("\t")) for line in lines(100))
    # Never more than a tenth.
    assert len(everything(corpus, "en-fi")) == 14 and len(corpus.validation["en-fi"]) == 1
    assert corpus.num_pairs == 109 and corpus.teacher is None
    assert [(r.kept, dict(r.dropped)) for r in corpus.reports] == [
        (60, {"no_tab": 1, "empty": 1, "duplicate": 3}),
        (40, {"identical": 1}),
        (15, {}),
    ]


def test_progress_is_shown_now_and_then(files, monkeypatch):
    shown = []
    open_corpus(CorpusConfig(files=files), 5, False, shown.append)
    assert shown == []  # it took no time
    monkeypatch.setattr(opening, "_SHOW_EVERY", 0)
    open_corpus(CorpusConfig(files=files), 5, False, shown.append)
    assert [line.split(": ")[1] for line in shown] == [
        "60 pairs of en-de kept so far",
        "40 pairs of en-de kept so far",
        "15 pairs of en-fi kept so far",
    ]


def test_held_out_pairs_do_not_depend_on_the_order_of_files(files):
    first, second = opened(files), opened(reversed(files))
    for language_pair in ("en-de", "en-fi"):
        assert sorted(pairs_of(first.validation[language_pair])) == sorted(pairs_of(second.validation[language_pair]))
    assert first.fingerprint == opened(files).fingerprint != second.fingerprint


def test_no_pairs_are_held_out_of_a_tiny_language_or_when_none_are_wanted(files, tmp_path):
    tiny = write(tmp_path / "tiny.tsv", lines(9))
    corpus = opened([f"sw={tiny}"])
    assert corpus.validation == {} and corpus.num_pairs == 9
    assert opened(files, validation_pairs=0).validation == {}


def test_the_split_is_disjoint_even_for_equal_pairs():
    pairs = [(f"s{n % 30}", f"t{n % 30}") for n in range(300)]  # each ten times
    train, held_out = split_held_out(Segment.of_pairs(pairs), 25)
    assert len(train) + len(held_out) == 300
    assert len(held_out) == 20  # whole groups of ten, no more than 25
    assert not set(pairs_of(train)) & set(pairs_of(held_out))
    _, also = split_held_out(Segment.of_pairs(pairs[::-1]), 25)
    assert set(pairs_of(also)) == set(pairs_of(held_out))
    assert len(split_held_out(Segment.of_pairs([("a", "b")] * 50), 5)[1]) == 0


def test_at_most_a_tenth_is_held_out_and_the_order_is_kept():
    pairs = [tuple(line.split("\t")) for line in lines(109)]
    for wanted, count in ((0, 0), (3, 3), (10, 10), (11, 10), (1000, 10)):
        train, held_out = split_held_out(Segment.of_pairs(pairs), wanted)
        assert len(held_out) == count
        for part in (train, held_out):
            assert pairs_of(part) == sorted(pairs_of(part), key=pairs.index)
    # A larger held-out part holds the smaller one.
    assert set(pairs_of(split_held_out(Segment.of_pairs(pairs), 3)[1])) < set(pairs_of(held_out))


def test_the_fingerprint_changes_with_the_text(files, tmp_path):
    before = opened(files).fingerprint
    write(tmp_path / "fi.tsv", [f"Sentence {n}.\tLause {n}{'!' if n == 7 else '.'}" for n in range(15)])
    assert opened(files).fingerprint != before
    assert (
        opened(files[:2]).fingerprint != opened([argument.replace("de=", "nl=") for argument in files[:2]]).fingerprint
    )


def test_a_language_of_which_nothing_is_left_is_an_error_that_says_why(tmp_path):
    path = write(tmp_path / "de.tsv", ["same\tsame", "other\tother", "no tab", *lines(2)])
    config = CorpusConfig(files=(f"de={path}",), filter=FilterConfig(max_characters=8))
    with pytest.raises(
        DataError,
        match=r"^No pair of en-de is left \(dropped: 2 (too_long|identical); 2 .*; 1 no_tab, the first at .*:3\); ",
    ):
        read_filtered(parse_corpus(config.files), config)


def test_what_cannot_be_opened_is_told(files, tmp_path):
    with pytest.raises(DataError, match=r"^No corpus is given; name one with --corpus.$"):
        opened([])
    with pytest.raises(DataError, match=r"a.tsv:61: the line has no tab"):
        opened(files, on_error="stop")
    for output in ("one", "two"):
        prepare_corpus(CorpusConfig(files=files), tmp_path / output)
    message = r"^A prepared corpus cannot be mixed with other files; prepare all of them in one directory.$"
    with pytest.raises(DataError, match=message):
        opened([str(tmp_path / "one"), files[0]])
    with pytest.raises(DataError, match=message):
        opened([str(tmp_path / "one"), str(tmp_path / "two")])


def test_shards_are_opened_as_they_are(files, tmp_path):
    prepare_corpus(CorpusConfig(files=files), tmp_path / "shards", validation_pairs=6, shard_pairs=40)
    shards, text = opened([str(tmp_path / "shards")], 4), opened(files, 6)
    assert shards.num_pairs == text.num_pairs
    assert shards.sources["en-de"].sizes == [40, 40, 14]
    for language_pair in ("en-de", "en-fi"):
        assert sorted(everything(shards, language_pair)) == sorted(everything(text, language_pair))
    assert pairs_of(shards.validation["en-de"]) == pairs_of(text.validation["en-de"])[:4]
    assert opened([str(tmp_path / "shards")], 0).validation == {}
    only = opened([f"fi={tmp_path / 'shards'}"])
    assert list(only.sources) == ["en-fi"] and only.fingerprint != shards.fingerprint


def test_an_unfinished_corpus_is_not_opened(files, tmp_path):
    prepare_corpus(CorpusConfig(files=files), tmp_path / "shards")
    path = tmp_path / "shards" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "complete": False}), encoding="utf-8")
    with pytest.raises(DataError, match=r"shards: is not complete; run the same `lealla prepare` command again"):
        opened([str(tmp_path / "shards")])
