"""Nested frozen dataclasses from and to JSON, and one field at a time from the command line.

What a configuration holds is in `lealla_tf.config`; here is how one is read, changed and
written, whatever its fields are.
"""

import dataclasses
import json
import sys
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from lealla_tf.errors import UsageError

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as nested dictionaries of JSON values."""
    result: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return result


def to_json(config: Any) -> str:
    """The configuration as indented JSON that `from_dict(json.loads(...))` reads back."""
    return json.dumps(to_dict(config), indent=2) + "\n"


def from_dict(cls: type[T], values: Mapping[str, Any], path: str = "") -> T:
    """Builds the dataclass `cls` from nested dictionaries; missing fields keep defaults.

    Args:
        cls: `Config`, or the dataclass of one of its groups.
        values: Its fields by name, as `to_dict` gives them.
        path: Where in the whole configuration they stand; for messages.

    Raises:
        UsageError: for an unknown field (the valid ones are listed), a value of the wrong
            type, or one that the dataclass refuses.  The field is named by its full path.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"`{path or 'configuration'}` must be an object of fields. Received: {values!r}.")
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    arguments = {}
    for name, value in values.items():
        if name not in names:
            where = f" in `{path}`" if path else ""
            raise UsageError(f"Unknown field `{name}`{where}. Valid fields: {', '.join(names)}.")
        arguments[name] = _convert(hints[name], value, f"{path}.{name}" if path else name)
    try:
        return cls(**arguments)
    except ValueError as error:
        raise UsageError(f"Configuration{f' of `{path}`' if path else ''}: {error}") from error


def with_settings(config: T, settings: typing.Iterable[str]) -> T:
    """Applies `encoder.num_layers=12` and the like; the right side is JSON or a bare word.

    All settings are applied before the result is validated, so that settings which only
    fit together may come in any order.  Of two settings of one field the later counts.

    Raises:
        UsageError: for a setting without `=`, an unknown field, a group of fields or a
            refused value.

    Example:
        >>> from lealla_tf.config import EncoderConfig
        >>> with_settings(EncoderConfig(), ["num_heads=6", "hidden_dim=96", "activation=relu"]).hidden_dim
        96
    """
    values = to_dict(config)
    for setting in settings:
        path, separator, text = setting.partition("=")
        if not separator:
            raise UsageError(f"A setting has the form field=value. Received: {setting!r}.")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        *parents, last = path.split(".")
        place = _find_group(values, parents, setting)
        if isinstance(place.get(last), dict):
            # Put in its place, an object would silently set the fields it lacks back to their defaults.
            raise UsageError(
                f"`{path}` is a group: set its fields one by one ({path}.name=value). Received: {setting!r}."
            )
        place[last] = value
    return from_dict(type(config), values)


def _find_group(values: dict[str, Any], names: list[str], setting: str) -> dict[str, Any]:
    """The dictionary inside `values` at the path `names`, or `UsageError` naming `setting`."""
    place = values
    for depth, name in enumerate(names):
        child = place.get(name)
        if not isinstance(child, dict):
            where = f"`{'.'.join(names[:depth])}`" if depth else "the configuration"
            groups = ", ".join(key for key, item in place.items() if isinstance(item, dict)) or "none"
            raise UsageError(f"Unknown group `{name}` in {where}, set by {setting!r}. Valid groups: {groups}.")
        place = child
    return place


def _convert(hint: Any, value: Any, path: str) -> Any:
    """`value` as the annotated type `hint`, or `UsageError` naming `path`."""
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type[Any], hint), value, path)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise UsageError(f"`{path}` must be a list. Received: {value!r}.")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, element, f"{path}[{i}]") for i, element in enumerate(value))
    # A bool is an int to Python, and JSON writes a float without a fraction as an int.
    accepted = (int, float) if hint is float else hint
    if not isinstance(value, accepted) or (hint is not bool and isinstance(value, bool)):
        raise UsageError(f"`{path}` must be of type {hint.__name__}. Received: {value!r}.")
    if hint is not float:
        return value
    # Python's JSON reads NaN and Infinity; no field has a use for them, and JSON proper cannot hold them.
    if not abs(value) <= sys.float_info.max:
        raise UsageError(f"`{path}` must be a finite number. Received: {value!r}.")
    return float(value)
