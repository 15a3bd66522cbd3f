"""`lealla embed`, with a model that counts characters."""

import argparse
import gzip
import re
import subprocess
import sys
import tracemalloc
import types

import numpy as np
import pytest

from lealla_tf.cli import embed
from lealla_tf.cli.arguments import import_tensorflow
from lealla_tf.errors import DataError, UsageError


class FakeEncoder:
    """A sentence's length, and the code of its last character (or -1)."""

    dim = 2
    fingerprint = "print"

    def __init__(self):
        self.sizes = []

    def embed(self, sentences, progress=lambda done: None):
        self.sizes.append(len(sentences))
        progress(len(sentences))
        return np.array([[len(s), ord(s[-1]) if s else -1] for s in sentences], np.float32)


class FailingEncoder(FakeEncoder):
    def embed(self, sentences, progress=lambda done: None):
        raise DataError("the model: cannot be used.")


@pytest.fixture
def loaded(monkeypatch):
    """Puts an encoder in the place of every model and records what was asked for."""
    calls = []

    def use(encoder):
        module = types.ModuleType("lealla_tf.inference.loading")
        module.load_sentence_encoder = lambda *asked: calls.append(asked) or encoder
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return calls

    use(FakeEncoder())
    return use


def run(*arguments):
    parser = argparse.ArgumentParser()
    embed.add_arguments(parser)
    embed.run(parser.parse_args(["the/model", *map(str, arguments)]))


def embedded(tmp_path, data, name="x.txt"):
    """The rows of a file with these bytes."""
    (tmp_path / name).write_bytes(data)
    run("--input", tmp_path / name, "--output", tmp_path / "x.npy")
    return np.load(tmp_path / "x.npy").tolist()


A, BB, EMPTY = [1, ord("a")], [2, ord("b")], [0, -1]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a\nbb\n", [A, BB]),
        (b"a\nbb", [A, BB]),
        (b"a\r\nbb\r\n", [A, BB]),
        (b"\xef\xbb\xbfa\nbb\n", [A, BB]),
        (b"a\n\n\nbb\n", [A, EMPTY, EMPTY, BB]),
        (b"\na\n\n", [EMPTY, A, EMPTY]),
        (b"\n", [EMPTY]),
        (b"\xef\xbb\xbf", [EMPTY]),
        (gzip.compress(b"a\nbb\n", mtime=0), [A, BB]),
        ("a\u2028a\x85\x0ca\n".encode(), [[6, ord("a")]]),
    ],
    ids=[
        "lines",
        "no last newline",
        "CRLF",
        "byte order mark",
        "empty lines",
        "ends",
        "one empty",
        "BOM",
        "gzip",
        "separators",
    ],
)
def test_row_n_is_line_n(loaded, tmp_path, data, rows):
    assert embedded(tmp_path, data) == rows


def test_a_file_may_be_named_gz(loaded, tmp_path):
    assert embedded(tmp_path, gzip.compress(b"a\nbb"), "x.txt.gz") == [A, BB]


def test_text_goes_to_stdout_and_progress_to_stderr(loaded, tmp_path, capfd):
    calls = loaded(FakeEncoder())
    (tmp_path / "x.txt").write_text("a\nbb\n", encoding="utf-8")
    run("--input", tmp_path / "x.txt", "--preprocessor", "the/preprocessor", "--dtype", "bfloat16")
    out, err = capfd.readouterr()
    assert out == "1\t97\n2\t98\n"
    assert re.fullmatch(r"2 sentences in \d+\.\d s, [\d,]+ sentences/s\n", err)
    assert calls == [("the/model", "the/preprocessor", "bfloat16")]


