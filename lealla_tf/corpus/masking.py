"""Batches for a masked language model: sentences and pairs with some of their tokens hidden."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from lealla_tf.config import BatchConfig, PretrainingConfig
from lealla_tf.corpus.batching import bucket_length, check_shares, load_windows, order_batches
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.text.packing import join_segments
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary

# Of the hidden tokens, 80 % become [MASK], 10 % another piece, and 10 % stay (Devlin et al., 2019).
_MASKED, _REPLACED = 0.8, 0.9


def masked_batches(
    mixture: Mixture,
    tokenizer: Tokenizer,
    batch: BatchConfig,
    pretraining: PretrainingConfig,
    *,
    seed: int,
    first_step: int = 0,
    worker: int = 0,
    num_workers: int = 1,
) -> tf.data.Dataset:
    """The batches of a pre-training run from `first_step` on, without end.

    A row is one side of a pair (masked language modelling), or, with the probability
    `pretraining.translation`, both sides, one after the other (translation language
    modelling), so that a word that is hidden in one language can be guessed from the other.
    A pair without a target, which monolingual text is made of, gives its source.  The batch
    of a step depends on the corpus, the seed and the step alone.

    Args:
        mixture: The pairs, in windows of `batch.window * batch.size` pairs.
        tokenizer: Turns text into pieces.
        batch: Shape of the batches; `size` counts rows.
        pretraining: How rows are made and masked.
        seed: Of the choice of rows and tokens.
        first_step: The step to begin at.
        worker: This worker's number, from 0.
        num_workers: How many workers share the rows of each batch.

    Returns:
        A dataset of dictionaries: `token_ids`, `segment_ids` int32 `(rows, length)`, and what
        `mask_tokens` gives besides.  rows = `batch.size / num_workers`.

    Raises:
        ValueError: if `num_workers` does not divide the size of a batch, or if the windows of
            `mixture` have another size.
    """
    check_shares(mixture, batch, worker, num_workers)
    vocabulary = tokenizer.vocabulary
    first_window, first_batch = divmod(first_step, batch.window)
    rows = batch.size // num_workers

    def split(window: Mapping[str, Any]) -> tf.data.Dataset:
        made = _make_rows(window, tokenizer, batch, pretraining, seed)
        batches = tf.data.Dataset.from_tensor_slices(made["order"])
        return batches.map(
            lambda number: {
                **_cut(made, number, batch, vocabulary.pad_id),
                "step": _step(window["number"], number, batch),
            }
        )

    def masked(columns: Mapping[str, Any]) -> dict[str, Any]:
        step_seed = tf.stack([tf.constant(seed, tf.int64), columns["step"]])
        # All rows are masked before a worker takes its own, or the draws would depend on how many there are.
        result = mask_tokens(columns["token_ids"], vocabulary, pretraining.rate, step_seed)
        result["segment_ids"] = columns["segment_ids"]
        return {name: column[worker * rows : (worker + 1) * rows] for name, column in result.items()}

    return (
        load_windows(mixture, first_window)
        .flat_map(split)
        .skip(first_batch)
        .map(masked, num_parallel_calls=2, deterministic=True)
        .prefetch(4)
    )


def mask_tokens(token_ids: Any, vocabulary: Vocabulary, rate: float, seed: Any) -> dict[str, Any]:
    """Hides some tokens of every row: 80 % become `[MASK]`, 10 % any other piece, 10 % stay.

    Of a row's n tokens that are neither special nor unknown, max(1, round(`rate` n)) are
    chosen, all with the same probability; of a row without any, none.

    Args:
        token_ids: int32 `(rows, length)`.
        vocabulary: Has the special pieces.
        rate: The share of tokens to hide, in (0, 1).
        seed: int64 `(2,)`; the same seed hides the same tokens.

    Returns:
        `token_ids` int32 `(rows, length)` with tokens hidden; `positions` int32
        `(rows, most)`, where; `labels` int32 `(rows, most)`, what was there; `weights` float32
        `(rows, most)`, 1 for a hidden token and 0 where a row has fewer than `most`.
        most = max(1, ceil(`rate` length)).

    Reference: Devlin et al., 2019, section 3.1, task 1.
    """
    special = [vocabulary.pad_id, vocabulary.unknown_id, vocabulary.start_id, vocabulary.end_id, vocabulary.mask_id]
    length: Any = token_ids.shape[1] or tf.shape(token_ids)[1]
    most = _ceiling(rate, length)
    is_candidate = tf.reduce_all(tf.not_equal(token_ids[:, :, None], special), axis=-1)
    candidates = tf.reduce_sum(tf.cast(is_candidate, tf.float32), axis=1)
    count = tf.minimum(tf.maximum(tf.round(rate * candidates), 1.0), candidates)
    draws = tf.random.stateless_uniform(tf.shape(token_ids), tf.random.fold_in(seed, 0))
    _, positions = tf.math.top_k(tf.where(is_candidate, draws, -1.0), most)
    weights = tf.sequence_mask(tf.cast(count, tf.int32), most, tf.float32)
    labels = tf.gather(token_ids, positions, batch_dims=1)

    kind = tf.random.stateless_uniform(tf.shape(positions), tf.random.fold_in(seed, 1))
    pieces = tf.constant(_ordinary_pieces(vocabulary))
    chosen = tf.random.stateless_uniform(
        tf.shape(positions), tf.random.fold_in(seed, 2), 0, tf.size(pieces), dtype=tf.int32
    )
    instead = tf.where(kind < _MASKED, vocabulary.mask_id, tf.gather(pieces, chosen))
    instead = tf.where((weights > 0) & (kind < _REPLACED), instead, labels)
    places = tf.stack([tf.broadcast_to(tf.range(tf.shape(positions)[0])[:, None], tf.shape(positions)), positions], -1)
    hidden = tf.tensor_scatter_nd_update(token_ids, places, instead)
    return {"token_ids": hidden, "positions": positions, "labels": labels, "weights": weights}


def _make_rows(
    window: Mapping[str, Any], tokenizer: Tokenizer, batch: BatchConfig, pretraining: PretrainingConfig, seed: int
) -> dict[str, Any]:
    """The rows of a window, sorted by length if there are buckets, and the order of its batches."""
    source, target = (tokenizer.tokenize_flat(window[side]) for side in ("source", "target"))
    draws = tf.random.stateless_uniform(
        [tf.shape(window["source"])[0]], tf.stack([tf.constant(seed, tf.int64), window["number"]])
    )
    has_target = target.row_lengths() > 0
    # Below `translation` both sides, then half of the rest the one and half of it the other.
    is_pair = has_target & (draws < pretraining.translation)
    is_target = has_target & (draws >= (1 + pretraining.translation) / 2)
    first = _where(is_target, target, source)
    second = _where(is_pair, target, target[:, :0])
    tokens, first_lengths = join_segments(first, second, tokenizer.vocabulary, batch.length)
    order = order_batches(batch, seed, window["number"])
    if batch.buckets:
        rows = tf.argsort(tokens.row_lengths(), stable=True)
        tokens, first_lengths = tf.gather(tokens, rows), tf.gather(first_lengths, rows)
    return {"tokens": tokens, "first_lengths": first_lengths, "order": order}


def _cut(made: Mapping[str, Any], number: Any, batch: BatchConfig, pad_id: int) -> dict[str, Any]:
    """One of the batches that `_make_rows` has made rows for."""
    part = slice(number * batch.size, (number + 1) * batch.size)
    tokens = made["tokens"][part]
    length = bucket_length(tf.reduce_max(tokens.row_lengths()), batch)
    static = None if batch.buckets else batch.length
    token_ids = tokens.to_tensor(pad_id, shape=(batch.size, length))
    first = tf.sequence_mask(made["first_lengths"][part], length, tf.int32)
    segment_ids = tf.sequence_mask(tokens.row_lengths(), length, tf.int32) - first
    columns = {"token_ids": token_ids, "segment_ids": segment_ids}
    return {name: tf.ensure_shape(column, (batch.size, static)) for name, column in columns.items()}


def _step(window: Any, number: Any, batch: BatchConfig) -> Any:
    """A number that no other batch of the run has."""
    return window * batch.window + tf.cast(number, tf.int64)


def _where(condition: Any, this: Any, other: Any) -> Any:
    """Whole rows of one ragged tensor or of another."""
    both = tf.concat([this, other], axis=0)
    rows = tf.range(tf.shape(condition)[0])
    return tf.gather(both, tf.where(condition, rows, rows + tf.shape(condition)[0]))


def _ceiling(rate: float, length: Any) -> Any:
    """max(1, ceil(rate length)), an int if the length is one."""
    if tf.is_tensor(length):
        return tf.maximum(1, tf.cast(tf.math.ceil(rate * tf.cast(length, tf.float32)), tf.int32))
    return max(1, int(np.ceil(np.float32(rate) * length)))


def _ordinary_pieces(vocabulary: Vocabulary) -> np.ndarray[Any, Any]:
    """The ids of the pieces that text is made of: not special, and not kept for later."""
    reserved = ("[unused", *SPECIAL_PIECES)
    return np.flatnonzero([not piece.startswith(reserved) for piece in vocabulary.pieces]).astype(np.int32)
