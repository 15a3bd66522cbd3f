"""The workers of a run on several machines: who they are, and whether all of them are there."""

import contextlib
import json
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lealla_tf.errors import UsageError, UserError

# How long a worker that was not answered waits before it asks again, and for a part of a message.
_PAUSE = 0.3
_ANSWER = 5.0

_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """The addresses `host:port` of all workers, the chief first, and which of them this process is."""

    addresses: tuple[str, ...]
    index: int

    @classmethod
    def from_environment(cls) -> "Cluster":
        """The cluster that `TF_CONFIG` describes.

        Raises:
            UsageError: if it is not set or does not describe a cluster of workers.
        """
        text = os.environ.get("TF_CONFIG", "")
        if not text:
            raise UsageError(
                "The strategy multi_worker needs the environment variable TF_CONFIG, which names all workers and says "
                f"which of them this is: TF_CONFIG='{_EXAMPLE}'."
            )
        try:
            return cls._parse(json.loads(text))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            reason = f"{error!s} is missing" if isinstance(error, KeyError) else str(error)
            raise UsageError(f"TF_CONFIG must be like {_EXAMPLE} ({reason}). Received: {text[:200]}") from error

    @classmethod
    def _parse(cls, values: Any) -> "Cluster":
        """A cluster from the JSON of `TF_CONFIG`."""
        jobs, task = values["cluster"], values["task"]
        if others := sorted({*jobs, task["type"]} - {"chief", "worker"}):
            raise ValueError(f"a job may be chief or worker, and not {others[0]}")
        chiefs, workers = (list(jobs.get(job, ())) for job in ("chief", "worker"))
        addresses = (*chiefs, *workers)
        if len(chiefs) > 1 or len(set(addresses)) < len(addresses):
            raise ValueError("an address is there twice, or a second chief")
        for address in addresses:
            host, _, port = address.rpartition(":")
            if not host or not 0 < int(port) < 2**16:
                raise ValueError(f"{address!r} is not host:port")
        of_job = chiefs if task["type"] == "chief" else workers
        if not 0 <= int(task["index"]) < len(of_job):
            raise ValueError(f"there is no {task['type']} {task['index']}")
        return cls(addresses, addresses.index(of_job[int(task["index"])]))

    def assemble(self, timeout: float, progress: Callable[[str], None]) -> None:
        """Returns as soon as all workers have called this.

        TensorFlow waits for the others without end, and deaf to signals, so that they are to be
        there when it begins to.  The workers meet at the chief's address, which TensorFlow
        uses afterwards.

        Args:
            timeout: Seconds to wait.
            progress: Called with a line to show when there is someone to wait for.

        Raises:
            UserError: if somebody is missing after that time; names who.
            UsageError: if the workers disagree on who they are, or if a port is taken.
        """
        deadline = time.monotonic() + timeout
        if len(self.addresses) == 1:
            return
        progress(f"Worker {self.index} of {len(self.addresses)} at {self.addresses[self.index]} waits for the others.")
        with self._listen(deadline) as server:
            answer = self._ask_chief(deadline) if self.index else _Reception(self, server, deadline).receive()
        if answer == _TWICE:
            raise UsageError(f"TF_CONFIG says of two processes that they are worker {self.index}; number them apart.")
        if answer == _OTHERS:
            raise UsageError("TF_CONFIG must name the same workers in the same order on all of them.")
        if answer != _ALL_HERE:
            raise UserError(
                f"After {timeout:g} s, no answer from {answer}. Start the same command on all workers, each with its "
                "own index in TF_CONFIG, where they can reach each other; training.worker_timeout is how long to wait."
            )

    def _listen(self, deadline: float) -> socket.socket:
        """A socket at this worker's port, which TensorFlow is going to take over."""
        port = int(self.addresses[self.index].rpartition(":")[2])
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        while True:
            try:
                return socket.create_server(("", port), family=family, dualstack_ipv6=dual)
            except OSError as error:
                # The process that trained here before may still be ending.
                if time.monotonic() > deadline:
                    raise UsageError(
                        f"This worker's port of TF_CONFIG, {port}, cannot be used ({error.strerror}); stop what uses "
                        "it, or name another port on all workers."
                    ) from error
                time.sleep(_PAUSE)

    def _ask_chief(self, deadline: float) -> str:
        """The chief's answer; its name, if there is none."""
        host, _, port = self.addresses[0].rpartition(":")
        message = json.dumps({"index": self.index, "addresses": self.addresses}).encode() + b"\n"
        while (left := deadline - time.monotonic()) > 0:
            # A chief that is not there yet, or is the TensorFlow of the run before, answers nothing of use.
            with (
                contextlib.suppress(OSError),
                socket.create_connection((host.strip("[]"), int(port)), min(left, _ANSWER)) as chief,
            ):
                chief.sendall(message)
                # The chief says when it has waited for long enough, and may have begun later.
                chief.settimeout(left + _ANSWER)
                answer = _read_line(chief)
                if answer.startswith(_SIGN):
                    return answer.removeprefix(_SIGN)
            time.sleep(_PAUSE)
        return self.name(0)

    def name(self, index: int) -> str:
        """What a worker is called in messages."""
        return f"worker {index} ({self.addresses[index]})"


# What the chief answers.
_SIGN = "lealla: "
_ALL_HERE, _TWICE, _OTHERS = "all here", "twice", "others"


class _Reception:
    """The chief's side of the meeting: keeps everybody waiting until all are there."""

    def __init__(self, cluster: Cluster, server: socket.socket, deadline: float) -> None:
        self._cluster, self._server, self._deadline = cluster, server, deadline
        self._waiting: dict[int, socket.socket] = {}

    def receive(self) -> str:
        """Gives all workers the same answer, and returns it."""
        count = len(self._cluster.addresses)
        answer = ""
        while not answer:
            left = self._deadline - time.monotonic()
            missing = [index for index in range(1, count) if index not in self._waiting]
            if not missing:
                answer = _ALL_HERE
            elif left <= 0:
                answer = ", ".join(self._cluster.name(index) for index in missing)
            else:
                answer = self._welcome(left)
        for worker in self._waiting.values():
            _answer(worker, answer)
        return answer

    def _welcome(self, seconds: float) -> str:
        """Deals with what happens next; gives an answer for everybody if that ends the meeting."""
        ready, _, _ = select.select([self._server, *self._waiting.values()], [], [], seconds)
        for index, worker in list(self._waiting.items()):
            if worker in ready:
                # They have nothing to say while they wait: this one has ended, and may come back.
                self._waiting.pop(index).close()
        if self._server not in ready:
            return ""
        worker, _ = self._server.accept()
        worker.settimeout(_ANSWER)
        try:
            message = json.loads(_read_line(worker))
            index, addresses = int(message["index"]), tuple(message["addresses"])
        except (OSError, ValueError, TypeError, LookupError):
            worker.close()  # somebody else's call
            return ""
        if addresses != self._cluster.addresses:
            _answer(worker, _OTHERS)
            return _OTHERS
        if index in self._waiting:
            _answer(worker, _TWICE)
        else:
            self._waiting[index] = worker
        return ""


def _answer(worker: socket.socket, answer: str) -> None:
    """Tells a worker, if it is still there, and hangs up."""
    with contextlib.suppress(OSError), worker:
        worker.sendall(f"{_SIGN}{answer}\n".encode())


def _read_line(connection: socket.socket) -> str:
    """A line of what the other end says, without its end."""
    with connection.makefile("rb") as file:
        return file.readline(1 << 16).decode(errors="replace").rstrip("\n")