def test_progress_is_shown_while_it_works(loaded, tmp_path, capfd, monkeypatch):
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr(embed.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(embed, "_CHUNK", 2)
    (tmp_path / "x.txt").write_text("a\nb\nc\n", encoding="utf-8")
    run("--input", tmp_path / "x.txt", "--output", tmp_path / "x.tsv")
    assert [line.split(",")[0] for line in capfd.readouterr().err.splitlines()[:2]] == ["2 sentences", "3 sentences"]


def test_a_large_file_is_embedded_in_bounded_memory(loaded, tmp_path):
    encoder = FakeEncoder()
    loaded(encoder)
    line = "x" * 30
    (tmp_path / "x.txt").write_text(f"{line}\n" * 600_000, encoding="utf-8")
    import_tensorflow()  # or what its import takes would be counted
    tracemalloc.start()
    try:
        run("--input", tmp_path / "x.txt", "--output", tmp_path / "x.npy")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.load(tmp_path / "x.npy", mmap_mode="r").shape == (600_000, 2)
    assert max(encoder.sizes) == 16_384 and sum(encoder.sizes) == 600_000
    # All lines at once would be 600,000 * (30 + 49 + 8) bytes = 52 MB; a chunk and the one after it are 3 MB.
    assert peak < 13e6


@pytest.mark.parametrize("name", ["x.npy", "x.tsv"])
def test_a_failing_model_leaves_the_old_file(loaded, tmp_path, name):
    loaded(FailingEncoder())
    (tmp_path / "x.txt").write_text("a\n", encoding="utf-8")
    (tmp_path / name).write_text("old", encoding="utf-8")
    with pytest.raises(DataError, match=r"^the model: cannot be used.$"):
        run("--input", tmp_path / "x.txt", "--output", tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["x.txt", name])


class StoppingEncoder(FakeEncoder):
    """As if it were killed at its second chunk."""

    def embed(self, sentences, progress=lambda done: None):
        if self.sizes:
            raise KeyboardInterrupt
        return super().embed(sentences, progress)


LINES = ["a", "bb", "ccc", "dddd", "eeeee"]


@pytest.fixture
def begun(loaded, tmp_path, monkeypatch):
    """A function that embeds five lines, two at a time, and is stopped after the first two; gives its arguments."""
    monkeypatch.setattr(embed, "_CHUNK", 2)

    def begin(name="x.npy"):
        (tmp_path / "x.txt").write_text("\n".join(LINES), encoding="utf-8")
        arguments = ["--input", tmp_path / "x.txt", "--output", tmp_path / name]
        loaded(StoppingEncoder())
        with pytest.raises(KeyboardInterrupt):
            run(*arguments)
        loaded(FakeEncoder())
        return arguments

    return begin


@pytest.mark.parametrize("name", ["x.npy", "x.tsv"])
def test_the_same_command_goes_on_and_ends_with_the_same_file(loaded, tmp_path, begun, capfd, name):
    arguments = begun(name)
    (tmp_path / "whole").mkdir()
    run(*arguments[:3], tmp_path / "whole" / name)
    capfd.readouterr()
    encoder = FakeEncoder()
    loaded(encoder)
    run(*arguments)
    assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert encoder.sizes == [2, 1]
    messages = capfd.readouterr().err.splitlines()
    assert messages[0] == f"going on with {tmp_path / name}.partial, which holds 2 sentences"
    assert messages[1].startswith("3 sentences in ")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["x.txt", "whole", name])


@pytest.mark.parametrize(
    "lines",
    [["a", "bx", *LINES[2:]], LINES[:1], ["a bb", *LINES[1:]], ["a\n", *LINES[1:]], ["", *LINES]],
    ids=["other", "fewer", "joined", "split", "moved"],
)
def test_a_changed_input_is_not_gone_on_with(tmp_path, begun, lines):
    arguments = begun()
    (tmp_path / "x.txt").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=r"x.txt: its first 2 lines are not those that were embedded before; restore"):
        run(*arguments)
    (tmp_path / "x.txt").write_text("\n".join(LINES), encoding="utf-8")
    run(*arguments)
    assert np.load(tmp_path / "x.npy")[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_what_comes_after_the_lines_that_were_embedded_may_change(tmp_path, begun):
    """A line that could not be read, for one, which ended the command."""
    arguments = begun()
    (tmp_path / "x.txt").write_text("a\nbb\nxx", encoding="utf-8")
    run(*arguments)
    assert np.load(tmp_path / "x.npy").tolist() == [A, BB, [2, ord("x")]]


def test_another_model_does_not_go_on(loaded, tmp_path, begun):
    arguments = begun()
    other = FakeEncoder()
    other.fingerprint = "other"
    loaded(other)
    with pytest.raises(DataError, match=r"x.npy.partial: was begun with another model; use that, or remove .*json"):
        run(*arguments)
    (tmp_path / "x.npy.partial.json").unlink()
    run(*arguments)
    assert len(np.load(tmp_path / "x.npy")) == 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\n\xff\n", r"x.txt:2: cannot be embedded \(not utf8\); mend or remove the line.$"),
        (b"a\nb\0\n\xff\n", r"x.txt:2: cannot be embedded \(nul byte\)"),
        (b"x" * (1 << 21), r"x.txt:1: cannot be embedded \(line too long\)"),
        (b"", r"x.txt: is empty; name a file with text.$"),
        (gzip.compress(b"a\n" * 9, mtime=0)[:-9], r"x.txt:\d+: the gzip data is cut short or damaged here"),
        ("a\n".encode("utf-16"), r"x.txt: is UTF-16; write it as UTF-8"),
    ],
    ids=["not UTF-8", "NUL", "long", "empty", "cut gzip", "UTF-16"],
)
def test_what_cannot_be_read_is_told_and_nothing_written(loaded, tmp_path, data, message):
    with pytest.raises(DataError, match=message):
        embedded(tmp_path, data)
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]


