"""A dataset whose elements a Python function computes, and which lets the interpreter end."""

import atexit
import threading
import traceback
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from lealla_tf.corpus.segments import Array

# The permits of every dataset; a thread that holds one may call Python.
_queues: "weakref.WeakSet[tf.queue.FIFOQueue]" = weakref.WeakSet()

# More than threads ever ask for at once: one that has to wait for a permit may be cancelled, which
# TensorFlow 2.21 sometimes answers with a segmentation fault.
_PERMITS = 64


def generated_dataset(
    compute: Callable[[int], Mapping[str, Array]], signature: Mapping[str, tf.TensorSpec], first: int
) -> tf.data.Dataset:
    """The elements `compute(first)`, `compute(first + 1)`, ..., without end.

    tf.data computes ahead in threads of its own. One that waits for the interpreter while
    that ends waits for ever, and the process with it, whenever an iterator is still alive then:
    `tf.data.Dataset.from_generator` is prone to that. Here a thread takes a permit before it
    calls Python and gives it back afterwards, both in C++; when the interpreter is about to end,
    it collects the permits and gives no more.

    Args:
        compute: Gives the columns of an element. Never called twice at a time.
        signature: The types and static shapes of those.
        first: The number of the first element.

    Raises:
        tf.errors.InvalidArgumentError: when iterated, if `compute` raises something; with its traceback as message.
    """
    permits = tf.queue.FIFOQueue(_PERMITS, tf.bool, shapes=[()])
    permits.enqueue_many(tf.fill([_PERMITS], True))
    _queues.add(permits)
    lock = threading.Lock()
    types = [spec.dtype for spec in signature.values()]

    def call(number: Array) -> list[Any]:
        try:
            with lock:
                columns = compute(int(number))
        except Exception:  # carried out of the call as text, because the permit is returned behind it
            return [traceback.format_exc(), *(np.empty(0, dtype.as_numpy_dtype) for dtype in types)]
        return ["", *(columns[name] for name in signature)]

    def element(number: Any) -> dict[str, Any]:
        with tf.control_dependencies([permits.dequeue()]):
            error, *columns = tf.numpy_function(call, [number], [tf.string, *types])
        # Not at the end of `call`, after which there is still some way to go in Python.
        with tf.control_dependencies([error]):
            returned = permits.enqueue(True)
        with tf.control_dependencies([returned]):
            succeeded = tf.debugging.Assert(tf.equal(error, ""), [error])
        with tf.control_dependencies([succeeded]):
            return {
                name: tf.ensure_shape(column, spec.shape)
                for (name, spec), column in zip(signature.items(), columns, strict=True)
            }

    return tf.data.Dataset.range(first, tf.int64.max).map(element)


@atexit.register
def _collect_permits() -> None:
    """Waits for the calls under way, and lets none begin any more."""
    for permits in list(_queues):
        permits.dequeue_many(_PERMITS)
        permits.close()
