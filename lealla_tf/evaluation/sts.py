"""Semantic textual similarity: whether the cosine ranks pairs of sentences as people do."""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lealla_tf.corpus.lines import read_line_blocks
from lealla_tf.errors import DataError, UsageError
from lealla_tf.evaluation.embedding import EmbeddingError, EmbedFunction, embed_checked
from lealla_tf.evaluation.report import Report
from lealla_tf.files import sha256

Values = npt.NDArray[np.float64]

# Called after each file with its name, the pairs done and those of all files.
Progress = Callable[[str, int, int], None]

_FILE = re.compile(r"(?P<name>[\w-]+)\.tsv(\.gz)?")


class RatedPairs(NamedTuple):
    """Pairs of sentences with the scores that people gave them."""

    gold: Values
    source: list[str]
    target: list[str]


@dataclass(frozen=True, kw_only=True)
class StsResult:
    """Spearman's correlation by file, with the pairs and the checksum of each."""

    correlations: Mapping[str, float]
    pairs: Mapping[str, int]
    checksums: Mapping[str, str]

    @property
    def mean(self) -> float:
        """The unweighted mean over the files."""
        return sum(self.correlations.values()) / len(self.correlations)

    def report(self) -> Report:
        """The correlations as papers give them, times 100."""
        rows = [(name, f"{self.pairs[name]:,}", value) for name, value in self.correlations.items()]
        width = max(len("languages"), *(len(name) for name in self.correlations))
        lines = [f"{'languages':<{width}}  {'pairs':>7}  {'Spearman':>8}"]
        lines += [f"{name:<{width}}  {pairs:>7}  {100 * value:>8.1f}" for name, pairs, value in rows]
        lines += [f"{'mean':<{width}}  {'':>7}  {100 * self.mean:>8.1f}"]
        return Report(
            benchmark="sts",
            title="Semantic textual similarity, Spearman's correlation of cosine and gold score, times 100",
            lines=tuple(lines),
            data={"checksums": dict(self.checksums), "pairs": dict(self.pairs)},
            metrics={
                **{f"sts/{name}/spearman": value for name, value in self.correlations.items()},
                "sts/mean/spearman": self.mean,
            },
        )


def evaluate_sts(
    embed: EmbedFunction,
    data_dir: str | os.PathLike[str],
    languages: Collection[str] | None = None,
    progress: Progress = lambda name, done, total: None,
) -> StsResult:
    """Spearman's correlation between the cosine of two sentences and the score that people gave them.

    Args:
        embed: Function from sentences to floats of shape `(count, dim)`, rows of unit length.
        data_dir: Directory of TSV files; see `read_sts`.
        languages: Which of the files; all of them if None.
        progress: Called after each file.

    Raises:
        DataError, UsageError: as in `read_sts`.
        EmbeddingError: if `embed` does not return one unit vector a sentence, or gives all
            pairs of a file the same cosine.
    """
    paths = sts_files(data_dir, languages)
    benchmark = {name: read_sts(path) for name, path in paths.items()}
    total = sum(len(pairs.gold) for pairs in benchmark.values())
    correlations, done = {}, 0
    for name, pairs in benchmark.items():
        source, target = (embed_checked(embed, side).astype(np.float64) for side in (pairs.source, pairs.target))
        cosines = np.sum(source * target, axis=1)
        if np.ptp(cosines) == 0:
            raise EmbeddingError(f"All pairs of {paths[name]} have the cosine {cosines[0]:g}.")
        correlations[name] = spearman(cosines, pairs.gold)
        done += len(pairs.gold)
        progress(name, done, total)
    return StsResult(
        correlations=correlations,
        pairs={name: len(pairs.gold) for name, pairs in benchmark.items()},
        checksums={name: sha256(path) for name, path in paths.items()},
    )


def sts_files(data_dir: str | os.PathLike[str], languages: Collection[str] | None = None) -> dict[str, Path]:
    """The files of the benchmark, `en-de.tsv` or `en-de.tsv.gz`, by name.

    Raises:
        DataError: if there is none.
        UsageError: if one of `languages` is not there.
    """
    directory = Path(data_dir)
    if not directory.is_dir():
        raise DataError(f"{directory}: is not a directory; name the one with NAME.tsv files.")
    matches = {match["name"]: path for path in sorted(directory.iterdir()) if (match := _FILE.fullmatch(path.name))}
    if not matches:
        raise DataError(f"{directory}: holds no file like en-de.tsv; name the benchmark's directory.")
    chosen = sorted(matches) if languages is None else sorted(set(languages))
    if unknown := [name for name in chosen if name not in matches]:
        raise UsageError(f"No {', '.join(unknown)} in {directory}. There: {', '.join(sorted(matches))}.")
    return {name: matches[name] for name in chosen}


def read_sts(path: str | os.PathLike[str]) -> RatedPairs:
    """The pairs of a file of `score<TAB>sentence<TAB>sentence` lines.

    Raises:
        DataError: if the file cannot be read, a line is not of that form, or no two scores differ.
    """
    gold, sides = [], ([], [])  # type: tuple[list[float], tuple[list[str], list[str]]]
    for block in read_line_blocks(os.fspath(path)):
        for number, line in enumerate(block.lines, block.first):
            score, *sentences = (field.strip() for field in line.split("\t"))
            if len(sentences) != 2 or not all(sentences) or not _is_number(score):
                raise DataError(f"{path}:{number}: must be score<TAB>sentence<TAB>sentence. Received: {line[:80]!r}.")
            gold.append(float(score))
            for side, sentence in zip(sides, sentences, strict=True):
                side.append(sentence)
    if len(set(gold)) == 1:
        raise DataError(f"{path}: gives all pairs the score {gold[0]:g}, so there is no order to compare.")
    return RatedPairs(np.array(gold), *sides)


def spearman(first: Values, second: Values) -> float:
    """Pearson's correlation of the ranks of two series, equal values having the mean of their ranks.

        rho = cov(rank(first), rank(second)) / ( std(rank(first)) std(rank(second)) )

    Args:
        first: Finite numbers of shape `(count,)`, not all equal.
        second: Finite numbers of shape `(count,)`, not all equal.

    Returns:
        A number in [-1, 1].

    Example:
        >>> import numpy as np
        >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 1000.0, 100.0]))
        0.5
    """
    x, y = (ranks - ranks.mean() for ranks in (_ranks(first), _ranks(second)))
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _ranks(values: Values) -> Values:
    """Ranks from 1; equal values have the mean of the ranks that they take up."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Values = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _is_number(text: str) -> bool:
    """Whether this is a finite number."""
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
