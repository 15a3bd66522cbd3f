"""How fast sentences become vectors: our encoders against others', all of the same random weights."""

# ruff: noqa: T201  a program prints

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.encoders import ENCODERS, Array, Model, Text, random_weights
from benchmarks.measured import write_measured
from lealla_tf.inference.packed_encoder import keep_cores_apart
from lealla_tf.presets import PAPER_PRESETS, preset
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary

REFERENCE, OPPONENT = "plain", "onnxruntime"

# Sentences that are joined to a long one.
JOINED = (3, 6)

Result = dict[str, Any]


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="a sentence a line; all of a file in one language")
    parser.add_argument("--vocabulary", required=True, metavar="FILE", help="filled up to the preset's size")
    parser.add_argument(
        "--presets", nargs="+", choices=PAPER_PRESETS, default=["lealla_small", "lealla_base", "lealla_large"]
    )
    parser.add_argument("--texts", nargs="+", choices=["short", "long"], default=["short", "long"])
    parser.add_argument("--encoders", nargs="+", choices=ENCODERS, default=list(ENCODERS), help="default: all")
    parser.add_argument("--tokens", type=int, default=16_384, help="tokens of a turn (default: 16384)")
    parser.add_argument("--turns", type=int, default=7, help="measurements of each (default: 7)")
    parser.add_argument("--output", default="", metavar="FILE.json", help="where to write the figures")
    return parser.parse_args()


def sentences(files: Sequence[str], kind: str) -> Iterator[str]:
    """Sentences of all files in a random order, or several neighbours joined; always the same."""
    generator = random.Random(0)
    found = []
    for file in files:
        lines = Path(file).read_text(encoding="utf-8").split("\n")[:-1]
        while lines:
            count = generator.randint(*JOINED) if kind == "long" else 1
            found.append(" ".join(lines[:count]))
            del lines[:count]
    generator.shuffle(found)
    yield from found


def make_text(model: Model, files: Sequence[str], kind: str, tokens: int) -> Text:
    """As many sentences as have about so many tokens."""
    drawn, count = sentences(files, kind), 0
    chosen: list[str] = []
    while count < tokens and (more := list(islice(drawn, 64))):
        chosen += more
        count += model.text(more).tokens
    return model.text(chosen)


def make_model(arguments: argparse.Namespace, name: str, directory: Path) -> Model:
    """Random weights of a preset's shape, and the vocabulary at its size."""
    config = preset(name)
    pieces = Vocabulary.from_file(arguments.vocabulary).pieces[: config.encoder.vocabulary_size]
    missing = config.encoder.vocabulary_size - len(pieces)
    vocabulary = Vocabulary([*pieces, *(f"[unused{number}]" for number in range(1000, 1000 + missing))])
    encoder = replace(config.encoder, dropout=0.0)
    return Model(encoder, random_weights(encoder), Tokenizer(vocabulary, "exact"), config.batch.length, directory)


def by_turns(model: Model, names: Sequence[str], texts: dict[str, Text], turns: int) -> Iterator[Result]:
    """Seconds of each encoder for each text, and how its vectors differ from the plain encoder's.

    Who begins changes with every turn; each has seen the text before.
    """
    encoders = {name: ENCODERS[name](model) for name in names}
    for kind, text in texts.items():
        vectors = {name: encode(text) for name, encode in encoders.items()}
        for turn in range(turns):
            first = turn % len(names)
            for name in [*names[first:], *names[:first]]:
                load = os.getloadavg()[0]
                started, processor_started = time.perf_counter(), time.process_time()
                encoders[name](text)
                yield {
                    "text": kind,
                    "encoder": name,
                    "turn": turn,
                    "sentences": len(text.sentences),
                    "tokens": text.tokens,
                    "seconds": time.perf_counter() - started,
                    "processor_seconds": time.process_time() - processor_started,
                    "load": load,
                    **(compared(vectors[name], vectors[REFERENCE]) if REFERENCE in vectors else {}),
                }


def compared(found: Array, expected: Array) -> Result:
    """The largest difference of a number, and the smallest cosine."""
    return {
        "largest_difference": float(np.abs(found - expected).max()),
        "smallest_cosine": float(np.sum(found * expected, axis=1).min()),
    }


def print_table(results: Sequence[Result]) -> None:
    """A line an encoder; the ratios to ONNX Runtime are of the same turn."""
    for kind in dict.fromkeys(result["text"] for result in results):
        rows = [result for result in results if result["text"] == kind]
        count = rows[0]["sentences"]
        loads = [row["load"] for row in rows]
        print(
            f"  {kind}: {count:,} sentences, {rows[0]['tokens'] / count:.1f} tokens each; "
            f"load average {min(loads):.1f} to {max(loads):.1f}"
        )
        columns = f"{'':22}{'sentences/s: median (least, most)':>34}{'x onnxruntime':>22}"
        print(f"    {columns}{'by processor time':>22}  difference  cosine")
        opponent = {row["turn"]: row for row in rows if row["encoder"] == OPPONENT}
        for name in dict.fromkeys(row["encoder"] for row in rows):
            mine = [row for row in rows if row["encoder"] == name]
            line = f"    {name:22}{_spread([count / row['seconds'] for row in mine], ',.0f'):>34}"
            for clock in ("seconds", "processor_seconds"):
                ratios = [opponent[row["turn"]][clock] / row[clock] for row in mine] if opponent else []
                line += f"{_spread(ratios, '.2f') if ratios else '':>22}"
            if "smallest_cosine" in mine[0]:
                line += f"  {mine[0]['largest_difference']:10.1e}  {mine[0]['smallest_cosine']:.5f}"
            print(line, flush=True)


def _spread(values: Sequence[float], form: str) -> str:
    """The median, the least and the most."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}, {max(values):{form}})"


def measure(arguments: argparse.Namespace, name: str) -> list[Result]:
    """All encoders of a preset."""
    with tempfile.TemporaryDirectory() as directory:
        model = make_model(arguments, name, Path(directory))
        texts = {kind: make_text(model, arguments.files, kind, arguments.tokens) for kind in arguments.texts}
        results = list(by_turns(model, arguments.encoders, texts, arguments.turns))
    print(f"{name}, {len(os.sched_getaffinity(0))} processors", flush=True)
    print_table(results)
    return [{"preset": name, **result} for result in results]


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    keep_cores_apart()
    results = [result for name in arguments.presets for result in measure(arguments, name)]
    packages = ("tensorflow", "torch", "transformers", "onnxruntime", "sentence-transformers")
    write_measured(arguments, packages, {"results": results})


if __name__ == "__main__":
    main()
