"""Uses a preprocessor in every way that the format has: DIRECTORY (of the preprocessor)."""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_text as text

preprocessor = tf.saved_model.load(sys.argv[1])
sentences = tf.constant(["ab c!", "", "\U00012000 a"])

# [CLS] a ##b c ! [SEP]; nothing; an unknown word and a.
rows = [[2, 5, 32, 7, 57, 3], [2, 3], [2, 1, 5, 3]]


def check(packed, rows, length, segments=None):
    expected = np.array([row + [0] * (length - len(row)) for row in rows])
    np.testing.assert_array_equal(packed["input_word_ids"], expected)
    np.testing.assert_array_equal(packed["input_mask"], expected != 0)
    np.testing.assert_array_equal(packed["input_type_ids"], 0 * expected if segments is None else segments)
    assert sorted(packed) == ["input_mask", "input_type_ids", "input_word_ids"]
    assert {value.dtype for value in packed.values()} == {tf.int32}


check(preprocessor(sentences), rows, 16)
check(preprocessor.serve(sentences), rows, 16)
check(preprocessor(sentences, 16), rows, 16)
check(preprocessor(sentences, seq_length=8), rows, 8)
check(preprocessor(sentences, seq_length=tf.constant(6)), rows, 6)
check(preprocessor(sentences, seq_length=4), [[2, 5, 32, 3], [2, 3], [2, 1, 5, 3]], 4)
assert preprocessor(tf.constant([], tf.string))["input_word_ids"].shape == (0, 16)
assert preprocessor.signatures["serving_default"].structured_outputs["input_mask"].shape.as_list() == [None, 16]

words = preprocessor.tokenize(sentences)
assert (words.dtype, words.ragged_rank) == (tf.int32, 2)
assert words.to_list() == [[[5, 32], [7], [57]], [], [[1], [5]]]
special = preprocessor.tokenize.get_special_tokens_dict()
assert {name: (value.dtype, value.shape.rank, int(value)) for name, value in special.items()} == {
    "vocab_size": (tf.int32, 0, 59),
    "padding_id": (tf.int32, 0, 0),
    "start_of_sequence_id": (tf.int32, 0, 2),
    "end_of_segment_id": (tf.int32, 0, 3),
    "mask_id": (tf.int32, 0, 4),
}

pack = preprocessor.bert_pack_inputs
pieces = words.merge_dims(1, 2)
for segment in (pieces, words):
    check(pack([segment]), rows, 16)
    check(pack([segment], seq_length=tf.constant(7)), rows, 7)
    for other in (pieces, words):
        # By turns, 5 places for 4 and 4 pieces: three of the first, two of the second.
        packed = pack([segment[:1], other[:1]], seq_length=8)
        check(packed, [[2, 5, 32, 7, 3, 5, 32, 3]], 8, [[0, 0, 0, 0, 0, 1, 1, 1]])
check(
    pack([pieces, pieces]),
    [[2, *a[1:], *a[1:]] for a in rows],
    16,
    [[0] * len(a) + [1] * (len(a) - 1) + [0] * (17 - 2 * len(a)) for a in rows],
)

# As Model Garden's loader does it: it trims what it tokenized, and packs that.
trimmed = text.RoundRobinTrimmer(max_seq_length=4).trim([pieces, pieces])
check(
    pack(trimmed, seq_length=7),
    [[2, 5, 32, 3, 5, 32, 3], [2, 3, 3], [2, 1, 5, 3, 1, 5, 3]],
    7,
    [[0, 0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1]],
)

# In a data pipeline, where nothing runs eagerly.
batches = tf.data.Dataset.from_tensor_slices(sentences).batch(2).map(lambda batch: preprocessor(batch, seq_length=9))
assert [batch["input_word_ids"].shape for batch in batches] == [(2, 9), (1, 9)]

assert "lealla_tf" not in sys.modules
