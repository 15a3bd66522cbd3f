"""Every language against every other: the error rate of similarity search (xSIM), and precision at 1."""

import functools
import itertools
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lealla_tf.evaluation.embedding import EmbedFunction, embed_checked
from lealla_tf.evaluation.heat_maps import HeatMap, draw_heat_maps
from lealla_tf.evaluation.multiparallel import find_languages, read_languages
from lealla_tf.evaluation.report import Report
from lealla_tf.files import sha256
from lealla_tf.retrieval.margin import Margin, margin_scores
from lealla_tf.retrieval.neighbours import Neighbours, nearest_neighbours

Vectors = npt.NDArray[Any]
Matrix = npt.NDArray[np.float64]
Marks = npt.NDArray[np.int64]

# Called with what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]

# Matrices of more languages are not printed; they are in the JSON and in the picture.
_PRINTED = 12


@dataclass(frozen=True, kw_only=True)
class XsimResult:
    """Scores of all ordered pairs of languages.

    Args:
        languages: Codes, of the rows and the columns alike.
        error_rate: Shares of `(source, target)`; the diagonal is NaN.
        precision_at_1: Shares of `(source, target)`; the diagonal is NaN.
        sentences: How many every language has.
        k: Neighbours of the margin.
        margin: The margin of `error_rate`.
        checksums: Of the files, by language.
    """

    languages: tuple[str, ...]
    error_rate: Matrix = field(compare=False)
    precision_at_1: Matrix = field(compare=False)
    sentences: int
    k: int
    margin: Margin
    checksums: Mapping[str, str]

    @property
    def metrics(self) -> dict[str, float]:
        """Values by key: `xsim/deu-fra/error_rate` looks German sentences up among the French ones.

        `xsim/from_deu/...` and `xsim/to_deu/...` are means over the other languages,
        `xsim/mean/...` over all pairs.
        """
        metrics = {}
        for name, matrix in (("error_rate", self.error_rate), ("precision_at_1", self.precision_at_1)):
            metrics[f"xsim/mean/{name}"] = float(np.nanmean(matrix))
            for row, code in enumerate(self.languages):
                metrics[f"xsim/from_{code}/{name}"] = float(np.nanmean(matrix[row]))
                metrics[f"xsim/to_{code}/{name}"] = float(np.nanmean(matrix[:, row]))
            for (i, source), (j, target) in itertools.permutations(enumerate(self.languages), 2):
                metrics[f"xsim/{source}-{target}/{name}"] = float(matrix[i, j])
        return metrics

    def report(self) -> Report:
        """The table, the values and the picture."""
        margin = f"{self.margin} margin" + ("" if self.margin == "absolute" else f" over {self.k} neighbours")
        # From the language that is found best.
        order = np.argsort(np.nanmean(self.error_rate, 0) + np.nanmean(self.error_rate, 1), kind="stable")
        codes = [self.languages[row] for row in order]
        maps = [
            HeatMap(
                title=f"{title} (per cent)",
                labels=codes,
                values=100 * values[np.ix_(order, order)],
                colours=colours,
            )
            for title, values, colours in (
                ("Precision at 1", self.precision_at_1, "Blues"),
                (f"xSIM error rate, {margin}", self.error_rate, "Oranges"),
            )
        ]
        return Report(
            benchmark="xsim",
            title=f"xSIM error rate and precision at 1 (P@1) in per cent, {margin}, {self.sentences:,} sentences",
            lines=tuple(self._lines()),
            data={"sentences": self.sentences, "checksums": dict(self.checksums)},
            metrics=self.metrics,
            details={"settings": {"k": self.k, "margin": self.margin}, "languages": list(self.languages)},
            draw=functools.partial(draw_heat_maps, maps),
        )

    def _lines(self) -> Iterator[str]:
        """A line a language, and if they are few a line of each matrix."""
        width = max(len("language"), *map(len, self.languages))
        yield f"{'':<{width}}  {'as source':>14}  {'as target':>14}"
        yield f"{'language':<{width}}  {'xSIM':>6}  {'P@1':>6}  {'xSIM':>6}  {'P@1':>6}  most errors, as source"
        metrics = self.metrics
        for row, code in enumerate(self.languages):
            column = int(np.nanargmax(self.error_rate[row]))
            hardest = f"to {self.languages[column]}, {100 * self.error_rate[row, column]:.1f}"
            keys = (f"xsim/{end}_{code}/{name}" for end in ("from", "to") for name in ("error_rate", "precision_at_1"))
            numbers = "  ".join(f"{100 * metrics[key]:>6.1f}" for key in keys)
            yield f"{code:<{width}}  {numbers}  {hardest}"
        means = "  ".join(f"{100 * metrics[f'xsim/mean/{name}']:>6.1f}" for name in ("error_rate", "precision_at_1"))
        yield f"{'mean':<{width}}  {means}"
        if len(self.languages) <= _PRINTED:
            for title, matrix in (("xSIM error rate", self.error_rate), ("P@1", self.precision_at_1)):
                yield ""
                yield f"{title}; row: source, column: target"
                yield " " * width + "".join(f"  {code:>{max(5, len(code))}}" for code in self.languages)
                for code, row in zip(self.languages, matrix, strict=True):
                    yield f"{code:<{width}}" + "".join(
                        f"  {'-' if np.isnan(value) else f'{100 * value:.1f}':>{max(5, len(other))}}"
                        for other, value in zip(self.languages, row, strict=True)
                    )


