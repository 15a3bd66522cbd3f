"""The BUCC 2018 benchmark: find the translations among two collections in which few sentences have one."""

import functools
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lealla_tf.evaluation.bucc_files import BuccPaths, BuccSplit, find_bucc, read_bucc
from lealla_tf.evaluation.embedding import EmbeddingError
from lealla_tf.evaluation.embedding_files import EmbeddingFiles
from lealla_tf.evaluation.histograms import Histogram, draw_histograms
from lealla_tf.evaluation.report import Report
from lealla_tf.evaluation.thresholds import ThresholdScore, apply_threshold, best_threshold
from lealla_tf.files import sha256
from lealla_tf.retrieval.margin import Direction, Margin, Search, mine_pairs
from lealla_tf.retrieval.neighbours import nearest_neighbours


@dataclass(frozen=True, kw_only=True)
class BuccScore:
    """What was found in one language pair.

    Args:
        pair: Such as `de-en`.
        score: Of the second split, with the threshold that is the best on the first; None if
            the second has no gold.
        optima: Of each split by name, with the threshold that is the best on that split itself:
            what the published scripts report, and an upper bound of what can be had without gold.
        histogram: The candidates of the last split.
        data: Counts and checksums of each split by name.
    """

    pair: str
    score: ThresholdScore | None
    optima: Mapping[str, ThresholdScore]
    histogram: Histogram = field(compare=False)
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class BuccResult:
    """The scores of all language pairs, and how they were mined."""

    scores: tuple[BuccScore, ...]
    splits: tuple[str, str]
    k: int
    margin: Margin
    direction: Direction

    @property
    def metrics(self) -> dict[str, float]:
        """Values by key.

        `bucc/de-en/f1` is of the second split with the threshold of the first, and
        `bucc/de-en/optimum_on_test/f1` of the second with its own.  `bucc/mean/f1` is the mean over
        the language pairs, where all of them have one.
        """
        metrics = {
            f"bucc/{score.pair}{kind}/{name}": getattr(value, name)
            for score in self.scores
            for kind, value in self._values(score)
            for name in ("precision", "recall", "f1", "threshold")
        }
        for kind in ("", *(f"/optimum_on_{split}" for split in self.splits)):
            values = [metrics.get(f"bucc/{score.pair}{kind}/f1") for score in self.scores]
            known = [value for value in values if value is not None]
            if len(known) == len(values):
                metrics[f"bucc/mean{kind}/f1"] = sum(known) / len(known)
        return metrics

    def report(self) -> Report:
        """The table, the values and the picture."""
        settings = {"splits": list(self.splits), "k": self.k, "margin": self.margin, "direction": self.direction}
        return Report(
            benchmark="bucc",
            title=f"BUCC 2018, F1 in per cent; margin {self.margin}, direction {self.direction}, {self.k} neighbours",
            lines=tuple(self._lines()),
            data={score.pair: score.data for score in self.scores},
            metrics=self.metrics,
            details={"settings": settings},
            draw=functools.partial(draw_histograms, [score.histogram for score in self.scores]),
        )

    def _values(self, score: BuccScore) -> Iterator[tuple[str, ThresholdScore]]:
        """What was measured in a language pair, with its part of the key."""
        if score.score is not None:
            yield "", score.score
        for split, value in score.optima.items():
            yield f"/optimum_on_{split}", value

    def _lines(self) -> Iterator[str]:
        """A line for each number that was measured, since each is another kind of number."""
        first, second = self.splits
        names = {"": f"{second}, threshold of {first}"}
        names |= {f"/optimum_on_{split}": f"{split}, its own best threshold" for split in self.splits}
        width = max(map(len, names.values()))
        yield f"{'pair':<7}  {'measured on':<{width}}  {'precision':>9}  {'recall':>6}  {'F1':>5}  {'threshold':>9}"
        for score in self.scores:
            for kind, value in self._values(score):
                numbers = f"{100 * value.precision:>9.1f}  {100 * value.recall:>6.1f}  {100 * value.f1:>5.1f}"
                yield f"{score.pair:<7}  {names[kind]:<{width}}  {numbers}  {value.threshold:>9.4f}"
        for kind, name in names.items():
            mean = self.metrics.get(f"bucc/mean{kind}/f1")
            if mean is not None:
                yield f"{'mean':<7}  {name:<{width}}  {'':>9}  {'':>6}  {100 * mean:>5.1f}"
        yield ""
        yield "A split's own best threshold is chosen on the gold pairs that it is judged by: no system could know it."


