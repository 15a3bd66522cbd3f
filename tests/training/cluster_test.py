"""Who the workers are, and their meeting: in threads, on this machine."""

import contextlib
import json
import socket
import threading
import time

import pytest

from lealla_tf.errors import UsageError, UserError
from lealla_tf.training.cluster import Cluster


def environment(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text if isinstance(text, str) else json.dumps(text))


def test_workers_are_numbered_as_they_are_listed(monkeypatch):
    cluster = {"worker": ["a:1", "b:2", "[::1]:3"]}
    environment(monkeypatch, {"cluster": cluster, "task": {"type": "worker", "index": 2}})
    assert Cluster.from_environment() == Cluster(("a:1", "b:2", "[::1]:3"), 2)


@pytest.mark.parametrize(("job", "index"), [("chief", 0), ("worker", 1)])
def test_a_chief_is_the_first(monkeypatch, job, index):
    environment(monkeypatch, {"cluster": {"worker": ["b:2"], "chief": ["a:1"]}, "task": {"type": job, "index": 0}})
    assert Cluster.from_environment() == Cluster(("a:1", "b:2"), index)


def test_no_tf_config(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UsageError, match=r"^The strategy multi_worker needs the environment variable TF_CONFIG"):
        Cluster.from_environment()


TASK = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{", r"\(Expecting property name"),
        ("[]", r"\(list indices must be integers"),
        ({"task": TASK}, r"\('cluster' is missing\)"),
        ({"cluster": {"worker": ["a:1"]}}, r"\('task' is missing\)"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}, r"\('index' is missing\)"),
        (
            {"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": TASK},
            "a job may be chief or worker, and not ps",
        ),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "evaluator", "index": 0}}, "worker, and not evaluator"),
        ({"cluster": {"worker": ["a:1", "a:1"]}, "task": TASK}, r"\(an address is there twice, or a second chief\)"),
        ({"cluster": {"chief": ["a:1", "b:1"]}, "task": TASK}, r"\(an address is there twice, or a second chief\)"),
        ({"cluster": {"worker": ["a"]}, "task": TASK}, r"\('a' is not host:port\)"),
        ({"cluster": {"worker": ["a:0"]}, "task": TASK}, r"\('a:0' is not host:port\)"),
        ({"cluster": {"worker": ["a:b"]}, "task": TASK}, r"\(invalid literal"),
        ({"cluster": {"worker": [1]}, "task": TASK}, r"\('int' object has no attribute"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}, r"\(there is no worker 1\)"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}}, r"\(there is no worker -1\)"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}, r"\(there is no chief 0\)"),
    ],
)
def test_a_tf_config_that_describes_no_cluster(monkeypatch, config, reason):
    environment(monkeypatch, config)
    with pytest.raises(UsageError, match=rf"^TF_CONFIG must be like \{{.*\}} .*{reason}.*Received: ") as e:
        Cluster.from_environment()
    assert "\n" not in str(e.value)


def free_addresses(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(count)]
        return tuple(f"localhost:{one.getsockname()[1]}" for one in sockets)


class Meeting:
    """Workers that assemble, each in a thread, and what became of them."""

    def __init__(self, addresses=None, count=3):
        self.addresses = addresses or free_addresses(count)
        self.outcomes = {}
        self.lines = []
        self._threads = []

    def join(self, index, timeout=20.0, addresses=None, name=None, kind=Cluster):
        def assemble():
            try:
                kind(addresses or self.addresses, index).assemble(timeout, self.lines.append)
                self.outcomes[name or index] = "here"
            except UserError as error:
                self.outcomes[name or index] = f"{type(error).__name__}: {error}"

        self._threads.append(threading.Thread(target=assemble))
        self._threads[-1].start()

    def end(self):
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        return self.outcomes


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_all_wait_for_the_last(order):
    meeting = Meeting()
    for index in order[:-1]:
        meeting.join(index)
    time.sleep(0.3)
    assert not meeting.outcomes
    meeting.join(order[-1])
    assert meeting.end() == dict.fromkeys(range(3), "here")
    assert f"Worker 1 of 3 at {meeting.addresses[1]} waits for the others." in meeting.lines