def evaluate_xsim(
    embed: EmbedFunction,
    data_dir: str | os.PathLike[str],
    languages: Collection[str] | None = None,
    *,
    k: int = 4,
    margin: Margin = "ratio",
    progress: Progress = lambda stage, done, total: None,
) -> XsimResult:
    """Error rates and precision at 1 between all languages, in both directions.

    The embeddings of all languages are held in memory: 1,000 sentences of 200 languages and 256
    dimensions take 205 MB.

    Args:
        embed: Function from sentences to floats of shape `(count, dim)`, rows of unit length.
        data_dir: As in `find_languages`.
        languages: As in `find_languages`.
        k: Neighbours that compete, and that the mean of the margin is over.
        margin: As in `margin_scores`; the error rate of `"absolute"` is 1 - precision at 1.
        progress: Called after each language is embedded, and after each is compared.

    Raises:
        DataError, UsageError: as in `find_languages` and `read_languages`.
        EmbeddingError: if `embed` does not return one unit vector a sentence.
        ValueError: if `margin` or `k` cannot be used.
    """
    paths = find_languages(data_dir, languages)
    texts = read_languages(paths)
    codes = tuple(texts)
    vectors = []
    for done, text in enumerate(texts.values(), start=1):
        vectors.append(embed_checked(embed, text))
        progress("embedding", done, len(codes))
    marks = [np.unique(text, return_inverse=True)[1] for text in texts.values()]
    errors, precisions = np.full((2, len(codes), len(codes)), np.nan)
    pairs = len(codes) * (len(codes) - 1) // 2
    for done, (i, j) in enumerate(itertools.combinations(range(len(codes)), 2), start=1):
        (errors[i, j], precisions[i, j]), (errors[j, i], precisions[j, i]) = compare(
            vectors[i], vectors[j], k, margin, texts=(marks[i], marks[j])
        )
        progress("comparing", done, pairs)
    return XsimResult(
        languages=codes,
        error_rate=errors,
        precision_at_1=precisions,
        sentences=len(vectors[0]),
        k=k,
        margin=margin,
        checksums={code: sha256(path) for code, path in paths.items()},
    )


def compare(
    source: Vectors,
    target: Vectors,
    k: int = 4,
    margin: Margin = "ratio",
    *,
    texts: tuple[Marks, Marks] | None = None,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The xSIM error rate and precision at 1 of two aligned sides, in both directions.

        error_rate = (1/n) |{i : argmax_{y in NN_k(x_i)} margin(x_i, y) is not y_i}|
        precision_at_1 = (1/n) |{i : argmax_y cos(x_i, y) is y_i}|

    A sentence that equals y_i is y_i, wherever it stands: as in LASER's evaluation, unless that is told to compare
    indices.

    Args:
        source: Unit vectors of shape `(pairs, dim)`.
        target: Unit vectors of shape `(pairs, dim)`; row i translates row i of `source`.
        k: As in `evaluate_xsim`; all rows if there are fewer.
        margin: As in `evaluate_xsim`.
        texts: For each side, numbers of shape `(pairs,)` that are equal where the sentences are; all are
            different if None.

    Returns:
        `(error_rate, precision_at_1)` from source to target, and from target to source.
    """
    k = min(k, len(source))
    forward, backward = nearest_neighbours(source, target, k), nearest_neighbours(target, source, k)
    source_marks, target_marks = texts or (np.arange(len(source)),) * 2
    return _shares(forward, backward, target_marks, margin), _shares(backward, forward, source_marks, margin)


def _shares(neighbours: Neighbours, others: Neighbours, marks: Marks, margin: Margin) -> tuple[float, float]:
    """The error rate by the margin, and the precision of the nearest; `marks` tells which of the pool are equal."""
    rows = np.arange(len(neighbours.indices))
    best = neighbours.indices[rows, margin_scores(neighbours, others, margin).argmax(axis=1)]
    return float(np.mean(marks[best] != marks)), float(np.mean(marks[neighbours.indices[:, 0]] == marks))
