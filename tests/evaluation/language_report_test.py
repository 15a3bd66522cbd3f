"""The table and the JSON of a result."""

import json
import random

import pytest

import lealla_tf
from lealla_tf.evaluation.language_report import language_report
from lealla_tf.evaluation.languages import GROUPS, LANGUAGES, is_trained
from lealla_tf.evaluation.report import EvaluatedModel
from lealla_tf.evaluation.scores import LanguageScore, Result, group_scores

MODEL = EvaluatedModel(
    name="runs/small", fingerprint="abc", dim=128, num_parameters=69_123_456, trained_languages=("de", "en", "pt")
)


def result_of(rows, groups):
    scores = [
        LanguageScore(code=code, pairs=pairs, source_to_target=forward, target_to_source=backward, trained=trained)
        for code, pairs, forward, backward, trained in rows
    ]
    return Result(benchmark="tatoeba", scores=tuple(scores), groups=group_scores(scores, groups), checksum="def")


def table(result, model):
    return language_report(result).text(model)


SMALL = result_of(
    [("deu", 1000, 0.951, 0.9, True), ("kab", 7, 0.0, 1 / 7, False), ("por", 1000, 1.0, 1.0, True)],
    {"14": GROUPS["14"], "two": ("deu", "por"), "all": GROUPS["all"]},
)


def test_table_line_by_line():
    assert table(SMALL, MODEL).split("\n") == [
        "Tatoeba, precision at 1 in per cent, nearest neighbour by cosine",
        "Model: runs/small, 69.1M parameters, 128 dimensions",
        "       fingerprint abc",
        "",
        "code   language               pairs  xxx->eng  eng->xxx    mean",
        "deu    German                  1000      95.1      90.0    92.5",
        "kab *  Kabyle                     7       0.0      14.3     7.1",
        "por    Portuguese              1000     100.0     100.0   100.0",
        "",
        "Averages over languages",
        "14 languages                   2/14  no average; missing ara cmn fra ita jpn ...",
        "two (2 languages)                 2      97.5      95.0    96.3",
        "all 112 languages             3/112  no average; missing afr amh ang ara arq ...",
        "the 3 languages evaluated         3      65.0      68.1    66.6",
        "",
        "xxx->eng looks the language's sentences up among the English ones, eng->xxx the reverse.",
        "* absent from the model's training data (1 of 3 languages)",
        "",
    ]


def test_a_model_of_unknown_size_and_training():
    result = result_of([("deu", 10, 0.5, 0.5, None), ("fra", 10, 0.5, 0.5, True)], {"two": ("deu", "fra")})
    model = EvaluatedModel(name="handle", fingerprint="abc", dim=64)
    lines = table(result, model).split("\n")
    assert lines[1] == "Model: handle, 64 dimensions"
    assert lines[5].startswith("deu    German")
    assert lines[-2] == "Whether the model was trained on a language is not known for 1 of 2."
    assert not any("*" in line for line in lines)


def test_a_short_list_of_missing_languages_is_whole():
    result = result_of([("deu", 10, 0.5, 0.5, None)], {"mine": ("deu", "fra", "kab")})
    assert "mine (3 languages)              1/3  no average; missing fra kab\n" in table(result, MODEL)


def test_all_112_languages_are_aligned():
    rng = random.Random(0)
    rows = [(code, rng.choice([104, 1000]), rng.random(), rng.random(), is_trained(code, ["de"])) for code in LANGUAGES]
    lines = table(result_of(rows, GROUPS), MODEL).split("\n")
    header = lines.index("code   language               pairs  xxx->eng  eng->xxx    mean")
    body = [*lines[header : header + 113], *lines[header + 115 : header + 118]]
    assert {len(line) for line in body} == {len(lines[header])}
    assert [line[:3] for line in body[1:113]] == sorted(LANGUAGES)
    assert [line.split("  ")[0] for line in body[113:]] == ["14 languages", "36 languages", "all 112 languages"]
    assert sum(line[4] == "*" for line in body[1:113]) == 111


def test_report_is_json_with_context_and_no_date():
    value = language_report(SMALL).values(MODEL)
    assert json.loads(json.dumps(value)) == value
    assert value == language_report(SMALL).values(MODEL)
    metrics = value.pop("metrics")
    assert metrics == SMALL.metrics
    assert metrics["tatoeba/deu-eng/source_to_target/precision_at_1"] == 0.951
    assert metrics["tatoeba/group_two/mean/precision_at_1"] == pytest.approx(0.96275)
    assert not any("group_14" in key or "group_all" in key for key in metrics)
    groups = value.pop("groups")
    assert groups["two"] == {"languages": ["deu", "por"], "missing": []}
    assert len(groups["14"]["missing"]) == 12
    assert value == {
        "benchmark": "tatoeba",
        "lealla_tf": lealla_tf.__version__,
        "model": {
            "name": "runs/small",
            "fingerprint": "abc",
            "dim": 128,
            "num_parameters": 69_123_456,
            "preprocessor": "",
            "trained_languages": ["de", "en", "pt"],
        },
        "data": {"checksum": "def", "pairs": {"deu": 1000, "kab": 7, "por": 1000}},
        "absent_from_training": ["kab"],
        "labels": {
            "deu-eng": "German (deu)",
            "kab-eng": "Kabyle (kab)",
            "por-eng": "Portuguese (por)",
            "group_two": "average of two (2 languages)",
            "group_evaluated": "average of the 3 languages evaluated",
        },
    }
