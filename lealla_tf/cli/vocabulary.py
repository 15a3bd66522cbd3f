"""`lealla vocabulary`: learns the vocabulary of a corpus, and says how well it covers it."""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lealla_tf import __version__
from lealla_tf.cli.arguments import add_corpus_argument, import_tensorflow, log
from lealla_tf.config import FilterConfig
from lealla_tf.corpus.filtering import FileReport, PairFilter, nothing_left, report_table
from lealla_tf.corpus.reading import read_blocks
from lealla_tf.corpus.specification import CorpusFile, parse_corpus, split_language_pair
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import MANIFEST, check_writable, sha256, write_json

if TYPE_CHECKING:
    from lealla_tf.text.coverage import Coverage
    from lealla_tf.text.learning import Sample
    from lealla_tf.text.vocabulary import Vocabulary

HELP = "learn a vocabulary from parallel text"

# Seconds between two lines about progress.
_REPORT_EVERY = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    add_corpus_argument(parser)
    parser.add_argument("--output", required=True, metavar="FILE", help="vocabulary to write, one piece a line")
    parser.add_argument("--size", type=int, default=32_000, metavar="N", help="number of pieces (default: %(default)s)")
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.7,
        metavar="T",
        help="a language with n sentences counts for n**T: 1 keeps its share, 0 makes all equal (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (default: %(default)s)")
    parser.add_argument(
        "--max-sentences", type=int, default=2_000_000, metavar="N", help="size of the sample (default: %(default)s)"
    )
    parser.add_argument(
        "--character-coverage",
        type=float,
        default=0.9995,
        metavar="P",
        help="part of each language's text that the characters kept make up; with Chinese, Japanese or Korean in a "
        "small vocabulary lower it, 1 keeps every character (default: %(default)s)",
    )
    parser.add_argument(
        "--mode",
        choices=["exact", "labse"],
        default="exact",
        help="tokenizer that the coverage is measured with (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Learns and writes; the coverage goes to stdout, progress and the corpus report to stderr.

    Raises:
        UserError: for a command line or a corpus that cannot be used.
    """
    output = Path(arguments.output)
    _check(arguments, output)
    files = parse_corpus(arguments.corpus)

    import_tensorflow()
    from lealla_tf.text.coverage import coverage_table, measure_coverage
    from lealla_tf.text.learning import choose_alphabet, fixed_pieces, learn, sample_sentences
    from lealla_tf.text.tokenizer import Tokenizer

    reports = [FileReport(file.name, file.language_pair) for file in files]
    sentences = _read(files, reports, arguments.on_error)
    sample = sample_sentences(sentences, arguments.temperature, arguments.seed, arguments.max_sentences)
    log(report_table(reports))
    alphabet = choose_alphabet(sample.learning, arguments.character_coverage)
    _log_room(arguments.size, len(fixed_pieces(alphabet)))
    text = [sentence for language in sample.learning.values() for sentence in language]
    log(f"learning from {len(text):,} sentences")
    started = time.monotonic()
    vocabulary = learn(text, arguments.size, alphabet)
    log(f"learned in {time.monotonic() - started:.0f} s; measuring the coverage")

    tokenizer = Tokenizer(vocabulary, arguments.mode)
    coverage = {language: measure_coverage(tokenizer, held) for language, held in sample.held_out.items() if held}
    manifest = output.with_suffix(".manifest.json")
    vocabulary.save(output)
    write_json(manifest, _manifest(arguments, vocabulary, files, reports, sample, coverage))
    log(f"wrote {output} and {manifest}")
    print(coverage_table(coverage))


def _check(arguments: argparse.Namespace, output: Path) -> None:
    """Finds mistakes of the command line before hours of reading."""
    if not arguments.corpus:
        raise UsageError("Name parallel text with --corpus, such as --corpus de=FILE.tsv.gz.")
    if output.is_dir():
        raise UsageError(f"--output must name a file. Received: {output}, which is a directory.")
    if output.suffix == ".json":
        raise UsageError(f"--output must name a text file, such as vocabulary.txt. Received: {output}.")
    check_writable(output)
    for name, low, high in (
        ("size", 1, None),
        ("max_sentences", 1, None),
        ("temperature", 0, 1),
        ("character_coverage", 0.5, 1),
    ):
        value = getattr(arguments, name)
        if not low <= value or (high is not None and value > high):
            rule = f"at least {low}" if high is None else f"from {low} to {high}"
            raise UsageError(f"--{name.replace('_', '-')} must be {rule}. Received: {value}.")


def _read(files: Sequence[CorpusFile], reports: Sequence[FileReport], on_error: str) -> Iterator[tuple[str, str]]:
    """Language and sentence, of both sides of every pair that has both."""
    # What is too long or untranslated for training is text of its language all the same.
    pairs = PairFilter(FilterConfig(max_characters=0, max_length_ratio=0, identical=False, duplicates=False))
    started = reported = time.monotonic()
    count = 0
    for file, report in zip(files, reports, strict=True):
        source_language, target_language = split_language_pair(file.language_pair)
        for block in read_blocks(file, on_error, report):
            for source, target in pairs.filter_block(block, file.language_pair, report):
                yield source_language, source
                yield target_language, target
            count += len(block)
            if time.monotonic() > reported + _REPORT_EVERY:
                reported = time.monotonic()
                log(f"read {count:,} pairs, {count / (reported - started):,.0f} a second; now {file.name}")
    if not any(report.kept for report in reports):
        raise DataError(nothing_left(reports))


def _log_room(size: int, fixed: int) -> None:
    """Says what the characters leave of the vocabulary."""
    log(f"{fixed:,} of {size:,} pieces are single characters or reserved")
    if 2 * fixed > size:
        log("warning: little room is left for longer pieces; ask for more, or lower --character-coverage")


def _manifest(
    arguments: argparse.Namespace,
    vocabulary: "Vocabulary",
    files: Sequence[CorpusFile],
    reports: Sequence[FileReport],
    sample: "Sample",
    coverage: "dict[str, Coverage]",
) -> dict[str, Any]:
    """Everything that the same vocabulary can be learned again from."""
    import tokenizers

    return {
        "kind": "lealla-vocabulary",
        "vocabulary": {"sha256": vocabulary.fingerprint, "size": len(vocabulary)},
        "options": {
            name: getattr(arguments, name)
            for name in ("temperature", "seed", "max_sentences", "character_coverage", "on_error")
        },
        "versions": {"lealla_tf": __version__, "tokenizers": tokenizers.__version__},
        "inputs": [
            {
                "language_pair": file.language_pair,
                "format": file.format,
                "files": [_fingerprint(path) for path in (file.path, file.target_path) if path],
                "kept": report.kept,
                "dropped": dict(report.dropped),
            }
            for file, report in zip(files, reports, strict=True)
        ],
        "languages": {
            language: {
                "sentences": count,
                "sampled": len(sample.learning[language]),
                "coverage": {
                    "mode": arguments.mode,
                    "sentences": coverage[language].sentences,
                    "unknown_rate": coverage[language].unknown_rate,
                    "pieces_per_word": coverage[language].pieces_per_word,
                }
                if language in coverage
                else None,
            }
            for language, count in sample.counts.items()
        },
    }


def _fingerprint(path: str) -> dict[str, Any]:
    """A file's name, size and checksum; of shards, their manifest's; of a TFDS name, the name."""
    file = Path(path, MANIFEST) if Path(path).is_dir() else Path(path)
    if not file.is_file():
        return {"name": path}
    return {"name": path, "bytes": file.stat().st_size, "sha256": sha256(file)}
