"""The encoder and the losses on JAX, in a fresh process, against TensorFlow in this one."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lealla_tf.checkpoints import save_checkpoint
from lealla_tf.config import Config, EncoderConfig
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("backend_program.py")

Arrays = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Arrays, Arrays, Arrays]:
    """The weights as they were saved, and what TensorFlow and JAX make of them."""
    directory = tmp_path_factory.mktemp("backends")
    config = EncoderConfig(
        vocabulary_size=40, hidden_dim=16, num_layers=2, num_heads=4, intermediate_dim=24, max_positions=128
    )
    encoder = Encoder.from_encoder_config(config)
    rng = np.random.default_rng(0)
    for weight in encoder.trainable_variables:
        weight.assign(weight + 0.3 * rng.normal(size=weight.shape).astype("float32"))
    saved = {f"weight/{weight.path.removeprefix('encoder/')}": weight.numpy() for weight in encoder.trainable_variables}
    vocabulary = Vocabulary([*SPECIAL_PIECES, *(f"p{number}" for number in range(35))])
    save_checkpoint(directory / "checkpoint", encoder, Config(encoder=config), vocabulary, {"languages": ["de"]}, {})

    specification = importlib.util.spec_from_file_location("backend_program", PROGRAM)
    assert specification is not None
    assert specification.loader is not None
    program = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(program)
    by_tensorflow: Arrays = program.compute(str(directory / "checkpoint"))

    pytest.importorskip("jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(PROGRAM), str(directory / "checkpoint"), str(directory / "jax.npz")]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["jax", "False"], "TensorFlow must not be needed here"
    with np.load(directory / "jax.npz") as file:
        by_jax = dict(file)
    return saved, by_tensorflow, by_jax


def test_a_fresh_process_reads_the_weights_that_were_saved(results: tuple[Arrays, Arrays, Arrays]) -> None:
    saved, _, by_jax = results
    read = {name: value for name, value in by_jax.items() if name.startswith("weight/")}
    assert read.keys() == saved.keys()
    for name, weight in saved.items():
        np.testing.assert_array_equal(read[name], weight, err_msg=name)


def test_embeddings_and_losses_agree(results: tuple[Arrays, Arrays, Arrays]) -> None:
    _, by_tensorflow, by_jax = results
    assert by_jax.keys() == by_tensorflow.keys()
    for name, value in by_tensorflow.items():
        if not name.startswith(("weight/", "gradient/")):
            np.testing.assert_allclose(by_jax[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_blocks_of_rows_make_the_whole_on_both(results: tuple[Arrays, Arrays, Arrays]) -> None:
    for found in results[1:]:
        for term in ("loss", "additive_margin", "feature", "logit"):
            np.testing.assert_allclose(found[f"blockwise_loss/{term}"], found[f"loss/{term}"], rtol=1e-5)


def test_gradients_agree(results: tuple[Arrays, Arrays, Arrays]) -> None:
    """Of every weight, to 1e-5 of the largest gradient; and none of them vanishes."""
    _, by_tensorflow, by_jax = results
    gradients = {name: value for name, value in by_tensorflow.items() if name.startswith("gradient/")}
    largest = max(np.abs(value).max() for value in gradients.values())
    assert len(gradients) == 5 + 2 * 16 + 2
    for name, value in gradients.items():
        np.testing.assert_allclose(by_jax[name], value, rtol=1e-4, atol=1e-5 * largest, err_msg=name)
        # Adding the same number to all scores of a softmax changes nothing, so that this bias has no gradient.
        assert np.abs(value).max() > 1e-4 * largest or name.endswith("key/bias"), name
