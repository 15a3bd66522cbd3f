"""From windows of text to packed batches of ids, in tf.data."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from lealla_tf.config import BatchConfig
from lealla_tf.corpus.generation import generated_dataset
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.segments import Array
from lealla_tf.text.packing import add_special_tokens
from lealla_tf.text.tokenizer import Tokenizer

_SIDES = ("source", "target")

# Of 31 bits: the integers of a TPU have 32, and a hash is never negative.
_FINGERPRINTS = 2**31 - 1

TeacherInputs = Callable[[Any], Mapping[str, Any]]
"""From strings `(rows,)` to the inputs of a teacher that runs within the step."""


def training_batches(
    mixture: Mixture,
    tokenizer: Tokenizer,
    config: BatchConfig,
    *,
    seed: int,
    first_step: int = 0,
    teacher_inputs: TeacherInputs | None = None,
    worker: int = 0,
    num_workers: int = 1,
) -> tf.data.Dataset:
    """The batches of a run from `first_step` on, without end.

    The batch of a step depends on the corpus, the seed and the step alone.  A window of
    `config.window` batches is tokenised at once.  With buckets, its sentences are sorted by
    length before they are cut into batches, each batch is padded to the smallest bucket that
    holds it, and the batches of the window are shuffled; without, all are padded to `length`.

    Args:
        mixture: The pairs, in windows of `config.window * config.size` pairs.
        tokenizer: Turns both sides into pieces.
        config: Shape of the batches.
        seed: Of the order of the batches in a window.
        first_step: The step to begin at.
        teacher_inputs: What a teacher within the step is to be fed.
        worker: This worker's number, from 0.
        num_workers: How many workers share the rows of each batch.

    Returns:
        A dataset of dictionaries: `source_token_ids`, `target_token_ids` int32
        `(rows, length)` padded with the vocabulary's padding id; `source_fingerprint`,
        `target_fingerprint` int32 `(rows,)`; and, where there is a teacher,
        `source_teacher`, `target_teacher`: float32 `(rows, teacher_dim)`, or what
        `teacher_inputs` gives.  rows = `config.size / num_workers`.

        Fingerprints are equal for equal sentences, and for two others with a probability of
        2 ** -31.  Two rows that such a chance takes for duplicates lose one of their N - 1
        negatives in that step, and nothing else happens: among the 8,192 pairs of the paper's
        batch that is to be expected once in 32 steps, counting both sides.

    Raises:
        ValueError: if `num_workers` does not divide the size of a batch, or if the windows of
            `mixture` have another size.
    """
    check_shares(mixture, config, worker, num_workers)
    first_window, first_batch = divmod(first_step, config.window)
    rows = config.size // num_workers

    def tokenized(window: Mapping[str, Any]) -> dict[str, Any]:
        return _tokenize(window, tokenizer, config, seed)

    def split(window: Mapping[str, Any]) -> tf.data.Dataset:
        batches = tf.data.Dataset.from_tensor_slices(window["order"])
        return batches.map(lambda number: _batch(window, number, tokenizer.vocabulary.pad_id, config))

    def own_rows(batch: dict[str, Any]) -> dict[str, Any]:
        own = {name: column[worker * rows : (worker + 1) * rows] for name, column in batch.items()}
        if teacher_inputs is not None:
            own |= {f"{side}_teacher": teacher_inputs(own[side]) for side in _SIDES}
        return {name: column for name, column in own.items() if name not in _SIDES}

    return (
        load_windows(mixture, first_window)
        .map(tokenized, num_parallel_calls=2, deterministic=True)
        .flat_map(split)
        .skip(first_batch)
        .map(own_rows, num_parallel_calls=2, deterministic=True)
        .prefetch(4)
    )


def check_shares(mixture: Mixture, config: BatchConfig, worker: int, num_workers: int) -> None:
    """Raises `ValueError` unless the windows of `mixture` are whole batches, which the workers can share."""
    if mixture.window_size != config.window * config.size:
        raise ValueError(
            "`mixture` must have windows of `config.window * config.size` pairs. "
            f"Received: {mixture.window_size} pairs, window={config.window}, size={config.size}."
        )
    if config.size % num_workers or not 0 <= worker < num_workers:
        raise ValueError(
            "`num_workers` must divide the size of a batch, and `worker` lie in [0, num_workers). "
            f"Received: size={config.size}, worker={worker}, num_workers={num_workers}."
        )


def load_windows(mixture: Mixture, first: int) -> tf.data.Dataset:
    """The windows from `first` on: dictionaries of their columns, and their `number`."""
    ahead = {first: mixture.window(first)}  # now, because its types are asked for

    def load(number: int) -> dict[str, Array]:
        window = ahead.pop(number) if number in ahead else mixture.window(number)
        return {**window.columns(), "number": np.asarray(number, np.int64)}

    signature = {name: _spec(column) for name, column in ahead[first].columns().items()}
    return generated_dataset(load, {**signature, "number": tf.TensorSpec((), tf.int64)}, first)


def order_batches(config: BatchConfig, seed: int, number: Any) -> Any:
    """The numbers of the batches of the window `number`, in the order of their use, `(window,)`.

    Those of a window whose rows are sorted by length are shuffled; the others are as they are.
    """
    order = tf.range(config.window)
    if not config.buckets:
        return order
    return tf.random.experimental.stateless_shuffle(order, seed=tf.stack([tf.constant(seed, tf.int64), number]))


def bucket_length(longest: Any, config: BatchConfig) -> Any:
    """The length that a batch is padded to: the smallest bucket that holds `longest`, or `length` without buckets."""
    if not config.buckets:
        return config.length
    buckets = tf.constant((*config.buckets, config.length), tf.int64)
    return buckets[tf.searchsorted(buckets, longest[None])[0]]


def _spec(column: Array) -> tf.TensorSpec:
    """The type of a window's column."""
    return tf.TensorSpec(column.shape, tf.string if column.dtype == object else tf.as_dtype(column.dtype))


