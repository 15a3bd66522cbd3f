"""Stretches of pointwise operations as one pass over memory each, by XLA."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def fuse(function: Callable[..., Any], **constants: Any) -> Callable[..., Any]:
    """The function of tensors `(*inputs) -> function(*inputs, **constants)`, compiled, and so is its gradient.

    TensorFlow goes through its tensors once for each operation, and remembers most of what
    it finds for the gradient.  This remembers the inputs alone, from which the gradient is
    computed anew.  That suits what is cheap beside the memory it moves, such as GELU or layer
    norm; products of matrices are as fast or faster outside.

    XLA compiles for shapes: what differs in the number of rows is compiled again, once in a
    process, whichever layer asks.

    Args:
        function: From tensors to a tensor.  Of its inputs, those of a float type have a gradient.
        **constants: Further arguments of it, which are no tensors.
    """
    stretch = _compile(function, **constants)
    return lambda *inputs: stretch(*map(tf.convert_to_tensor, inputs))


@functools.cache
def _compile(function: Callable[..., Any], **constants: Any) -> Callable[..., Any]:
    compute = functools.partial(function, **constants)
    forward = tf.function(compute, autograph=False, jit_compile=True)

    @tf.function(autograph=False, jit_compile=True)
    def backward(upstream: Any, *inputs: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch([tensor for tensor in inputs if tensor.dtype.is_floating])
            outputs = compute(*inputs)
        gradients: list[Any] = tape.gradient(outputs, inputs, upstream)
        return gradients

    @tf.custom_gradient
    def stretch(*inputs: Any) -> tuple[Any, Callable[[Any], list[Any]]]:
        return forward(*inputs), lambda upstream: backward(upstream, *inputs)

    return stretch