def test_the_ports_are_free_afterwards():
    """TensorFlow listens at them next."""
    meeting = Meeting(count=2)
    for index in (0, 1):
        meeting.join(index)
    meeting.end()
    for address in meeting.addresses:
        socket.create_server(("localhost", int(address.rpartition(":")[2]))).close()


def test_a_single_worker_waits_for_nobody():
    Cluster(free_addresses(1), 0).assemble(0.0, pytest.fail)


def test_missing_workers_are_named_to_those_who_are_there():
    meeting = Meeting(count=4)
    meeting.join(2)
    meeting.join(0, timeout=2.0)
    outcomes = meeting.end()
    missing = ", ".join(f"worker {index} ({meeting.addresses[index]})" for index in (1, 3))
    assert outcomes[0] == (
        f"UserError: After 2 s, no answer from {missing}. Start the same command on all workers, each with its own "
        "index in TF_CONFIG, where they can reach each other; training.worker_timeout is how long to wait."
    )
    assert f"no answer from {missing}. " in outcomes[2]


def test_a_missing_chief():
    meeting = Meeting(count=2)
    meeting.join(1, timeout=0.5)
    assert f"After 0.5 s, no answer from worker 0 ({meeting.addresses[0]}). Start" in meeting.end()[1]


def test_a_worker_that_ends_while_it_waits_may_come_back():
    meeting = Meeting(count=3)
    meeting.join(0)
    host, _, port = meeting.addresses[0].rpartition(":")
    message = json.dumps({"index": 1, "addresses": meeting.addresses}).encode() + b"\n"
    with contextlib.ExitStack() as stack:
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                gone = stack.enter_context(socket.create_connection((host, int(port))))
                break
        gone.sendall(message)
    meeting.join(2)
    time.sleep(0.3)
    assert not meeting.outcomes
    meeting.join(1)
    assert meeting.end() == dict.fromkeys(range(3), "here")


@pytest.mark.parametrize("noise", [b"", b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"7\n", b"\xff\xff\n"])
def test_calls_of_others_do_no_harm(noise):
    meeting = Meeting(count=2)
    meeting.join(0)
    host, _, port = meeting.addresses[0].rpartition(":")
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((host, int(port))) as other:
            other.sendall(noise)
            break
    meeting.join(1)
    assert meeting.end() == dict.fromkeys(range(2), "here")


def test_a_chief_that_does_not_understand_is_asked_again():
    """It may be the TensorFlow of the run before."""
    meeting = Meeting(count=2)
    host, _, port = meeting.addresses[0].rpartition(":")
    with socket.create_server((host, int(port))) as before:
        meeting.join(1)
        connection, _ = before.accept()
        with connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n")
    meeting.join(0)
    assert meeting.end() == dict.fromkeys(range(2), "here")


class OnAnotherMachine(Cluster):
    """A worker whose port is not that of this machine."""

    def _listen(self, deadline):
        return socket.create_server(("localhost", 0))


def test_two_processes_of_one_number():
    """The second to come is told so; the first may go on."""
    meeting = Meeting(count=3)
    meeting.join(0)
    meeting.join(1, name="one")
    meeting.join(1, name="other", kind=OnAnotherMachine)
    while not meeting.outcomes:
        time.sleep(0.01)
    ((second, told),) = meeting.outcomes.items()
    assert told == "UsageError: TF_CONFIG says of two processes that they are worker 1; number them apart."
    meeting.join(2)
    (first,) = {"one", "other"} - {second}
    assert meeting.end() == {0: "here", 2: "here", first: "here", second: told}


def test_other_workers():
    meeting = Meeting(count=3)
    meeting.join(0)
    meeting.join(1, addresses=meeting.addresses[:2])
    message = "UsageError: TF_CONFIG must name the same workers in the same order on all of them."
    assert meeting.end() == {0: message, 1: message}


def test_a_port_that_is_taken():
    meeting = Meeting(count=2)
    port = int(meeting.addresses[1].rpartition(":")[2])
    with socket.create_server(("localhost", port)):
        meeting.join(1, timeout=0.5)
        assert f"This worker's port of TF_CONFIG, {port}, cannot be used (" in meeting.end()[1]
