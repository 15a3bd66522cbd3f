"""How the progress of long work is told: callbacks that take a line, durations, rates."""

from collections.abc import Callable

Progress = Callable[[str], None]
"""What a line to show is given to, again and again."""


def duration(seconds: float) -> str:
    """Seconds as `2 h 05 min`, `3 min 20 s` or `12 s`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def pace(done: int, left: int, seconds: float) -> str:
    """`480 a second, 19 s left`, where `done` took so many seconds; without its end if nothing is left."""
    rate = done / max(seconds, 1e-9)
    text = f"{rate:,.0f} a second"
    return f"{text}, {duration(left / rate)} left" if left else text
