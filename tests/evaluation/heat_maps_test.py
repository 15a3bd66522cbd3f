"""Pictures of matrices: the numbers are in the right cells while there is room, and nothing is cut off."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from lealla_tf.evaluation.heat_maps import HeatMap, draw_heat_maps


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved, to look into."""
    saved, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *rest, **more: saved.append(figure) or save(figure, *rest, **more)
    )
    return saved


def example(count):
    values = np.arange(count * count, dtype=float).reshape(count, count) % 100
    np.fill_diagonal(values, np.nan)
    return [
        HeatMap(
            title="xSIM error rate, distance margin over 16 neighbours (per cent)",
            labels=[f"l{n:02d}_Latn" for n in range(count)],
            values=values,
            colours="Blues",
        )
    ] * 2


def test_cells_hold_their_numbers(tmp_path, figures):
    draw_heat_maps(example(4), tmp_path / "a.png", "cost $5 and $6")
    axis = figures[0].axes[0]
    texts = {text.get_position(): text.get_text() for text in axis.texts}
    assert texts[(1, 0)] == "1.0"  # column 1 of row 0
    assert texts[(0, 3)] == "12"
    assert (2, 2) not in texts
    assert [label.get_text() for label in axis.get_yticklabels()] == ["l00_Latn", "l01_Latn", "l02_Latn", "l03_Latn"]
    first = (tmp_path / "a.png").read_bytes()
    draw_heat_maps(example(4), tmp_path / "a.png", "cost $5 and $6")
    assert (tmp_path / "a.png").read_bytes() == first


@pytest.mark.parametrize("count", [2, 30, 112])
def test_everything_is_inside_the_picture(tmp_path, monkeypatch, count):
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *rest, **more: saved.append(figure))  # which takes longest
    draw_heat_maps(example(count), tmp_path / "a.png", "a model")
    (figure,) = saved
    for part in (*figure.axes, *figure.texts):
        box = part.get_tightbbox()
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    heights = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(upper.y0 >= lower.y1 for upper, lower in itertools.pairwise(heights))  # none over another
    assert bool(figure.axes[0].texts) == (count <= 40)


def test_a_matrix_of_one_value(tmp_path):
    values = np.array([[np.nan, 0.0], [0.0, np.nan]])
    draw_heat_maps([HeatMap(title="t", labels=["a", "b"], values=values, colours="Blues")], tmp_path / "a.png", "m")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
