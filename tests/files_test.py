import errno
import hashlib
import json
import os
import re
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lealla_tf.errors import DataError
from lealla_tf.files import (
    MANIFEST,
    atomic_directory,
    atomic_file,
    check_output_directory,
    check_writable,
    read_json,
    sha256,
    write_json,
)


def contents(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def make_ours(directory: Path, old: str = "old") -> Path:
    directory.mkdir(parents=True)
    write_json(directory / MANIFEST, {"kind": "lealla-something"})
    (directory / old).write_text(old)
    return directory


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


# --- atomic_file


def test_a_file_is_written_and_nothing_else(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("whole")
        assert temporary.parent == tmp_path / "new"  # of one file system, or the rename would be a copy
        assert temporary.suffix == ".txt"  # numpy.savez would add one
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"
    assert contents(tmp_path / "new") == {"a.txt"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failed_block_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert contents(tmp_path) == {"a.txt"}


def test_a_failed_block_leaves_no_file_where_none_was(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="half"), atomic_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise ValueError("half")
    assert contents(tmp_path) == set()


@pytest.mark.usefixtures("umask")
def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with atomic_directory(tmp_path / "d") as temporary:
        (temporary / "file").touch()
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o750
    assert os.umask(0o027) == 0o027


def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path: Path) -> None:
    """What is written to /dev/full fails as on a full disk: with ENOSPC and without the name of a file."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left") as caught, atomic_file(path), open("/dev/full", "w") as full:
        full.write("x")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text() == "old"
    assert contents(tmp_path) == {"a.txt"}


@pytest.mark.parametrize("ours", [True, False], ids=["replacing", "new"])
def test_a_limit_on_the_size_of_files(tmp_path: Path, ours: bool) -> None:
    """A real failure in the middle of writing, of a file and of a directory."""
    old = [make_ours(tmp_path / "d")] if ours else []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as file_error:
            write_json(tmp_path / "a.json", "x" * 2000)
        with pytest.raises(OSError, match="File too large") as directory_error, atomic_directory(tmp_path / "d") as new:
            (new / "big").write_bytes(b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file_error.value.filename == str(tmp_path / "a.json")
    assert directory_error.value.filename == str(tmp_path / "d")
    assert contents(tmp_path) == {path.name for path in old}
    assert not ours or contents(tmp_path / "d") == {MANIFEST, "old"}


@pytest.mark.skipif(not Path("/proc/version").is_file(), reason="needs a place where not even root may write")
def test_a_place_that_cannot_be_written() -> None:
    before = Path("/proc/version").read_text()
    with pytest.raises(OSError) as caught:  # which one differs from kernel to kernel
        write_json("/proc/version", 1)
    assert caught.value.filename == "/proc/version"
    assert Path("/proc/version").read_text() == before


def test_a_directory_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_json(tmp_path / "a.json", 1)
    assert caught.value.filename == str(tmp_path / "a.json")
    assert contents(tmp_path) == {"a.json"}


def test_an_error_about_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic_file(tmp_path / "a.txt"):
        (tmp_path / "input.txt").read_text()
    assert caught.value.filename == str(tmp_path / "input.txt")


# --- atomic_directory


def test_a_directory_is_written_and_nothing_else(tmp_path: Path) -> None:
    with atomic_directory(tmp_path / "deep" / "d") as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "file").write_text("whole")
        assert not (tmp_path / "deep" / "d").exists()
    assert (tmp_path / "deep" / "d" / "sub" / "file").read_text() == "whole"
    assert contents(tmp_path / "deep") == {"d"}


def test_our_directory_is_replaced_as_a_whole(tmp_path: Path) -> None:
    make_ours(tmp_path / "d")
    with atomic_directory(tmp_path / "d") as temporary:
        (temporary / "new").touch()
        assert contents(tmp_path / "d") == {MANIFEST, "old"}
    assert contents(tmp_path / "d") == {"new"}
    assert contents(tmp_path) == {"d"}


def test_an_empty_directory_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with atomic_directory(tmp_path / "d") as temporary:
        (temporary / "new").touch()
    assert contents(tmp_path / "d") == {"new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("ours", [True, False], ids=["replacing", "new"])
def test_a_failed_block_leaves_the_old_directory(tmp_path: Path, error: type[BaseException], ours: bool) -> None:
    if ours:
        make_ours(tmp_path / "d")
    with pytest.raises(error), atomic_directory(tmp_path / "d") as temporary:
        (temporary / "new").touch()
        raise error
    assert contents(tmp_path) == ({"d"} if ours else set())
    assert not ours or contents(tmp_path / "d") == {MANIFEST, "old"}


@pytest.mark.parametrize("error", [PermissionError, KeyboardInterrupt])
def test_the_old_directory_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Between the two renames nothing stands at the path: a failure there must not leave it so."""
    make_ours(tmp_path / "d")
    rename = os.rename

    def fail_for_the_new(source: Path, target: Path) -> None:
        if (source / "new").exists():
            raise error
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_for_the_new)
    with pytest.raises(error), atomic_directory(tmp_path / "d") as temporary:
        (temporary / "new").touch()
    assert contents(tmp_path / "d") == {MANIFEST, "old"}
    assert contents(tmp_path) == {"d"}


FOREIGN = {
    "no manifest": {"thesis.tex": "x"},
    "another program's manifest": {"manifest.json": '{"manifest_version": 3}'},
    "another kind": {"manifest.json": '{"kind": "extension"}'},
    "a list": {"manifest.json": "[]"},
    "not JSON": {"manifest.json": "kind: lealla-run"},
    "hidden files": {".git": ""},
}


@pytest.mark.parametrize("files", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_directory_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "d").mkdir()
    for name, text in files.items():
        (tmp_path / "d" / name).write_text(text)
    message = re.escape(
        f"{tmp_path / 'd'}: the directory is not empty and was not written by lealla "
        "(it has no manifest.json of ours). Name a new directory, or remove this one."
    )
    with pytest.raises(DataError, match=message):
        check_output_directory(tmp_path / "d")
    with pytest.raises(DataError, match=message), atomic_directory(tmp_path / "d"):
        pytest.fail("the block must not begin: what it makes could take hours")
    assert {path.name: path.read_text() for path in (tmp_path / "d").iterdir()} == files
    assert contents(tmp_path) == {"d"}


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("old")
    message = re.escape(f"{tmp_path / 'd'}: is a file, and a directory is to be written. Name another path.")
    with pytest.raises(DataError, match=message), atomic_directory(tmp_path / "d"):
        pytest.fail("the block must not begin")
    assert (tmp_path / "d").read_text() == "old"


def test_the_working_directory_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="busy") as caught, atomic_directory(".") as temporary:
        (temporary / "new").touch()
    assert caught.value.filename == "."
    assert contents(tmp_path) == set()


