"""What the processes of a run tell each other between its steps, and how the end of one ends all."""

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from lealla_tf.errors import UsageError, UserError
from lealla_tf.training.cluster import Cluster

# What the collective operations of a process raise when another one is gone.
_PEER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


class Workers:
    """The processes that train together, as one of them sees them; often it is the only one.

    The chief alone writes; all call the methods below in the same order, each of which waits
    for everybody.

    Args:
        strategy: Of the run.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._strategy = strategy
        self.index, self.count = 0, 1
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            cluster = Cluster.from_environment()
            self.index, self.count = cluster.index, len(cluster.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes what the run writes."""
        return self.index == 0

    def any(self, condition: bool) -> bool:
        """Whether the condition holds for any of them."""
        return bool(self._gather([int(condition)]).any())

    def require_same(self, **texts: str) -> None:
        """Returns if all workers give the same texts.

        Raises:
            UsageError: on all workers, if one gives another text than the chief; says which.
        """
        digests = [hashlib.sha256(text.encode()).digest()[:8] for text in texts.values()]
        everybodys = self._gather([int.from_bytes(digest, "big", signed=True) for digest in digests])
        for worker, own in enumerate(everybodys):
            for name, same in zip(texts, own == everybodys[0], strict=True):
                if not same:
                    raise UsageError(
                        f"All workers must be given the same {name.replace('_', ' ')}; that of worker {worker} differs "
                        "from the chief's."
                    )

    @contextlib.contextmanager
    def failing_together(self) -> Iterator[None]:
        """Tells the end of another worker, which TensorFlow notices within seconds, in one line.

        Raises:
            UserError: in place of the errors of operations for which another worker is needed.
        """
        try:
            yield
        except _PEER_ERRORS as error:
            if self.count == 1:
                raise
            raise UserError(
                "Another worker has ended or is out of reach, and so this one ends too; see what that one said. Start "
                "the same command on all workers again, and the run goes on from its last checkpoint."
            ) from error

    def _gather(self, numbers: list[int]) -> np.ndarray[Any, Any]:
        """Everybody's numbers, int64 `(workers, len(numbers))`."""
        if self.count == 1:
            return np.array([numbers], np.int64)
        replicas = len(self._strategy.extended.worker_devices)
        rows = self._strategy.run(_all_gather, args=(tf.constant([numbers], tf.int64),))
        gathered: np.ndarray[Any, Any] = self._strategy.experimental_local_results(rows)[0].numpy()
        return gathered[::replicas]


@tf.function
def _all_gather(row: Any) -> Any:
    """The rows of all replicas."""
    return tf.distribute.get_replica_context().all_gather(tf.identity(row), axis=0)
