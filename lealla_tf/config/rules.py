"""What a value must be, told with what was received."""

from typing import Any


def require(condition: bool, rule: str, **received: Any) -> None:
    """Raises `ValueError` with the rule and what was received, unless `condition`."""
    if not condition:
        values = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ValueError(f"{rule} Received: {values}.")


def require_member(name: str, value: str, members: tuple[str, ...]) -> None:
    """Raises `ValueError` unless `value` is one of `members`."""
    require(value in members, f"`{name}` must be one of {', '.join(members)}.", **{name: value})
