"""The arguments and the configuration of the commands that carry out a run."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lealla_tf.cli.arguments import add_corpus_argument, import_tensorflow, log, read_config
from lealla_tf.config import Config
from lealla_tf.corpus.specification import languages_of
from lealla_tf.errors import UsageError
from lealla_tf.presets import PRESETS
from lealla_tf.settings import with_settings

if TYPE_CHECKING:
    from lealla_tf.checkpoints import Checkpoint
    from lealla_tf.corpus.opening import Corpus
    from lealla_tf.text.vocabulary import Vocabulary
    from lealla_tf.training.run import Outcome


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that every run has."""
    parser.add_argument(
        "--config",
        default="",
        metavar="PRESET|FILE",
        help=f"a preset ({', '.join(PRESETS)}) or a JSON file; default: lealla_small, with --init-from in the shape "
        "and the batches of that checkpoint",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="a setting, such as encoder.num_layers=12"
    )
    add_corpus_argument(parser)
    # Where it is not given, what the configuration says counts, which is `skip` by default.
    parser.set_defaults(on_error=None)
    parser.add_argument(
        "--vocabulary", default="", metavar="FILE", help="the vocabulary; default: that of --init-from or --stack-from"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--init-from", default="", metavar="MODEL", help="the checkpoint whose weights the encoder starts from"
    )
    start.add_argument(
        "--stack-from", default="", metavar="MODEL", help="a checkpoint with fewer layers, which are repeated"
    )
    parser.add_argument("--global-batch", type=int, metavar="PAIRS", help="pairs in a batch, over all devices")
    parser.add_argument(
        "--strategy",
        choices=("one_device", "mirrored", "multi_worker", "tpu"),
        help="where to compute (default: one_device); multi_worker takes the machines that TF_CONFIG names",
    )
    parser.add_argument(
        "--steps-per-execution", type=int, metavar="STEPS", help="steps between two visits of the host (default: 1)"
    )
    parser.add_argument(
        "--mixed-precision", action="store_true", help="compute in bfloat16 where that is safe; weights stay float32"
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="the run's directory; the same command on the same directory goes on where it was stopped",
    )


def configure_run(arguments: argparse.Namespace, settings: Mapping[str, Any]) -> "tuple[Config, Vocabulary]":
    """The resolved configuration and the vocabulary, from the command line.

    Args:
        arguments: Those of `add_run_arguments`.
        settings: What further arguments of a command set, by field.

    Raises:
        UsageError: for settings that contradict each other or a checkpoint that is to be started from.
        DataError: if a file cannot be used.
    """
    config = read_config(arguments.config) if arguments.config else None
    origin = arguments.init_from or arguments.stack_from
    if config and not origin:
        origin = config.training.init_from or config.training.stack_from
    if not arguments.vocabulary and not origin:
        raise UsageError("A vocabulary is needed: learn one with `lealla vocabulary` and name it with --vocabulary.")

    from lealla_tf.text.vocabulary import Vocabulary

    initial = _load_checkpoint(origin) if origin else None
    if config is None and initial is not None:
        config = replace(Config(), encoder=initial.config.encoder, text=initial.config.text, batch=initial.config.batch)
    elif config is None:
        config = read_config("lealla_small")
    if initial is None or arguments.vocabulary:
        vocabulary = Vocabulary.from_file(arguments.vocabulary)
    else:
        vocabulary = initial.vocabulary
    if initial is not None:
        initial.check_vocabulary(vocabulary)
    settings = {
        "encoder.vocabulary_size": len(vocabulary),
        "batch.size": arguments.global_batch,
        "corpus.files": arguments.corpus,
        "corpus.on_error": arguments.on_error,
        "training.init_from": arguments.init_from,
        "training.stack_from": arguments.stack_from,
        "training.strategy": arguments.strategy,
        "training.steps_per_execution": arguments.steps_per_execution,
        "training.precision": "mixed_bfloat16" if arguments.mixed_precision else None,
        **settings,
    }
    # JSON, so that a file whose name looks like a number or a list stays the name of a file.
    given = [f"{field}={json.dumps(value)}" for field, value in settings.items() if value or value == 0]
    return with_settings(config, [*given, *arguments.set]), vocabulary


def report_corpus(corpus: "Corpus", batch: int) -> None:
    """Shows what was read, and warns of a batch that it does not fill."""
    from lealla_tf.corpus.filtering import report_table

    if corpus.reports:
        log(report_table(corpus.reports))
    counts = {"pairs": [0, 0], "sentences": [0, 0]}
    for name, source in corpus.sources.items():
        kind = counts["pairs" if len(languages_of(name)) == 2 else "sentences"]
        kind[0], kind[1] = kind[0] + sum(source.sizes), kind[1] + 1
    (pairs, language_pairs), (sentences, languages) = counts.values()
    if language_pairs:
        log(f"{pairs:,} pairs to train on; language pairs: {language_pairs}")
    if languages:
        log(f"{sentences:,} sentences to train on; languages: {languages}")
    if pairs + sentences < batch:
        what = "pairs" if language_pairs else "sentences"
        log(f"warning: a batch of {batch:,} repeats {what}; set batch.size lower, or add text")


def report_outcome(outcome: "Outcome") -> int:
    """Shows how a run ended; gives the exit code."""
    if outcome.interrupted:
        log(f"Stopped after step {outcome.step:,}. The same command goes on from there.")
        return 130
    print(outcome.best)
    return 0


def _load_checkpoint(path: str) -> "Checkpoint":
    """The checkpoint to start from."""
    import_tensorflow()
    from lealla_tf.checkpoints import load_checkpoint

    return load_checkpoint(path)
