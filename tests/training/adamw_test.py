"""AdamW and its lazy form against NumPy, clipping on one device and on two, and what is not decayed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import EncoderConfig, LossConfig, OptimizerConfig
from lealla_tf.models.encoder import Encoder
from lealla_tf.training.adamw import ClippedAdamW, LazyAdamW, distinct_rows, sum_over_replicas
from lealla_tf.training.distillation_model import DistillationModel
from lealla_tf.training.optimizer import make_optimizer


def make_model(**kwargs):
    encoder = Encoder.from_encoder_config(
        EncoderConfig(vocabulary_size=10, hidden_dim=4, num_layers=1, num_heads=1, intermediate_dim=4, max_positions=4)
    )
    return DistillationModel(encoder, LossConfig(), 0, teacher_dim=3, **kwargs)


def test_with_no_gradient_kernels_shrink_by_the_rate_times_the_decay_and_nothing_else_moves():
    """AdamW moves a weight by decay alone where its gradient was always 0."""
    model = make_model()
    config = OptimizerConfig(learning_rate=0.5, warmup_steps=0, decay="constant", weight_decay=0.1, clip_norm=0.0)
    optimizer = make_optimizer(config, 10)
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(np.full(variable.shape, 2.0))
    optimizer.build(variables)
    optimizer.apply([keras.ops.zeros(variable.shape) for variable in variables], variables)
    moved = {variable.path for variable in variables if not np.all(variable.numpy() == 2.0)}
    expected = {variable.path for variable in variables if variable.name.split("/")[-1] in ("kernel", "embeddings")}
    assert moved == expected
    assert any("projection" in path for path in moved)
    for variable in variables:
        if variable.path in moved:
            np.testing.assert_allclose(variable.numpy(), 2.0 * (1 - 0.5 * 0.1), rtol=1e-6)


RATES = (0.05, 0.1, 0.1, 0.05)  # of a warm-up of two steps to 0.1, and a linear decay over two
STEPS = ([1, 3, 3, 1], [3, 0, 0, 0], [], [1, 1, 5, 3])  # the rows of the table that each step looks up


def gradients_of(step):
    """Of a table of six rows, slice by slice, and of a kernel; small in the first step and large later."""
    generator = np.random.default_rng(step)
    size = 3.0 if step else 0.1
    return generator.normal(size=(len(STEPS[step]), 2)) * size, generator.normal(size=3) * size


class Reference:
    """AdamW with decoupled decay for one weight, in float64; `touched` are the rows that a lazy one updates."""

    def __init__(self, value):
        self.value, self.first, self.second = value.astype(np.float64), np.zeros(value.shape), np.zeros(value.shape)

    def apply(self, gradient, step, touched=slice(None)):
        rate, at = RATES[step], touched
        self.first[at] = 0.9 * self.first[at] + 0.1 * gradient[at]
        self.second[at] = 0.999 * self.second[at] + 0.001 * gradient[at] ** 2
        corrected = np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        self.value[at] -= rate * 0.2 * self.value[at]
        self.value[at] -= rate * corrected * self.first[at] / (np.sqrt(self.second[at]) + 1e-6)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("name", ["adamw", "lazy_adamw"])
def test_steps_against_numpy(name, graph):
    """Clipped, decayed, with rows that are looked up twice, and with a step that looks none up."""
    config = OptimizerConfig(name=name, learning_rate=0.1, warmup_steps=2, weight_decay=0.2, clip_norm=1.0)
    optimizer = make_optimizer(config, 4)
    table = keras.Variable(np.random.default_rng(9).normal(size=(6, 2)), dtype="float32", name="table")
    kernel = keras.Variable([1.0, -2.0, 3.0], name="kernel")
    optimizer.build([table, kernel])
    expected = Reference(table.numpy()), Reference(kernel.numpy())

    def apply(values, rows, of_kernel):
        optimizer.apply([tf.IndexedSlices(values, rows, tf.constant([6, 2])), of_kernel], [table, kernel])

    if graph:
        signature = [tf.TensorSpec((None, 2)), tf.TensorSpec((None,), tf.int32), tf.TensorSpec((3,))]
        apply = tf.function(apply, input_signature=signature)
    for step, rows in enumerate(STEPS):
        values, of_kernel = gradients_of(step)
        apply(tf.constant(values, tf.float32), tf.constant(rows, tf.int32), tf.constant(of_kernel, tf.float32))
        of_table = np.zeros((6, 2))
        np.add.at(of_table, np.array(rows, int), values)
        scale = min(1.0, 1.0 / np.sqrt(np.sum(of_table**2) + np.sum(of_kernel**2)))
        assert (scale < 1) == (step > 0)
        touched = np.unique(rows).astype(int) if name == "lazy_adamw" else slice(None)
        expected[0].apply(scale * of_table, step, touched)
        expected[1].apply(scale * of_kernel, step)
        np.testing.assert_allclose(table.numpy(), expected[0].value, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(kernel.numpy(), expected[1].value, rtol=1e-5, atol=1e-6)


def test_lazy_differs_from_adamw_where_rows_rest():
    """A row that was looked up once goes on moving with AdamW, and rests with the lazy one."""
    moved = {}
    for kind in (ClippedAdamW, LazyAdamW):
        table = keras.Variable(np.ones((3, 2)), dtype="float32", name="table")
        optimizer = kind(learning_rate=0.1, weight_decay=0.0)
        optimizer.build([table])
        for row in (0, 1):
            optimizer.apply([tf.IndexedSlices(tf.ones((1, 2)), tf.constant([row]), tf.constant([3, 2]))], [table])
            if row == 0:
                after_one = table.numpy()
        moved[kind] = np.abs(table.numpy() - after_one).max(axis=1) > 1e-3
        np.testing.assert_array_equal(table.numpy()[2], 1.0)
    assert moved[ClippedAdamW].tolist() == [True, True, False]
    assert moved[LazyAdamW].tolist() == [False, True, False]


def test_kerass_own_takes_the_same_steps():
    """Without clipping, ours is no other optimizer."""
    values = []
    for kind in (ClippedAdamW, keras.optimizers.AdamW):
        table, kernel = (
            keras.Variable(np.ones((6, 2)), dtype="float32", name="table"),
            keras.Variable([1.0, -2.0, 3.0], name="kernel"),
        )
        optimizer = kind(learning_rate=0.1, weight_decay=0.05, epsilon=1e-6)
        optimizer.build([table, kernel])
        for step, rows in enumerate(STEPS):
            of_table, of_kernel = (tf.constant(value, tf.float32) for value in gradients_of(step))
            slices = tf.IndexedSlices(of_table, tf.constant(rows, tf.int32), tf.constant([6, 2]))
            # Keras' own cannot take slices of a row twice.
            optimizer.apply([tf.convert_to_tensor(slices) if kind is not ClippedAdamW else slices, of_kernel])
        values.append([variable.numpy() for variable in (table, kernel, *optimizer.variables[2:])])
    # TensorFlow's operation takes 1 - beta_2 in float32, where 1 - 0.999 is 1.3e-5 of itself off.
    for ours, keras_own in zip(*values, strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("execution", ["eager", "graph", "compiled"])
def test_distinct_rows(execution):
    """Rows 0 and 4 are met several times; what is left over belongs to no row."""
    rows, values = tf.constant([4, 0, 2, 4, 4, 0]), tf.constant([[1.0], [2.0], [3.0], [10.0], [20.0], [40.0]])

    def run(values, rows):
        return distinct_rows(tf.IndexedSlices(values, rows, tf.constant([7, 1])))

    if execution != "eager":
        run = tf.function(run, jit_compile=execution == "compiled")
    found = run(values, rows)
    np.testing.assert_array_equal(found.indices, [0, 2, 4, -1, -1, -1])
    np.testing.assert_array_equal(found.values, [[42], [3], [31], [0], [0], [0]])
    np.testing.assert_array_equal(tf.convert_to_tensor(found), [[42], [0], [3], [0], [31], [0], [0]])


def test_slices_become_a_tensor_where_they_are_more_than_the_rows():
    many, few = (tf.IndexedSlices(tf.ones((n, 1)), tf.zeros(n, tf.int32), tf.constant([4, 1])) for n in (4, 3))
    dense, sparse = sum_over_replicas([many, few])
    np.testing.assert_array_equal(dense, [[4], [0], [0], [0]])
    np.testing.assert_array_equal(sparse.values, [[3], [0], [0]])
    assert isinstance(sum_over_replicas([many], keep_slices=True)[0], tf.IndexedSlices)


@pytest.mark.parametrize("kind", [ClippedAdamW, LazyAdamW])
def test_get_config_keeps_the_clipping(kind):
    optimizer = kind(clip_norm=0.25, weight_decay=0.0)
    assert kind.from_config(optimizer.get_config()).clip_norm == 0.25


@pytest.fixture(scope="module")
def moments(start, tmp_path_factory):
    """First moments after a step of `steps.py`'s linear loss, by number of replicas and case."""
    directory = tmp_path_factory.mktemp("clipping")
    cases = ("clipping", "no_clipping", "wrong_clipping")
    children = {count: start("steps.py", directory / f"{count}.npz", count, *cases) for count in (1, 2)}
    for child in children.values():
        assert child.wait() == 0, child.errors()
    files = {count: np.load(directory / f"{count}.npz") for count in children}
    return {
        count: {case: {name: file[f"{case}:{name}"] for name in ("table", "kernel")} for case in cases}
        for count, file in files.items()
    }


def _gradient():
    """Of sum_i (table[id_i] . kernel) weight_i, by hand: rows 0 and 3 are met twice each."""
    table, kernel = np.arange(10).reshape(5, 2) / 10, np.array([1.0, -2.0])
    of_table = np.zeros((5, 2))
    of_table[0], of_table[3] = (1.0 + 5.0) * kernel, (2.0 - 3.0) * kernel
    return {"table": of_table, "kernel": 6.0 * table[0] - 1.0 * table[3]}


@pytest.mark.parametrize("count", [1, 2])
def test_clipping_scales_the_whole_gradient_to_the_norm(moments, count):
    gradient = _gradient()
    norm = np.sqrt(sum(np.sum(value**2) for value in gradient.values()))
    for name, value in gradient.items():
        np.testing.assert_allclose(moments[count]["no_clipping"][name], 0.1 * value, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(moments[count]["clipping"][name], 0.1 * value * 0.5 / norm, rtol=1e-5, atol=1e-7)


def test_clipping_before_the_reduction_is_another_gradient(moments):
    """The negative control: what Keras does of itself depends on the number of replicas."""
    one, two = (moments[count]["wrong_clipping"]["table"] for count in (1, 2))
    assert np.abs(one - two).max() > 1e-3