def test_mistakes_are_told_before_the_model_is_loaded(loaded, tmp_path):
    calls = loaded(FakeEncoder())
    (tmp_path / "x.txt").write_text("a\n", encoding="utf-8")
    (tmp_path / "dir.npy").mkdir()
    for arguments, error, message in [
        (["--output", "x.txt"], UsageError, r"^--output must end in .npy or .tsv. Received: x.txt.$"),
        (
            ["--output", tmp_path / "dir.npy"],
            UsageError,
            r"^--output must name a file. Received: .*which is a directory",
        ),
        (["--input", tmp_path / "no.txt"], DataError, r"no.txt: cannot be read \(No such file or directory\)"),
        (["--input", tmp_path], DataError, r"is a directory; name a file"),
        (["--output", tmp_path / "x.txt" / "y.npy"], DataError, r"y.npy: cannot be written, for .*x.txt is a file"),
    ]:
        with pytest.raises(error, match=message):
            run("--input", tmp_path / "x.txt", *arguments)
    assert calls == []


def test_the_output_may_be_in_a_new_directory(loaded, tmp_path):
    (tmp_path / "x.txt").write_text("a\n", encoding="utf-8")
    run("--input", tmp_path / "x.txt", "--output", tmp_path / "new" / "x.npy")
    assert np.load(tmp_path / "new" / "x.npy").tolist() == [A]


PROGRAM = """
import sys, types
import numpy as np

class Encoder:
    dim = 1
    fingerprint = ""
    def embed(self, sentences, progress):
        return np.array([[len(sentence)] for sentence in sentences], np.float32)

sys.modules["lealla_tf.inference.loading"] = module = types.ModuleType("loading")
module.load_sentence_encoder = lambda *asked: Encoder()
from lealla_tf.cli.main import main
main(["lealla", "embed", "the/model", *sys.argv[1:]])
"""


def command(*arguments, **streams):
    return subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, check=False, **streams)


def test_standard_input_may_be_a_pipe_or_a_file(tmp_path):
    piped = command(input=b"a\n\nccc")
    assert (piped.returncode, piped.stdout) == (0, b"1\n0\n3\n")
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"a\nbb\n"))
    with (tmp_path / "x.gz").open("rb") as file:
        redirected = command("--input", "-", stdin=file)
    assert (redirected.returncode, redirected.stdout) == (0, b"1\n2\n")


def test_a_mistake_in_standard_input_is_one_line():
    for data, message in [(b"a\n\xff\n", "/dev/stdin:2: cannot be embedded (not utf8)"), (b"", "/dev/stdin: is empty")]:
        failed = command(input=data)
        assert failed.returncode == 1 and failed.stdout == b""
        assert failed.stderr.decode().startswith(f"lealla: {message}") and failed.stderr.count(b"\n") == 1


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    """As in `lealla embed ... | head`: no traceback, and the process ends."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    (tmp_path / "x.txt").write_text("a\n" * 100_000, encoding="utf-8")
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "--input", str(tmp_path / "x.txt")], **streams) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, b"")


def test_declaring_the_command_imports_nothing_heavy():
    program = (
        "import sys, argparse; from lealla_tf.cli import embed; embed.add_arguments(argparse.ArgumentParser());"
        "print(sorted({'numpy', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
