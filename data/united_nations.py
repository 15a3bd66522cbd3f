"""Prepares a local copy of the United Nations Parallel Corpus v1.0 as a TensorFlow data set, `united_nations`.

    python -m data.united_nations --data DIR --output DIR

The directory holds the corpus's files, plain or gzipped, as `lealla evaluate` reads them:
`UNv1.0.en-fr.fr`, `UNv1.0.6way.fr`, `UNv1.0.testset.fr` and the like.  Each language pair
becomes a configuration like `fr-en`, with a split for each part of the corpus that is there:
`bilingual`, `6way`, `testset`, `devset`.  A line without one of its sides, or that repeats an
earlier pair, is left out, as in the evaluation.  Any program reads it back by name:

    --corpus fr-en=tfds:united_nations/fr-en:6way@DIR
    tfds.load("united_nations/fr-en", data_dir=DIR, split="6way")
"""

import argparse
import functools
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from data.records import RecordsBuilder, RecordsConfig, codes, prepare_all, run_program, translation, translations
from lealla_tf.evaluation.united_nations_files import find_parts, find_united_nations, read_distinct

_CITATION = """@inproceedings{ziemski-etal-2016-united,
  title = {The United Nations Parallel Corpus v1.0},
  author = {Ziemski, Micha{\\l} and Junczys-Dowmunt, Marcin and Pouliquen, Bruno},
  booktitle = {Proceedings of the Tenth International Conference on Language Resources and Evaluation},
  year = {2016}
}"""


class UnitedNations(RecordsBuilder):
    """A `Translation` data set of two of the six official languages, whose splits are the parts of the corpus."""

    FACTS = {  # noqa: RUF012  (as its base class declares it)
        "description": "Sentence pairs of United Nations documents, each once.",
        "homepage": "https://conferences.unite.un.org/uncorpus",
        "citation": _CITATION,
    }


def prepare(directory: str, languages: Sequence[str] | None, part: str | None, data_dir: str) -> list[str]:
    """Writes each language pair as `DATA_DIR/united_nations/PAIR/1.0.0`.

    Args:
        directory: the corpus's files.
        languages: pairs like `fr-en`; those with English if None.
        part: the only part to write; all that are there if None.
        data_dir: the TFDS data directory to write into.

    Returns:
        A line for each split, with its counts.

    Raises:
        UserError: as `find_united_nations`, `read_distinct` and `prepare_all`.
    """
    found: dict[str, dict[str, tuple[Path, Path]]] = {}  # pair -> part -> files
    for one in [part] if part else find_parts(directory):
        for pair, paths in find_united_nations(directory, languages, one)[1].items():
            found.setdefault(pair, {})[one] = paths
    lines: list[str] = []
    prepare_all(UnitedNations, [_config(pair, parts, lines) for pair, parts in sorted(found.items())], data_dir)
    return lines


def _config(pair: str, parts: dict[str, tuple[Path, Path]], lines: list[str]) -> RecordsConfig:
    """The configuration of a language pair; `lines` gains one for each part that is read."""
    source, _, target = pair.partition("-")
    sides = (source, target)

    def examples(part: str) -> Iterator[dict[str, str]]:
        with tempfile.TemporaryDirectory(prefix="lealla-") as scratch:
            pairs = read_distinct(parts[part], scratch)
            yield from translations(sides, zip(pairs.source, pairs.target, strict=True))
        counts = f"{len(pairs.source):,} pairs of {pairs.lines:,} lines"
        lines.append(f"{pair} {part}: {counts} ({pairs.blank:,} without a side, {pairs.repeated:,} repeated)")

    splits = {part: functools.partial(examples, part) for part in parts}
    return RecordsConfig(name=pair, features=translation(sides), splits=splits)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m data.united_nations", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="the directory of the corpus's files")
    parser.add_argument("--languages", default="", help="pairs like fr-en,es-fr; those with English if not given")
    parser.add_argument("--part", help="bilingual, 6way, testset or devset; all that are there if not given")
    return run_program(
        parser,
        arguments,
        lambda values: "\n".join(prepare(values.data, codes(values.languages), values.part, values.output)),
    )


if __name__ == "__main__":
    sys.exit(main())
