"""The preprocessor as a SavedModel: sentences in, padded rows of token ids out."""

from typing import Any

import tensorflow as tf

from lealla_tf.text.packing import pack
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary

# What the format calls the inputs of an encoder, by what they are called everywhere else here.
INPUT_NAMES = {"input_word_ids": "token_ids", "input_mask": "padding_mask", "input_type_ids": "segment_ids"}

_SENTENCES = tf.TensorSpec([None], tf.string, name="sentences")
_LENGTH = tf.TensorSpec([], tf.int32, name="seq_length")

# The shortest row that two segments of a piece each fit in.
_SHORTEST = 5


def make_preprocessor(tokenizer: Tokenizer, length: int) -> tf.Module:
    """The object to save.

    When it is loaded again, it has:

    * `preprocessor(sentences, seq_length=length)`: string `(batch,)` to a dictionary of int32
      `(batch, seq_length)`: `input_word_ids`, `input_mask`, `input_type_ids`;
    * `preprocessor.tokenize(sentences)`: int32 `(batch, (words), (pieces))`;
    * `preprocessor.tokenize.get_special_tokens_dict()`: scalar int32 `vocab_size`,
      `padding_id`, `start_of_sequence_id`, `end_of_segment_id`, `mask_id`;
    * `preprocessor.bert_pack_inputs([ragged] or [ragged, ragged], seq_length=length)`: one or
      two segments, `(batch, (pieces))` or `(batch, (words), (pieces))`, to such a dictionary;
    * `serve`: the same as the call, of one argument.

    Args:
        tokenizer: Splits the sentences; its tables become constants of the graph.
        length: Width of the rows where the caller names none.

    Raises:
        ValueError: if `length` has no room for two segments.
    """
    if length < _SHORTEST:
        raise ValueError(f"`length` must be at least {_SHORTEST}, for two segments. Received: length={length}.")
    pack_flat = _make_pack_flat(tokenizer.vocabulary)

    # The length is a default and not `None`: it shows in the loaded function, and gives rows of static width.
    @tf.function(autograph=False)
    def preprocess(sentences: tf.Tensor, seq_length: Any = length) -> dict[str, tf.Tensor]:
        return pack_flat([tokenizer.tokenize_flat(sentences)], seq_length)

    preprocess.get_concrete_function(_SENTENCES)
    preprocess.get_concrete_function(_SENTENCES, _LENGTH)
    module = tf.Module()
    module.__call__ = preprocess
    module.serve = tf.function(lambda sentences: preprocess(sentences), [_SENTENCES], autograph=False)
    module.tokenize = _make_tokenize(tokenizer)
    module.bert_pack_inputs = _make_bert_pack_inputs(pack_flat, length)
    return module


def preprocessor_signatures(module: tf.Module) -> dict[str, Any]:
    """The signatures to save it with: `serving_default`, from `sentences` to the dictionary."""
    return {"serving_default": module.serve}


def _make_tokenize(tokenizer: Tokenizer) -> tf.Module:
    """`tokenize`: callable, and an object that knows the special tokens."""
    vocabulary = tokenizer.vocabulary
    special_tokens = {
        "vocab_size": len(vocabulary),
        "padding_id": vocabulary.pad_id,
        "start_of_sequence_id": vocabulary.start_id,
        "end_of_segment_id": vocabulary.end_id,
        "mask_id": vocabulary.mask_id,
    }

    def get_special_tokens_dict() -> dict[str, tf.Tensor]:
        return {name: tf.constant(value, tf.int32) for name, value in special_tokens.items()}

    module = tf.Module()
    module.__call__ = tf.function(lambda sentences: tokenizer.tokenize(sentences), [_SENTENCES], autograph=False)
    module.get_special_tokens_dict = tf.function(get_special_tokens_dict, [], autograph=False)
    return module


def _make_bert_pack_inputs(pack_flat: Any, length: int) -> tf.Module:
    """`bert_pack_inputs`, traced for one and two segments, divided into words or not."""

    @tf.function(autograph=False)
    def bert_pack_inputs(inputs: list[tf.RaggedTensor], seq_length: Any = length) -> dict[str, tf.Tensor]:
        flat = [segment if segment.ragged_rank == 1 else segment.merge_dims(1, 2) for segment in inputs]
        return pack_flat(flat, seq_length)

    pieces, words = (tf.RaggedTensorSpec([None] * (rank + 1), tf.int32, rank) for rank in (1, 2))
    for segments in ([pieces], [words], [pieces, pieces], [words, words], [pieces, words], [words, pieces]):
        bert_pack_inputs.get_concrete_function(segments)
        bert_pack_inputs.get_concrete_function(segments, _LENGTH)
    module = tf.Module()
    module.__call__ = bert_pack_inputs
    return module


def _make_pack_flat(vocabulary: Vocabulary) -> Any:
    """Packs `(batch, (pieces))`; a function of its own, so that all traces of its callers share it."""

    @tf.function(autograph=False)
    def pack_flat(segments: list[tf.RaggedTensor], length: Any) -> dict[str, tf.Tensor]:
        packed = pack(segments, vocabulary, length)
        return {name: packed[ours] for name, ours in INPUT_NAMES.items()}

    return pack_flat
