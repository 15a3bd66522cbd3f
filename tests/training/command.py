"""`lealla` with something happening to it: command.py ARGUMENT..., with HOOK=name[:number] and CPUS=number."""

import os
import signal
import sys
import threading
from typing import Any

import numpy as np
import tensorflow as tf

from lealla_tf import checkpoints
from lealla_tf.cli.main import main
from lealla_tf.training import distillation
from lealla_tf.training.callbacks import RunLog


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def kill_in_step(step: int) -> None:
    """Killed while the step computes, or right after it."""
    at_step(step, lambda log: threading.Timer(0.001, send, [signal.SIGKILL]).start())


def kill_in_checkpoint(step: int) -> None:
    """Killed with half of the training state written."""
    savez = np.savez

    def half(path: Any, **arrays: Any) -> None:
        savez(path, **arrays)
        if f"step_{step:08d}" in str(path) and "training" in str(path):
            os.truncate(path, path.stat().st_size // 2)
            send(signal.SIGKILL)

    np.savez = half


def kill_before_record(step: int) -> None:
    """Killed with a complete checkpoint that the run does not know of yet."""

    def record(self: Any, path: Any, score: Any) -> None:
        if str(path).endswith(f"step_{step:08d}"):
            send(signal.SIGKILL)
        original(self, path, score)

    original = checkpoints.RunDirectory.record
    checkpoints.RunDirectory.record = record


def interrupt(step: int) -> None:
    """Ctrl-C in a step."""
    at_step(step, lambda log: send(signal.SIGINT))


def interrupt_twice(step: int) -> None:
    """Ctrl-C, and once more in the same step."""
    at_step(step, lambda log: (send(signal.SIGINT), send(signal.SIGINT)))


def terminate(step: int) -> None:
    at_step(step, lambda log: send(signal.SIGTERM))


def interrupt_in_validation(step: int) -> None:
    """Ctrl-C while the checkpoint of the step is being made."""
    validate = distillation.validate
    calls = []

    def interrupted(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == step:
            send(signal.SIGINT)
        return validate(*args)

    distillation.validate = interrupted


def fail_in_checkpoint(step: int) -> None:
    """The disk is full when the checkpoint of the step is written."""
    savez = np.savez

    def full(path: Any, **arrays: Any) -> None:
        if f"step_{step:08d}" in str(path):
            raise OSError(28, "No space left on device")
        savez(path, **arrays)

    np.savez = full


def infinite_weight(step: int) -> None:
    """A weight becomes infinite in a step whose loss was fine."""

    def break_one(log: Any) -> None:
        log.model.encoder.pooler.bias.assign(log.model.encoder.pooler.bias + np.inf)

    at_step(step, break_one, end=True)


def nan_in_step(step: int) -> None:
    """The loss of the step is no number."""

    def break_one(log: Any) -> None:
        log.model.encoder.pooler.bias.assign(log.model.encoder.pooler.bias * np.nan)

    at_step(step, break_one)


def out_of_memory(step: int) -> None:
    """The device cannot hold the step."""

    def fail(log: RunLog) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[8192,8192]\nand more")

    at_step(step, fail)


def at_step(step: int, act: Any, end: bool = False) -> None:
    """Calls `act` with the log as the execution begins or ends whose first or last step is this, counted from 1."""
    name = "on_train_batch_end" if end else "on_train_batch_begin"
    original = getattr(RunLog, name)

    def hooked(self: Any, batch: int, logs: Any = None) -> None:
        original(self, batch, logs)
        if self._first_step + batch + 1 == step:
            act(self)

    setattr(RunLog, name, hooked)


if "CPUS" in os.environ:
    (cpu,) = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * int(os.environ["CPUS"])
    tf.config.set_logical_device_configuration(cpu, devices)
if "HOOK" in os.environ:
    hook, _, number = os.environ["HOOK"].partition(":")
    globals()[hook](int(number))
main(["lealla", *sys.argv[1:]])
