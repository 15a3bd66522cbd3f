"""`lealla train`: an encoder from parallel text, with or without a teacher."""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lealla_tf.cli.arguments import add_corpus_argument, add_teacher_arguments, import_tensorflow, log, read_config
from lealla_tf.config import Config
from lealla_tf.corpus.specification import parse_corpus
from lealla_tf.errors import DataError, UsageError
from lealla_tf.presets import PRESETS
from lealla_tf.settings import with_settings

if TYPE_CHECKING:
    from lealla_tf.checkpoints import Checkpoint
    from lealla_tf.corpus.opening import Corpus
    from lealla_tf.inference.sentence_encoder import GraphSentenceEncoder
    from lealla_tf.text.vocabulary import Vocabulary

HELP = "train an encoder on parallel text, with or without a teacher"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lealla train`."""
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
    parser.add_argument("--vocabulary", default="", metavar="FILE", help="the vocabulary; default: that of --init-from")
    add_teacher_arguments(parser)
    parser.add_argument(
        "--init-from", default="", metavar="MODEL", help="the checkpoint whose weights the encoder starts from"
    )
    parser.add_argument("--global-batch", type=int, metavar="PAIRS", help="pairs in a batch, over all devices")
    parser.add_argument(
        "--chunk",
        type=int,
        metavar="PAIRS",
        help="pairs that a device embeds at a time; makes batches possible that do not fit into memory as a whole",
    )
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


def run(arguments: argparse.Namespace) -> int:
    """Trains, or goes on with the run in the output directory."""
    config, vocabulary = _configure(arguments)
    _check_before_reading(config, vocabulary, arguments.output)

    from lealla_tf.corpus.filtering import report_table
    from lealla_tf.corpus.opening import open_corpus
    from lealla_tf.inference.sentence_encoder import embed_with
    from lealla_tf.training.run import train
    from lealla_tf.training.strategy import make_strategy

    # Before anything is computed: workers and TPUs have to be connected first.
    strategy = make_strategy(config.training.strategy, config.training.worker_timeout, log)
    corpus = open_corpus(config.corpus, config.validation.pairs, config.loss.needs_teacher, progress=log)
    if corpus.reports:
        log(report_table(corpus.reports))
    log(f"{corpus.num_pairs:,} pairs to train on; language pairs: {len(corpus.sources)}")
    if corpus.num_pairs < config.batch.size:
        log(f"warning: a batch of {config.batch.size:,} repeats pairs; set batch.size lower, or add text")
    if config.loss.needs_teacher and corpus.teacher is None and not config.teacher.model:
        log("No teacher is given: training with the additive-margin loss alone (loss.feature = loss.logit = 0).")
        config = with_settings(config, ["loss.feature=0", "loss.logit=0"])
    elif config.teacher.model and not config.loss.needs_teacher:
        log(f"The teacher {config.teacher.model} is not used: loss.feature and loss.logit are 0.")
    outcome = train(
        config,
        vocabulary,
        corpus,
        arguments.output,
        lambda encoder, tokenizer: embed_with(encoder, tokenizer, config.batch.length).embed,
        _teacher_maker(config, corpus),
        strategy,
        progress=log,
    )
    if outcome.interrupted:
        log(f"Stopped after step {outcome.step:,}. The same command goes on from there.")
        return 130
    print(outcome.best)
    return 0


def _configure(arguments: argparse.Namespace) -> tuple[Config, "Vocabulary"]:
    """The resolved configuration and the vocabulary, from the command line."""
    config = read_config(arguments.config) if arguments.config else None
    origin = arguments.init_from or (config.training.init_from if config else "")
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
        "batch.chunk": arguments.chunk,
        "corpus.files": arguments.corpus,
        "corpus.on_error": arguments.on_error,
        "teacher.model": arguments.teacher,
        "teacher.preprocessor": arguments.teacher_preprocessor,
        "training.init_from": arguments.init_from,
        "training.strategy": arguments.strategy,
        "training.steps_per_execution": arguments.steps_per_execution,
        "training.precision": "mixed_bfloat16" if arguments.mixed_precision else None,
    }
    # JSON, so that a file whose name looks like a number or a list stays the name of a file.
    given = [f"{field}={json.dumps(value)}" for field, value in settings.items() if value or value == 0]
    return with_settings(config, [*given, *arguments.set]), vocabulary


def _load_checkpoint(path: str) -> "Checkpoint":
    """The checkpoint to start from."""
    import_tensorflow()
    from lealla_tf.checkpoints import load_checkpoint

    return load_checkpoint(path)


def _check_before_reading(config: Config, vocabulary: "Vocabulary", output: str) -> None:
    """Tells mistakes that need no corpus to be seen, before one is read for minutes."""
    if not parse_corpus(config.corpus.files):
        raise DataError("No corpus is given; name one with --corpus.")

    import_tensorflow()
    from lealla_tf.inference.loading import find_model
    from lealla_tf.training.claim import check_place
    from lealla_tf.training.run import check_settings

    check_settings(config, vocabulary)
    check_place(Path(output))
    if config.loss.needs_teacher:
        for model in filter(None, (config.teacher.model, config.teacher.preprocessor)):
            find_model(model)


def _teacher_maker(config: Config, corpus: "Corpus") -> "Callable[[], GraphSentenceEncoder] | None":
    """What loads the teacher that embeds on the fly; `None` where none is to."""
    from lealla_tf.inference.loading import load_sentence_encoder, load_teacher

    name = config.teacher.model
    if not name or not config.loss.needs_teacher:
        return None
    if corpus.teacher is None:
        return lambda: load_teacher(name, config.teacher.preprocessor)
    found = load_sentence_encoder(name, config.teacher.preprocessor).fingerprint
    if found != corpus.teacher["fingerprint"]:
        raise UsageError(
            f"The corpus holds the targets of another teacher ({corpus.teacher['model']}) than {name}; "
            "prepare it with this one, or leave out --teacher."
        )
    return None
