import os
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.corpus.generation import generated_dataset

SIGNATURE = {"text": tf.TensorSpec((2,), tf.string), "number": tf.TensorSpec((), tf.int64)}


def columns(number):
    return {"number": np.asarray(number, np.int64), "text": np.array([f"{number}".encode(), b"a\0"], dtype=object)}


def test_elements_are_computed_in_order_from_the_first():
    dataset = generated_dataset(columns, SIGNATURE, 5)
    assert dataset.element_spec == SIGNATURE
    for _ in range(2):  # and again
        elements = list(dataset.take(3).as_numpy_iterator())
        assert [element["number"] for element in elements] == [5, 6, 7]
        assert [element["text"].tolist() for element in elements] == [[b"5", b"a\0"], [b"6", b"a\0"], [b"7", b"a\0"]]


def test_what_goes_wrong_is_told_when_its_element_is_asked_for():
    def compute(number):
        if number == 2:
            raise KeyError("the second")
        return columns(number)

    elements = iter(generated_dataset(compute, SIGNATURE, 0))
    assert [next(elements)["number"].numpy() for _ in range(2)] == [0, 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"KeyError: .*the second"):
        next(elements)
    assert next(elements)["number"].numpy() == 3


def test_iterators_take_turns():
    inside = []

    def compute(number):
        inside.append(number)
        assert len(inside) == 1
        time.sleep(0.02)
        inside.pop()
        return columns(number)

    dataset = generated_dataset(compute, SIGNATURE, 0).prefetch(2)
    elements = [element["number"].numpy() for pair in zip(dataset, dataset.take(5), strict=False) for element in pair]
    assert elements == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_wrong_shape_is_an_error():
    dataset = generated_dataset(lambda number: {**columns(number), "text": np.array([b"x"], object)}, SIGNATURE, 0)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Shape of tensor .* \[1\] is not compatible with .* \[2\]"
    ):
        next(iter(dataset))


PROGRAM = """
import sys, time
import numpy as np, tensorflow as tf
from lealla_tf.corpus.generation import generated_dataset

def compute(number):
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        pass
    if number == int(sys.argv[1]):
        raise ValueError
    return {"x": np.full(50, number)}

dataset = generated_dataset(compute, {"x": tf.TensorSpec((50,), tf.int64)}, 0)
dataset = dataset.flat_map(lambda element: tf.data.Dataset.from_tensor_slices(element["x"]))
iterator = iter(dataset.map(lambda x: x + 1, num_parallel_calls=2).prefetch(4))
try:
    for _ in range(45):  # so near to the end of the first element that the second is begun
        next(iterator)
except tf.errors.InvalidArgumentError:
    pass
print("ended", flush=True)
"""


def test_the_interpreter_ends_while_an_element_is_being_computed():
    """With `Dataset.from_generator` in its place the first of these processes never ended."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, fails], stdout=subprocess.PIPE, text=True, env=environment)
        for fails in ("-1", "0")
    ]
    try:
        assert [process.communicate(timeout=60)[0] for process in processes] == ["ended\n", "ended\n"]
        assert [process.returncode for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
