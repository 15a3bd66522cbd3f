"""Writing so that nothing half-written ever stands in the place of something good."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lealla_tf.errors import DataError

MANIFEST = "manifest.json"

# What the `kind` of every manifest of this project begins with.  Other programs name files manifest.json too.
_OUR_KIND = "lealla-"

# Errors of write(), which does not know the name of the file.
_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields the path of an empty file beside `path`, which takes its place if the block succeeds.

    Raises:
        OSError: if the file cannot be written; its `filename` is `path`. What stood there stays.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _new_sibling(target)
    with errors_naming(target, temporary):
        # Not by `tempfile`, which hides what it makes from everyone but its owner.
        temporary.touch(exist_ok=False)
        try:
            yield temporary
            _flush(temporary)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields an empty temporary directory beside `path`, which takes its place at the end.

    A directory that stands at `path` already is replaced only if it is empty or holds one
    of our manifests; it is moved aside first and put back if the last rename fails.

    Raises:
        DataError: if `path` is a file, or a non-empty directory that is not ours.
        OSError: if something cannot be written; what stood at `path` stays.
    """
    target = Path(path)
    check_output_directory(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _new_sibling(target)
    with errors_naming(target, temporary):
        temporary.mkdir()
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _flush(file)
            _put_in_place(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_output_directory(path: str | os.PathLike[str]) -> None:
    """Raises `DataError` if `path` holds what is not this project's to replace, or cannot be written."""
    target = Path(path)
    if target.is_dir():
        if any(target.iterdir()) and not _is_ours(target / MANIFEST):
            raise DataError(
                f"{target}: the directory is not empty and was not written by lealla (it has no {MANIFEST} of ours). "
                "Name a new directory, or remove this one."
            )
    elif target.exists():
        raise DataError(f"{target}: is a file, and a directory is to be written. Name another path.")
    check_writable(target)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raises `DataError` if nothing can be written at `path`: for use before the work whose result goes there."""
    target = Path(path)
    place = next(parent for parent in target.absolute().parents if parent.exists())
    if not place.is_dir():
        raise DataError(f"{target}: cannot be written, for {place} is a file. Name another path.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise DataError(f"{target}: cannot be written, for {place} is read-only. Name another path.")


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value of a JSON file.

    Raises:
        DataError: if the file is missing, not UTF-8 or not JSON; names the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: is not JSON ({error.msg}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start}).") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _is_ours(manifest: Path) -> bool:
    """Whether there is such a file and it says to be this project's."""
    if not manifest.is_file():
        return False
    try:
        content = read_json(manifest)
    except DataError:
        return False
    return isinstance(content, dict) and str(content.get("kind")).startswith(_OUR_KIND)


def _new_sibling(target: Path) -> Path:
    """A path beside `target` at which nothing stands; hidden, and of the same suffix."""
    return target.parent / f".{target.name}.{secrets.token_hex(4)}{target.suffix}"


def _put_in_place(temporary: Path, target: Path) -> None:
    """Renames a directory to `target`, whose old content goes only once the new one stands."""
    if not target.exists():
        os.rename(temporary, target)
        return
    old = _new_sibling(target)
    os.rename(target, old)
    try:
        os.rename(temporary, target)
    finally:
        if not target.exists():
            os.rename(old, target)
    shutil.rmtree(old)


@contextlib.contextmanager
def errors_naming(target: Path, temporary: Path) -> Iterator[None]:
    """Lets an `OSError` in writing `temporary` name `target`: the other name tells its reader nothing."""
    try:
        yield
    except OSError as error:
        unnamed = error.filename is None and error.errno in _WRITE_ERRORS
        if unnamed or str(error.filename).startswith(str(temporary)):
            error.filename, error.filename2 = str(target), None
        raise


def _flush(path: Path) -> None:
    """Forces a file's bytes to the disk, so that a rename never outruns its content."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
