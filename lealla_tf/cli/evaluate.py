"""`lealla evaluate`: what a model scores on a benchmark, as table, JSON and picture."""

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path

from lealla_tf.cli.arguments import import_tensorflow, log
from lealla_tf.errors import DataError, UsageError
from lealla_tf.evaluation.languages import GROUPS, read_group
from lealla_tf.evaluation.scores import EVALUATED, LanguageScore
from lealla_tf.files import atomic_file, write_json

HELP = "evaluate a model on a benchmark: table, JSON, picture"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    parser.add_argument("model", metavar="MODEL", help="checkpoint, exported directory or Hub handle")
    parser.add_argument("--benchmark", required=True, choices=["tatoeba"], help="what to evaluate on")
    parser.add_argument(
        "--data", required=True, metavar="DIR", help="the benchmark's directory, with tatoeba.<code>-eng.<code> files"
    )
    parser.add_argument(
        "--languages", metavar="CODES", help="ISO 639-3 codes, separated by commas, such as deu,fra (default: all)"
    )
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="average over the languages that FILE names, one code a line; may be repeated",
    )
    parser.add_argument("--output", metavar="DIR", help="also write tatoeba.json, tatoeba.txt and tatoeba.png there")
    parser.add_argument(
        "--preprocessor", default="", metavar="HANDLE", help="preprocessor of MODEL, if that is an encoder of ids"
    )


def run(arguments: argparse.Namespace) -> None:
    """Evaluates; the table goes to stdout, progress to stderr.

    Raises:
        UserError: for a command line, benchmark or model that cannot be used.
    """
    groups = _groups(arguments.group)
    languages = None if arguments.languages is None else _codes(arguments.languages)
    output = Path(arguments.output) if arguments.output else None
    if output is not None and output.exists() and not output.is_dir():
        raise UsageError(f"--output must name a directory. Received: {output}, which is a file.")

    import_tensorflow()
    from lealla_tf.evaluation.embedding import EmbeddingError
    from lealla_tf.evaluation.pictures import draw_scores
    from lealla_tf.evaluation.report import EvaluatedModel, report, table
    from lealla_tf.evaluation.tatoeba import evaluate_tatoeba, read_benchmark
    from lealla_tf.inference.loading import load_sentence_encoder

    read_benchmark(arguments.data, languages)  # a mistake in the data should not wait for the model
    encoder = load_sentence_encoder(arguments.model, arguments.preprocessor)
    try:
        result = evaluate_tatoeba(
            encoder.embed,
            arguments.data,
            languages,
            groups=groups,
            trained_languages=encoder.trained_languages,
            progress=_progress_line(),
        )
    except EmbeddingError as error:
        raise DataError(f"{arguments.model}: {error} The model cannot be evaluated.") from error
    model = EvaluatedModel(
        name=arguments.model,
        preprocessor=arguments.preprocessor,
        fingerprint=encoder.fingerprint,
        dim=encoder.dim,
        num_parameters=encoder.num_parameters,
        trained_languages=encoder.trained_languages,
    )
    text = table(result, model)
    print(text, end="")
    if output is not None:
        write_json(output / "tatoeba.json", report(result, model))
        with atomic_file(output / "tatoeba.txt") as temporary:
            temporary.write_text(text, encoding="utf-8")
        draw_scores(result, output / "tatoeba.png", model.summary)


def _codes(text: str) -> list[str]:
    """The codes of `--languages`."""
    codes = [code.strip() for code in text.split(",")]
    if "" in codes:
        raise UsageError(f"--languages must be codes separated by commas, such as deu,fra. Received: {text!r}.")
    return codes


def _groups(arguments: list[str]) -> dict[str, tuple[str, ...]]:
    """The groups of `--group name=file`."""
    groups: dict[str, tuple[str, ...]] = {}
    for argument in arguments:
        name, _, path = argument.partition("=")
        if not path or not re.fullmatch("[A-Za-z0-9_]+", name):
            raise UsageError(f"--group must be name=file, the name of letters, digits and _. Received: {argument!r}.")
        if name in (*GROUPS, EVALUATED) or name in groups:
            raise UsageError(f"--group must not use a name twice. Received: {name!r}, which is taken.")
        groups[name] = read_group(path)
    return groups


def _progress_line() -> Callable[[LanguageScore, int, int], None]:
    """A callback that writes a language's score, the rate and the time left to stderr."""
    start = time.monotonic()

    def show(score: LanguageScore, done: int, total: int) -> None:
        rate = done / max(time.monotonic() - start, 1e-9)
        left = (total - done) / rate
        log(
            f"{score.code} {100 * score.mean:5.1f}  {done:,} of {total:,} sentences, {rate:,.0f} a second, "
            f"{left / 60:.0f} min {left % 60:02.0f} s left"
        )

    return show
