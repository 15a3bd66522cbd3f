"""The sentence encoder as a SavedModel: sentences in, embeddings of unit length out."""

from typing import Any

import tensorflow as tf

from lealla_tf.models.encoder import Encoder
from lealla_tf.saved_model.encoder import TrainableModule
from lealla_tf.text.packing import pack
from lealla_tf.text.tokenizer import Tokenizer

_SENTENCES = tf.TensorSpec([None], tf.string, name="sentences")

# [CLS], a piece, [SEP]: the width of a batch without sentences, or of empty ones.
_SHORTEST = 3


def make_sentence_encoder(encoder: Encoder, tokenizer: Tokenizer, length: int) -> TrainableModule:
    """The object to save, a `TrainableModule`: string `(batch,)` to float32 `(batch, dim)`.

    Batches are padded to their longest sentence: padding changes nothing but the time it takes.

    Args:
        encoder: Its variables are shared, not copied.
        tokenizer: Of the encoder's vocabulary.
        length: Sentences are cut at this many tokens.
    """

    def embed(sentences: tf.Tensor, training: bool) -> tf.Tensor:
        pieces = tokenizer.tokenize_flat(sentences)
        longest = tf.reduce_max(pieces.row_lengths()) + 2
        width = tf.cast(tf.clip_by_value(longest, _SHORTEST, length), tf.int32)
        packed = pack([pieces], tokenizer.vocabulary, width)
        # Without segments: all are 0, and the encoder then looks none up.
        inputs = {name: packed[name] for name in ("token_ids", "padding_mask")}
        return encoder.embed(inputs, training=training)

    return TrainableModule(encoder, embed, _SENTENCES, normalized=True)


def sentence_encoder_signatures(module: TrainableModule) -> dict[str, Any]:
    """The signatures to save it with: `serving_default`, from `sentences` to `default`."""

    def serving_default(sentences: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": module.serve(sentences)}

    return {"serving_default": tf.function(serving_default, [_SENTENCES], autograph=False)}
