"""The pictures of an experiment: how its runs learned, what they reached, and what that costs in parameters."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lealla_tf.experiments.plan import Experiment
from lealla_tf.experiments.results import HELD_OUT, TrialResult, spread
from lealla_tf.experiments.table import Results, name_of
from lealla_tf.files import atomic_file

# Okabe and Ito's colours, which colour-blind readers can tell apart; then the same again in dashes.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":", "-.")
_INK, _FAINT = "#222222", "#D0D0D0"
_STYLE = {"font.family": "DejaVu Sans", "font.size": 8, "text.color": _INK, "axes.edgecolor": _INK}

# Inches
_WIDTH, _HEIGHT, _ROW = 6.4, 3.6, 0.26


def draw(experiment: Experiment, results: Results, directory: Path) -> list[Path]:
    """Draws `learning_curves.png`, `scores.png` and `parameters.png` of what is finished.

    Args:
        experiment: The plan; its order is that of the pictures.
        results: By run.
        directory: Where to.

    Returns:
        The files that were written.
    """
    names = [run.name for run in experiment.all_runs if results.get(run.name)]
    if not names:
        return []
    shown = next((p for p in experiment.scores if any(spread(results[name], p) for name in names)), HELD_OUT)
    files = [directory / name for name in ("learning_curves.png", "scores.png", "parameters.png")]
    _draw_curves(names, results, files[0])
    _draw_bars(names, results, shown, files[1])
    _draw_parameters(names, results, shown, files[2])
    return files


@contextmanager
def _figure(path: Path, width: float, height: float) -> Iterator[Any]:
    """A figure that is written to `path` at the end of the block."""
    # Imported here, as nothing else needs it and it takes a second.  `Figure` without pyplot draws with Agg: it asks
    # for no display and leaves no global state behind.
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=160, layout="constrained")
        yield figure
        with atomic_file(path) as temporary:
            # Named in the file, the drawing library's version would change it with every update.
            figure.savefig(temporary, format="png", metadata={"Software": None})


def _style(number: int) -> dict[str, Any]:
    """Colour and dashes of the run of a number."""
    rounds = number // len(_COLOURS)
    return {"color": _COLOURS[number % len(_COLOURS)], "linestyle": _DASHES[rounds % len(_DASHES)]}


def _draw_curves(names: Sequence[str], results: Results, path: Path) -> None:
    """Loss, and precision on the held-out pairs, by the step; a line for each seed."""
    most = max(len(name) for name in names)
    with _figure(path, _WIDTH + 1.2 + 0.07 * most, _HEIGHT) as figure:
        loss, held_out = figure.subplots(1, 2)
        for number, name in enumerate(names):
            for place, result in enumerate(results[name]):
                label = {"label": name} if not place else {}
                line = {"linewidth": 1.1, "alpha": 0.85, **_style(number)}
                loss.plot(result.curve["step"], result.curve["loss"], **line, **label)
                steps, precision = result.curve["held_out"]
                held_out.plot(steps, [100 * value for value in precision], marker="o", markersize=2.5, **line)
        loss.set(title="Loss (weighted sum)", xlabel="step")
        held_out.set(title="Held-out pairs: precision at 1 in per cent", xlabel="step")
        for axis in (loss, held_out):
            axis.set_xlim(left=0)
            _tidy(axis)
        figure.legend(loc="outside right upper", frameon=False, fontsize=7)


def _draw_bars(names: Sequence[str], results: Results, pattern: str, path: Path) -> None:
    """A bar for each run, with its spread and a point for each seed."""
    with _figure(path, _WIDTH, 0.9 + _ROW * len(names)) as figure:
        axis = figure.subplots()
        for place, name in enumerate(names):
            found = spread(results[name], pattern)
            if found is None:
                continue
            deviation = 100 * (found.deviation or 0.0)
            axis.barh(place, 100 * found.mean, height=0.66, color="#9EC1DD", zorder=2)
            if found.count > 1:
                axis.errorbar(100 * found.mean, place, xerr=deviation, color=_INK, capsize=2.5, linewidth=1, zorder=3)
            axis.annotate(
                f"{100 * found.mean:.1f}" + (f" ± {deviation:.1f}" if found.count > 1 else ""),
                (100 * found.mean + deviation, place),
                (4, 0),
                textcoords="offset points",
                va="center",
                size=7,
            )
        axis.set_yticks(range(len(names)), labels=names)
        axis.set(ylim=(len(names) - 0.4, -0.6), xlabel=f"{name_of(pattern)}, per cent; mean and standard deviation")
        axis.margins(x=0.14)
        axis.tick_params(axis="y", length=0)
        _tidy(axis, grid="x")


def _draw_parameters(names: Sequence[str], results: Results, pattern: str, path: Path) -> None:
    """What a run reached, against its parameters beside the tables, on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullLocator

    with _figure(path, _WIDTH, _HEIGHT) as figure:
        axis = figure.subplots()
        known = {name: found for name in names if (found := spread(results[name], pattern))}
        # In the order of their heights, names go to both sides by turns: many runs may be of one size.
        for number, (name, found) in enumerate(sorted(known.items(), key=lambda item: item[1].mean)):
            place = _size(results[name][0]), 100 * found.mean
            deviation = None if found.deviation is None else 100 * found.deviation
            axis.errorbar(*place, yerr=deviation, fmt="o", markersize=4, color=_COLOURS[0], capsize=2.5, linewidth=1)
            side = -1 if number % 2 else 1
            offset = {"xytext": (6 * side, 0), "textcoords": "offset points", "ha": "left" if side > 0 else "right"}
            axis.annotate(name, place, va="center", size=7, **offset)
        axis.set(xscale="log", xlabel="parameters without the embedding tables, millions")
        axis.set(ylabel=f"{name_of(pattern)}, per cent")
        axis.margins(x=0.3, y=0.12)
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_locator(NullLocator())
        _tidy(axis)


def _size(result: TrialResult) -> float:
    """Millions of parameters beside the tables; a logarithmic axis has no place for none."""
    return max(result.encoder_parameters, 1) / 1e6


def _tidy(axis: Any, grid: str = "both") -> None:
    """Takes away what shows nothing."""
    axis.grid(axis=grid, color=_FAINT, linewidth=0.5, zorder=0)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
