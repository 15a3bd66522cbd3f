"""How the scores of mined pairs are distributed, as a picture that helps to choose a threshold."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lealla_tf.files import atomic_file

# As in the pictures by language: blue and orange, which also differ in brightness.
_BLUE, _ORANGE, _GREY, _INK = "#4C84B8", "#E8A33D", "#8C8C8C", "#222222"
_STYLE = {"font.family": "DejaVu Sans", "font.size": 7, "legend.fontsize": 7, "text.color": _INK}

# Inches
_WIDTH, _HEIGHT, _TITLE = 4.2, 2.6, 0.3

_BINS = 60

# The share of scores at either end that are left outside: a few far away would press the others into a corner.
_OUTSIDE = 0.002


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """The scores of candidate pairs.

    Args:
        title: What they are of.
        scores: Finite numbers of shape `(pairs,)`, at least one.
        is_correct: Which pairs are known to be right; None if that is not known.
        threshold: Where they are cut, if anywhere.
    """

    title: str
    scores: npt.NDArray[Any]
    is_correct: npt.NDArray[np.bool_] | None = None
    threshold: float | None = None


def draw_histograms(histograms: Sequence[Histogram], path: str | os.PathLike[str], title: str) -> None:
    """Draws the histograms, two in a row, as a PNG file.

    Counts are on a logarithmic scale, so that few pairs among many are seen.  A line says how
    many pairs score at least so much; where the right ones are known, they are drawn apart.

    Args:
        histograms: What to draw.
        path: The file to write, whole or not at all.
        title: First line of the picture, such as the model's name.
    """
    # As in `draw_scores`: imported where it is needed, and drawn without a display.
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(2, len(histograms))
    rows = math.ceil(len(histograms) / columns)
    height = rows * _HEIGHT + _TITLE
    with matplotlib.rc_context(_STYLE):
        layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - _TITLE / height))
        figure = Figure(figsize=(columns * _WIDTH, height), dpi=200, layout=layout)
        figure.text(0.01, 1 - 0.6 * _TITLE / height, title, size=9, weight="bold", parse_math=False)
        for place, histogram in enumerate(histograms, start=1):
            _draw(figure.add_subplot(rows, columns, place), histogram)
        with atomic_file(path) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw(axis: Any, histogram: Histogram) -> None:
    """One histogram with its legend."""
    edges = _edges(histogram.scores)
    # What lies outside is counted in the first and the last bin.
    scores = np.clip(histogram.scores, edges[0], edges[-1])
    is_correct = histogram.is_correct
    parts = [(scores, _BLUE, f"pairs ({len(scores):,})")]
    if is_correct is not None:
        others = scores[~is_correct]
        parts = [(others, _GREY, f"not in the gold ({len(others):,})")]
        parts += [(scores[is_correct], _BLUE, f"in the gold ({is_correct.sum():,})")]
    for values, colour, label in parts:
        axis.hist(values, edges, color=colour, alpha=0.75, label=label)
    ordered = np.sort(histogram.scores)
    above = len(ordered) - np.searchsorted(ordered, edges[:-1])
    axis.plot(edges[:-1], np.maximum(above, 0.5), color=_ORANGE, linewidth=1.2, label="pairs of at least this score")
    if histogram.threshold is not None:
        taken = int((histogram.scores >= histogram.threshold).sum())
        label = f"threshold {histogram.threshold:.4g}: {taken:,} pairs"
        axis.axvline(histogram.threshold, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), label=label)
    axis.set_yscale("log")
    axis.set_ylim(0.7, 30 * len(scores))  # with room for the legend above the line
    axis.set_xlim(edges[0], edges[-1])
    axis.set_title(histogram.title, size=8, loc="left", parse_math=False)
    axis.set_xlabel("score")
    axis.set_ylabel("pairs")
    axis.grid(color="#DDDDDD", linewidth=0.5)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper right", frameon=True, framealpha=0.8, edgecolor="none")


def _edges(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The bounds of the bins."""
    ordered = np.sort(scores).astype(np.float64)
    outside = int(_OUTSIDE * len(ordered))
    low, high = ordered[outside], ordered[-1 - outside]
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)
