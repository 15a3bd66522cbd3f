"""The picture: what is drawn where, without comparing pixels."""

import subprocess
import sys

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lealla_tf.evaluation.languages import GROUPS, LANGUAGES, language_name
from lealla_tf.evaluation.pictures import draw_scores
from lealla_tf.evaluation.scores import LanguageScore, Result, group_scores

BLUE, ORANGE, GREY = "#4c84b8", "#e8a33d", "#8c8c8c"


def result_of(codes, trained=lambda code: True):
    scores = [
        LanguageScore(
            code=code,
            pairs=1000,
            source_to_target=(7 * i % 113) / 113,
            target_to_source=(7 * i % 113) / 113,
            trained=trained(code),
        )
        for i, code in enumerate(codes)
    ]
    return Result(benchmark="tatoeba", scores=tuple(scores), groups=group_scores(scores, GROUPS), checksum="")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that have been saved."""
    figures = []
    save = Figure.savefig

    def keep(self, *args, **kwargs):
        figures.append(self)
        return save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (8, 1), (28, 1), (29, 2), (36, 2), (112, 4)])
def test_every_language_is_drawn_once_from_best_to_worst(tmp_path, drawn, count, columns):
    result = result_of(list(LANGUAGES)[:count])
    draw_scores(result, tmp_path / "a.png", "a model")
    (figure,) = drawn
    assert len(figure.axes) == columns
    names = [label.get_text() for axis in figure.axes for label in axis.get_yticklabels()]
    lengths = [bar.get_width() for axis in figure.axes for bar in axis.patches]
    ranked = sorted(result.scores, key=lambda score: -score.mean)
    assert names == [language_name(score.code) for score in ranked]
    assert lengths == pytest.approx([100 * score.mean for score in ranked])
    assert [text.get_text() for axis in figure.axes for text in axis.texts] == [f"{value:.1f}" for value in lengths]
    assert all(axis.yaxis_inverted() for axis in figure.axes)


@pytest.mark.parametrize("count", [1, 8, 12, 36, 112])
def test_nothing_overlaps_or_leaves_the_picture(tmp_path, drawn, count):
    draw_scores(result_of(list(LANGUAGES)[:count]), tmp_path / "a.png", "a model's name, " * 20)
    (figure,) = drawn
    texts = [*figure.texts, *figure.legends[0].get_texts()]
    for axis in figure.axes:
        texts += [*axis.texts, *axis.get_yticklabels(), *axis.get_xticklabels()]
    boxes = [text.get_window_extent() for text in texts]
    page = figure.bbox
    assert all(page.x0 <= b.x0 and b.x1 <= page.x1 and page.y0 <= b.y0 and b.y1 <= page.y1 for b in boxes)
    assert not [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes[:i]) if a.overlaps(b)]


def test_colours_say_what_was_trained_on(tmp_path, drawn):
    known = {"deu": True, "fra": False, "kab": None}
    draw_scores(result_of(known, known.get), tmp_path / "a.png", "a model")
    (figure,) = drawn
    bars = {
        label.get_text(): to_hex(bar.get_facecolor())
        for label, bar in zip(figure.axes[0].get_yticklabels(), figure.axes[0].patches, strict=True)
    }
    assert bars == {"German": BLUE, "French": ORANGE, "Kabyle": GREY}
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["in training data", "absent from training data", "not known", "average of 3"]


def test_nothing_is_said_of_training_if_nothing_is_known(tmp_path, drawn):
    draw_scores(result_of(["deu", "fra"], lambda code: None), tmp_path / "a.png", "a model")
    assert {to_hex(bar.get_facecolor()) for bar in drawn[0].axes[0].patches} == {BLUE}
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["average of 2"]


def test_averages_stand_above_and_as_a_line(tmp_path, drawn):
    result = result_of(GROUPS["14"])
    draw_scores(result, tmp_path / "a.png", "cost $5 and $6")
    title, *lines = [text.get_text() for text in drawn[0].texts]
    mean = next(100 * group.mean for group in result.groups if group.name == "14")
    assert title == "cost $5 and $6"
    assert not drawn[0].texts[0].get_parse_math()
    assert " ".join(lines) == (
        "Tatoeba: precision at 1 in per cent, mean of both directions with English. "
        f"Average: {mean:.1f} over 14 languages."
    )
    (line,) = drawn[0].axes[0].lines
    assert list(line.get_xdata()) == pytest.approx([mean, mean])


def test_a_long_title_keeps_its_end(tmp_path, drawn):
    draw_scores(result_of(["deu"]), tmp_path / "a.png", "x" * 200 + "/the_model")
    title = drawn[0].texts[0].get_text()
    assert title.startswith("\N{HORIZONTAL ELLIPSIS}x")
    assert title.endswith("x/the_model")


def test_the_same_result_gives_the_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        draw_scores(result_of(GROUPS["14"]), tmp_path / name, "a model")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "b.png").read_bytes()


def test_matplotlib_is_not_imported_before_something_is_drawn():
    program = "import sys, lealla_tf.evaluation.pictures; print('matplotlib' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )
