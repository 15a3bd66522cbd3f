"""`lealla prepare`: a corpus, filtered and with its teacher's targets, as TFRecord shards."""

import argparse

from lealla_tf.cli.arguments import add_corpus_argument, add_teacher_arguments, import_tensorflow, log
from lealla_tf.config import CorpusConfig
from lealla_tf.corpus.specification import parse_corpus
from lealla_tf.errors import UsageError
from lealla_tf.settings import with_settings

HELP = "filter a corpus and store it with a teacher's embeddings, as shards to train on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lealla prepare`."""
    add_corpus_argument(parser)
    add_teacher_arguments(parser)
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="a filter, such as filter.script=true"
    )
    parser.add_argument(
        "--validation-pairs", type=int, default=200, help="pairs of each language to hold out (default: 200)"
    )
    parser.add_argument("--shard-pairs", type=int, default=4096, help="pairs in a shard (default: 4096)")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffling (default: 0)")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="the directory to write; an unfinished one is gone on with"
    )


def run(arguments: argparse.Namespace) -> None:
    """Prepares, or goes on preparing."""
    for name, smallest in (("validation_pairs", 0), ("shard_pairs", 1), ("seed", 0)):
        if (value := getattr(arguments, name)) < smallest:
            raise UsageError(f"--{name.replace('_', '-')} must be at least {smallest}. Received: {value}.")
    config = with_settings(CorpusConfig(files=tuple(arguments.corpus), on_error=arguments.on_error), arguments.set)
    if not parse_corpus(config.files):  # before the teacher is loaded, which takes a while
        raise UsageError("No corpus is given; name one with --corpus.")

    import_tensorflow()
    from lealla_tf.corpus.filtering import report_table
    from lealla_tf.corpus.preparing import check_place, prepare_corpus
    from lealla_tf.inference.loading import load_sentence_encoder

    check_place(arguments.output)
    teacher = None
    if arguments.teacher:
        teacher = load_sentence_encoder(arguments.teacher, arguments.teacher_preprocessor)
    prepared = prepare_corpus(
        config,
        arguments.output,
        teacher=teacher,
        teacher_name=arguments.teacher,
        validation_pairs=arguments.validation_pairs,
        shard_pairs=arguments.shard_pairs,
        seed=arguments.seed,
        progress=log,
    )
    log(report_table(prepared.reports))
    print(arguments.output)
