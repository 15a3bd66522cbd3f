"""What happens between the steps of a run: its log, its checkpoints, its end."""

import contextlib
import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import tensorflow as tf

from lealla_tf.errors import DataError, UserError
from lealla_tf.files import atomic_file
from lealla_tf.progress import Progress, duration

Metrics = dict[str, float]


class RunLog(keras.callbacks.Callback):
    """Writes the means of the losses every `every` steps, and stops the run at a NaN.

    Each entry goes to `metrics.jsonl` (a line of JSON), to TensorBoard's event files under
    `tensorboard/`, and to `progress` with the rate and the time left.  Entries of steps
    after `first_step`, which a killed run left, are dropped from `metrics.jsonl`.

    Args:
        directory: The run's directory; `None` for a worker that writes nothing.
        every: The number of steps between entries.
        first_step: The step that the run goes on from.
        steps: The length of the whole run.
        batch_size: Pairs per step, for the rate.
        progress: Called with a line to show for each entry.

    Raises:
        UserError: when the loss is not finite; names the step.
        DataError: when an entry cannot be written, or `metrics.jsonl` is not what a run left.
    """

    def __init__(
        self, directory: Path | None, every: int, first_step: int, steps: int, batch_size: int, progress: Progress
    ) -> None:
        super().__init__()
        self._every = every
        self._first_step = self._step = first_step
        self._steps = steps
        self._batch_size = batch_size
        self._progress = progress
        self._file = _LogFile(directory, first_step) if directory else None

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts the clock."""
        self._started = time.monotonic()
        self._marked = (time.monotonic(), self._step)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Checks the loss, and writes an entry if one is due."""
        previous, self._step = self._step, self._first_step + batch + 1
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not math.isfinite(values["loss"]):
            steps = f"step {self._step}" if self._step == previous + 1 else f"steps {previous + 1} to {self._step}"
            raise diverged(f"The loss is {values['loss']} at {steps}")
        if self._step % self._every == 0 or self._step == self._steps:
            if self._file:
                self._write_entry(self._file, values)
            self.model.reset_metrics()

    def write_validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes the metrics of a validation."""
        if self._file:
            self._file.write(step, metrics)
        mean = metrics.get("validation/precision_at_1")
        if mean is not None:
            self._progress(f"step {step:>7,}  validation precision@1 {100 * mean:.1f} %")

    def on_train_end(self, logs: Any = None) -> None:
        """Closes TensorBoard's files."""
        if self._file:
            self._file.close()

    def _write_entry(self, file: "_LogFile", values: Metrics) -> None:
        """An entry of the losses."""
        now = time.monotonic()
        (then, marked_step), self._marked = self._marked, (now, self._step)
        rate = (self._step - marked_step) / max(now - then, 1e-9)
        rate_metrics = {"pairs_per_second": round(rate * self._batch_size, 1)}
        learning_rate = float(self.model.optimizer.learning_rate)
        file.write(self._step, {**values, "learning_rate": learning_rate, **rate_metrics})
        left = (self._steps - self._step) / rate
        # Of a single term the loss is a multiple.
        shown = values if len(values) > 2 else {"loss": values["loss"]}
        terms = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        self._progress(
            f"step {self._step:>7,}/{self._steps:,}  {terms}  {rate * self._batch_size:,.0f} pairs/s  "
            f"{duration(left)} left"
        )


class _LogFile:
    """`metrics.jsonl` and TensorBoard's event files of a run that goes on from `first_step`."""

    def __init__(self, directory: Path, first_step: int) -> None:
        self._path, self._events = directory / "metrics.jsonl", directory / "tensorboard"
        with _writing(self._events):
            self._writer = tf.summary.create_file_writer(str(self._events))
        _keep_until(self._path, first_step)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Appends a line of JSON, and the scalars to TensorBoard."""
        with _writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")
        with _writing(self._events), self._writer.as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(name, value)
            self._writer.flush()

    def close(self) -> None:
        """Closes TensorBoard's files."""
        with _writing(self._events):
            self._writer.close()


class Checkpointing(keras.callbacks.Callback):
    """Saves every `every` steps, at the end, and when the run is told to stop.

    A first Ctrl-C (or a TERM signal) lets the step finish, saves and stops; a second one
    stops at once.

    Args:
        save: Validates and writes the checkpoint of a step.
        every: The number of steps between checkpoints.
        first_step: The step that the run goes on from.
        steps: The length of the whole run.
        anyone: Whether a condition holds for any of the workers; all call it after each
            execution, so that being told to stop one of them stops all.
        progress: Called with a line to show when the run is told to stop.
    """

    def __init__(
        self,
        save: Callable[[int], None],
        every: int,
        first_step: int,
        steps: int,
        anyone: Callable[[bool], bool],
        progress: Progress,
    ) -> None:
        super().__init__()
        self._save = save
        self._every = every
        self._first_step = first_step
        self._steps = steps
        self._anyone = anyone
        self._progress = progress
        self._handlers: dict[int, Any] = {}
        self._told = False
        self.interrupted = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Takes over the signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._interrupt)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves if it is time to."""
        step = self._first_step + batch + 1
        stop = self._anyone(self._told)
        if step % self._every == 0 or step == self._steps or stop:
            self._save(step)
            # Asked again, because that takes a while, for which those who do not write have to wait anyway.
            stop = stop or self._anyone(self._told)
        if stop:
            self.interrupted = self.model.stop_training = True

    def restore_signals(self) -> None:
        """Gives the signals back."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Marks the run to be stopped."""
        self._told = True
        signal.signal(number, signal.SIG_DFL)
        self._progress("Stopping after this step, with a checkpoint. Once more stops at once, without.")


def diverged(what: str) -> UserError:
    """The error of a run that `what` shows to be beyond help."""
    return UserError(
        f"{what}; the run stopped, and the checkpoints before it are kept. Lower optimizer.learning_rate or "
        "optimizer.clip_norm, and start again in a new directory."
    )


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tells a full disk, and whatever else keeps `path` from being written, as the user's."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.message.splitlines()[0].rpartition("}} ")[2]
        raise DataError(
            f"{path}: cannot be written ({reason}); make room, and start the same command again."
        ) from error


def _keep_until(path: Path, step: int) -> None:
    """Drops the entries of later steps, and a line that was cut short."""
    if not path.is_file():
        return
    kept = []
    for number, line in enumerate(
        path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True), start=1
    ):
        try:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path}:{number}: is not an entry of a run; mend or remove the line.") from error
    # Replaced as a whole: a run may be killed here as anywhere.
    with atomic_file(path) as temporary:
        temporary.write_text("".join(kept), encoding="utf-8")
