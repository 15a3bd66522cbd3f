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

from data.records import RecordsBuilder, RecordsConfig, prepare_all, run_program, translation, translations
from lealla_tf.config import FilterConfig
from lealla_tf.corpus.filtering import FileReport, Pair, PairFilter, report_table
from lealla_tf.corpus.reading import read_pairs
from lealla_tf.corpus.specification import CorpusFile, parse_corpus, split_language_pair

# Only pairs with an empty side go: how much else to drop is for the one who trains to say.
_KEEP = FilterConfig(max_characters=0, max_length_ratio=0.0, identical=False, duplicates=False)


class ParallelFiles(RecordsBuilder):
    """A `Translation` data set of local files, whose configuration is a language pair."""

    FACTS = {  # noqa: RUF012  (as its base class declares it)
        "description": "Sentence pairs of local files, in their order, pairs with an empty side left out."
    }


def prepare(files: Sequence[CorpusFile], on_error: str, data_dir: str) -> list[FileReport]:
    """Writes the files of each language pair as `DATA_DIR/parallel_files/PAIR/1.0.0`.

    Args:
        files: what to write.
        on_error: `skip` or `stop`, as for `read_pairs`.
        data_dir: the TFDS data directory to write into.

    Returns:
        A report per file.

    Raises:
        DataError: if a file cannot be read, and as `prepare_all`.
    """
    reports: list[FileReport] = []
    configs = []
    for language_pair in dict.fromkeys(file.language_pair for file in files):
        of_pair = [file for file in files if file.language_pair == language_pair]
        configs.append(_config(language_pair, of_pair, on_error, reports))
    prepare_all(ParallelFiles, configs, data_dir)
    return reports


def _config(language_pair: str, files: Sequence[CorpusFile], on_error: str, reports: list[FileReport]) -> RecordsConfig:
    """The configuration of a language pair; `reports` gains one for each file that is read."""
    languages = split_language_pair(language_pair)

    def pairs() -> Iterator[Pair]:
        pair_filter = PairFilter(_KEEP)
        for file in files:
            report = FileReport(file.name, language_pair)
            reports.append(report)
            yield from pair_filter.filter(read_pairs(file, on_error, report), language_pair, report)

    splits = {"train": lambda: translations(languages, pairs())}
    return RecordsConfig(name=language_pair, features=translation(languages), splits=splits)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m data.parallel_files", description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", action="append", required=True, help="as for `lealla train`; may be repeated")
    parser.add_argument("--on-error", choices=("skip", "stop"), default="skip", help="at a malformed line")
    return run_program(
        parser,
        arguments,
        lambda values: report_table(prepare(parse_corpus(values.corpus), values.on_error, values.output)),
    )


if __name__ == "__main__":
    sys.exit(main())
