import pytest

from lealla_tf.progress import duration, pace


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (40, "40 s"),  # no minute, although it is nearer to one than to none
        (59.6, "1 min 00 s"),
        (100, "1 min 40 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 00 min"),
        (7512, "2 h 05 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_pace() -> None:
    assert pace(1000, 3000, 4.0) == "250 a second, 12 s left"
    assert pace(4_000_000, 0, 4.0) == "1,000,000 a second"
    assert pace(10, 10, 0.0).startswith("10,000,000,000 a second"), "a clock may not have moved"
