"""Chunks against the whole, for a function small enough to differentiate by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.training.gradient_cache import map_chunks, sum_gradients

IDS = {"a": np.array([[5, 1], [5, 2], [0, 5], [1, 1]]), "b": np.array([[1, 0], [2, 2], [5, 0], [2, 1]])}


@pytest.mark.parametrize("chunk", [1, 2, 4])
@pytest.mark.parametrize("graph", [False, True])
def test_map_chunks(chunk, graph):
    """Of nested inputs of any type and rank, with nested outputs."""
    inputs = {"x": tf.constant(np.arange(12.0).reshape(4, 3), tf.float32), "text": tf.constant(["a", "bb", "", "c"])}

    def function(rows):
        assert rows["x"].shape == (chunk, 3)
        lengths = tf.cast(tf.strings.length(rows["text"]), tf.float32)
        return rows["x"] * 2, lengths[:, None]

    run = tf.function(map_chunks) if graph else map_chunks
    doubled, lengths = run(function, inputs, chunk, (3, 1))
    np.testing.assert_array_equal(doubled, 2 * inputs["x"])
    np.testing.assert_array_equal(lengths, [[1], [2], [0], [1]])


def test_map_chunks_of_sentences_of_a_length_that_is_not_known_beforehand():
    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32)])
    def run(rows):
        return map_chunks(lambda chunk: tf.reduce_sum(chunk, axis=1, keepdims=True), rows, 2, 1)

    np.testing.assert_array_equal(run(tf.ones((6, 5))), np.full((6, 1), 5.0))


@pytest.mark.parametrize("chunk", [1, 2, 4])
@pytest.mark.parametrize("graph", [False, True])
def test_sum_gradients_by_hand(chunk, graph):
    """Of e(ids) = sum_k table[id_k] * scale: a row gets scale * upstream at each of its places."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(6, 3)).astype("float32")
    table, scale = keras.Variable(values, name="table"), keras.Variable([1.0, -2.0, 3.0], name="scale")
    upstream = {side: generator.normal(size=(4, 3)).astype("float32") for side in IDS}

    def embed(ids):
        return {side: tf.reduce_sum(tf.gather(table.value, ids[side]), axis=1) * scale.value for side in IDS}

    def run():
        ids, given = (tf.nest.map_structure(tf.constant, nest) for nest in (IDS, upstream))
        return sum_gradients(embed, ids, given, chunk, table, [scale])

    of_table, (of_scale,) = (tf.function(run) if graph else run)()
    expected_table, expected_scale = np.zeros((6, 3)), np.zeros(3)
    for side, ids in IDS.items():
        for row, gradient in zip(ids, upstream[side], strict=True):
            for number in row:
                expected_table[number] += gradient * [1.0, -2.0, 3.0]
                expected_scale += gradient * values[number]
    np.testing.assert_array_equal(of_table.indices, [0, 1, 2, 5])
    np.testing.assert_array_equal(of_table.dense_shape, [6, 3])
    np.testing.assert_allclose(of_table.values, expected_table[[0, 1, 2, 5]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_scale, expected_scale, rtol=1e-5)
