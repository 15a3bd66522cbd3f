"""Ragged pieces to rows of a model's input: special tokens, truncation, padding."""

from collections.abc import Sequence

import tensorflow as tf

from lealla_tf.text.vocabulary import Vocabulary


def pack(segments: Sequence[tf.RaggedTensor], vocabulary: Vocabulary, length: int | tf.Tensor) -> dict[str, tf.Tensor]:
    """Rows `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, truncated and padded to `length`.

    One segment keeps its first `length` - 2 pieces.  Two share `length` - 3 by turns, one
    piece each, until the room is used up: neither crowds the other out.

    Args:
        segments: one or two ragged int32 tensors of ids, `(batch, (pieces))` or
            `(batch, (words), (pieces))`.
        vocabulary: has the ids of the special pieces.
        length: the width of the result; an int, or a scalar tensor.

    Returns:
        `token_ids`, `padding_mask` (1 at tokens, 0 at padding) and `segment_ids` (1 at the
        second segment and its `[SEP]`), int32 `(batch, length)`.

    Raises:
        ValueError: if there are not one or two segments, or if `length` is an int without
            room for the special tokens and one piece of each segment.
        tf.errors.InvalidArgumentError: likewise for a `length` that is a tensor.

    Example:
        >>> vocabulary = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"])
        >>> pack([tf.ragged.constant([[5, 6], [5]])], vocabulary, 5)["token_ids"].numpy().tolist()
        [[2, 5, 6, 3, 0], [2, 5, 3, 0, 0]]
    """
    if len(segments) not in (1, 2):
        raise ValueError(f"`segments` must be one or two ragged tensors. Received: {len(segments)} of them.")
    if len(segments) == 1:
        rows = add_special_tokens(segments[0], vocabulary, length)
        segment_ids = tf.zeros([rows.nrows(), length], tf.int32)
    else:
        room = _check_length(length, 2) - 3
        first, second = _share(_flatten(segments[0]), _flatten(segments[1]), room)
        start, end = _column(first, vocabulary.start_id), _column(first, vocabulary.end_id)
        rows = tf.concat([start, first, end, second, end], axis=1)
        before = tf.sequence_mask(first.row_lengths() + 2, length, tf.int32)
        segment_ids = tf.sequence_mask(rows.row_lengths(), length, tf.int32) - before
    shape = tf.stack([-1, length]) if tf.is_tensor(length) else [None, length]
    return {
        "token_ids": rows.to_tensor(vocabulary.pad_id, shape=shape),
        "padding_mask": tf.sequence_mask(rows.row_lengths(), length, tf.int32),
        "segment_ids": segment_ids,
    }


def add_special_tokens(pieces: tf.RaggedTensor, vocabulary: Vocabulary, length: int | tf.Tensor) -> tf.RaggedTensor:
    """Rows `[CLS] a [SEP]` of at most `length` tokens, not padded: what is sorted by length.

    Args:
        pieces: ragged int32 ids, `(batch, (pieces))` or `(batch, (words), (pieces))`.
        vocabulary: has the ids of the special pieces.
        length: the largest number of tokens, special tokens included.

    Returns:
        int32 `(batch, (tokens))`.

    Raises:
        ValueError: if `length` is an int smaller than 3.
        tf.errors.InvalidArgumentError: likewise for a `length` that is a tensor.
    """
    kept = _flatten(pieces)[:, : _check_length(length, 1) - 2]
    return tf.concat([_column(kept, vocabulary.start_id), kept, _column(kept, vocabulary.end_id)], axis=1)


def join_segments(
    first: tf.RaggedTensor, second: tf.RaggedTensor, vocabulary: Vocabulary, length: int
) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """Rows `[CLS] a [SEP] b [SEP]`, or `[CLS] a [SEP]` where b is empty, of at most `length` tokens, not padded.

    a and b share the room as in `pack`.

    Args:
        first: ragged int32 ids, `(batch, (pieces))` or `(batch, (words), (pieces))`.
        second: likewise; its rows may be empty.
        vocabulary: has the ids of the special pieces.
        length: the largest number of tokens, special tokens included.

    Returns:
        int32 `(batch, (tokens))`, and int64 `(batch,)`: how many of them, `[CLS]` and the
        first `[SEP]` included, belong to the first segment.

    Raises:
        ValueError: if `length` is smaller than 5.
    """
    first, second = _flatten(first), _flatten(second)
    has_second = tf.cast(second.row_lengths() > 0, tf.int64)
    first, second = _share(first, second, _check_length(length, 2) - 2 - has_second)
    start, end = _column(first, vocabulary.start_id), _column(first, vocabulary.end_id)
    ends = tf.fill([tf.reduce_sum(has_second)], tf.constant(vocabulary.end_id, tf.int32))
    last = tf.RaggedTensor.from_row_lengths(ends, has_second)
    return tf.concat([start, first, end, second, last], axis=1), first.row_lengths() + 2


def _check_length(length: int | tf.Tensor, num_segments: int) -> int | tf.Tensor:
    """`length`, if it has room for the special tokens and a piece of every segment."""
    smallest = 1 + 2 * num_segments
    rule = f"`length` must be at least {smallest} for {num_segments} segment(s)."
    if not tf.is_tensor(length):
        if length < smallest:
            raise ValueError(f"{rule} Received: length={length}.")
        return length
    with tf.control_dependencies([tf.debugging.assert_greater_equal(length, smallest, rule)]):
        return tf.identity(length)


def _flatten(pieces: tf.RaggedTensor) -> tf.RaggedTensor:
    """int32 `(batch, (pieces))`, whether or not the pieces are divided into words."""
    flat = pieces if pieces.ragged_rank == 1 else pieces.merge_dims(1, 2)
    return tf.cast(flat, tf.int32)


def _column(like: tf.RaggedTensor, token_id: int) -> tf.RaggedTensor:
    """The same token in every row `(batch, (1))`."""
    values = tf.fill([like.nrows()], tf.constant(token_id, tf.int32))
    return tf.RaggedTensor.from_uniform_row_length(values, tf.constant(1, like.row_splits.dtype))


def _share(first: tf.RaggedTensor, second: tf.RaggedTensor, room: int | tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
    """Both cut to `room` pieces together, as if they took places by turns, `first` beginning."""
    lengths, others = first.row_lengths(), second.row_lengths()
    room = tf.cast(room, lengths.dtype)
    kept = tf.minimum(lengths, tf.maximum((room + 1) // 2, room - others))
    return _cut(first, kept), _cut(second, tf.minimum(others, room - kept))


def _cut(pieces: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """The first `lengths` `(batch,)` pieces of every row."""
    places = tf.ragged.range(pieces.row_starts(), pieces.row_starts() + lengths)
    return places.with_values(tf.gather(pieces.values, places.values))
