"""Retrieval among millions: the translation of each sentence of the United Nations corpus, from a whole side of it."""

import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lealla_tf.evaluation.embedding_files import EmbeddingFiles
from lealla_tf.evaluation.report import Report
from lealla_tf.evaluation.united_nations_files import DistinctPairs, find_united_nations, read_distinct
from lealla_tf.files import sha256
from lealla_tf.retrieval.margin import Search
from lealla_tf.retrieval.neighbours import nearest_neighbours

# The paper's four languages; the corpus has Arabic too.
_PAPER = ("es-en", "fr-en", "ru-en", "zh-en")

_DIRECTIONS = ("source_to_target", "target_to_source", "mean")


@dataclass(frozen=True, kw_only=True)
class RetrievalScore:
    """Precision at 1 of a language pair, in [0, 1], by direction as in `_DIRECTIONS`.

    Args:
        pair: Such as `fr-en`.
        by_line: The nearest sentence has to stand on the line of the translation.
        by_text: It has to equal the translation, on whatever line.
        counts: Lines of the files, those without a side (`blank`), pairs that repeat an earlier one
            (`repeated`), and `pairs` that were searched.
        checksums: Of the files, by name.
    """

    pair: str
    by_line: tuple[float, float, float]
    by_text: tuple[float, float, float]
    counts: dict[str, int]
    checksums: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class UnitedNationsResult:
    """The scores of all language pairs of a part of the corpus."""

    part: str
    scores: tuple[RetrievalScore, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """Values by key, such as `united_nations/fr-en/source_to_target/precision_at_1`.

        `united_nations/mean/...` is over the language pairs evaluated, and `united_nations/paper/...`
        over Spanish, French, Russian and Chinese with English, where these were evaluated.
        """
        scores = {score.pair: score for score in self.scores}
        groups = {**{pair: [score] for pair, score in scores.items()}, "mean": list(self.scores)}
        if set(_PAPER) <= set(scores):
            groups["paper"] = [scores[pair] for pair in _PAPER]
        metrics = {}
        for name, members in groups.items():
            for place, direction in enumerate(_DIRECTIONS):
                by_line, by_text = (
                    sum(getattr(score, kind)[place] for score in members) / len(members)
                    for kind in ("by_line", "by_text")
                )
                metrics[f"united_nations/{name}/{direction}/precision_at_1"] = by_line
                metrics[f"united_nations/{name}/{direction}/precision_at_1_by_text"] = by_text
        return metrics

    def report(self) -> Report:
        """The table and the values."""
        return Report(
            benchmark="united_nations",
            title=f"United Nations corpus ({self.part}), precision at 1 in per cent, nearest neighbour by cosine",
            lines=tuple(self._lines()),
            data={score.pair: {**score.counts, "checksums": score.checksums} for score in self.scores},
            metrics=self.metrics,
            details={"settings": {"part": self.part}},
        )

    def _lines(self) -> Iterator[str]:
        """A line a pair and a line a mean."""
        metrics = self.metrics
        yield f"{'':<5}  {'':>38}  {'hits by line':^26}  {'hits by text':^26}"
        counts = f"{'lines':>10}  {'repeated':>10}  {'searched':>10}"
        yield f"{'pair':<5}  {counts}  " + "  ".join([f"{'->':>8}  {'<-':>6}  {'mean':>6}"] * 2)
        rows = {score.pair: score.counts for score in self.scores}
        for name in (*rows, "mean", *(["paper"] if "united_nations/paper/mean/precision_at_1" in metrics else [])):
            row = rows.get(name)
            counts = f"{row['lines']:>10,}  {row['repeated']:>10,}  {row['pairs']:>10,}" if row else f"{'':>34}"
            keys = [
                f"united_nations/{name}/{direction}/precision_at_1{suffix}"
                for suffix in ("", "_by_text")
                for direction in _DIRECTIONS
            ]
            yield f"{name:<5}  {counts}  " + "  ".join(f"{100 * metrics[key]:>6.1f}" for key in keys)
        yield ""
        yield "-> looks the first language's sentences up among the second's, <- the reverse."
        if "united_nations/paper/mean/precision_at_1" in metrics:
            yield "paper is the mean of es, fr, ru and zh, the languages of LaBSE's and LEALLA's tables."


def evaluate_united_nations(
    files: EmbeddingFiles,
    data_dir: str | os.PathLike[str],
    pairs: Collection[str] | None = None,
    *,
    part: str | None = None,
    most: int | None = None,
    search: Search = nearest_neighbours,
) -> UnitedNationsResult:
    """Precision at 1 of every language pair, each sentence looked up among the whole other side.

    Pairs that repeat an earlier one on both sides are left out.  A hit is counted in two ways: by
    line, as LASER's similarity search does, where a sentence that equals the translation but stands on
    another line is an error, and by text, as it does with its option for textual comparison.
    They differ where a sentence has several translations.

    Memory holds 50 bytes a line and 16 bytes a neighbour, besides what `search` needs.

    Args:
        files: What embeds, and keeps the embeddings.
        data_dir: As in `find_united_nations`.
        pairs: As in `find_united_nations`.
        part: As in `find_united_nations`.
        most: Only the first so many distinct pairs, for a smaller pool.
        search: What finds neighbours.

    Raises:
        DataError, UsageError: as in `find_united_nations` and `read_distinct`.
        EmbeddingError: if the model does not return one unit vector a sentence.

    Reference: LaBSE (arXiv 2007.01852), section 4.2; LEALLA (arXiv 2302.08387), section 4.1.
    """
    part, found = find_united_nations(data_dir, pairs, part)
    scores = []
    for pair, paths in found.items():
        with tempfile.TemporaryDirectory(prefix="lealla-") as scratch:
            scores.append(_score(files, pair, paths, read_distinct(paths, scratch, most), search))
    return UnitedNationsResult(part=part, scores=tuple(scores))


def _score(
    files: EmbeddingFiles, pair: str, paths: tuple[Path, Path], texts: DistinctPairs, search: Search
) -> RetrievalScore:
    """Searches in both directions."""
    source, target = (
        files.embed(side, path.name) for side, path in zip((texts.source, texts.target), paths, strict=True)
    )
    rows = np.arange(len(texts.source))
    by_line, by_text = [], []
    for queries, pool, marks in (
        (source, target, texts.target_fingerprints),
        (target, source, texts.source_fingerprints),
    ):
        found = search(queries, pool, 1).indices[:, 0]
        by_line.append(float(np.mean(found == rows)))
        by_text.append(float(np.mean(marks[found] == marks)))
    counts = {"lines": texts.lines, "blank": texts.blank, "repeated": texts.repeated, "pairs": len(rows)}
    return RetrievalScore(
        pair=pair,
        by_line=(*by_line, sum(by_line) / 2),  # type: ignore[arg-type]  # of two
        by_text=(*by_text, sum(by_text) / 2),  # type: ignore[arg-type]
        counts=counts,
        checksums={path.name: sha256(path) for path in paths},
    )
