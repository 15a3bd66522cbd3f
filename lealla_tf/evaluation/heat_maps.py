"""Matrices of scores between languages, as a picture."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lealla_tf.files import atomic_file

_STYLE = {"font.family": "DejaVu Sans", "font.size": 7, "text.color": "#222222"}

# Inches. Cells hold their number while there is room for it.
_CELL, _SMALL_CELL, _LABEL, _BAR, _TITLE, _MARGIN = 0.27, 0.115, 0.075, 0.55, 0.6, 0.12
_LEAST = 3.6  # what the title of a matrix takes
_WITH_NUMBERS = 40


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """A square matrix.

    Args:
        title: What it shows.
        labels: Of its rows and of its columns.
        values: Numbers of `(row, column)`; NaN leaves a cell empty.
        colours: A sequential colour map of Matplotlib's, the highest value the darkest.
    """

    title: str
    labels: Sequence[str]
    values: npt.NDArray[np.float64]
    colours: str


def draw_heat_maps(maps: Sequence[HeatMap], path: str | os.PathLike[str], title: str) -> None:
    """Draws the matrices side by side as a PNG file, with the numbers in them if they are small enough to be read.

    Args:
        maps: What to draw, of one size.
        path: The file to write, whole or not at all.
        title: First line of the picture, such as the model's name.
    """
    # As in `draw_scores`: imported where it is needed, and drawn without a display.
    import matplotlib
    from matplotlib.figure import Figure

    count = len(maps[0].labels)
    has_numbers = count <= _WITH_NUMBERS
    side = count * (_CELL if has_numbers else _SMALL_CELL)
    label = _MARGIN + _LABEL * max(len(name) for name in maps[0].labels) * (1 if has_numbers else 0.6)
    panel = max(label + side + _BAR, _LEAST)
    width, height = len(maps) * panel + _MARGIN, side + label + _TITLE + _MARGIN
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=200)
        figure.text(_MARGIN / width, 1 - 0.2 / height, title, size=9, weight="bold", parse_math=False)
        figure.text(_MARGIN / width, 1 - 0.36 / height, "rows: source, columns: target")
        for place, heat_map in enumerate(maps):
            left = place * panel + label
            axis = figure.add_axes((left / width, _MARGIN / height, side / width, side / height))
            image = _draw(axis, heat_map, has_numbers)
            bar = figure.add_axes(((left + side + 0.08) / width, _MARGIN / height, 0.1 / width, side / height))
            figure.colorbar(image, cax=bar).outline.set_visible(False)
            bar.tick_params(length=2, labelsize=6)
            axis_top = _MARGIN + side + label
            figure.text((place * panel + _MARGIN) / width, (axis_top + 0.08) / height, heat_map.title, size=7.5)
        with atomic_file(path) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw(axis: Any, heat_map: HeatMap, has_numbers: bool) -> Any:
    """One matrix; rows run down, and columns are named at the top."""
    values, places = heat_map.values, range(len(heat_map.labels))
    low, high = np.nanmin(values), np.nanmax(values)
    image = axis.imshow(values, cmap=heat_map.colours, vmin=low, vmax=max(high, low + 1e-9), aspect="auto")
    size = 7 if has_numbers else 5.5
    axis.set_xticks(places, labels=heat_map.labels, rotation=90, size=size)
    axis.set_yticks(places, labels=heat_map.labels, size=size)
    axis.tick_params(length=0, pad=2, top=True, labeltop=True, bottom=False, labelbottom=False)
    axis.spines[:].set_visible(False)
    if has_numbers:
        middle = (low + high) / 2
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                text = f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
                colour = "white" if value > middle else "#222222"
                axis.text(column, row, text, ha="center", va="center", size=5.5, color=colour)
    return image
