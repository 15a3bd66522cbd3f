"""Embeddings, losses and gradients of a checkpoint on whichever backend Keras runs on.

Run as `python backend_program.py CHECKPOINT OUTPUT.npz`, or imported for `compute`.
"""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from lealla_tf.checkpoints import encoder_weights, load_checkpoint
from lealla_tf.config import LossConfig
from lealla_tf.losses.combined import CombinedLoss, Pairs
from lealla_tf.losses.masked_language import masked_language_sums
from lealla_tf.models.encoder import Encoder
from lealla_tf.models.masked_language_head import MaskedLanguageHead

BATCH, LENGTH, TEACHER_DIM = 4, 7, 12
LOSS = LossConfig(additive_margin=1.0, feature=10.0, logit=0.1, scale=20.0, temperature=20.0)

Array = np.ndarray[Any, Any]


def make_inputs(vocabulary_size: int) -> dict[str, Array]:
    """Sources and targets, one below the other, with padding and a second segment."""
    rng = np.random.default_rng(0)
    token_ids = rng.integers(1, vocabulary_size, size=(2 * BATCH, LENGTH))
    padding_mask = np.arange(LENGTH) < rng.integers(2, LENGTH + 1, size=(2 * BATCH, 1))
    segment_ids = np.arange(LENGTH) >= 4
    return {
        "token_ids": np.where(padding_mask, token_ids, 0).astype("int32"),
        "padding_mask": padding_mask.astype("int32"),
        "segment_ids": np.broadcast_to(segment_ids, padding_mask.shape).astype("int32"),
    }


def loss_of(embeddings: Any, block: int = 0) -> dict[str, Any]:
    """All three terms and their sum."""
    rng = np.random.default_rng(1)
    teacher = rng.normal(size=(2 * BATCH, TEACHER_DIM)).astype("float32")
    teacher /= np.linalg.norm(teacher, axis=-1, keepdims=True)
    projected = ops.matmul(embeddings, rng.normal(size=(embeddings.shape[-1], TEACHER_DIM)).astype("float32"))
    student, guesses, targets = (Pairs(sides[:BATCH], sides[BATCH:]) for sides in (embeddings, projected, teacher))
    return CombinedLoss(LOSS, block)(
        student,
        student,
        fingerprints=Pairs(np.array([1, 2, 1, 3], "int32"), np.array([1, 2, 3, 3], "int32")),
        projected=guesses,
        teacher=targets,
        all_teachers=targets,
    )


def masked_language_loss_of(encoder: Encoder, sequence_output: Any) -> Any:
    """The loss of guessing the third token of every row, with a head of given weights."""
    rng = np.random.default_rng(2)
    head = MaskedLanguageHead(encoder.config.vocabulary_size)
    head.build((None, None, encoder.config.hidden_dim))
    weights = [rng.normal(scale=0.5, size=tuple(variable.shape)).astype("float32") for variable in head.variables]
    # Read here: the scope that gives the head its weights hides the one that gives the encoder its own.
    table = ops.convert_to_tensor(encoder.embeddings.token_table.embeddings)
    with keras.StatelessScope(state_mapping=list(zip(head.variables, weights, strict=True))):
        logits = head(sequence_output[:, 2:3], table)
    labels = rng.integers(1, encoder.config.vocabulary_size, size=(2 * BATCH, 1)).astype("int32")
    sums = masked_language_sums(logits, labels, np.ones_like(labels))
    return sums.loss / sums.count


def forward(encoder: Encoder, inputs: dict[str, Array]) -> tuple[Any, dict[str, Any]]:
    """The loss, and all that leads to it by name."""
    outputs = encoder(inputs)
    kept = {name: outputs[name] for name in ("embedding", "pooled_output", "sequence_output")}
    kept["embed"] = encoder.embed(inputs)
    whole, blockwise = (loss_of(outputs["embedding"], block) for block in (0, 3))
    kept |= {f"loss/{name}": term for name, term in whole.items()}
    kept |= {f"blockwise_loss/{name}": term for name, term in blockwise.items()}
    kept["masked_language_loss"] = masked_language_loss_of(encoder, outputs["sequence_output"])
    # Of unlike weights, so that the gradient of the one cannot stand in for that of the other.
    return whole["loss"] + 2 * blockwise["loss"] + 3 * kept["masked_language_loss"], kept


def differentiate_by_tensorflow(encoder: Encoder, inputs: dict[str, Array]) -> tuple[dict[str, Any], list[Any]]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss, results = forward(encoder, inputs)
    return results, [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, encoder.trainable_variables)]


def differentiate_by_jax(encoder: Encoder, inputs: dict[str, Array]) -> tuple[dict[str, Any], list[Any]]:
    import jax

    def forward_with(weights: list[Any]) -> tuple[Any, dict[str, Any]]:
        with keras.StatelessScope(state_mapping=list(zip(encoder.trainable_variables, weights, strict=True))):
            return forward(encoder, inputs)

    weights = [variable.value for variable in encoder.trainable_variables]
    # Compiled as a whole: one operation at a time takes many times as long.
    (_, results), gradients = jax.jit(jax.value_and_grad(forward_with, has_aux=True))(weights)
    return results, gradients


def compute(checkpoint: str) -> dict[str, Array]:
    """Everything that must not depend on the backend, by name."""
    encoder = load_checkpoint(checkpoint).load_encoder()
    inputs = make_inputs(encoder.config.vocabulary_size)
    on_jax = keras.backend.backend() == "jax"
    results, gradients = (differentiate_by_jax if on_jax else differentiate_by_tensorflow)(encoder, inputs)
    weights = encoder_weights(encoder)
    results |= {f"weight/{name}": weight for name, weight in weights.items()}
    results |= {f"gradient/{name}": value for name, value in zip(weights, gradients, strict=True)}
    return {name: ops.convert_to_numpy(value) for name, value in results.items()}


if __name__ == "__main__":
    np.savez(Path(sys.argv[2]), **compute(sys.argv[1]))
    # Importing Keras may import more; what loads a checkpoint and computes with it must not need it.
    sys.stdout.write(f"{keras.backend.backend()} {'tensorflow' in sys.modules}")
