"""The files of the United Nations Parallel Corpus v1.0, and their pairs without repetitions."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lealla_tf.corpus.sentences import (
    Sentences,
    check_aligned,
    fingerprints,
    first_occurrences,
    is_blank,
    open_sentences,
)
from lealla_tf.errors import DataError, UsageError

BILINGUAL = "bilingual"
"""The name of the files of two languages, among the parts of the corpus."""

# UNv1.0.en-fr.fr, UNv1.0.6way.fr, UNv1.0.testset.fr
_FILE = re.compile(r"UNv1\.0\.(?:(?P<pair>[a-z]{2}-[a-z]{2})|(?P<part>\w+))\.(?P<language>[a-z]{2})(?:\.gz)?")


@dataclass(frozen=True, kw_only=True)
class DistinctPairs:
    """Aligned sentences, of which no pair is repeated.

    Args:
        source: Sentences, read from their file when they are asked for.
        target: Sentence n translates sentence n of `source`.
        source_fingerprints: Of `source`, by which equal sentences are known.
        target_fingerprints: Of `target`.
        lines: How many the files have.
        blank: How many of those lack a side.
        repeated: How many of the others repeat an earlier pair.
    """

    source: Sentences
    target: Sentences
    source_fingerprints: npt.NDArray[np.uint64]
    target_fingerprints: npt.NDArray[np.uint64]
    lines: int
    blank: int
    repeated: int


def find_united_nations(
    data_dir: str | os.PathLike[str], pairs: Collection[str] | None = None, part: str | None = None
) -> tuple[str, dict[str, tuple[Path, Path]]]:
    """The part of the corpus that is there, and the files of each language pair.

    Args:
        data_dir: The directory of the files, plain or gzipped.
        pairs: Such as "fr-en", source first; English with all others if None.
        part: "bilingual" (`UNv1.0.en-fr.fr`), "6way" (`UNv1.0.6way.fr`), "testset" or "devset"; it can
            be left out if only one is there.

    Returns:
        `(part, {pair: (source file, target file)})`.

    Raises:
        DataError: if there is no such file, or one lacks its partner.
        UsageError: if the part is not there or not clear, or a pair is not there.
    """
    directory, found = Path(data_dir), _scan(data_dir)
    if part is None and len(found) > 1:
        raise UsageError(f"{directory} holds {' and '.join(sorted(found))}; choose one with --part.")
    chosen = part or next(iter(found))
    if chosen not in found:
        raise UsageError(f"No files of the part {chosen} in {directory}. There: {', '.join(sorted(found))}.")
    files = found[chosen]
    wanted = _default_pairs({name or code for name, code in files}) if pairs is None else pairs
    if not wanted:
        (alone,) = files.values()
        raise DataError(f"{alone}: is the only file of the part {chosen}; add that of another language.")
    return chosen, {pair: _sides(directory, files, pair) for pair in wanted}


def find_parts(data_dir: str | os.PathLike[str]) -> list[str]:
    """The parts of the corpus that are there, by the names of `find_united_nations`; `DataError` if there is none."""
    return sorted(_scan(data_dir))


def read_distinct(paths: tuple[Path, Path], scratch: str | os.PathLike[str], most: int | None = None) -> DistinctPairs:
    """The pairs of two aligned files, each once.

    A pair is repeated if both of its sides equal those of an earlier one; what repeats only one
    side stays, since it is another translation.  Memory holds 50 bytes a line, and no text.

    Args:
        paths: The files of the source and of the target.
        scratch: An existing directory, for the text of gzipped files.
        most: Only the first so many of the distinct pairs.

    Raises:
        DataError: if a file cannot be read, the files are not aligned, or hold no pair.
    """
    sides = [open_sentences(path, scratch) for path in paths]
    check_aligned(*zip(paths, sides, strict=True))
    lines = len(sides[0])
    rows = np.flatnonzero(~(is_blank(sides[0]) | is_blank(sides[1])))
    if not len(rows):
        raise DataError(f"{paths[0]}: holds no sentence that has a partner in {paths[1].name}.")
    marks = [fingerprints(side.take(rows)) for side in sides]
    distinct = first_occurrences(*marks)
    kept = distinct[:most]
    return DistinctPairs(
        source=sides[0].take(rows[kept]),
        target=sides[1].take(rows[kept]),
        source_fingerprints=marks[0][kept],
        target_fingerprints=marks[1][kept],
        lines=lines,
        blank=lines - len(rows),
        repeated=len(rows) - len(distinct),
    )


def _scan(data_dir: str | os.PathLike[str]) -> dict[str, dict[tuple[str, str], Path]]:
    """The files by part, and there by language pair ("" in a part that has one file a language) and language."""
    directory = Path(data_dir)
    if not directory.is_dir():
        raise DataError(f"{directory}: is not a directory; name the one with UNv1.0.6way.en and the like.")
    found: dict[str, dict[tuple[str, str], Path]] = {}
    for path in sorted(directory.iterdir()):
        if match := _FILE.fullmatch(path.name):
            files = found.setdefault(match["part"] or BILINGUAL, {})
            files.setdefault((match["pair"] or "", match["language"]), path)
    if not found:
        raise DataError(f"{directory}: holds no file like UNv1.0.6way.en or UNv1.0.en-fr.en; name the directory.")
    return found


def _default_pairs(there: set[str]) -> list[str]:
    """All pairs of files, or all languages with English; English is the target."""
    pairs = [sorted(name.split("-"), key=lambda code: (code == "en", code)) for name in there if "-" in name]
    return sorted("-".join(pair) for pair in pairs) or [f"{code}-en" for code in sorted(there - {"en"})]


def _sides(directory: Path, files: dict[tuple[str, str], Path], pair: str) -> tuple[Path, Path]:
    """The files of the source and of the target of a pair."""
    source, _, target = pair.partition("-")
    for name in (pair, f"{target}-{source}", ""):
        present = [files[name, language] for language in (source, target) if (name, language) in files]
        if len(present) == 2 and source != target:
            return present[0], present[1]
        if present:
            raise DataError(f"{directory}: holds {present[0].name}, but no partner of it for {pair}; add that file.")
    there = sorted({name or language for name, language in files})
    raise UsageError(f"No files for {pair} in {directory}. There: {', '.join(there)}.")
