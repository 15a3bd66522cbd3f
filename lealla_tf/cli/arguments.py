"""Arguments and small tasks that several subcommands share."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from lealla_tf.config import Config
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import read_json
from lealla_tf.presets import PRESETS, preset
from lealla_tf.settings import from_dict


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The model that embeds, and the preprocessor that some need."""
    parser.add_argument("model", metavar="MODEL", help="a checkpoint, an exported directory or a Hub handle")
    parser.add_argument("--preprocessor", default="", metavar="MODEL", help="that of a model which takes ids")


def add_corpus_argument(parser: argparse.ArgumentParser) -> None:
    """`--corpus`, which every reader of parallel text takes."""
    parser.add_argument(
        "--corpus",
        action="append",
        default=[],
        metavar="SPEC",
        help="parallel text; may be repeated: de=FILE.tsv.gz (`de` means en-de), de=FILE.tmx, "
        "'en-de=NAME.{en,de}', de=tfds:NAME, a directory of `lealla prepare`, or a JSON list",
    )
    parser.add_argument(
        "--on-error", choices=("skip", "stop"), default="skip", help="what to do at a malformed line (default: skip)"
    )


def add_teacher_arguments(parser: argparse.ArgumentParser) -> None:
    """`--teacher` and the preprocessor that some teachers need."""
    parser.add_argument(
        "--teacher", default="", metavar="MODEL", help="the model to distil from: a checkpoint, directory or Hub handle"
    )
    parser.add_argument(
        "--teacher-preprocessor",
        default="",
        metavar="MODEL",
        help="the preprocessor of a teacher that takes ids (LaBSE's format)",
    )


def read_config(name: str) -> Config:
    """The preset called `name`, or the configuration in the JSON file of that name."""
    if name in PRESETS or not (name.endswith(".json") or "/" in name):
        return preset(name)
    if not Path(name).is_file():
        raise DataError(f"{name}: there is no such configuration file; name one, or a preset ({', '.join(PRESETS)}).")
    values = read_json(name)
    try:
        return from_dict(Config, values)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error


@contextlib.contextmanager
def blaming_model(model: str) -> Iterator[None]:
    """Turns what a model does wrong into an error that names it."""
    from lealla_tf.evaluation.embedding import EmbeddingError

    try:
        yield
    except EmbeddingError as error:
        raise DataError(f"{model}: {error} The model cannot be used.") from error


def log(line: str) -> None:
    """A line of progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def import_tensorflow() -> None:
    """Imports TensorFlow without what it prints before it can be told not to.

    Those lines are about the processor and missing GPUs; an import that fails still raises.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import tensorflow
        import tensorflow_text  # noqa: F401
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    # Else it tells of every collective operation of every strategy.
    tensorflow.get_logger().setLevel("WARNING")
