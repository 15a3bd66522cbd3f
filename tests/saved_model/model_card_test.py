"""The card says what is known, and that the rest is not; its examples run as pasted."""

import re
import subprocess
import sys

import pytest

from lealla_tf.config import EncoderConfig
from lealla_tf.saved_model.model_card import ModelFacts, model_card

CONFIG = EncoderConfig(
    vocabulary_size=501_153, hidden_dim=128, num_layers=24, num_heads=8, intermediate_dim=512, max_positions=512
)


def card(**facts):
    return model_card(
        ModelFacts(name="small", checkpoint="c0ffee", text_mode="labse", sequence_length=128, **facts),
        CONFIG,
        69_000_001,
    )


def section(text, title):
    return re.search(rf"^## {re.escape(title)}\n\n(.*?)\n*(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]


def test_what_is_not_known_is_said_not_to_be():
    text = card()
    assert section(text, "How good it is") == "Benchmarks: not evaluated."
    assert section(text, "What it was trained on") == "Not stated."
    assert section(text, "Licence").startswith("Not stated: ask")
    assert not re.search(r"\d\d\.\d", text.replace("2302.08387", "").replace("3.15", ""))  # no percentage


def test_what_is_known_is_said():
    metrics = {
        "tatoeba/deu-eng/source_to_target/precision_at_1": 0.951,
        "tatoeba/deu-eng/target_to_source/precision_at_1": 0.949,
        "tatoeba/group_14/mean/precision_at_1": 0.9,
        "validation/en-de/source_to_target/precision_at_1": 0.5,
        "validation/en-de/target_to_source/precision_at_1": 0.25,
        "validation/precision_at_1": 0.375,
        "other/en-de/source_to_target/precision_at_1": 0.123,
    }
    text = card(
        license="CC BY 4.0",
        languages=("de", "en"),
        training=("10 steps of 4 pairs", "teacher: none"),
        metrics=metrics,
        benchmarks=("tatoeba",),
        labels={"deu-eng": "German (deu)"},
    )
    assert text.startswith("# small\n\n## What it is\n")
    assert section(text, "Licence") == "CC BY 4.0"
    assert section(text, "What it was trained on") == "2 languages: de en.\n\n* 10 steps of 4 pairs\n* teacher: none"
    scores = section(text, "How good it is")
    assert "Tatoeba, precision at 1 in per cent:" in scores
    assert "| German (deu) | 95.1 | 94.9 | 95.0 |" in scores
    assert "| group_14 | not evaluated | not evaluated | 90.0 |" in scores
    assert "held out" in scores
    assert "| en-de | 50.0 | 25.0 | 37.5 |" in scores
    assert "12.3" not in text
    assert "Benchmarks: not evaluated" not in text
    description = section(text, "What it is")
    assert "| parameters | 69,000,001 |" in description
    assert "| vocabulary | 501,153 pieces, cased |" in description
    assert "| layers / width / feed-forward width / heads | 24 / 128 / 512 / 8 |" in description
    assert "c0ffee" in section(text, "Is it unchanged?")


def test_a_benchmark_of_another_measure():
    metrics = {"sts/en-de/spearman": 0.8124, "sts/mean/spearman": 0.5, "other/x/spearman": 0.1}
    scores = section(card(metrics=metrics, benchmarks=("sts",)), "How good it is")
    assert scores == "STS:\n\n|  | value |\n| --- | --- |\n| en-de/spearman | 0.812 |\n| mean/spearman | 0.500 |"


def test_of_very_many_numbers_the_means_are_shown():
    metrics = {f"xsim/a-{n}/error_rate": 0.5 for n in range(51)} | {"xsim/mean/error_rate": 0.25}
    scores = section(card(metrics=metrics, benchmarks=("xsim",)), "How good it is")
    assert scores.endswith("| --- | --- |\n| mean/error_rate | 0.250 |")


@pytest.fixture
def examples(exported):
    return re.findall(r"```python\n(.*?)```", (exported / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_run_as_pasted(exported, examples):
    """In one process, one after the other."""
    assert len(examples) == 3
    result = subprocess.run(
        [sys.executable, "-I", "-c", "\n".join(examples)], cwd=exported, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-4000:]
    assert result.stdout.startswith("[[1. ")
    assert result.stdout.endswith("(1, 16)\n")
