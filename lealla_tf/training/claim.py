"""The directory of a run, claimed: by one process at a time, for one configuration and corpus."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lealla_tf.checkpoints import RUN_FILE, RUN_KIND, RunDirectory
from lealla_tf.config import Config
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import atomic_file, check_writable, read_json
from lealla_tf.settings import to_dict, to_json

_LOCK = ".lock"

# Settings that say how a run is carried out and not what it computes.
_EXECUTION = ("training.strategy", "training.steps_per_execution", "training.worker_timeout")


@contextlib.contextmanager
def claimed_run(path: Path, config: Config, facts: Mapping[str, str]) -> Iterator[RunDirectory]:
    """Yields the run at `path`, a new one or one of the same making, while no other process has it.

    What a run that was killed left half-written is removed.

    Args:
        path: The directory; it need not exist.
        config: Written to `config.json`.
        facts: What the run is made of besides, by name; compared with those of the run there.

    Raises:
        DataError: if `path` holds something else than a run.
        UsageError: if another process trains there, or the run there has another
            configuration or other facts.
    """
    check_place(path)
    path.mkdir(parents=True, exist_ok=True)
    with (path / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"{path}: another process is training here; wait for it or name another --output."
            ) from error
        # Read under the lock, or it may be what another process has overwritten since.
        run = RunDirectory(path)
        _claim(run, config, facts)
        yield run


def check_place(path: Path) -> None:
    """Raises `DataError` if no run can go on or be started at `path`."""
    if path.exists() and not path.is_dir():
        raise DataError(f"{path}: is a file, and a directory is to be written; name another --output.")
    if path.is_dir() and not _is_run(path):
        raise DataError(f"{path}: the directory is not empty and holds no run; name another --output.")
    check_writable(path / RUN_FILE)


def joined_run(path: Path) -> RunDirectory:
    """The run at `path`, which the chief of several workers has claimed.

    Raises:
        DataError: if it is not there.
    """
    if not (path / RUN_FILE).is_file():
        raise DataError(
            f"{path}: the chief's run is not to be seen here; --output must name a directory that all workers share."
        )
    return RunDirectory(path)


def _is_run(path: Path) -> bool:
    """Whether a directory holds a run, or nothing but what one that was killed at its very start left."""
    if (path / RUN_FILE).is_file():
        state = read_json(path / RUN_FILE)
        return isinstance(state, dict) and state.get("kind") == RUN_KIND
    return all(item.name == _LOCK or item.name.startswith(f".{RUN_FILE}.") for item in path.iterdir())


def _claim(run: RunDirectory, config: Config, facts: Mapping[str, str]) -> None:
    """Writes what the run is made of, or checks that it is the same as before."""
    path = run.path / "config.json"
    if run.last is None:
        # Nothing was trained yet, so that what a start which failed left does not bind the next one.
        shutil.rmtree(run.path / "tensorboard", ignore_errors=True)
        run.create(facts)
    elif differing := _differences(read_json(path), to_dict(config)):
        raise UsageError(
            f"{run.path} holds a run with other settings ({'; '.join(differing[:3])}); "
            "name another --output, or give the same settings to go on with it."
        )
    elif others := [name for name, value in facts.items() if run.facts.get(name) != value]:
        raise UsageError(f"{run.path} holds a run with another {others[0]}; name another --output.")
    with atomic_file(path) as temporary:
        temporary.write_text(to_json(config), encoding="utf-8")
    for leftover in run.path.glob(".*.json*"):
        leftover.unlink()
    run.remove_others()


def _differences(before: Any, now: Any, path: str = "") -> list[str]:
    """The settings that differ and matter, as `name was before and is now`."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted(before.keys() | now.keys())
        return [text for name in names for text in _differences(before.get(name), now.get(name), f"{path}.{name}")]
    name = path.removeprefix(".")
    return [] if before == now or name in _EXECUTION else [f"{name} was {before!r} and is {now!r}"]