def _tokenize(window: Mapping[str, Any], tokenizer: Tokenizer, config: BatchConfig, seed: int) -> dict[str, Any]:
    """Adds ids and fingerprints; sorts by length if there are buckets; orders the batches."""
    result = dict(window)
    for side in _SIDES:
        pieces = tokenizer.tokenize_flat(window[side])
        result[f"{side}_token_ids"] = add_special_tokens(pieces, tokenizer.vocabulary, config.length)
        fingerprints = tf.strings.to_hash_bucket_fast(window[side], _FINGERPRINTS)
        result[f"{side}_fingerprint"] = tf.cast(fingerprints, tf.int32)
    number = result.pop("number")
    if config.buckets:
        longest = tf.maximum(*(result[f"{side}_token_ids"].row_lengths() for side in _SIDES))
        rows = tf.argsort(longest, stable=True)
        result = {name: tf.gather(column, rows) for name, column in result.items()}
    return {**result, "order": order_batches(config, seed, number)}


def _batch(window: Mapping[str, Any], number: Any, pad_id: int, config: BatchConfig) -> dict[str, Any]:
    """The batch of the given number within its window, padded."""
    start = number * config.size
    batch = {name: column[start : start + config.size] for name, column in window.items() if name != "order"}
    longest = tf.reduce_max([tf.reduce_max(batch[f"{side}_token_ids"].row_lengths()) for side in _SIDES])
    length = bucket_length(longest, config)
    for side in _SIDES:
        padded = batch[f"{side}_token_ids"].to_tensor(pad_id, shape=(config.size, length))
        batch[f"{side}_token_ids"] = padded
        if f"{side}_teacher" in batch:
            batch[f"{side}_teacher"] = tf.cast(batch[f"{side}_teacher"], tf.float32)
    static = None if config.buckets else config.length
    for name, column in batch.items():
        shape = (config.size, static) if name.endswith("_token_ids") else (config.size, *column.shape[1:])
        batch[name] = tf.ensure_shape(column, shape)
    return batch
