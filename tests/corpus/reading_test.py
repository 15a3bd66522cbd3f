import gzip
import json
import os
import re
import threading
import tracemalloc

import pytest

from lealla_tf.corpus import lines
from lealla_tf.corpus.filtering import FileReport
from lealla_tf.corpus.reading import read_blocks, read_pairs
from lealla_tf.corpus.specification import CorpusFile
from lealla_tf.errors import DataError


def read(path, on_error="skip", target="", report=None):
    """The pairs of a TSV file, or of two aligned files if `target` is given."""
    file = CorpusFile("en-de", "moses" if target else "tsv", str(path), str(target))
    return list(read_pairs(file, on_error, report or FileReport(file.name)))


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize(
    "data",
    [
        "One.\tEins.\nTwo.\tZwei.\n",
        "One.\tEins.\nTwo.\tZwei.",
        "One.\tEins.\r\nTwo.\tZwei.\r\n",
        "\ufeffOne.\tEins.\nTwo.\tZwei.\n",
        "  One. \t\u00a0Eins.\n\u3000Two.\t Zwei.  \n",
    ],
    ids=["newline", "no last newline", "CRLF", "byte order mark", "spaces"],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_tsv(tmp_path, data, zipped):
    content = gzip.compress(data.encode()) if zipped else data
    path = write(tmp_path / ("a.tsv.gz" if zipped else "a.tsv"), content)
    report = FileReport("a")
    assert read(path, report=report) == [("One.", "Eins."), ("Two.", "Zwei.")]
    assert not report.dropped
    assert read(path, on_error="stop") == [("One.", "Eins."), ("Two.", "Zwei.")]


def test_gzip_in_several_members(tmp_path):
    path = write(tmp_path / "a.tsv.gz", gzip.compress(b"a\tb\nc") + gzip.compress(b"\td\n"))
    assert read(path) == [("a", "b"), ("c", "d")]


def test_only_newlines_end_lines(tmp_path):
    text = "a\u2028b\u0085c\x0bd\x0ce\x1df\u2029g\rh"
    assert read(write(tmp_path / "a.tsv", f"{text}\tx\n")) == [(text, "x")]


def test_sides_may_be_empty_and_text_is_not_normalised(tmp_path):
    decomposed = "u\u0308"
    assert read(write(tmp_path / "a.tsv", f"\t\n{decomposed}\t \n")) == [("", ""), (decomposed, "")]


def test_a_pipe_can_be_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(gzip.compress(b"a\tb\n"),))
    thread.start()
    assert read(path) == [("a", "b")]
    thread.join()


LONG = b"x" * (1 << 20)
BAD_LINES = {
    "no_tab": (b"no tab here", "the line has no tab; write source<TAB>target"),
    "extra_tabs": (b"a\tb\tc", "the line has more than one tab; write source<TAB>target"),
    "not_utf8": (b"Gr\xfc\xdfe\tx", "the line is not UTF-8; convert the file to UTF-8"),
    "nul_byte": (b"a\0\tb", "the line holds a NUL byte; remove it"),
    "line_too_long": (LONG + b"\ty", "the line is longer than 1,048,576 bytes; split or remove it"),
}


