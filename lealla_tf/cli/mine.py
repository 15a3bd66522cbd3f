"""`lealla mine`: the translations among two collections of sentences."""

import argparse
import tempfile
from typing import TYPE_CHECKING

from lealla_tf.cli.arguments import add_model_arguments, blaming_model, import_tensorflow, log
from lealla_tf.cli.scored_pairs import add_output_arguments, check_output, write_pairs
from lealla_tf.cli.searching import (
    add_direction_argument,
    add_margin_arguments,
    add_search_arguments,
    embedding_files,
    make_search,
    margin_options,
)
from lealla_tf.errors import DataError

if TYPE_CHECKING:
    from lealla_tf.corpus.sentences import Sentences

HELP = "find the translations among two files of sentences"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lealla mine`."""
    add_model_arguments(parser)
    parser.add_argument("--source", required=True, metavar="FILE", help="one sentence a line, UTF-8, plain or gzipped")
    parser.add_argument("--target", required=True, metavar="FILE", help="the same in the other language")
    parser.add_argument(
        "--languages", default="", metavar="PAIR", help="source and target, such as de-en; a TMX file names them"
    )
    add_output_arguments(parser)
    add_margin_arguments(parser)
    add_direction_argument(parser)
    parser.add_argument(
        "--one-per-target", action="store_true", help="of several pairs with one target sentence, keep the best"
    )
    add_search_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Mines, and writes the pairs from the highest score."""
    check_output(arguments, arguments.languages)
    import_tensorflow()
    from lealla_tf.corpus.sentences import first_occurrences
    from lealla_tf.inference.loading import load_sentence_encoder
    from lealla_tf.retrieval.margin import Pairs, mine_pairs

    search = make_search(arguments)
    with tempfile.TemporaryDirectory(prefix="lealla-") as scratch, blaming_model(arguments.model):
        source, target = (_distinct(path, scratch) for path in (arguments.source, arguments.target))
        encoder = load_sentence_encoder(arguments.model, arguments.preprocessor)
        with embedding_files(arguments, encoder) as files:
            vectors = files.embed(source, "source"), files.embed(target, "target")
            pairs = mine_pairs(*vectors, search=search, **margin_options(arguments))
        if arguments.one_per_target:
            pairs = Pairs(*(array[first_occurrences(pairs.target)] for array in pairs))
        sentences = ((source[int(i)], target[int(j)]) for i, j in zip(pairs.source, pairs.target, strict=True))
        write_pairs(arguments, arguments.languages, pairs.scores, sentences)


def _distinct(path: str, scratch: str) -> "Sentences":
    """The sentences of a file, each once, without blank lines."""
    from lealla_tf.corpus.sentences import fingerprints, first_occurrences, is_blank, open_sentences

    lines = open_sentences(path, scratch)
    sentences = lines.take(~is_blank(lines))
    if not len(sentences):
        raise DataError(f"{path}: holds no sentence; name a file with text.")
    distinct = sentences.take(first_occurrences(fingerprints(sentences)))
    log(f"{path}: {len(distinct):,} different sentences in {len(lines):,} lines")
    return distinct
