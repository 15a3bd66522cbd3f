"""Processes of their own, for what a process can do but once: choose its devices, be killed."""

import dataclasses
import multiprocessing
import os
import runpy
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@dataclasses.dataclass
class Child:
    """A process that runs a program of this directory."""

    process: ForkServerProcess
    out: Path
    err: Path

    def wait(self, seconds: float = 120) -> int:
        """The exit code; minus the signal's number if one killed it."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"still running after {seconds} s: {self.err.read_text()}")
        return self.process.exitcode

    def errors(self) -> str:
        """What it wrote to standard error."""
        return self.err.read_text()


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Child]:
    """Starts `program arguments...` in a new process that has TensorFlow imported already.

    The processes are forked from one that has imported it and done nothing else, which saves
    the five seconds of the import each time.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lealla_tf.training.run", "lealla_tf.inference.loading"])
    directory = tmp_path_factory.mktemp("processes")
    # What the children log about missing GPUs is of no interest.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def start(program: str, *arguments: object, **environment: str) -> Child:
        number = sum(1 for _ in directory.iterdir())
        out, err = (directory / f"{number:03}.{name}" for name in ("out", "err"))
        out.touch(), err.touch()
        settings = {
            "PROGRAM": str(_HERE / program),
            "ARGUMENTS": [str(argument) for argument in arguments],
            "OUT": str(out),
            "ERR": str(err),
            "ENVIRONMENT": environment,
        }
        process = context.Process(target=runpy.run_path, args=(str(_HERE / "child.py"), settings, "__main__"))
        process.start()
        return Child(process, out, err)

    return start
