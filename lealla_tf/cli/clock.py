"""How far long work is, on standard error: what is done, the rate, the time left."""

import time

from lealla_tf.cli.arguments import log
from lealla_tf.progress import duration, pace


class Clock:
    """Writes a line whenever something is done.

    Args:
        unit: What is counted.
    """

    def __init__(self, unit: str) -> None:
        self._unit, self._started = unit, time.monotonic()

    def show(self, what: str, done: int, total: int) -> None:
        """`done` of `total` are done, the last of them `what`."""
        rate = pace(done, total - done, time.monotonic() - self._started)
        log(f"{what}  {done:,} of {total:,} {self._unit}, {rate}")


class StageClock:
    """Writes a line every few seconds, and at the end of each stage.

    Args:
        every: Seconds between two lines.
    """

    def __init__(self, every: float = 5.0) -> None:
        self._every = every
        self._stage, self._started, self._shown, self._begun, self._done = "", 0.0, 0.0, 0, 0

    def show(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` of a stage are done; its clock starts with the first call, and anew if it begins again."""
        now = time.monotonic()
        if stage != self._stage or done < self._done:
            # What was done before, or until the first call, has no time to be measured by.
            self._stage, self._started, self._shown, self._begun = stage, now, now, done
        self._done = done
        if done < total and now - self._shown < self._every:
            return
        self._shown = now
        left = ""
        if self._begun < done < total:
            left = f", {duration((now - self._started) * (total - done) / (done - self._begun))} left"
        log(f"{stage}: {100 * done / total:.0f} %{left}")
