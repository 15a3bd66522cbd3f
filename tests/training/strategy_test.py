"""Strategies by name."""

from urllib.error import URLError

import pytest
import tensorflow as tf

from lealla_tf.errors import UsageError
from lealla_tf.training.cross_replica import gather_pairs, replica_count, replica_id
from lealla_tf.training.strategy import make_strategy


def test_one_device_is_tensorflow_s_default():
    strategy = make_strategy("one_device")
    assert strategy is tf.distribute.get_strategy()
    assert strategy.num_replicas_in_sync == 1


def test_mirrored_takes_all_devices():
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    assert make_strategy("mirrored").num_replicas_in_sync == len(devices)


def test_another_name():
    with pytest.raises(
        ValueError, match=r"`strategy` must be one of one_device, mirrored, multi_worker, tpu\. Received: 'gpu'\."
    ):
        make_strategy("gpu")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Please provide a TPU Name"),
        URLError("no route"),
        tf.errors.NotFoundError(None, None, "TPUs not found in the cluster.\nmore"),
    ],
)
def test_no_tpu(monkeypatch, error):
    def connect(name):
        raise error

    monkeypatch.setattr(tf.distribute.cluster_resolver.TPUClusterResolver, "connect", connect)
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(
        UsageError, match=r"^The strategy tpu needs a TPU, and none was found \(.*\)\. Run on a TPU VM"
    ) as e:
        make_strategy("tpu")
    assert "\n" not in str(e.value)


def test_outside_of_replicas_there_is_one(monkeypatch):
    assert int(replica_id()) == 0
    assert replica_count() == 1
    pairs = object()
    assert gather_pairs(pairs) is pairs
    with make_strategy("mirrored").scope():
        assert replica_id() == 0
