"""Processes of their own, for what a process can do but once: choose its devices, be killed."""

import contextlib
import dataclasses
import json
import multiprocessing
import os
import random
import runpy
import socket
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
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

    def complaint(self, code: int) -> str:
        """Its last line, after it has ended with this code and without a traceback."""
        assert self.wait() == code, self.errors()
        assert "Traceback" not in self.errors()
        return self.errors().splitlines()[-1]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Child]:
    """Starts `program arguments...` in a new process that has TensorFlow imported already.

    The processes are forked from one that has imported it and done nothing else, which saves
    the five seconds of the import each time.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["lealla_tf.training.distillation", "lealla_tf.inference.loading", "lealla_tf.cli.main"]
    )
    directory = tmp_path_factory.mktemp("processes")
    # What the children log about missing GPUs is of no interest.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def start(program: str, *arguments: object, **environment: str) -> Child:
        number = sum(1 for _ in directory.iterdir())
        out, err = (directory / f"{number:03}.{name}" for name in ("out", "err"))
        out.touch(), err.touch()
        settings = {
            "program": str(_HERE / program),
            "arguments": [str(argument) for argument in arguments],
            "out": str(out),
            "err": str(err),
            "environment": environment,
        }
        arguments_of_run = (str(_HERE / "child.py"), {"SETTINGS": settings}, "__main__")
        process = context.Process(target=runpy.run_path, args=arguments_of_run)
        process.start()
        return Child(process, out, err)

    return start


def make_cluster() -> list[str]:
    """The `TF_CONFIG` of each of two workers on this machine."""
    with contextlib.ExitStack() as stack:
        # Held open together, so that no port is given out twice.
        sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(2)]
        addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    return [json.dumps({"cluster": {"worker": addresses}, "task": task}) for task in tasks]


@pytest.fixture(scope="session")
def cluster() -> Callable[[], list[str]]:
    """Gives the `TF_CONFIG` of two workers, with ports of their own."""
    return make_cluster


WORDS = 40
SETTINGS = {
    "encoder": {
        "hidden_dim": 32,
        "num_layers": 1,
        "num_heads": 2,
        "intermediate_dim": 32,
        "max_positions": 16,
        "dropout": 0.02,
        # BERT's 0.02 is so little for kernels this small that all sentences come out alike.
        "initializer_range": 0.2,
    },
    "batch": {"size": 32, "length": 10, "buckets": [6, 8], "window": 4},
    "loss": {"feature": 0.0, "logit": 0.0, "margin": 0.1, "scale": 10.0, "temperature": 10.0},
    "optimizer": {"learning_rate": 0.005, "warmup_steps": 5},
    "training": {"steps": 80, "checkpoint_every": 16, "log_every": 5, "seed": 3},
    "validation": {"pairs": 50},
}


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `de.tsv`, `fr.tsv`, `vocabulary.txt` and `config.json` of a task learnt in seconds.

    A sentence is 2 to 6 of 40 words, and its translation is the same words under other names.
    """
    directory = tmp_path_factory.mktemp("task")
    generator = random.Random(0)
    for language in ("de", "fr"):
        sentences = [[generator.randrange(WORDS) for _ in range(generator.randint(2, 6))] for _ in range(500)]
        sides = [[" ".join(f"{name}{word}" for word in words) for words in sentences] for name in ("e", language)]
        rows = "".join(f"{source}\t{target}\n" for source, target in zip(*sides, strict=True))
        (directory / f"{language}.tsv").write_text(rows)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [f"{name}{word}" for name in ("e", "de", "fr") for word in range(WORDS)]
    (directory / "vocabulary.txt").write_text("".join(f"{piece}\n" for piece in pieces))
    (directory / "config.json").write_text(json.dumps(SETTINGS))
    return directory


class Run:
    """A run of `lealla train` on the task, and what it wrote."""

    def __init__(self, start: Callable[..., Child], task: Path, path: Path) -> None:
        self.path = path
        self._start, self._task = start, task

    def start(self, *more: object, **environment: str) -> Child:
        """Starts it, or goes on with it; `environment` is that of `command.py`."""
        corpus = [f"--corpus={language}={self._task / f'{language}.tsv'}" for language in ("de", "fr")]
        return self.start_on(*corpus, *more, **environment)

    def start_on(self, *more: object, **environment: str) -> Child:
        """The same on another corpus."""
        files = [f"--config={self._task / 'config.json'}", f"--vocabulary={self._task / 'vocabulary.txt'}"]
        return self._start("command.py", "train", *files, f"--output={self.path}", *more, **environment)

    def start_workers(
        self, *more: object, others: Sequence[object] = (), hooks: Sequence[str] = ("", "")
    ) -> list[Child]:
        """Starts it, or goes on with it, as two workers, each with a hook of `command.py` or none.

        `others` are further arguments of the one that is not the chief.
        """
        chief, other = make_cluster()
        environments = [
            {"TF_CONFIG": config, **({"HOOK": hook} if hook else {})}
            for config, hook in zip((chief, other), hooks, strict=True)
        ]
        arguments = ("--strategy=multi_worker", *more)
        return [self.start(*arguments, **environments[0]), self.start(*arguments, *others, **environments[1])]

    def train(self, *more: object, **environment: str) -> int:
        """Trains until it ends somehow; gives the exit code."""
        return self.start(*more, **environment).wait()

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.path / "run.json").read_text())

    @property
    def last_step(self) -> int:
        return int(self.state["last"][-8:])

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "metrics.jsonl").read_text().splitlines()]

    @property
    def losses(self) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if "loss" in entry]

    @property
    def validations(self) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if "validation/precision_at_1" in entry]

    def last(self, name: str = "training") -> dict[str, np.ndarray]:
        """The arrays of the last checkpoint."""
        with np.load(self.path / self.state["last"] / f"{name}.npz") as file:
            return dict(file)

    def assert_is(self, other: "Run") -> None:
        """Bit for bit the same state, a log without gaps or repetitions, and nothing left over."""
        found, expected = self.last(), other.last()
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)
        kinds = [[(entry["step"], "loss" in entry) for entry in run.entries] for run in (self, other)]
        assert kinds[0] == kinds[1]
        assert self.validations == other.validations
        assert self.state == other.state
        assert not [path for path in self.path.rglob(".*") if path.name != ".lock"]


@pytest.fixture
def run(start: Callable[..., Child], task: Path, tmp_path: Path) -> Run:
    """A run to be."""
    return Run(start, task, tmp_path / "run")


@pytest.fixture(scope="session")
def make_run(start: Callable[..., Child], task: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Gives runs to be, by name."""
    return lambda name: Run(start, task, tmp_path_factory.mktemp(name) / "run")


@pytest.fixture(scope="session")
def unbroken(start: Callable[..., Child], task: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing happened to, for all tests to look at."""
    unbroken = Run(start, task, tmp_path_factory.mktemp("runs") / "unbroken")
    child = unbroken.start()
    assert child.wait() == 0, child.errors()
    assert child.out.read_text() == f"{unbroken.path / unbroken.state['best']}\n"
    return unbroken
