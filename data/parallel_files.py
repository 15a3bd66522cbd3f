"""Prepares local files of parallel text as a TensorFlow data set, `parallel_files`.

    python -m data.parallel_files --corpus de=path.tsv.gz --output DIR

Each language pair becomes one configuration with the one split `train`, in the order of
its files.  Any program reads it back by name, without this one:

    --corpus de=tfds:parallel_files/en-de@DIR
    tfds.load("parallel_files/en-de", data_dir=DIR, split="train")
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow_datasets as tfds

from lealla_tf.config import FilterConfig
from lealla_tf.corpus.filtering import FileReport, PairFilter, report_table
from lealla_tf.corpus.reading import read_pairs
from lealla_tf.corpus.specification import CorpusFile, parse_corpus, split_language_pair
from lealla_tf.errors import DataError, UserError

# Only pairs with an empty side go: how much else to drop is for the one who trains to say.
_KEEP = FilterConfig(max_characters=0, max_length_ratio=0.0, identical=False, duplicates=False)


@dataclass(kw_only=True, eq=False)
class ParallelFilesConfig(tfds.core.BuilderConfig):
    """The files of one language pair.

    `on_error` is `skip` or `stop`, as for `read_pairs`; `reports` gains a `FileReport` for
    each file read.
    """

    files: Sequence[CorpusFile] = ()
    on_error: str = "skip"
    reports: list[FileReport] | None = None


class ParallelFiles(tfds.core.GeneratorBasedBuilder):
    """A `Translation` data set of local files, whose configuration is a language pair."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012  (as its base class declares it)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Sentence pairs of local files, in their order, pairs with an empty side left out.",
            features=tfds.features.Translation(split_language_pair(self.builder_config.name)),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # nothing is downloaded
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, str]]]:
        config = self.builder_config
        languages = split_language_pair(config.name)
        pair_filter = PairFilter(_KEEP)
        number = 0
        for file in config.files:
            report = FileReport(file.name, file.language_pair)
            config.reports.append(report)
            pairs = read_pairs(file, config.on_error, report)
            for pair in pair_filter.filter(pairs, file.language_pair, report):
                yield number, dict(zip(languages, pair, strict=True))
                number += 1


def prepare(files: Sequence[CorpusFile], on_error: str, data_dir: str) -> list[FileReport]:
    """Writes the files of each language pair as `DATA_DIR/parallel_files/PAIR/1.0.0`.

    Returns:
        A report per file.

    Raises:
        DataError: if a file cannot be read, or a language pair stands there already.
    """
    reports: list[FileReport] = []
    builders = []
    for language_pair in dict.fromkeys(file.language_pair for file in files):
        of_pair = [file for file in files if file.language_pair == language_pair]
        config = ParallelFilesConfig(name=language_pair, files=of_pair, on_error=on_error, reports=reports)
        builder = ParallelFiles(config=config, data_dir=data_dir)
        if builder.is_prepared():
            raise DataError(f"{builder.data_path}: is prepared already; remove it, or name another --output.")
        builders.append(builder)
    for builder in builders:
        builder.download_and_prepare()
    return reports


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m data.parallel_files", description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", action="append", required=True, help="as for `lealla train`; may be repeated")
    parser.add_argument("--output", required=True, help="the TFDS data directory to write into")
    parser.add_argument("--on-error", choices=("skip", "stop"), default="skip", help="at a malformed line")
    values = parser.parse_args(arguments)
    try:
        print(report_table(prepare(parse_corpus(values.corpus), values.on_error, values.output)))
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