@pytest.mark.parametrize("reason", BAD_LINES)
def test_malformed_lines_are_counted_and_skipped(tmp_path, reason):
    bad, _ = BAD_LINES[reason]
    path = write(tmp_path / "a.tsv", b"\n".join([b"a\tb", b"c\td", bad, b"e\tf", bad, b"g\th", b""]))
    report = FileReport("a")
    assert read(path, report=report) == [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")]
    assert report.dropped == {reason: 2}
    assert report.first == {reason: f"{path}:3"}


@pytest.mark.parametrize("reason", BAD_LINES)
def test_stop_raises_at_the_first_malformed_line(tmp_path, reason):
    bad, message = BAD_LINES[reason]
    path = write(tmp_path / "a.tsv", b"a\tb\n" + bad + b"\n")
    with pytest.raises(
        DataError, match=f"^{re.escape(f'{path}:2: {message}, or skip such ones with --on-error=skip.')}$"
    ):
        read(path, on_error="stop")


def test_all_reasons_in_one_file(tmp_path):
    path = write(tmp_path / "a.tsv", b"".join(bad + b"\n" for bad, _ in BAD_LINES.values()) + b"a\tb\n")
    report = FileReport("a")
    assert read(path, report=report) == [("a", "b")]
    assert report.first == {reason: f"{path}:{line}" for line, reason in enumerate(BAD_LINES, 1)}


def test_bytes_that_are_not_shortest_utf8_or_are_surrogates_are_malformed(tmp_path):
    report = FileReport("a")
    assert read(write(tmp_path / "a.tsv", b"\xc0\xaf\tx\n\xed\xa0\x80\tx\nok\tx\n"), report=report) == [("ok", "x")]
    assert report.dropped == {"not_utf8": 2}


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 24])
def test_pieces_may_end_anywhere(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(lines, "_CHUNK", chunk)
    monkeypatch.setattr(lines, "MAX_LINE", 24)
    path = write(tmp_path / "a.tsv", "\ufeffÄ\tß\n" + "y" * 30 + "\tz\nüü\t漢字\n\nnope\n" + "q" * 99)
    report = FileReport("a")
    assert read(path, report=report) == [("Ä", "ß"), ("üü", "漢字")]
    assert report.dropped == {"line_too_long": 2, "no_tab": 2}
    assert report.first == {"line_too_long": f"{path}:2", "no_tab": f"{path}:4"}


def test_the_longest_line_is_kept(tmp_path):
    source = "x" * ((1 << 20) - 2)
    assert read(write(tmp_path / "a.tsv", f"{source}\ty\n")) == [(source, "y")]


def test_a_large_file_without_newline_does_not_fill_memory(tmp_path):
    path = tmp_path / "zeros.tsv"
    with open(path, "wb") as file:
        file.truncate(200 << 20)  # sparse
    report = FileReport("a")
    tracemalloc.start()
    try:
        assert read(path, report=report) == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.dropped == {"line_too_long": 1}
    assert peak < 8 << 20


def test_blocks_follow_the_file(tmp_path):
    pairs = [(f"source {number}", f"target {number}") for number in range(50_000)]
    path = write(tmp_path / "a.tsv", "".join(f"{source}\t{target}\n" for source, target in pairs))
    blocks = list(read_blocks(CorpusFile("en-de", "tsv", str(path)), "stop", FileReport("a")))
    assert len(blocks) > 3
    assert [pair for block in blocks for pair in block] == pairs


def test_a_cut_gzip_file_is_named_with_the_line_reached(tmp_path):
    content = gzip.compress(b"".join(b"%d\t%d\n" % (number * 7919, number**3) for number in range(10_000)))
    path = write(tmp_path / "a.tsv.gz", content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}:(\d+): the gzip data is cut short") as caught:
        read(path)
    assert 1_000 < int(str(caught.value).split(":")[1]) < 9_000


def test_corrupt_gzip_data(tmp_path):
    content = bytearray(gzip.compress(b"a\tb\n" * 100))
    content[-6] ^= 1  # the checksum
    path = write(tmp_path / "a.tsv.gz", bytes(content))
    with pytest.raises(DataError, match=r"a\.tsv\.gz:101: the gzip data is cut short or damaged here \(CRC"):
        read(path)
    content[10] |= 6  # an invalid type of block
    with pytest.raises(DataError, match=r"a\.tsv\.gz:1: the gzip data is cut short or damaged here \(Error -3"):
        read(write(path, bytes(content)))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.tsv", b"", "is empty; name a file with text."),
        ("a.tsv.gz", b"", "is empty; name a file with text."),
        ("a.tsv.gz", gzip.compress(b"", mtime=0), "is empty; name a file with text."),
        ("a.tsv.gz", b"a\tb\n", "is not gzip data; compress it, or name it without .gz."),
        ("a.tsv", "a\tb\n".encode("utf-16"), "is UTF-16; write it as UTF-8, for example with iconv."),
    ],
)
def test_files_that_are_not_text(tmp_path, name, data, message):
    path = write(tmp_path / name, data)
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}: {message}')}$"):
        read(path)


def test_missing_files_and_directories(tmp_path):
    message = re.escape(f"{tmp_path}/none: cannot be read (No such file or directory); name a readable file.")
    with pytest.raises(DataError, match=message):
        read(tmp_path / "none")
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}: is a directory; name a file.")):
        read(tmp_path)
    ok = write(tmp_path / "ok", b"a\n")
    with pytest.raises(DataError, match=message):
        read(ok, target=tmp_path / "none")


def test_on_error_is_validated(tmp_path):
    with pytest.raises(ValueError, match=r"`on_error` must be skip or stop\. Received: on_error='ignore'\."):
        read_blocks(CorpusFile("en-de", "tsv", str(tmp_path)), "ignore", FileReport("a"))


def test_aligned_files(tmp_path):
    source = write(tmp_path / "a.en", "\ufeffOne.\r\n\nThree\tfields.\nFour.")
    target = write(tmp_path / "a.de.gz", gzip.compress(b"Eins.\nZwei.\nDrei.\n Vier. \n"))
    expected = [("One.", "Eins."), ("", "Zwei."), ("Three\tfields.", "Drei."), ("Four.", "Vier.")]
    assert read(source, target=target) == expected


@pytest.mark.parametrize("chunk", [1, 5, 4096])
def test_malformed_lines_of_aligned_files_drop_their_pair(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(lines, "_CHUNK", chunk)
    source = write(tmp_path / "a.en", b"1\n2\xff\n3\n4\0\n5\n")
    target = write(tmp_path / "a.de", b"i\nii\niii\xff\niv\xff\nv\n")
    report = FileReport("a")
    assert read(source, target=target, report=report) == [("1", "i"), ("5", "v")]
    assert report.dropped == {"not_utf8": 2, "nul_byte": 1}
    assert report.first == {"not_utf8": f"{source}:2", "nul_byte": f"{source}:4"}
    with pytest.raises(DataError, match=re.escape(f"{source}:2: the line is not UTF-8")):
        read(source, "stop", target=target)


@pytest.mark.parametrize("longer", ["source", "target"])
def test_aligned_files_of_different_lengths(tmp_path, monkeypatch, longer):
    monkeypatch.setattr(lines, "_CHUNK", 16)
    counts = {"source": 3, "target": 3, longer: 1234}
    source = write(tmp_path / "a.en", b"one\n" * counts["source"])
    target = write(tmp_path / "a.de", b"eins\n" * counts["target"])
    message = f"{source} has {counts['source']:,} lines and {target} has {counts['target']:,}; line n of one"
    with pytest.raises(DataError, match=re.escape(message)):
        read(source, target=target)


def test_shards_are_read_through_their_module(tmp_path):
    manifest = {"kind": "lealla-shards", "complete": True, "language_pairs": {"en-fr": {}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(DataError, match="has no pairs of en-de; it has en-fr"):
        list(read_pairs(CorpusFile("en-de", "shards", str(tmp_path)), "skip", FileReport("a")))
