"""`lealla pretrain`: an encoder that learns to guess hidden tokens, of sentences and of pairs."""

import argparse
from pathlib import Path

from lealla_tf.cli.arguments import import_tensorflow, log
from lealla_tf.cli.run_arguments import add_run_arguments, configure_run, report_corpus, report_outcome
from lealla_tf.errors import UsageError

HELP = "pre-train an encoder on text and pairs by hiding tokens; `lealla train --init-from` goes on from it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lealla pretrain`."""
    add_run_arguments(parser)
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="LANGUAGE=FILE",
        help="sentences of one language, a line each, also .gz; may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Pre-trains, or goes on with the run in the output directory."""
    config, vocabulary = configure_run(arguments, {"pretraining.text": arguments.text})
    if not config.corpus.files and not config.pretraining.text:
        raise UsageError("No text is given; name pairs with --corpus, sentences with --text, or both.")

    import_tensorflow()
    from lealla_tf.corpus.monolingual import with_text
    from lealla_tf.corpus.opening import open_corpus
    from lealla_tf.training.claim import check_place
    from lealla_tf.training.pretraining import check_settings, pretrain
    from lealla_tf.training.strategy import make_strategy

    check_settings(config, vocabulary)
    check_place(Path(arguments.output))
    strategy = make_strategy(config.training.strategy, config.training.worker_timeout, log)
    corpus = open_corpus(config.corpus, 0, with_teacher=False, progress=log) if config.corpus.files else None
    corpus = with_text(corpus, config.pretraining.text, config.corpus, progress=log)
    report_corpus(corpus, config.batch.size)
    return report_outcome(pretrain(config, vocabulary, corpus, arguments.output, strategy, progress=log))
