"""Arguments of the commands that search among many embeddings, and what they stand for."""

import argparse
import contextlib
import dataclasses
import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lealla_tf.cli.clock import StageClock
from lealla_tf.errors import UsageError
from lealla_tf.files import check_writable

if TYPE_CHECKING:
    from lealla_tf.evaluation.embedding_files import EmbeddingFiles
    from lealla_tf.evaluation.report import Report
    from lealla_tf.inference.sentence_encoder import SentenceEncoder
    from lealla_tf.retrieval.margin import Search


def add_margin_arguments(parser: argparse.ArgumentParser, of: str = "") -> None:
    """How pairs are scored; `of` says whose arguments these are."""
    parser.add_argument(
        "--margin",
        choices=("ratio", "distance", "absolute"),
        help=f"{of}score of a pair: its cosine divided by, or less, the mean cosine of both with their neighbours; or "
        "the cosine itself (default: ratio)",
    )
    parser.add_argument(
        "--neighbours", type=positive, metavar="K", help=f"{of}neighbours that the mean is over (default: 4)"
    )


def add_direction_argument(parser: argparse.ArgumentParser, of: str = "") -> None:
    """Which pairs are candidates."""
    parser.add_argument(
        "--direction",
        choices=("max", "intersect", "forward", "backward"),
        help=f"{of}candidates: the best pair of each source sentence (forward) or of each target sentence (backward), "
        "those in both (intersect), or from the best of all, each sentence at most once (default: max)",
    )


def add_search_arguments(parser: argparse.ArgumentParser, of: str = "") -> None:
    """How neighbours are found, and where embeddings are kept."""
    parser.add_argument(
        "--search",
        choices=("exact", "ivf", "hnsw"),
        help=f"{of}how neighbours are found: by comparing all with all, or approximately with faiss (default: exact)",
    )
    parser.add_argument(
        "--effort",
        type=positive,
        metavar="N",
        help=f"{of}how much of an approximate index is searched: lists of ivf (default: 32), candidates of hnsw (128)",
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        help=f"{of}keep the embeddings there: a run that is stopped goes on with them, and the next one finds them",
    )


def positive(text: str) -> int:
    """A number of the command line that must be at least 1."""
    number = int(text)  # argparse reports its ValueError
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {text}")
    return number


def margin_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What is given of `margin`, `k` and `direction`; the rest is left to the function that takes them."""
    names = {"margin": "margin", "neighbours": "k", "direction": "direction"}
    values = {name: getattr(arguments, argument, None) for argument, name in names.items()}
    return {name: value for name, value in values.items() if value is not None}


def make_search(arguments: argparse.Namespace) -> "Search":
    """What finds neighbours, and shows how far it is; a place that cannot be used is told here, before the work.

    Raises:
        UsageError: if faiss is needed and not installed, or `--effort` is given for an exact search.
        DataError: if nothing can be written in `--cache`.
    """
    from lealla_tf.retrieval.neighbours import Method, nearest_neighbours

    method: Method = arguments.search or "exact"
    if method == "exact" and arguments.effort is not None:
        raise UsageError(f"--effort belongs to --search ivf or hnsw. Received: --effort {arguments.effort}.")
    if method != "exact" and importlib.util.find_spec("faiss") is None:
        raise UsageError(f"--search {method} needs faiss, which is not installed: pip install 'lealla-tf[mining]'.")
    if arguments.cache is not None:
        check_writable(Path(arguments.cache) / "embeddings.npy")
    clock = StageClock()

    def search(queries: Any, pool: Any, k: int) -> Any:
        stage = f"searching {len(pool):,} sentences for neighbours of {len(queries):,}"
        return nearest_neighbours(
            queries,
            pool,
            k,
            method=method,
            effort=arguments.effort,
            progress=lambda done, total: clock.show(stage, done, total),
        )

    return search


def with_search(report: "Report", arguments: argparse.Namespace) -> "Report":
    """The report, which says how neighbours were searched if that was not exact."""
    method = arguments.search or "exact"
    settings = {**report.details["settings"], "search": method, "effort": arguments.effort}
    details = {**report.details, "settings": settings}
    if method == "exact":
        return dataclasses.replace(report, details=details)
    effort = "" if arguments.effort is None else f", effort {arguments.effort}"
    note = f"Neighbours were searched approximately ({method}{effort}); an exact search may find more."
    return dataclasses.replace(report, details=details, lines=(*report.lines, note))


@contextlib.contextmanager
def embedding_files(arguments: argparse.Namespace, encoder: "SentenceEncoder") -> Iterator["EmbeddingFiles"]:
    """Yields what embeds into `--cache`, or into a directory that is gone afterwards."""
    from lealla_tf.evaluation.embedding_files import EmbeddingFiles

    clock = StageClock()
    with contextlib.ExitStack() as stack:
        directory = arguments.cache or stack.enter_context(tempfile.TemporaryDirectory(prefix="lealla-"))
        yield EmbeddingFiles(
            encoder.embed,
            encoder.fingerprint,
            directory,
            lambda name, done, total: clock.show(f"embedding {name}, {total:,} sentences", done, total),
        )