def evaluate_bucc(
    files: EmbeddingFiles,
    data_dir: str | os.PathLike[str],
    pairs: Collection[str] | None = None,
    *,
    splits: tuple[str, str] = ("training", "test"),
    k: int = 4,
    margin: Margin = "ratio",
    direction: Direction = "max",
    search: Search = nearest_neighbours,
) -> BuccResult:
    """F1 of the pairs that are mined from both splits of every language pair.

    Every line is a sentence of its own, as in sentence-transformers' script; LASER's merges equal
    sentences, and leaves those with several ids out of the candidates.

    Args:
        files: What embeds.
        data_dir: As in `find_bucc`.
        pairs: As in `find_bucc`.
        splits: The threshold is chosen on the gold of the first, and applied to the second.
        k: As in `mine_pairs`.
        margin: As in `mine_pairs`.
        direction: As in `mine_pairs`.
        search: As in `mine_pairs`.

    Raises:
        DataError, UsageError: as in `find_bucc` and `read_bucc`.
        EmbeddingError: if the model does not return one unit vector a sentence.

    Reference: Artetxe and Schwenk (arXiv 1811.01136), section 4.1; LEALLA (arXiv 2302.08387), section 4.1.
    """
    mine = functools.partial(mine_pairs, k=k, margin=margin, direction=direction, search=search)
    scores = []
    for pair, found in find_bucc(data_dir, pairs, splits).items():
        optima, data, score = {}, {}, None
        for split in (name for name in splits if name in found):
            texts = read_bucc(found[split])
            candidates, is_correct = _mine(files, found[split], texts, mine)
            optima[split] = best_threshold(candidates, is_correct, len(texts.gold))
            if split == splits[1]:
                score = apply_threshold(candidates, is_correct, len(texts.gold), optima[splits[0]].threshold)
            data[split] = _describe(found[split], texts)
            threshold = optima[splits[0]].threshold
            histogram = Histogram(
                title=f"{pair} {split}", scores=candidates, is_correct=is_correct, threshold=threshold
            )
        scores.append(BuccScore(pair=pair, score=score, optima=optima, histogram=histogram, data=data))
    return BuccResult(scores=tuple(scores), splits=splits, k=k, margin=margin, direction=direction)


def _mine(files: EmbeddingFiles, paths: BuccPaths, texts: BuccSplit, mine: Any) -> tuple[Any, Any]:
    """The scores of the candidates, and which of them are gold."""
    source, target = files.embed(texts.source, paths.source.name), files.embed(texts.target, paths.target.name)
    found = mine(source, target)
    if not len(found.scores):
        raise EmbeddingError(f"No pair of {paths.source} and {paths.target} is a candidate.")
    # One number for each pair of rows.
    gold = texts.gold[:, 0] * len(target) + texts.gold[:, 1]
    return found.scores, np.isin(found.source * len(target) + found.target, gold)


def _describe(paths: BuccPaths, texts: BuccSplit) -> dict[str, Any]:
    """How many there are, and the checksums of the files."""
    files = (paths.source, paths.target, paths.gold)
    counts = {"source": len(texts.source), "target": len(texts.target), "gold": len(texts.gold)}
    return {**counts, "checksums": {path.name: sha256(path) for path in files}}
