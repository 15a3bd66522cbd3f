"""A tiny model, exported once and then moved, with all that it was made from gone."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from lealla_tf.config import EncoderConfig
from lealla_tf.models.encoder import Encoder
from lealla_tf.saved_model.model_card import ModelFacts
from lealla_tf.saved_model.writing import export_model
from lealla_tf.text.vocabulary import Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LENGTH = 16


@pytest.fixture(scope="session")
def vocabulary():
    """59 pieces: a is 5, ##a is 31, ! is 57, ? is 58."""
    return Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{c}" for c in LETTERS), "!", "?"])


@pytest.fixture(scope="session")
def config(vocabulary):
    return EncoderConfig(
        vocabulary_size=len(vocabulary),
        hidden_dim=16,
        num_layers=2,
        num_heads=2,
        intermediate_dim=32,
        max_positions=24,
    )


@pytest.fixture(scope="session")
def encoder(config):
    """Weights far from their initial ones: with those, layers hardly change what they are given."""
    keras.utils.set_random_seed(0)
    encoder = Encoder.from_encoder_config(config)
    generator = np.random.default_rng(0)
    for variable in encoder.trainable_variables:
        variable.assign(variable.numpy() + 0.3 * generator.standard_normal(variable.shape))
    return encoder


@pytest.fixture(scope="session")
def facts():
    return ModelFacts(
        name="tiny", checkpoint="c0ffee", text_mode="exact", sequence_length=LENGTH, languages=("de", "en")
    )


@pytest.fixture(scope="session")
def written(tmp_path_factory, encoder, vocabulary, facts):
    """Where the export was written, where it was moved to, and what `export_model` said."""
    first = tmp_path_factory.mktemp("build_machine") / "first"
    found = export_model(first, encoder, vocabulary, facts)
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    os.rename(first, moved)
    return first, moved, found


@pytest.fixture(scope="session")
def exported(written):
    return written[1]


@pytest.fixture(scope="session")
def run_stranger(tmp_path_factory):
    """Runs a program of `strangers/` that knows neither our package nor the working directory."""

    def run(name, *arguments):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "KERAS"))}
        result = subprocess.run(
            [sys.executable, "-I", str(Path(__file__).parent / "strangers" / name), *map(str, arguments)],
            cwd=tmp_path_factory.mktemp("nowhere"),
            env=environment | {"TF_CPP_MIN_LOG_LEVEL": "2"},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr[-4000:]

    return run
