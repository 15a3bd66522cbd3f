"""Prepares a local copy of the BUCC 2018 shared task's files as a TensorFlow data set, `bucc_benchmark`.

    python -m data.bucc --data DIR --output DIR

The directory, or one directory in it for each language pair, holds the task's files:
`de-en.training.de`, `.en` and `.gold`, and the same of `sample` and `test`.  Each language
pair becomes three configurations, with the splits that are there:

* `de-en`: the gold pairs, as a `Translation`; a split that was given out without gold is left out;
* `de-en.de` and `de-en.en`: all sentences of a side, `id` and `sentence`, among which they are sought.

(TFDS' own `bucc` holds the gold pairs of two splits, which it downloads.)  Any program reads
it back by name, without this one:

    --corpus de-en=tfds:bucc_benchmark/de-en:training@DIR
    tfds.load("bucc_benchmark/de-en.de", data_dir=DIR, split="training")
"""

import argparse
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data.records import RecordsBuilder, RecordsConfig, codes, prepare_all, run_program, translation, translations
from lealla_tf.evaluation.bucc_files import SPLITS, BuccPaths, find_files, read_bucc, read_bucc_side

_CITATION = """@inproceedings{zweigenbaum-etal-2018-overview,
  title = {Overview of the Third {BUCC} Shared Task: Spotting Parallel Sentences in Comparable Corpora},
  author = {Zweigenbaum, Pierre and Sharoff, Serge and Rapp, Reinhard},
  booktitle = {Proceedings of the Eleventh Workshop on Building and Using Comparable Corpora},
  year = {2018}
}"""


class BuccBenchmark(RecordsBuilder):
    """The gold pairs of two languages, or the sentences of one side."""

    FACTS = {  # noqa: RUF012  (as its base class declares it)
        "description": "Two collections of sentences, and which of them are translations of each other.",
        "homepage": "https://comparable.limsi.fr/bucc2018/bucc2018-task.html",
        "citation": _CITATION,
    }


def prepare(directory: str, languages: Sequence[str] | None, data_dir: str) -> list[str]:
    """Writes each language pair as `DATA_DIR/bucc_benchmark/CONFIGURATION/1.0.0`, three times.

    All files are read and checked first.

    Args:
        directory: the task's files.
        languages: pairs like `de-en`; all that are there if None.
        data_dir: the TFDS data directory to write into.

    Returns:
        The names of the configurations.

    Raises:
        UserError: as `find_files`, `read_bucc` and `prepare_all`.
    """
    found = find_files(directory, languages, SPLITS)
    for splits in found.values():
        for paths in splits.values():
            _check(paths)
    configs = [config for pair, splits in found.items() for config in _configs(pair, splits)]
    prepare_all(BuccBenchmark, configs, data_dir)
    return [config.name for config in configs]


def _check(paths: BuccPaths) -> None:
    """Raises `DataError` if a file of a split cannot be used; there may be no gold."""
    if paths.gold.is_file():
        read_bucc(paths)
        return
    for path in (paths.source, paths.target):
        read_bucc_side(path)


def _configs(pair: str, splits: Mapping[str, BuccPaths]) -> Iterator[RecordsConfig]:
    """The configurations of a language pair; one without any gold has no translations."""
    source, _, target = pair.partition("-")
    gold = {name: functools.partial(_gold, paths) for name, paths in splits.items() if paths.gold.is_file()}
    if gold:
        yield RecordsConfig(name=pair, features=translation((source, target)), splits=gold)
    features = tfds.features.FeaturesDict({"id": tfds.features.Text(), "sentence": tfds.features.Text()})
    for language, side in ((source, "source"), (target, "target")):
        sentences = {name: functools.partial(_sentences, getattr(paths, side)) for name, paths in splits.items()}
        yield RecordsConfig(name=f"{pair}.{language}", features=features, splits=sentences)


def _gold(paths: BuccPaths) -> Iterator[dict[str, str]]:
    """The gold pairs of a split."""
    texts = read_bucc(paths)
    source, _, target = paths.pair.partition("-")
    return translations((source, target), ((texts.source[row], texts.target[column]) for row, column in texts.gold))


def _sentences(path: Path) -> Iterator[dict[str, str]]:
    """The sentences of a side."""
    rows, sentences = read_bucc_side(path)
    for identifier, sentence in zip(rows, sentences, strict=True):
        yield {"id": identifier, "sentence": sentence}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m data.bucc", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="the directory of the task's files")
    parser.add_argument("--languages", default="", help="pairs like de-en,fr-en; all of the directory's if not given")

    def work(values: argparse.Namespace) -> str:
        written = prepare(values.data, codes(values.languages), values.output)
        return f"{len(written)} configurations stand in {values.output}: {' '.join(written)}"

    return run_program(parser, arguments, work)


if __name__ == "__main__":
    sys.exit(main())
