"""What the programs here that write TensorFlow data sets have in common: the builder, and how they end.

What a program writes is read back by its name and directory alone, without its code.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from lealla_tf.errors import DataError, UserError
from lealla_tf.files import check_writable

Examples = Callable[[], Iterable[Mapping[str, str]]]
"""Reads the examples of a split, in the order in which they are to stand."""


@dataclass(kw_only=True, eq=False)
class RecordsConfig(tfds.core.BuilderConfig):
    """One configuration of a data set: the features of its examples, and the examples of each split."""

    # Not in `repr`, which TFDS logs.
    features: Any = field(repr=False)
    splits: Mapping[str, Examples] = field(default_factory=dict, repr=False)


class RecordsBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]  # untyped
    """Writes the splits of its configuration in their order; what differs from data set to data set is `FACTS`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012  (as its base class declares it)

    FACTS: ClassVar[Mapping[str, str]] = {}
    """`description`, and what else is known of `homepage`, `license`, `citation`."""

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self, features=self.builder_config.features, disable_shuffling=True, **self.FACTS
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # nothing is downloaded
        return {name: self._generate_examples(examples) for name, examples in self.builder_config.splits.items()}

    def _generate_examples(self, examples: Examples) -> Iterator[tuple[int, Mapping[str, str]]]:
        yield from enumerate(examples())


def translation(languages: tuple[str, str]) -> Any:
    """The features of sentences in two languages, which `--corpus` reads."""
    return tfds.features.Translation(languages)


def translations(languages: tuple[str, str], pairs: Iterable[tuple[str, str]]) -> Iterator[dict[str, str]]:
    """Pairs as examples of `translation`."""
    for pair in pairs:
        yield dict(zip(languages, pair, strict=True))


def prepare_all(builder: type[RecordsBuilder], configs: Sequence[RecordsConfig], data_dir: str) -> None:
    """Writes each configuration as `DATA_DIR/NAME_OF_THE_DATA_SET/CONFIGURATION/1.0.0`.

    Raises:
        DataError: if one of them stands there already, or cannot be written; then none is.
    """
    builders = [builder(config=config, data_dir=data_dir) for config in configs]
    for one in builders:
        check_writable(one.data_path)
        if one.is_prepared():
            raise DataError(f"{one.data_path}: is prepared already; remove it, or name another --output.")
    for one in builders:
        one.download_and_prepare()


def run_program(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, work: Callable[[argparse.Namespace], str]
) -> int:
    """Does the work, prints what it returns, and gives the exit code; a mistake of the user's ends in one line."""
    parser.add_argument("--output", required=True, help="the TFDS data directory to write into")
    values = parser.parse_args(arguments)
    try:
        print(work(values))
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{parser.prog}: {error.filename or values.output}: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0


def codes(text: str) -> list[str] | None:
    """The codes of `--languages`; `None` for all, where none is given."""
    return text.split(",") if text else None
