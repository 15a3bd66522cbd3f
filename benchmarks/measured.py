"""The file that a benchmark writes: its figures, and what they are figures of."""

import argparse
import contextlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lealla_tf.files import write_json
from lealla_tf.processor import num_cores


def write_measured(arguments: argparse.Namespace, packages: Sequence[str], results: dict[str, Any]) -> None:
    """Writes `results` to `arguments.output`, if that names a file, with the versions of those packages that are here.

    A comparison needs no more of them than it names.
    """
    if not arguments.output:
        return
    facts: dict[str, Any] = {"processors": num_cores()}
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            facts[name] = version(name)
    write_json(arguments.output, {**facts, "arguments": vars(arguments), **results})
