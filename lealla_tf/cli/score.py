"""`lealla score`: how well the two sides of parallel text translate each other."""

import argparse
import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lealla_tf.cli.arguments import (
    add_corpus_argument,
    add_model_arguments,
    blaming_model,
    import_tensorflow,
    log,
)
from lealla_tf.cli.scored_pairs import add_output_arguments, check_output, write_pairs
from lealla_tf.cli.searching import (
    add_margin_arguments,
    add_search_arguments,
    embedding_files,
    make_search,
    margin_options,
)
from lealla_tf.errors import DataError, UsageError

if TYPE_CHECKING:
    from lealla_tf.corpus.sentences import Sentences
    from lealla_tf.corpus.specification import CorpusFile

HELP = "score the pairs of parallel text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lealla score`."""
    add_model_arguments(parser)
    add_corpus_argument(parser)
    add_output_arguments(parser)
    add_margin_arguments(parser)
    add_search_arguments(parser)
    # A pair that is given has a cosine; the margins are for choosing among many.
    parser.set_defaults(margin="absolute", on_error="stop")


def run(arguments: argparse.Namespace) -> None:
    """Scores, and writes the pairs in their order."""
    from lealla_tf.corpus.specification import parse_corpus

    files = parse_corpus(arguments.corpus)
    if len(files) != 1:
        raise UsageError(f"--corpus must name one file, or two that are aligned. Received: {len(files)}.")
    (file,) = files
    check_output(arguments, file.language_pair)
    import_tensorflow()
    from lealla_tf.inference.loading import load_sentence_encoder
    from lealla_tf.retrieval.margin import score_pairs

    search = make_search(arguments)
    with tempfile.TemporaryDirectory(prefix="lealla-") as scratch, blaming_model(arguments.model):
        source, target = _copy_sides(file, arguments.on_error, Path(scratch))
        encoder = load_sentence_encoder(arguments.model, arguments.preprocessor)
        with embedding_files(arguments, encoder) as embeddings:
            distinct_sources, source_rows = _distinct(source)
            distinct_targets, target_rows = _distinct(target)
            vectors = embeddings.embed(distinct_sources, "source"), embeddings.embed(distinct_targets, "target")
            options = margin_options(arguments)
            scores = score_pairs(*vectors, source_rows, target_rows, search=search, **options)
        write_pairs(arguments, file.language_pair, scores, zip(source, target, strict=True))


def _copy_sides(file: "CorpusFile", on_error: str, scratch: Path) -> tuple["Sentences", "Sentences"]:
    """The sentences of both sides, of a corpus of any format, by their number."""
    from lealla_tf.corpus.filtering import FileReport
    from lealla_tf.corpus.reading import read_pairs
    from lealla_tf.corpus.sentences import open_sentences, scratch_file

    report = FileReport(file.name, file.language_pair)
    paths = scratch / "source", scratch / "target"
    with contextlib.ExitStack() as stack:
        copies = [stack.enter_context(scratch_file(path)) for path in paths]
        for pair in read_pairs(file, on_error, report):
            for copy, sentence in zip(copies, pair, strict=True):
                copy.write(sentence.replace("\n", " ").encode() + b"\n")
    if not paths[0].stat().st_size:
        raise DataError(f"{file.name}: holds no pair; name a file with some.")
    source, target = (open_sentences(path, scratch) for path in paths)
    skipped = sum(report.dropped.values())
    log(f"{file.name}: {len(source):,} pairs" + (f", {skipped:,} malformed ones skipped" if skipped else ""))
    return source, target


def _distinct(sentences: "Sentences") -> tuple["Sentences", Any]:
    """Each different sentence once, and which of them each of `sentences` is.

    Equal sentences would be each other's nearest neighbours' neighbours, and lower every margin.
    """
    import numpy as np

    from lealla_tf.corpus.sentences import fingerprints

    _, first, rows = np.unique(fingerprints(sentences), return_index=True, return_inverse=True)
    return sentences.take(first), rows
