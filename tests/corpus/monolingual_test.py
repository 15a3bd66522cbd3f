"""Monolingual text beside a corpus of pairs."""

import gzip

import pytest

from lealla_tf.config import CorpusConfig, FilterConfig
from lealla_tf.corpus.monolingual import with_text
from lealla_tf.corpus.opening import Corpus
from lealla_tf.corpus.segments import InMemory, Segment
from lealla_tf.errors import DataError, UsageError

CONFIG = CorpusConfig(filter=FilterConfig(max_characters=10))


def test_lines_become_pairs_without_a_target(tmp_path):
    (tmp_path / "de.txt").write_bytes(b"\xef\xbb\xbfeins\r\nzwei\n\n zwei \nviel zu lange Zeile\nno\xff\nacht\n")
    (tmp_path / "more.gz").write_bytes(gzip.compress(b"neun\neins\n"))
    corpus = with_text(None, [f"de={tmp_path / 'de.txt'}", f"de={tmp_path / 'more.gz'}"], CONFIG)
    segment = corpus.sources["de"].load(0)
    assert segment.texts() == (["eins", "zwei", "acht", "neun"], [""] * 4)
    assert [dict(report.dropped) for report in corpus.reports] == [
        {"empty": 1, "duplicate": 1, "too_long": 1, "not_utf8": 1},
        {"duplicate": 1},
    ]
    assert corpus.reports[0].first == {"not_utf8": f"{tmp_path / 'de.txt'}:6"}


def test_pairs_are_kept_and_the_fingerprint_tells_of_the_text(tmp_path):
    (tmp_path / "de.txt").write_text("eins\n")
    pairs = InMemory(Segment.of_pairs([("one", "eins")]))
    corpus = Corpus({"en-de": pairs}, {}, "cafe")
    more = with_text(corpus, [f"de={tmp_path / 'de.txt'}"], CONFIG)
    assert more.sources.keys() == {"en-de", "de"}
    (tmp_path / "de.txt").write_text("zwei\n")
    other = with_text(corpus, [f"de={tmp_path / 'de.txt'}"], CONFIG)
    assert len({corpus.fingerprint, more.fingerprint, other.fingerprint}) == 3
    assert with_text(corpus, [], CONFIG).sources == corpus.sources


def test_what_cannot_be_used(tmp_path):
    (tmp_path / "blank.txt").write_text("\n\n")
    (tmp_path / "bad.txt").write_bytes(b"a\xff\n")
    with pytest.raises(DataError, match="No text is given; name pairs with --corpus, sentences with --text, or both"):
        with_text(None, [], CONFIG)
    with pytest.raises(UsageError, match="is not of the form of --text, de=FILE"):
        with_text(None, ["blank.txt"], CONFIG)
    with pytest.raises(DataError, match=r"No pair of de is left \(dropped: 2 empty\); mend the text"):
        with_text(None, [f"de={tmp_path / 'blank.txt'}"], CONFIG)
    with pytest.raises(DataError, match=r"bad.txt:1: the line is not UTF-8; convert"):
        with_text(None, [f"de={tmp_path / 'bad.txt'}"], CorpusConfig(on_error="stop"))
