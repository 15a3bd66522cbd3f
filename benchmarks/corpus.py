"""How fast pairs become batches: from raw text, and from prepared shards with a teacher's targets."""

# ruff: noqa: T201  a program prints

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from benchmarks.measured import write_measured
from lealla_tf.cli.arguments import add_corpus_argument
from lealla_tf.config import BatchConfig, CorpusConfig
from lealla_tf.corpus.batching import training_batches
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.opening import Corpus, open_corpus
from lealla_tf.corpus.preparing import prepare_corpus
from lealla_tf.corpus.segments import Array
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary


class RandomTeacher:
    """Random unit vectors at no cost, so that the time is that of the corpus alone."""

    dim = 768
    fingerprint = "random"

    def embed(self, sentences: Sequence[str]) -> Array:
        """float32 `(count, dim)`."""
        rows = np.random.default_rng(len(sentences)).standard_normal((len(sentences), self.dim), np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_corpus_argument(parser)
    parser.add_argument("--vocabulary", required=True, metavar="FILE")
    parser.add_argument("--size", type=int, default=512, help="pairs in a batch (default: 512)")
    parser.add_argument("--length", type=int, default=64, help="tokens at most (default: 64)")
    parser.add_argument(
        "--buckets", type=int, nargs="*", default=[8, 12, 16, 24, 32, 48], help="widths (default: 8 12 16 24 32 48)"
    )
    parser.add_argument("--repeat", type=int, default=5, help="measurements of each kind (default: 5)")
    parser.add_argument("--output", default="", metavar="FILE.json", help="where to write the figures")
    return parser.parse_args()


def measure_pass(open_: Callable[[], Corpus], tokenizer: Tokenizer, config: BatchConfig) -> dict[str, float]:
    """Seconds and rates of opening a corpus and going through it once, and of going on.

    Rates per second of processor time, of all threads together, say what an idle machine
    would do where others work on the same one: as many times that as it has cores, at most.
    """
    started, processor = time.perf_counter(), time.process_time()
    corpus = open_()
    opened = time.perf_counter()
    mixture = Mixture(corpus.sources, temperature=1.0, seed=0, window=config.window * config.size)
    batches = iter(training_batches(mixture, tokenizer, config, seed=0))
    next(batches)
    first = time.perf_counter()
    steps = corpus.num_pairs // config.size
    for _ in range(steps - 1):
        next(batches)
    passed, processor_passed = time.perf_counter(), time.process_time()
    for _ in range(steps):
        next(batches)
    ended = time.perf_counter()
    return {
        "pairs": corpus.num_pairs,
        "open_seconds": opened - started,
        "first_batch_seconds": first - opened,
        "end_to_end_pairs_per_second": corpus.num_pairs / (passed - started),
        "steady_pairs_per_second": steps * config.size / (ended - passed),
        "end_to_end_pairs_per_processor_second": corpus.num_pairs / (processor_passed - processor),
        "steady_pairs_per_processor_second": steps * config.size / (time.process_time() - processor_passed),
    }


def measure(arguments: argparse.Namespace, directory: str) -> list[dict[str, Any]]:
    """Every kind of corpus as often as asked, by turns."""
    tokenizer = Tokenizer(Vocabulary.from_file(arguments.vocabulary))
    config = BatchConfig(size=arguments.size, length=arguments.length, buckets=tuple(arguments.buckets))
    text = CorpusConfig(files=tuple(arguments.corpus), on_error=arguments.on_error)
    started = time.perf_counter()
    prepare_corpus(text, directory, teacher=RandomTeacher())
    print(f"Prepared shards with {RandomTeacher.dim}-dimensional targets in {time.perf_counter() - started:.1f} s.")
    kinds: dict[str, Callable[[], Corpus]] = {
        "text": lambda: open_corpus(text, validation_pairs=200, with_teacher=False),
        "shards with targets": lambda: open_corpus(CorpusConfig(files=(directory,)), 200, with_teacher=True),
    }
    return [
        {"corpus": kind, "run": run, **measure_pass(open_, tokenizer, config)}
        for run in range(arguments.repeat)
        for kind, open_ in kinds.items()
    ]


def print_table(results: Sequence[dict[str, Any]]) -> None:
    """The best of each kind of corpus, and the worst."""
    for kind in dict.fromkeys(result["corpus"] for result in results):
        rows = [result for result in results if result["corpus"] == kind]
        print(f"{kind}, {rows[0]['pairs']:,} pairs")
        for name in list(rows[0])[3:]:
            values = [row[name] for row in rows]
            best, worst = (max(values), min(values)) if "per" in name else (min(values), max(values))
            form = ",.0f" if "per" in name else ".2f"
            print(f"  {name.replace('_', ' '):38} {best:>10{form}}  (worst {worst:{form}})")


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    tf.config.experimental.enable_op_determinism()  # as training does
    with tempfile.TemporaryDirectory() as directory:
        results = measure(arguments, directory)
    print_table(results)
    write_measured(arguments, ["tensorflow"], {"results": results})


if __name__ == "__main__":
    main()
