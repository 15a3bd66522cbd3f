import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text as tf_text

from lealla_tf.text.packing import add_special_tokens, pack
from lealla_tf.text.vocabulary import Vocabulary

# [PAD] is not 0 here, so that a zero by mistake shows.
VOCABULARY = Vocabulary(["[UNK]", "[PAD]", "a", "[CLS]", "b", "[SEP]", "[MASK]"])
PAD, START, END = 1, 3, 5


def random_rows(generator, batch, longest):
    return [generator.integers(10, 99, generator.integers(0, longest + 1)).tolist() for _ in range(batch)]


def ragged(rows):
    return tf.RaggedTensor.from_row_lengths(
        tf.constant([piece for row in rows for piece in row], tf.int32), [len(row) for row in rows]
    )


def split_into_words(generator, pieces):
    """The same pieces with word boundaries at random places."""
    inner = []
    outer = []
    for length in pieces.row_lengths().numpy():
        cuts = np.sort(generator.integers(0, length + 1, generator.integers(0, 4)))
        lengths = np.diff([0, *cuts, length]).tolist()
        inner += lengths
        outer.append(len(lengths))
    return tf.RaggedTensor.from_row_lengths(tf.RaggedTensor.from_row_lengths(pieces.values, inner), outer)


def reference(segments, length):
    """The definition, row by row: places are given by turns to whoever still has a piece."""
    rows = []
    for row in zip(*segments, strict=True):
        room = length - 1 - len(row)
        taken = [0] * len(row)
        while room and any(count < len(segment) for count, segment in zip(taken, row, strict=True)):
            for index, segment in enumerate(row):
                if room and taken[index] < len(segment):
                    taken[index] += 1
                    room -= 1
        tokens, ids = [START], [0]
        for index, segment in enumerate(row):
            tokens += [*segment[: taken[index]], END]
            ids += [index] * (taken[index] + 1)
        padding = length - len(tokens)
        rows.append((tokens + [PAD] * padding, [1] * len(tokens) + [0] * padding, ids + [0] * padding))
    names = ("token_ids", "padding_mask", "segment_ids")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].dtype == tf.int32
        np.testing.assert_array_equal(actual[name], value, err_msg=name)


def test_one_segment_by_hand():
    packed = pack([tf.ragged.constant([[7, 8, 9], [7], []], tf.int32)], VOCABULARY, 4)

    assert packed["token_ids"].numpy().tolist() == [[3, 7, 8, 5], [3, 7, 5, 1], [3, 5, 1, 1]]
    assert packed["padding_mask"].numpy().tolist() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]
    assert packed["segment_ids"].numpy().tolist() == [[0] * 4] * 3


def test_two_segments_by_hand():
    first = tf.ragged.constant([[20, 21, 22, 23], [20], [20, 21, 22, 23]], tf.int32)
    second = tf.ragged.constant([[30, 31, 32], [30, 31, 32, 33, 34], []], tf.int32)

    packed = pack([first, second], VOCABULARY, 8)

    # Room for 5: 3 + 2 by turns; 1 + 4, the short one being exhausted; 4 + 0.
    assert packed["token_ids"].numpy().tolist() == [
        [3, 20, 21, 22, 5, 30, 31, 5],
        [3, 20, 5, 30, 31, 32, 33, 5],
        [3, 20, 21, 22, 23, 5, 5, 1],
    ]
    assert packed["segment_ids"].numpy().tolist() == [
        [0, 0, 0, 0, 0, 1, 1, 1],
        [0, 0, 0, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 1, 0],
    ]


@pytest.mark.parametrize("length", [5, 6, 9, 20, 64])
@pytest.mark.parametrize("num_segments", [1, 2])
def test_agrees_with_the_definition(length, num_segments):
    generator = np.random.default_rng(length)
    rows = [random_rows(generator, 37, 24) for _ in range(num_segments)]
    segments = [ragged(segment) for segment in rows]
    expected = reference(rows, length)

    assert_equal(pack(segments, VOCABULARY, length), expected)
    assert_equal(pack([split_into_words(generator, segment) for segment in segments], VOCABULARY, length), expected)
    assert_equal(pack([tf.cast(segment, tf.int64) for segment in segments], VOCABULARY, length), expected)


def test_two_segments_are_trimmed_as_the_published_preprocessor_trims():
    generator = np.random.default_rng(3)
    segments = [ragged(random_rows(generator, 50, 12)) for _ in range(2)]
    trimmed = tf_text.RoundRobinTrimmer(10 - 3).trim(segments)
    combined, ids = tf_text.combine_segments(trimmed, START, END)

    packed = pack(segments, VOCABULARY, 10)

    np.testing.assert_array_equal(packed["token_ids"], combined.to_tensor(PAD, shape=[None, 10]))
    np.testing.assert_array_equal(packed["segment_ids"], ids.to_tensor(0, shape=[None, 10]))


@pytest.mark.parametrize("num_segments", [1, 2])
def test_length_may_be_a_tensor(num_segments):
    generator = np.random.default_rng(0)
    rows = [random_rows(generator, 5, 9) for _ in range(num_segments)]

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def packed(length):
        return pack([ragged(segment) for segment in rows], VOCABULARY, length)

    for length in (5, 12):
        assert_equal(packed(length), reference(rows, length))


def test_shape_is_known_in_the_graph():
    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None, None], tf.int32)])
    def packed(pieces):
        return pack([pieces], VOCABULARY, 16)

    shapes = {name: spec.shape.as_list() for name, spec in packed.get_concrete_function().structured_outputs.items()}
    assert shapes == {name: [None, 16] for name in ("token_ids", "padding_mask", "segment_ids")}


def test_empty_batch():
    packed = pack([tf.RaggedTensor.from_row_splits(tf.zeros([0], tf.int32), [0])], VOCABULARY, 6)

    assert [value.shape for value in packed.values()] == [(0, 6)] * 3


@pytest.mark.parametrize("length", [3, 8, 40])
def test_special_tokens_are_added_without_padding(length):
    generator = np.random.default_rng(length)
    rows = random_rows(generator, 30, 12)

    tokens = add_special_tokens(split_into_words(generator, ragged(rows)), VOCABULARY, length)

    assert tokens.dtype == tf.int32
    assert tokens.to_list() == [[START, *row[: length - 2], END] for row in rows]


def test_wrong_segments_and_lengths_are_refused():
    pieces = tf.ragged.constant([[7]], tf.int32)
    with pytest.raises(ValueError, match=r"`segments` must be one or two ragged tensors. Received: 0 of them"):
        pack([], VOCABULARY, 8)
    with pytest.raises(ValueError, match="Received: 3 of them"):
        pack([pieces] * 3, VOCABULARY, 8)
    with pytest.raises(ValueError, match=r"`length` must be at least 3 for 1 segment\(s\). Received: length=2"):
        pack([pieces], VOCABULARY, 2)
    with pytest.raises(ValueError, match=r"`length` must be at least 5 for 2 segment\(s\). Received: length=4"):
        pack([pieces, pieces], VOCABULARY, 4)
    with pytest.raises(ValueError, match="must be at least 3"):
        add_special_tokens(pieces, VOCABULARY, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`length` must be at least 3"):
        pack([pieces], VOCABULARY, tf.constant(2))
