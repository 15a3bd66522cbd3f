"""The commands at the size of the paper: each a process of its own, as a user starts it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lealla_tf.checkpoints import save_checkpoint
from lealla_tf.config import BatchConfig, Config, EncoderConfig
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary

LETTERS = list("abcdefghijklmnopqrstuvwxyz")
STRANGER = Path(__file__).parent.parent / "saved_model" / "strangers" / "loading.py"


def full_vocabulary(generator):
    """501,153 pieces, as many as LaBSE's, of words and of their continuations."""
    pieces = dict.fromkeys((*SPECIAL_PIECES, *LETTERS, *(f"##{c}" for c in LETTERS), "!", "?"))
    while len(pieces) < 501_153:
        word = "".join(generator.choice(LETTERS, generator.integers(3, 9)))
        pieces[word if generator.random() < 0.7 else f"##{word}"] = None
    return list(pieces)


def save_teacher(directory):
    """An encoder 768 wide, with a vocabulary of its own."""
    vocabulary = Vocabulary([*SPECIAL_PIECES, *LETTERS, *(f"##{c}" for c in LETTERS)])
    encoder = EncoderConfig(
        vocabulary_size=len(vocabulary), hidden_dim=768, num_layers=2, num_heads=12, intermediate_dim=3072
    )
    config = Config(encoder=encoder, batch=BatchConfig(length=128))
    save_checkpoint(directory, Encoder.from_encoder_config(encoder), config, vocabulary, {"step": 0}, {})


def run(*command):
    """What the command printed, its seconds, and its peak memory in GB."""
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout.read()
        # Not `wait`: this tells what the process used.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return output.strip(), time.monotonic() - start, usage.ru_maxrss / 1e6


@pytest.mark.slow
def test_lealla_small_is_trained_exported_and_used(tmp_path, capfd):
    """Two steps of all three losses at length 128; prints the time and peak memory of each command."""
    generator = np.random.default_rng(0)
    pieces = full_vocabulary(generator)
    (tmp_path / "vocabulary.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    words = [piece for piece in pieces[5:] if not piece.startswith("##")]
    sentences = [" ".join(generator.choice(words, generator.integers(3, 160))) for _ in range(256)]
    pairs = zip(sentences[::2], sentences[1::2], strict=True)
    (tmp_path / "de.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    save_teacher(tmp_path / "teacher")

    lealla = (Path(sys.executable).with_name("lealla"),)
    settings = {
        "batch.size": 32,
        "corpus.filter.max_characters": 0,
        "corpus.filter.max_length_ratio": 0,
        "optimizer.warmup_steps": 1,
        "training.steps": 2,
        "training.log_every": 1,
    }
    trained = run(
        *(*lealla, "train", "--config", "lealla_small", "--corpus", f"de={tmp_path / 'de.tsv'}"),
        *("--vocabulary", tmp_path / "vocabulary.txt", "--teacher", tmp_path / "teacher"),
        *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
        *("--output", tmp_path / "run"),
    )
    entries = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    terms = [entry for entry in entries if "loss" in entry]
    assert [entry["step"] for entry in terms] == [1, 2]
    for entry in terms:
        assert all(entry[term] > 0 for term in ("additive_margin", "feature", "logit"))
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["encoder"]["vocabulary_size"], config["encoder"]["num_layers"]) == (501_153, 24)
    assert config["batch"]["length"] == 128

    exported = run(*lealla, "export", tmp_path / "run", "--output", tmp_path / "released")
    used = run(sys.executable, "-I", STRANGER, tmp_path / "released")
    sizes = {
        part.name: sum(file.stat().st_size for file in part.rglob("*") if file.is_file()) / 1e6
        for part in sorted((tmp_path / "released").iterdir())
        if part.is_dir()
    }
    lines = [
        f"{name:>8}: {seconds:4.0f} s, peak memory {peak:.1f} GB"
        for name, (_, seconds, peak) in (("train", trained), ("export", exported), ("use", used))
    ]
    with capfd.disabled():
        sys.stdout.write(
            "\n".join(["", *lines, "on disk: " + ", ".join(f"{n} {s:.0f} MB" for n, s in sizes.items()), ""])
        )
