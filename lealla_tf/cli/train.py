"""`lealla train`: an encoder from parallel text, with or without a teacher."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lealla_tf.cli.arguments import add_teacher_arguments, import_tensorflow, log
from lealla_tf.cli.run_arguments import add_run_arguments, configure_run, report_corpus, report_outcome
from lealla_tf.config import Config
from lealla_tf.corpus.specification import parse_corpus
from lealla_tf.errors import UsageError
from lealla_tf.settings import with_settings

if TYPE_CHECKING:
    from lealla_tf.corpus.opening import Corpus
    from lealla_tf.inference.sentence_encoder import GraphSentenceEncoder
    from lealla_tf.text.vocabulary import Vocabulary
    from lealla_tf.training.run import Outcome

HELP = "train an encoder on parallel text, with or without a teacher"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lealla train`."""
    add_run_arguments(parser)
    add_teacher_arguments(parser)
    parser.add_argument(
        "--chunk",
        type=int,
        metavar="PAIRS",
        help="pairs that a device embeds at a time; makes batches possible that do not fit into memory as a whole",
    )


def run(arguments: argparse.Namespace) -> int:
    """Trains, or goes on with the run in the output directory."""
    return report_outcome(carry_out(*configure(arguments), arguments.output))


def carry_out(config: Config, vocabulary: "Vocabulary", output: str) -> "Outcome":
    """Trains by a whole configuration, or goes on with the run in `output`.

    Raises:
        UserError: for what `lealla train` ends with in one line.
    """
    _check_before_reading(config, vocabulary, output)

    from lealla_tf.corpus.opening import open_corpus
    from lealla_tf.inference.sentence_encoder import embed_with
    from lealla_tf.training.distillation import train
    from lealla_tf.training.strategy import make_strategy

    # Before anything is computed: workers and TPUs have to be connected first.
    strategy = make_strategy(config.training.strategy, config.training.worker_timeout, log)
    # What is reduced may stand with the corpus, too, and needs not be computed then.
    with_teacher = config.loss.needs_teacher or config.training.trained == "reduction"
    corpus = open_corpus(config.corpus, config.validation.pairs, with_teacher, progress=log)
    report_corpus(corpus, config.batch.size)
    if config.loss.needs_teacher and corpus.teacher is None and not config.teacher.model:
        log("No teacher is given: training with the additive-margin loss alone (loss.feature = loss.logit = 0).")
        config = with_settings(config, ["loss.feature=0", "loss.logit=0"])
    elif config.teacher.model and not config.loss.needs_teacher:
        log(f"The teacher {config.teacher.model} is not used: loss.feature and loss.logit are 0.")
    return train(
        config,
        vocabulary,
        corpus,
        output,
        lambda encoder, tokenizer: embed_with(encoder, tokenizer, config.batch.length).embed,
        _teacher_maker(config, corpus),
        strategy,
        progress=log,
    )


def configure(arguments: argparse.Namespace) -> "tuple[Config, Vocabulary]":
    """The resolved configuration and the vocabulary, from the command line."""
    settings = {
        "batch.chunk": arguments.chunk,
        "teacher.model": arguments.teacher,
        "teacher.preprocessor": arguments.teacher_preprocessor,
    }
    return configure_run(arguments, settings)


def _check_before_reading(config: Config, vocabulary: "Vocabulary", output: str) -> None:
    """Tells mistakes that need no corpus to be seen, before one is read for minutes."""
    if not parse_corpus(config.corpus.files):
        raise UsageError("No corpus is given; name one with --corpus.")

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
    from lealla_tf.inference.packed_encoder import share_memory

    name = config.teacher.model
    if not name or not config.loss.needs_teacher:
        return None
    if corpus.teacher is None:
        return lambda: load_teacher(name, config.teacher.preprocessor)
    share_memory()
    found = load_sentence_encoder(name, config.teacher.preprocessor).fingerprint
    if found != corpus.teacher["fingerprint"]:
        raise UsageError(
            f"The corpus holds the targets of another teacher ({corpus.teacher['model']}) than {name}; "
            "prepare it with this one, or leave out --teacher."
        )
    return None
