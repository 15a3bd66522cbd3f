"""Writing so that nothing half-written ever stands in the place of something good."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lealla_tf.errors import DataError

MANIFEST = "manifest.json"


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it to `path` if the block succeeds."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 would hide the file from its other readers
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields an empty temporary directory beside `path`, which takes its place at the end.

    A directory that stands at `path` already is replaced only if it holds one of our
    manifests; it is moved aside first and put back if the last rename fails.

    Raises:
        DataError: if `path` is a file, or a non-empty directory without a manifest.
    """
    target = Path(path)
    check_output_directory(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush(file)
        temporary.chmod(0o755)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
            os.rename(target, old / target.name)
            try:
                os.rename(temporary, target)
            except OSError:
                os.rename(old / target.name, target)
                raise
            shutil.rmtree(old)
        else:
            os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_output_directory(path: str | os.PathLike[str]) -> None:
    """Raises `DataError` if `path` holds something that is not this project's to replace."""
    target = Path(path)
    if target.is_dir():
        if any(target.iterdir()) and not (target / MANIFEST).is_file():
            raise DataError(
                f"{target}: the directory is not empty and was not written by lealla (it has no {MANIFEST}). "
                "Name a new directory, or remove this one."
            )
    elif target.exists():
        raise DataError(f"{target}: is a file, and a directory is to be written. Name another path.")


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
        text = Path(path).read_text(encoding="utf-8")
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


def _flush(path: Path) -> None:
    """Forces a file's bytes to the disk, so that a rename never outruns its content."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
