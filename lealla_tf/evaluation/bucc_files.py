"""The files of the BUCC 2018 shared task: two collections of sentences, and which of them are translations."""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lealla_tf.corpus.lines import read_line_blocks
from lealla_tf.errors import DataError, UsageError

_FILE = re.compile(r"(?P<pair>(?P<source>[a-z]{2,3})-(?P<target>[a-z]{2,3}))\.(?P<split>\w+)\.(?P<kind>\w+)")

SPLITS = ("sample", "training", "test")
"""What the shared task gave out for each language pair."""


@dataclass(frozen=True, kw_only=True)
class BuccPaths:
    """Where one split of a language pair is, such as `de-en.training.de`, `.en` and `.gold`."""

    pair: str
    split: str
    source: Path
    target: Path
    gold: Path


class BuccSplit(NamedTuple):
    """One split of a language pair.

    Args:
        source: Sentences.
        target: Sentences.
        gold: int64 of shape `(gold, 2)`, rows of `source` and of `target` that are translations.
    """

    source: list[str]
    target: list[str]
    gold: npt.NDArray[np.int64]


def find_bucc(
    data_dir: str | os.PathLike[str], pairs: Collection[str] | None, splits: tuple[str, str]
) -> dict[str, dict[str, BuccPaths]]:
    """The splits that are there with their gold, by language pair and name.

    Args:
        data_dir: As in `find_files`.
        pairs: As in `find_files`.
        splits: Those wanted; the first is needed.

    Raises:
        DataError: if nothing or only a part of the first split is there.
        UsageError: if one of `pairs` is not there.
    """
    found = find_files(data_dir, pairs, splits)
    return {pair: _complete(pair, paths, splits) for pair, paths in found.items()}


def find_files(
    data_dir: str | os.PathLike[str], pairs: Collection[str] | None, splits: Collection[str]
) -> dict[str, dict[str, BuccPaths]]:
    """The splits of which a file is there, by language pair and name; other files of them may be missing.

    Args:
        data_dir: The directory of the files, or of one directory a language pair.
        pairs: Such as "de-en"; all that are there if None.
        splits: The names of those wanted.

    Raises:
        DataError: if there is none.
        UsageError: if one of `pairs` is not there.
    """
    directory = Path(data_dir)
    if not directory.is_dir():
        raise DataError(f"{directory}: is not a directory; name the one with de-en.training.de and the like.")
    found: dict[str, dict[str, BuccPaths]] = {}
    for path in sorted([*directory.glob("*"), *directory.glob("*/*")]):
        match = _FILE.fullmatch(path.name)
        if match and match["split"] in splits:
            pair, split = match["pair"], match["split"]
            kinds = (match["source"], match["target"], "gold")
            source, target, gold = (path.with_name(f"{pair}.{split}.{kind}") for kind in kinds)
            paths = BuccPaths(pair=pair, split=split, source=source, target=target, gold=gold)
            found.setdefault(pair, {}).setdefault(split, paths)
    if not found:
        raise DataError(
            f"{directory}: holds no file like de-en.{next(iter(splits))}.de; name the benchmark's directory."
        )
    chosen = sorted(found) if pairs is None else sorted(set(pairs))
    if unknown := [pair for pair in chosen if pair not in found]:
        raise UsageError(f"No BUCC files for {', '.join(unknown)} in {directory}. There: {', '.join(sorted(found))}.")
    return {pair: found[pair] for pair in chosen}


def read_bucc(paths: BuccPaths) -> BuccSplit:
    """The sentences of a split, and its gold pairs as their rows.

    Raises:
        DataError: if a file cannot be read, is not of `id<TAB>sentence` or `id<TAB>id` lines,
            repeats an id or a gold pair, or names an id that its side does not have.
    """
    source_rows, source = read_bucc_side(paths.source)
    target_rows, target = read_bucc_side(paths.target)
    gold: dict[tuple[int, int], None] = {}
    for place, source_id, target_id in _read_columns(paths.gold, "id<TAB>id"):
        for identifier, rows, path in (source_id, source_rows, paths.source), (target_id, target_rows, paths.target):
            if identifier not in rows:
                raise DataError(f"{place}: names {identifier!r}, an id that {path} does not have.")
        pair = source_rows[source_id], target_rows[target_id]
        if pair in gold:
            raise DataError(f"{place}: repeats the pair {source_id} {target_id}; name each pair once.")
        gold[pair] = None
    return BuccSplit(source, target, np.array(list(gold), np.int64))


def _complete(pair: str, found: dict[str, BuccPaths], splits: tuple[str, str]) -> dict[str, BuccPaths]:
    """The splits that have all of their files; what is missing of the first is an error.

    The task's own test part was given out without gold, so the second may lack it.
    """
    first, second = splits
    if first not in found:
        raise DataError(f"{found[second].source.parent}: holds {pair}.{second} but no {pair}.{first}; add its files.")
    complete = {}
    for split, paths in found.items():
        missing = [path for path in (paths.source, paths.target, paths.gold) if not path.is_file()]
        if missing and (split == first or missing != [paths.gold]):
            raise DataError(f"{missing[0]}: is missing, but other files of {pair}.{split} are there; add it.")
        if not missing:
            complete[split] = paths
    return complete


def read_bucc_side(path: Path) -> tuple[dict[str, int], list[str]]:
    """The row of each id, in the order of the rows, and the sentences.

    Raises:
        DataError: as `read_bucc`.
    """
    rows: dict[str, int] = {}
    sentences: list[str] = []
    for place, identifier, sentence in _read_columns(path, "id<TAB>sentence"):
        if identifier in rows:
            raise DataError(f"{place}: repeats the id {identifier!r}; give each sentence its own.")
        rows[identifier] = len(sentences)
        sentences.append(sentence)
    return rows, sentences


def _read_columns(path: Path, form: str) -> Iterator[tuple[str, str, str]]:
    """Each line's place, as `path:line`, and its two fields; a sentence may hold further tabs."""
    for block in read_line_blocks(os.fspath(path)):
        for number, line in enumerate(block.lines, block.first):
            first, _, second = (field.strip() for field in line.partition("\t"))
            if not (first and second):
                raise DataError(f"{path}:{number}: must be {form}. Received: {line[:80]!r}.")
            yield f"{path}:{number}", first, second
