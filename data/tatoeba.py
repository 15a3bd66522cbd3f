"""Prepares a local copy of the Tatoeba benchmark as a TensorFlow data set, `tatoeba_benchmark`.

    python -m data.tatoeba --data DIR --output DIR

The directory holds `tatoeba.<code>-eng.<code>` and `tatoeba.<code>-eng.eng`, as in the
LASER repository's data/tatoeba/v1.  Each language becomes a configuration like `deu-eng`
with the one split `test`.  (TFDS' own `tatoeba` is the XTREME release of fewer languages,
which it downloads.)  Any program reads it back by name, without this one:

    --corpus deu-eng=tfds:tatoeba_benchmark/deu-eng:test@DIR
    tfds.load("tatoeba_benchmark/deu-eng", data_dir=DIR, split="test")
"""

import argparse
import functools
import sys
from collections.abc import Sequence

from data.records import RecordsBuilder, RecordsConfig, codes, prepare_all, run_program, translation, translations
from lealla_tf.evaluation.tatoeba import Pairs, read_benchmark

_CITATION = """@article{artetxe-schwenk-2019-massively,
  title = {Massively Multilingual Sentence Embeddings for Zero-Shot Cross-Lingual Transfer and Beyond},
  author = {Artetxe, Mikel and Schwenk, Holger},
  journal = {Transactions of the Association for Computational Linguistics},
  volume = {7}, year = {2019}
}"""


class TatoebaBenchmark(RecordsBuilder):
    """A `Translation` data set of the sentences of one language and English, aligned."""

    FACTS = {  # noqa: RUF012  (as its base class declares it)
        "description": "Up to 1,000 sentences of a language and their translations into English.",
        "homepage": "https://github.com/facebookresearch/LASER/tree/main/data/tatoeba/v1",
        "license": "CC-BY 2.0 FR",
        "citation": _CITATION,
    }


def prepare(directory: str, languages: Sequence[str] | None, data_dir: str) -> list[str]:
    """Writes each language as `DATA_DIR/tatoeba_benchmark/CODE-eng/1.0.0`.

    All files are read and checked first.

    Args:
        directory: the benchmark's files.
        languages: the codes of those to write; all that are there if None.
        data_dir: the TFDS data directory to write into.

    Returns:
        The codes of the languages.

    Raises:
        UserError: as `read_benchmark` and `prepare_all`.
    """
    benchmark = read_benchmark(directory, languages)
    prepare_all(TatoebaBenchmark, [_config(code, pairs) for code, pairs in benchmark.items()], data_dir)
    return list(benchmark)


def _config(code: str, pairs: Pairs) -> RecordsConfig:
    """The configuration of one language."""
    sides = (code, "eng")
    test = functools.partial(translations, sides, zip(*pairs, strict=True))
    return RecordsConfig(name=f"{code}-eng", features=translation(sides), splits={"test": test})


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m data.tatoeba", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="the directory of the benchmark's files")
    parser.add_argument("--languages", default="", help="codes like deu,fra; all of the directory's if not given")

    def work(values: argparse.Namespace) -> str:
        written = prepare(values.data, codes(values.languages), values.output)
        return f"{len(written)} languages stand in {values.output}: {' '.join(written)}"

    return run_program(parser, arguments, work)


if __name__ == "__main__":
    sys.exit(main())
