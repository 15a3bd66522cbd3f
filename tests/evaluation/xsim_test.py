"""Languages against each other: by hand, against the definition sentence by sentence, and through files."""

import json

import numpy as np
import pytest

from lealla_tf.evaluation.report import EvaluatedModel
from lealla_tf.evaluation.xsim import compare, evaluate_xsim

# Each sentence is named for its language and its number; these are the angles of their vectors in degrees.
ANGLES = {"deu": (0, 40, 80), "eng": (5, 45, 85), "fra": (10, 70, 60)}


def embed(sentences):
    angles = np.radians([ANGLES[sentence[:3]][int(sentence[-1])] for sentence in sentences])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def reference(x, y, k, margin):
    """The definition: each sentence's k nearest, of which that with the highest margin is chosen."""
    cosines = x @ y.T
    near = [sorted(range(len(y)), key=lambda j, i=i: (-cosines[i, j], j))[:k] for i in range(len(x))]
    back = [sorted(range(len(x)), key=lambda i, j=j: (-cosines[i, j], i))[:k] for j in range(len(y))]
    wrong = right = 0
    for i in range(len(x)):
        scores = {}
        for j in near[i]:
            mean = (sum(cosines[i, z] for z in near[i]) + sum(cosines[z, j] for z in back[j])) / (2 * k)
            scores[j] = {"absolute": cosines[i, j], "distance": cosines[i, j] - mean, "ratio": cosines[i, j] / mean}[
                margin
            ]
        wrong += max(near[i], key=lambda j: round(scores[j], 12)) != i
        right += near[i][0] == i
    return wrong / len(x), right / len(x)


@pytest.mark.parametrize("margin", ["ratio", "distance", "absolute"])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("kind", ["random", "hubs", "duplicates"])
def test_agrees_with_the_definition(margin, k, kind):
    """float64, so that copies are told apart by their index alone on both sides of the comparison."""
    rng = np.random.default_rng(k)
    meanings = rng.normal(size=(60, 10)) + 0.7
    x, y = (meanings + 0.6 * rng.normal(size=meanings.shape) for _ in range(2))
    if kind == "hubs":
        y[:5] = 3 * meanings.mean(0) + 0.3 * rng.normal(size=(5, 10))
    if kind == "duplicates":
        x[30:40], y[30:40] = x[:10], y[:10]
    x, y = unit(x), unit(y)
    forward, backward = compare(x, y, k, margin)
    assert forward == pytest.approx(reference(x, y, k, margin))
    assert backward == pytest.approx(reference(y, x, k, margin))
    assert 0 < forward[0] < 0.9
    if margin == "absolute":
        assert forward[0] == pytest.approx(1 - forward[1])


def test_three_languages_by_hand(tmp_path):
    """German and English are 5 apart; French 70 stands for the second, and 60 for the third.

    From French: 70 is nearest to 80 (the third German one) and to 85 (the third English one); 60 is 20 from
    both German 40 and 80, a tie but for rounding, and nearest to English 45. German 40 is nearest to French 60,
    80 to 70; English 45 to 60 and 85 to 70.
    """
    for code in ANGLES:
        (tmp_path / f"{code}_Latn.devtest").write_text("".join(f"{code} {n}\n" for n in range(3)))
    (tmp_path / "README.md").write_text("not part of it")
    calls = []
    result = evaluate_xsim(embed, tmp_path, margin="absolute", progress=lambda *call: calls.append(call))
    assert result.languages == ("deu_Latn", "eng_Latn", "fra_Latn")
    nan = np.nan
    expected = [[nan, 0, 2 / 3], [0, nan, 2 / 3], [0.5, 2 / 3, nan]]
    errors = result.error_rate.copy()
    assert errors[2, 0] in (pytest.approx(1 / 3), pytest.approx(2 / 3))  # the tie
    errors[2, 0] = 0.5
    np.testing.assert_allclose(errors, expected)
    np.testing.assert_allclose(result.precision_at_1, 1 - result.error_rate)
    assert calls[:3] == [("embedding", 1, 3), ("embedding", 2, 3), ("embedding", 3, 3)]
    assert calls[3:] == [("comparing", 1, 3), ("comparing", 2, 3), ("comparing", 3, 3)]


def test_a_repeated_sentence_is_a_hit_on_any_of_its_lines(tmp_path):
    """English 0 stands on two lines: German 0 finds the first, also from the second line; from there it is no error."""
    (tmp_path / "deu.txt").write_text("deu 0\ndeu other 0\ndeu 1\n")
    (tmp_path / "eng.txt").write_text("eng 0\neng 0\neng 1\n")
    for margin in ("absolute", "ratio"):
        result = evaluate_xsim(embed, tmp_path, k=2, margin=margin)
        # From English, both lines find the first German one, which is another sentence than the second.
        np.testing.assert_allclose(result.error_rate, [[np.nan, 0], [1 / 3, np.nan]])
        np.testing.assert_allclose(result.precision_at_1, [[np.nan, 1], [2 / 3, np.nan]])


def test_report(tmp_path):
    for code in ("deu", "eng"):
        (tmp_path / f"{code}.txt").write_text("".join(f"{code} {n}\n" for n in range(3)))
    report = evaluate_xsim(embed, tmp_path, k=2, margin="distance").report()
    assert json.loads(json.dumps(report.values(EvaluatedModel(name="m", fingerprint="f", dim=2))))
    assert report.metrics["xsim/deu-eng/error_rate"] == 0
    assert report.metrics["xsim/eng-deu/precision_at_1"] == 1
    assert set(report.metrics) == {
        f"xsim/{pair}/{name}"
        for pair in ("deu-eng", "eng-deu", "from_deu", "from_eng", "to_deu", "to_eng", "mean")
        for name in ("error_rate", "precision_at_1")
    }
    assert (
        report.title
        == "xSIM error rate and precision at 1 (P@1) in per cent, distance margin over 2 neighbours, 3 sentences"
    )
    assert report.lines[1:5] == (
        "language    xSIM     P@1    xSIM     P@1  most errors, as source",
        "deu          0.0   100.0     0.0   100.0  to eng, 0.0",
        "eng          0.0   100.0     0.0   100.0  to deu, 0.0",
        "mean         0.0   100.0",
    )
    assert report.lines[-3:] == ("            deu    eng", "deu           -  100.0", "eng       100.0      -")
    report.draw(tmp_path / "a.png", "a model")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
