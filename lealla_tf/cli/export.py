"""`lealla export`: a checkpoint as three SavedModels, with a model card and checksums."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lealla_tf.cli.arguments import import_tensorflow, log
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import check_output_directory, read_json

if TYPE_CHECKING:
    from lealla_tf.checkpoints import Checkpoint
    from lealla_tf.config import Config
    from lealla_tf.saved_model.model_card import ModelFacts

HELP = "write a checkpoint as SavedModels, with a model card"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lealla export`."""
    parser.add_argument("model", metavar="MODEL", help="a run or a checkpoint of `lealla train`")
    parser.add_argument("--output", required=True, metavar="DIR", help="the directory to write")
    parser.add_argument("--name", default="", help="title of the model card (default: the name of the directory)")
    parser.add_argument(
        "--license", default="", metavar="TEXT", help="the licence, for the model card (default: said not to be stated)"
    )
    parser.add_argument(
        "--evaluation",
        default="",
        metavar="FILE",
        help="numbers for the model card: tatoeba.json, which `lealla evaluate --output` writes",
    )


def run(arguments: argparse.Namespace) -> None:
    """Exports, checks, and prints the directory.

    Raises:
        UserError: for a model, an evaluation or an output that cannot be used.
    """
    check_output_directory(arguments.output)

    import_tensorflow()
    from lealla_tf.checkpoints import load_checkpoint
    from lealla_tf.saved_model.writing import export_model

    checkpoint = load_checkpoint(arguments.model)
    facts = _facts(arguments, checkpoint)
    for line in export_model(arguments.output, checkpoint.load_encoder(), checkpoint.vocabulary, facts, log):
        log(f"checked {line}")
    print(arguments.output)


def _facts(arguments: argparse.Namespace, checkpoint: "Checkpoint") -> "ModelFacts":
    """What the checkpoint and the command line say of the model."""
    from lealla_tf.saved_model.model_card import ModelFacts

    name = arguments.name or Path(arguments.output).resolve().name
    if not name or not name.isprintable():
        raise UsageError(f"--name must be one line of text. Received: {name!r}.")
    metrics = dict(checkpoint.manifest.get("metrics", {}))
    benchmarks: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    if arguments.evaluation:
        benchmark, scores, labels = _read_evaluation(arguments.evaluation, checkpoint.fingerprint)
        benchmarks = (benchmark,)
        metrics.update(scores)
    config = checkpoint.config
    return ModelFacts(
        name=name,
        checkpoint=checkpoint.fingerprint,
        text_mode=config.text.mode,
        sequence_length=config.batch.length,
        license=arguments.license,
        languages=checkpoint.languages,
        training=(f"{checkpoint.manifest['step']:,} steps of {config.batch.size:,} pairs", *_training(config)),
        metrics=metrics,
        benchmarks=benchmarks,
        labels=labels,
    )


def _training(config: "Config") -> list[str]:
    """How the model was trained, in lines; files by their names alone, for where they lay concerns nobody."""
    loss = config.loss
    weights = {"additive margin": loss.additive_margin, "feature": loss.feature, "logit": loss.logit}
    lines = [f"losses: {', '.join(f'{name} {weight:g}' for name, weight in weights.items() if weight)}"]
    if loss.needs_teacher:
        lines.append(f"teacher: {_public_name(config.teacher.model) or 'embeddings stored with the corpus'}")
    else:
        lines.append("teacher: none")
    if config.training.init_from:
        lines.append(f"started from: {_public_name(config.training.init_from)}")
    if config.corpus.files:
        lines.append(f"corpus: {', '.join(_corpus_name(file) for file in config.corpus.files)}")
    return lines


def _corpus_name(argument: str) -> str:
    """`de=FILE` with the file's name alone."""
    pair, separator, path = argument.rpartition("=")
    return f"{pair}{separator}{_public_name(path)}"


def _public_name(path: str) -> str:
    """A handle as it is, a path's last part."""
    return path if re.match(r"\w+://", path) else Path(path).name


def _read_evaluation(path: str, fingerprint: str) -> tuple[str, dict[str, float], dict[str, str]]:
    """The benchmark, the numbers and their labels in a report of `lealla evaluate`, if it is of this model.

    Raises:
        DataError: if the file is something else, or of another model.
    """
    report: Any = read_json(path)
    try:
        benchmark, metrics = report["benchmark"], report["metrics"]
        evaluated = report["model"]["fingerprint"]
        scores = {key: float(value) for key, value in metrics.items()}
        labels = {key: str(value) for key, value in report.get("labels", {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is not a report of `lealla evaluate`; name the JSON file of its --output.") from error
    if evaluated != fingerprint:
        raise DataError(
            f"{path}: is of another model (fingerprint {evaluated}) than the one to be exported ({fingerprint}); "
            "evaluate this checkpoint."
        )
    return benchmark, scores, labels
