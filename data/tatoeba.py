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
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow_datasets as tfds

from lealla_tf.errors import UserError
from lealla_tf.evaluation.tatoeba import Pairs, read_benchmark

_CITATION = """@article{artetxe-schwenk-2019-massively,
  title = {Massively Multilingual Sentence Embeddings for Zero-Shot Cross-Lingual Transfer and Beyond},
  author = {Artetxe, Mikel and Schwenk, Holger},
  journal = {Transactions of the Association for Computational Linguistics},
  volume = {7}, year = {2019}
}"""


@dataclass(kw_only=True, eq=False)
class TatoebaConfig(tfds.core.BuilderConfig):
    """One language of the benchmark: its code, and its sentences if they are to be written."""

    code: str
    pairs: Pairs | None = None


class TatoebaBenchmark(tfds.core.GeneratorBasedBuilder):
    """A `Translation` data set of the sentences of one language and English, aligned."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012  (as its base class declares it)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Up to 1,000 sentences of a language and their translations into English.",
            features=tfds.features.Translation((self.builder_config.code, "eng")),
            homepage="https://github.com/facebookresearch/LASER/tree/main/data/tatoeba/v1",
            license="CC-BY 2.0 FR",
            citation=_CITATION,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # nothing is downloaded
        return {"test": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, str]]]:
        config = self.builder_config
        for number, (source, target) in enumerate(zip(*config.pairs, strict=True)):
            yield number, {config.code: source, "eng": target}


def prepare(directory: str, codes: Sequence[str] | None, data_dir: str) -> list[str]:
    """Writes each language as `DATA_DIR/tatoeba_benchmark/CODE-eng/1.0.0`.

    All files are read and checked first.  A language that stands there already is left as
    it is.

    Args:
        directory: the benchmark's files.
        codes: the languages to write; all that are there if None.
        data_dir: the TFDS data directory to write into.

    Returns:
        The codes of the languages.

    Raises:
        UserError: as `read_benchmark`.
    """
    benchmark = read_benchmark(directory, codes)
    for code, pairs in benchmark.items():
        config = TatoebaConfig(name=f"{code}-eng", code=code, pairs=pairs)
        TatoebaBenchmark(config=config, data_dir=data_dir).download_and_prepare()
    return list(benchmark)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m data.tatoeba", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="the directory of the benchmark's files")
    parser.add_argument("--output", required=True, help="the TFDS data directory to write into")
    parser.add_argument("--languages", default="", help="codes like deu,fra; all of the directory's if not given")
    values = parser.parse_args(arguments)
    try:
        codes = prepare(values.data, values.languages.split(",") if values.languages else None, values.output)
        print(f"{len(codes)} languages stand in {values.output}: {' '.join(codes)}")
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
