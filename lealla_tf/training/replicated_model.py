"""What the models that `fit` trains have in common: their loop under tf.distribute."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

Batch = Mapping[str, Any]


class ReplicatedModel(keras.Model):
    """A model whose replicas each compute a part of the loss of the global batch.

    A subclass sets `encoder`, and defines `train_step` and `test_step`, which return nothing;
    `means`, its metrics by name; and `extra_weights`.  All is built by the constructor.
    """

    encoder: Any
    train_function: Any
    test_function: Any

    def __init__(self, means: tuple[str, ...], name: str) -> None:
        super().__init__(name=name)
        self.means = {term: keras.metrics.Mean(name=term) for term in means}

    @property
    def metrics(self) -> list[Any]:
        """The running means of the loss and of its terms."""
        return list(self.means.values())

    @property
    def extra_weights(self) -> dict[str, Any]:
        """The weights that are trained besides the encoder's, by the names that a checkpoint gives them."""
        raise NotImplementedError

    def make_train_function(self, force: bool = False) -> Any:
        """Keras' hook: the function that `fit` calls with an iterator."""
        if self.train_function is None or force:
            self.train_function = self._make_loop(self.train_step)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Keras' hook: the function that `evaluate` calls with an iterator."""
        if self.test_function is None or force:
            self.test_function = self._make_loop(self.test_step)
        return self.test_function

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Everything is built. Keras would reduce a whole batch over the replicas to find that out, which several
        # workers cannot.
        pass

    def _make_loop(self, step: Callable[[Batch], None]) -> Callable[[Any], dict[str, Any]]:
        """`steps_per_execution` steps in one graph, then the metrics.

        Keras' own loop reduces the outputs of every step, which fails under several
        strategies as soon as an execution holds more than one step.
        """
        strategy = self.distribute_strategy
        # Only the loop is for AutoGraph; rewriting all that a step calls took a second of every start.
        step = tf.autograph.experimental.do_not_convert(step)

        @tf.function
        def loop(iterator: Any) -> dict[str, Any]:
            for _ in tf.range(self.steps_per_execution):
                strategy.run(step, args=(next(iterator),))
            return {metric.name: metric.result() for metric in self.metrics}

        return loop