# --- the rest


def test_sha256(tmp_path: Path) -> None:
    content = os.urandom((1 << 20) + 1)  # longer than a block
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    assert sha256(tmp_path / "b") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4


def test_json_round_trip(tmp_path: Path) -> None:
    value = {"ü": [1, 2.5, None, True], "b": {"c": "汉"}}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "汉" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_a_byte_order_mark_before_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(tmp_path / "a.json") == [1]


def test_a_value_that_is_not_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {1, 2})
    assert json.loads((tmp_path / "a.json").read_text()) == 1
    assert contents(tmp_path) == {"a.json"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,\n "b": }', ":2: is not JSON (Expecting value)."),
        (b"", ":1: is not JSON (Expecting value)."),
        (b'"\xff"', ": is not UTF-8 text (byte 1)."),
        (None, ": cannot be read (No such file or directory)."),
    ],
)
def test_unreadable_json(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(f"{path}{message}")):
        read_json(path)


# --- check_writable


def test_what_can_be_written_is_told_without_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("somebody's")
    monkeypatch.chdir(tmp_path)
    for path in ("new", "deep/er/new", "file", str(tmp_path / "new")):
        check_writable(path)
    for path in ("file/new", "file/deep/er/new"):
        with pytest.raises(DataError, match=rf"^{path}: cannot be written, for .*file is a file. Name another path.$"):
            check_writable(path)
    asked = []
    monkeypatch.setattr(os, "access", lambda place, mode: asked.append(place))  # permissions bind everyone but root
    with pytest.raises(DataError, match=r"^deep/new: cannot be written, for .* is read-only. Name another path.$"):
        check_writable("deep/new")
    assert asked == [tmp_path]
    assert contents(tmp_path) == {"file"}


def test_a_directory_below_a_file_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("somebody's")
    with pytest.raises(DataError, match=r"cannot be written, for .*file is a file"):
        check_output_directory(tmp_path / "file" / "new")
