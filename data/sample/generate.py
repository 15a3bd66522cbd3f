"""Generates the sample corpus: `python -m data.sample.generate --output DIR [--pairs 10000] [--seed 0]`.

DIR gets `train/<language>.tsv` (English, tab, foreign), `heldout/tatoeba.<iso>-eng.<iso|eng>` (one sentence a
line, as in the Tatoeba benchmark) and `manifest.json` with counts and checksums.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.sample.corpus import HELD_OUT, Corpus, build
from data.sample.grammar import CLASSES, ISO_639_3, PIVOT, grammars
from data.sample.lexicon import HERE, Concepts, read_phrasebook
from lealla_tf.errors import UsageError, UserError
from lealla_tf.files import MANIFEST, atomic_directory, sha256, write_json

KIND = "lealla-sample-corpus"
SMALLEST = 1000


def generate(output: Path, pairs: int, seed: int) -> Corpus:
    """Builds the corpus and writes it to the directory `output`.

    Args:
        output: the directory; replaced if an earlier run wrote it.
        pairs: training pairs per language, at least 1000.
        seed: any integer; the same one gives the same bytes.

    Raises:
        UsageError: if `pairs` is too small, or more than the grammar can say.
        DataError: if `output` is not ours to replace, or the written material is incomplete.
    """
    if pairs < SMALLEST:
        raise UsageError(f"`--pairs` must be at least {SMALLEST}. Received: {pairs}.")
    concepts = Concepts()
    phrases = read_phrasebook(HERE / "phrases" / "phrasebook.tsv", list(CLASSES))
    with atomic_directory(output) as directory:
        corpus = build(concepts, grammars(concepts), phrases, pairs, seed)
        write(corpus, directory)
        counts = {code: {"train": len(rows), "heldout": len(corpus.held_out)} for code, rows in corpus.train.items()}
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        checksums = {path.relative_to(directory).as_posix(): sha256(path) for path in files}
        write_json(directory / MANIFEST, {"kind": KIND, "seed": seed, "languages": counts, "sha256": checksums})
    return corpus


def write(corpus: Corpus, directory: Path) -> None:
    """Writes the training pairs and the held-out sentences of every language."""
    (directory / "train").mkdir()
    (directory / "heldout").mkdir()
    for code, pairs in corpus.train.items():
        _write_lines(directory / "train" / f"{code}.tsv", [f"{english}\t{foreign}" for english, foreign in pairs])
        stem = f"tatoeba.{ISO_639_3[code]}-eng"
        _write_lines(directory / "heldout" / f"{stem}.{ISO_639_3[code]}", [row[code] for row in corpus.held_out])
        _write_lines(directory / "heldout" / f"{stem}.eng", [row[PIVOT] for row in corpus.held_out])


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def table(corpus: Corpus) -> str:
    """Sizes, average lengths and an example per language."""
    lines = [f"{'language':8}  {'train':>7}  {'held out':>8}  {'English words':>13}  {'characters':>10}  example"]
    for code, pairs in corpus.train.items():
        words = sum(len(english.split()) for english, _ in pairs) / len(pairs)
        characters = sum(len(foreign) for _, foreign in pairs) / len(pairs)
        numbers = f"{len(pairs):7}  {len(corpus.held_out):8}  {words:13.1f}  {characters:10.1f}"
        lines.append(f"{code:8}  {numbers}  {' | '.join(pairs[0])}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m data.sample.generate", description="Generates the sample corpus.")
    parser.add_argument("--output", required=True, type=Path, help="directory to write")
    parser.add_argument("--pairs", type=int, default=10_000, help="training pairs per language (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives another corpus (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        corpus = generate(options.output, options.pairs, options.seed)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(table(corpus))
    print(f"Each language: {options.pairs} training pairs, {HELD_OUT} held-out pairs. Written to {options.output}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
