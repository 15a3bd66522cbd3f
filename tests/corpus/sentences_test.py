"""Lines by their number, compared with those of Python's own reading."""

import gzip
import itertools
import os
import resource
import threading

import numpy as np
import pytest

from lealla_tf.corpus import lines
from lealla_tf.corpus.sentences import check_aligned, fingerprints, first_occurrences, is_blank, open_sentences
from lealla_tf.errors import DataError

TEXT = "Eins.\n  Zwei und \u2028 drei. \r\n\nV\u00eder\n\u3000\u4e94\u3000\nletzte"
LINES = ["Eins.", "Zwei und \u2028 drei.", "", "V\u00eder", "\u4e94", "letzte"]


@pytest.mark.parametrize("last", ["", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("chunk", [1, 3, 1 << 18])
def test_lines_by_number(tmp_path, monkeypatch, last, mark, zipped, chunk):
    """In chunks of one byte, every character and the byte order mark are cut apart."""
    monkeypatch.setattr(lines, "_CHUNK", chunk)
    data = (mark + TEXT + last).encode()
    path = tmp_path / ("text.gz" if zipped else "text")
    path.write_bytes(gzip.compress(data) if zipped else data)
    sentences = open_sentences(path, tmp_path)
    assert list(sentences) == LINES
    assert [sentences[index] for index in range(-6, 6)] == LINES + LINES
    assert sentences[1:4] == LINES[1:4]
    assert list(sentences.take(np.array([4, 0, 4]))) == [LINES[4], LINES[0], LINES[4]]
    assert list(sentences.take(~is_blank(sentences))) == [line for line in LINES if line]
    with pytest.raises(IndexError):
        sentences[6]


def test_many_lines(tmp_path):
    expected = [f"{number} " * (number % 7) for number in range(20_000)]
    path = tmp_path / "text"
    path.write_text("\n".join(expected) + "\n", encoding="utf-8")
    assert list(open_sentences(path, tmp_path)) == [line.strip() for line in expected]


def test_a_pipe_is_copied(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("a\nb\n",))
    writer.start()
    sentences = open_sentences(path, tmp_path)
    writer.join()
    assert list(sentences) == ["a", "b"]


def test_files_of_one_name_do_not_share_their_copy(tmp_path):
    opened = []
    for name in "ab":
        (tmp_path / name).mkdir()
        path = tmp_path / name / "text.gz"
        path.write_bytes(gzip.compress(name.encode()))
        opened.append(open_sentences(path, tmp_path))
    assert [list(sentences) for sentences in opened] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"one\ntwo\nthr\xffee\n", ":3: is not UTF-8 text"),
        ("one\ntw\u00f6".encode()[:-1], ":2: is not UTF-8 text"),
        (gzip.compress(b"one\n" * 99999, mtime=0)[:-20], r":\d+: the gzip data is cut short"),
    ],
)
@pytest.mark.parametrize("chunk", [2, 1 << 18])
def test_what_cannot_be_read(tmp_path, monkeypatch, data, message, chunk):
    monkeypatch.setattr(lines, "_CHUNK", chunk)
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        open_sentences(path, tmp_path)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="nowhere: cannot be read"):
        open_sentences(tmp_path / "nowhere", tmp_path)


def test_a_scratch_directory_without_room(tmp_path):
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"Eins.\n" * 1000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(
            DataError, match=r"text\.gz\..*\.txt: cannot be written \(File too large\); make room, or let"
        ):
            open_sentences(tmp_path / "text.gz", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_files_that_are_not_aligned():
    check_aligned(("a", ["1", "2"]), ("b", ["3", "4"]))
    with pytest.raises(DataError, match=r"^b:3: has no partner: a has 2 lines and b 3; line n"):
        check_aligned(("a", ["1", "2"]), ("b", ["3", "4", "5"]))
    with pytest.raises(DataError, match=r"^a:2: has no partner: a has 2 lines and c 1;"):
        check_aligned(("a", ["1", "2"]), ("b", ["3", "4"]), ("c", ["5"]))


def test_first_occurrences_are_those_of_a_set():
    rng = np.random.default_rng(0)
    for rows, columns in itertools.product((0, 1, 200), (1, 2, 3)):
        table = rng.integers(0, 4, (columns, rows))
        seen, expected = set(), []
        for row, value in enumerate(zip(*table.tolist(), strict=True)):
            if value not in seen:
                seen.add(value)
                expected.append(row)
        assert first_occurrences(*table).tolist() == expected


def test_fingerprints_tell_sentences_apart(tmp_path):
    path = tmp_path / "text"
    path.write_text("a\nb\n a \nab\n", encoding="utf-8")
    first, second, third, fourth = fingerprints(open_sentences(path, tmp_path)).tolist()
    assert first == third
    assert len({first, second, fourth}) == 3
