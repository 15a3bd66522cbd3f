"""Text of one language: what a masked language model learns from besides pairs."""

import re
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lealla_tf.config import CorpusConfig
from lealla_tf.corpus.filtering import FileReport, nothing_left
from lealla_tf.corpus.lines import read_line_blocks
from lealla_tf.corpus.opening import Corpus
from lealla_tf.corpus.reading import malformed_handler
from lealla_tf.corpus.segments import InMemory, PairSource, Segment
from lealla_tf.errors import DataError, UsageError
from lealla_tf.progress import Progress

_FORM = re.compile(r"([a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?)=(.+)", re.DOTALL)

# Seconds between two lines of progress.
_SHOW_EVERY = 5


def with_text(
    corpus: Corpus | None, text: Sequence[str], config: CorpusConfig, progress: Progress = lambda line: None
) -> Corpus:
    """The corpus, and monolingual files: a line of text becomes a pair without a target.

    The text of a language is mixed with the language pairs like one of them, under the name of
    the language.  Of the filters `max_characters` and `duplicates` apply.

    Args:
        corpus: The pairs, or `None` if there is only text.
        text: Values of `--text`: `de=FILE` or `de=FILE.gz`, a sentence a line.
        config: The filters, and what to do at a malformed line.
        progress: Called with a line every few seconds.

    Raises:
        UsageError: for a value of another form.
        DataError: if a file cannot be used, if nothing is left of a language, or if there is
            neither corpus nor text.
    """
    if corpus is None and not text:
        raise DataError("No text is given; name pairs with --corpus, sentences with --text, or both.")
    corpus = corpus or Corpus({}, {}, "text")
    files: dict[str, list[str]] = {}
    for value in text:
        form = _FORM.fullmatch(value)
        if not form:
            raise UsageError(f"{value}: is not of the form of --text, de=FILE or de=FILE.gz.")
        files.setdefault(form[1], []).append(form[2])
    sources: dict[str, PairSource] = dict(corpus.sources)
    reports = list(corpus.reports)
    checksum = zlib.crc32(corpus.fingerprint.encode())
    for language, paths in sorted(files.items()):
        sentences = list(_read(language, paths, config, reports, progress))
        segment = Segment.of_bytes(sentences, [b""] * len(sentences))
        checksum = zlib.crc32(f"{language} {segment.fingerprint()}".encode(), checksum)
        sources[language] = InMemory(segment)
    return replace(corpus, sources=sources, reports=reports, fingerprint=f"{checksum:08x}")


def _read(
    language: str, paths: Sequence[str], config: CorpusConfig, reports: list[FileReport], progress: Progress
) -> Iterator[bytes]:
    """The sentences of one language that are kept; adds a report for each file."""
    most = config.filter.max_characters or float("inf")
    seen: set[int] = set()
    own = []
    shown = time.monotonic()
    for path in paths:
        report = FileReport(path, language)
        own.append(report)
        malformed = malformed_handler(config.on_error, report)
        for block in read_line_blocks(path):
            for index, reason in block.malformed.items():
                malformed(reason, f"{path}:{block.first + index}")
            for index, line in enumerate(block.lines):
                sentence = line.strip()
                if index in block.malformed:
                    continue
                if not sentence or len(sentence) > most:
                    report.dropped["too_long" if sentence else "empty"] += 1
                elif config.filter.duplicates and hash(sentence) in seen:
                    report.dropped["duplicate"] += 1
                else:
                    seen.add(hash(sentence))
                    report.kept += 1
                    yield sentence.encode()
            if time.monotonic() - shown >= _SHOW_EVERY:
                shown = time.monotonic()
                progress(f"reading {path}: {report.kept:,} sentences kept so far")
    reports.extend(own)
    if not any(report.kept for report in own):
        raise DataError(nothing_left(own))
