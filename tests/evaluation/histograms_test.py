"""Pictures of scores: they are drawn, whole or not at all, and do not depend on the clock."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from lealla_tf.evaluation.histograms import Histogram, draw_histograms


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved, to look into."""
    saved, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *rest, **more: saved.append(figure) or save(figure, *rest, **more)
    )
    return saved


def example(count=500, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(1, 0.05, count), rng.normal(1.4, 0.1, count // 5), [30.0]])


def test_counts_and_threshold(tmp_path, figures):
    scores = example()
    is_correct = scores > 1.3
    histogram = Histogram(title="cost $5 and $6", scores=scores, is_correct=is_correct, threshold=1.25)
    draw_histograms([histogram], tmp_path / "a.png", "a $ model")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (axis,) = figures[0].axes
    heights = [sum(patch.get_height() for patch in container.patches) for container in axis.containers]
    assert heights == [(~is_correct).sum(), is_correct.sum()]
    texts = [text.get_text() for text in axis.get_legend().get_texts()]
    assert texts == [
        f"not in the gold ({(~is_correct).sum()})",
        f"in the gold ({is_correct.sum()})",
        "pairs of at least this score",
        f"threshold 1.25: {(scores >= 1.25).sum()} pairs",
    ]
    line = axis.lines[0]
    for edge, above in zip(*line.get_data(), strict=True):
        assert above == max((scores >= edge).sum(), 0.5)
    assert axis.get_xlim()[1] < 5  # one score of 30 does not press the others into a corner
    first = (tmp_path / "a.png").read_bytes()
    draw_histograms([histogram], tmp_path / "a.png", "a $ model")
    assert (tmp_path / "a.png").read_bytes() == first


def test_few_scores(tmp_path, figures):
    scores = [[1.0], [1.0, 1.0], [0.5, 1.5]]
    draw_histograms([Histogram(title="few", scores=np.array(row)) for row in scores], tmp_path / "a.png", "a model")
    counts = [sum(patch.get_height() for patch in axis.containers[0].patches) for axis in figures[0].axes]
    assert counts == [1, 2, 2]
