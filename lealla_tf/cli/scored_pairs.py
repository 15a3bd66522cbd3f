"""What `lealla mine` and `lealla score` do with their pairs: choose by a threshold, write, draw."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lealla_tf.cli.arguments import log
from lealla_tf.errors import UsageError
from lealla_tf.files import check_writable


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Where pairs are written, which of them, and the picture."""
    parser.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="NAME.tsv: score<TAB>source<TAB>target; NAME.tmx: a translation memory (each also .gz); 'NAME.{de,en}': "
        "aligned files, and NAME.scores (default: TSV on standard output)",
    )
    parser.add_argument("--threshold", type=float, metavar="SCORE", help="write pairs of at least this score only")
    parser.add_argument(
        "--picture", metavar="FILE.png", help="draw how many pairs have which score, which helps to choose a threshold"
    )


def check_output(arguments: argparse.Namespace, language_pair: str) -> None:
    """Raises `UsageError` or `DataError` if what is asked for cannot be written."""
    from lealla_tf.corpus.writing import check_pair_output

    check_pair_output(arguments.output, language_pair)
    if arguments.picture is not None:
        if not arguments.picture.endswith(".png") or Path(arguments.picture).is_dir():
            raise UsageError(f"--picture must name a .png file. Received: {arguments.picture}.")
        check_writable(arguments.picture)


def write_pairs(
    arguments: argparse.Namespace, language_pair: str, scores: Any, sentences: Iterable[tuple[str, str]]
) -> None:
    """Writes the pairs that reach the threshold in their order, and draws the scores of all.

    Args:
        arguments: Those of `add_output_arguments`.
        language_pair: As in `open_pair_writer`.
        scores: Of all pairs, `(pairs,)`.
        sentences: The source and the target of each pair.
    """
    import numpy as np

    from lealla_tf.corpus.writing import open_pair_writer
    from lealla_tf.evaluation.histograms import Histogram, draw_histograms

    taken = np.ones(len(scores), bool) if arguments.threshold is None else scores >= arguments.threshold
    with open_pair_writer(arguments.output, language_pair) as write:
        for score, is_taken, (source, target) in zip(scores.tolist(), taken.tolist(), sentences, strict=True):
            if is_taken:
                write(score, source, target)
    log(f"{taken.sum():,} of {len(scores):,} pairs written")
    finite = scores[np.isfinite(scores)]
    if arguments.picture is not None and len(finite):
        histogram = Histogram(title="all pairs", scores=finite, threshold=arguments.threshold)
        draw_histograms([histogram], arguments.picture, arguments.model)
