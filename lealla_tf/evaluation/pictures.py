"""A benchmark's result as a picture: one bar a language, sorted by score."""

import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from lealla_tf.evaluation.languages import language_name
from lealla_tf.evaluation.scores import LanguageScore, Result
from lealla_tf.files import atomic_file

# Blue and orange differ for colour-blind readers too, and in brightness for grey print.
_COLOURS: dict[bool | None, str] = {True: "#4C84B8", False: "#E8A33D", None: "#8C8C8C"}
_LABELS: dict[bool | None, str] = {True: "in training data", False: "absent from training data", None: "not known"}
_INK, _FAINT = "#222222", "#C8C8C8"
_STYLE = {"font.family": "DejaVu Sans", "font.size": 7, "legend.fontsize": 7, "text.color": _INK}
_DASHES: dict[str, Any] = {"color": _INK, "linewidth": 0.8, "linestyle": (0, (4, 3))}

# Inches
_NAME, _BAR, _VALUE, _ROW = 1.3, 1.5, 0.4, 0.165
_LINE, _FOOT, _MARGIN = 0.17, 0.5, 0.12
_ROWS = 28  # bars in a column; 112 languages make four


def draw_scores(result: Result, path: str | os.PathLike[str], title: str) -> None:
    """Draws the mean of both directions for every language as a PNG file.

    Bars run down the columns from the best language to the worst; their colour says
    whether the language was trained on.  Averages of complete groups stand above, and a
    dashed line marks that of all languages evaluated.

    Args:
        result: what to draw.
        path: the file to write, whole or not at all.
        title: first line of the picture, such as the model's name; its end is kept if it
            is too long.
    """
    # Imported here, as nothing else needs it and it takes a second.  `Figure` without pyplot
    # draws with Agg: it asks for no display and leaves no global state behind.
    import matplotlib
    from matplotlib.figure import Figure

    known = any(score.trained is not None for score in result.scores)
    colours: Mapping[bool | None, str] = _COLOURS if known else {None: _COLOURS[True]}
    scores = sorted(result.scores, key=lambda score: (-score.mean, score.code))
    columns = math.ceil(len(scores) / _ROWS)
    rows = math.ceil(len(scores) / columns)
    bar = _BAR if columns > 1 else 2 * _BAR
    width = _MARGIN + columns * (_NAME + bar + _VALUE)
    heading = _heading(result, title, width)
    height = rows * _ROW + _FOOT + (len(heading) + 1.2) * _LINE
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=200)
        for number, line in enumerate(heading):
            style: dict[str, Any] = {"size": 7} if number else {"size": 9, "weight": "bold"}
            # A dollar sign in a model's name starts no formula.
            figure.text(_MARGIN / width, 1 - (number + 1.1) * _LINE / height, line, parse_math=False, **style)
        for column in range(columns):
            left = _NAME + column * (_NAME + bar + _VALUE)
            axis = figure.add_axes((left / width, _FOOT / height, bar / width, rows * _ROW / height))
            _draw_column(axis, scores[column * rows : (column + 1) * rows], rows, colours, _average(result))
        _draw_legend(figure, result, (_MARGIN / width, _MARGIN / height))
        with atomic_file(path) as temporary:
            # Named in the file, the drawing library's version would change it with every update.
            figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw_column(
    axis: Any, scores: Sequence[LanguageScore], rows: int, colours: Mapping[bool | None, str], average: float | None
) -> None:
    """Draws the bars of a column from the top down; a shorter last column ends earlier."""
    places = range(len(scores))
    values = [100 * score.mean for score in scores]
    axis.barh(places, values, height=0.72, color=[colours[score.trained] for score in scores], zorder=2)
    for place, value in zip(places, values, strict=True):
        axis.annotate(
            f"{value:.1f}",
            (1, place),
            (72 * (_VALUE - _MARGIN), 0),
            xycoords=axis.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            size=6.5,
        )
    axis.set(xlim=(0, 100), ylim=(rows - 0.5, -0.5), xticks=(0, 25, 50, 75, 100))
    axis.set_yticks(places, labels=[language_name(score.code) for score in scores])
    axis.tick_params(axis="y", length=0, pad=3, labelcolor=_INK)
    axis.tick_params(axis="x", length=0, labelsize=6, labelcolor="#666666")
    axis.grid(axis="x", color=_FAINT, linewidth=0.5, zorder=0, clip_on=False)
    axis.spines[:].set_visible(False)
    if average is not None:
        end = len(scores) - 0.5
        axis.plot([100 * average] * 2, [-0.5, end], zorder=3, **_DASHES)


def _draw_legend(figure: Any, result: Result, corner: tuple[float, float]) -> None:
    """Draws what the colours and the line mean, below the bars."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    present = {score.trained for score in result.scores}
    handles: list[Any] = [
        Patch(color=_COLOURS[key], label=_LABELS[key]) for key in _COLOURS if key in present and present != {None}
    ]
    if _average(result) is not None:
        count = len(result.scores)
        handles.append(Line2D([], [], label=f"average of {count}", **_DASHES))
    corner_only: dict[str, Any] = {"frameon": False, "borderpad": 0, "borderaxespad": 0}
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=corner, ncols=4, **corner_only)


def _average(result: Result) -> float | None:
    """The average over exactly the languages that were evaluated."""
    evaluated = {score.code for score in result.scores}
    return next((group.mean for group in result.groups if set(group.languages) == evaluated), None)


def _heading(result: Result, title: str, width: float) -> list[str]:
    """The title, what is drawn, and the averages, in lines that fit `width` inches."""
    most = int(width * 11)
    first = title if len(title) <= most else "\N{HORIZONTAL ELLIPSIS}" + title[1 - most :]
    averages = [f"{100 * g.mean:.1f} over {g.label}" for g in result.groups if g.mean is not None]
    text = f"{result.benchmark.capitalize()}: precision at 1 in per cent, mean of both directions with English."
    if averages:
        text += f" {'Average' if len(averages) == 1 else 'Averages'}: {', '.join(averages)}."
    return [first, *textwrap.wrap(text, int(width * 17))]
