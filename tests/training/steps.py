"""Takes a few steps on 1, 2 or 4 replicas and writes what came out: steps.py OUT.npz REPLICAS CASE...

With `TF_CONFIG` it is one of several workers of a replica each.
"""

import dataclasses
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lealla_tf.config import LossConfig, OptimizerConfig, TrainingConfig
from lealla_tf.losses.combined import Pairs
from lealla_tf.models.encoder import Encoder
from lealla_tf.training.adamw import ClippedAdamW
from lealla_tf.training.cross_replica import gather_pairs, replica_count
from lealla_tf.training.distillation_model import DistillationModel
from lealla_tf.training.execution import execution_of
from lealla_tf.training.optimizer import make_optimizer
from lealla_tf.training.pretraining_model import PretrainingModel
from lealla_tf.training.strategy import distribute_batches, make_strategy

ROWS, LENGTH, TEACHER_DIM, STEPS, PAD = 8, 6, 5, 6, 0
LOSS: dict[str, Any] = {"feature": 10.0, "logit": 0.02, "scale": 10.0, "temperature": 10.0}
FUSED = execution_of(TrainingConfig())
UNFUSED = dataclasses.replace(FUSED, fuse=functools.partial)
Arrays = dict[str, np.ndarray]


class LocalMean(DistillationModel):
    """The mistake: every replica divides by its own rows, as a mean does, instead of by those of all."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        return super().compute_loss(*args, **kwargs) * float(replica_count())


class Recorder(keras.callbacks.Callback):
    """Keeps the losses of each execution."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append({name: float(value) for name, value in logs.items()})
        self.model.reset_metrics()


def make_batches() -> Arrays:
    """`STEPS` batches; in each, rows of different replicas have a sentence in common."""
    generator = np.random.default_rng(0)
    batches: Arrays = {}
    for side in ("source", "target"):
        token_ids = generator.integers(1, 40, (STEPS, ROWS, LENGTH)).astype(np.int32)
        lengths = generator.integers(3, LENGTH + 1, (STEPS, ROWS, 1))
        batches[f"{side}_token_ids"] = np.where(np.arange(LENGTH) < lengths, token_ids, PAD)
        fingerprints = generator.permuted(np.tile(np.arange(ROWS), (STEPS, 1)), axis=1)
        batches[f"{side}_fingerprint"] = fingerprints.astype(np.int32)
        teacher = generator.normal(size=(STEPS, ROWS, TEACHER_DIM)).astype(np.float32)
        batches[f"{side}_teacher"] = teacher / np.linalg.norm(teacher, axis=-1, keepdims=True)
    batches["source_fingerprint"][:, 7] = batches["source_fingerprint"][:, 0]
    batches["target_fingerprint"][:, 5] = batches["target_fingerprint"][:, 2]
    return batches


def distributed(strategy: tf.distribute.Strategy) -> Any:
    """The batches, again and again, for the replicas of the strategy."""

    def rows(worker: int, workers: int) -> tf.data.Dataset:
        own = slice(worker * ROWS // workers, (worker + 1) * ROWS // workers)
        columns = {name: column[:, own] for name, column in make_batches().items()}
        return tf.data.Dataset.from_tensor_slices(columns).repeat()

    return distribute_batches(strategy, rows)


def make_model(kind: type[DistillationModel], dropout: float = 0.0, **kwargs: Any) -> DistillationModel:
    """A model with the same weights whatever the strategy."""
    execution = kwargs.pop("execution", UNFUSED)
    encoder = Encoder(40, 8, 1, 2, 16, max_positions=LENGTH, dropout=dropout, seed=3, execution=execution)
    loss = LossConfig(**{**LOSS, **kwargs.pop("loss", {})})
    model = kind(encoder, loss, PAD, TEACHER_DIM, **kwargs)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(scale=0.3, size=tuple(variable.shape)))
    return model


def train(
    optimizer: keras.optimizers.Optimizer, steps_per_execution: int = 1, kind: type = DistillationModel, **kwargs: Any
) -> Arrays:
    """The losses of every execution and the weights after `STEPS` steps."""
    model = make_model(kind, **kwargs)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, steps_per_execution=steps_per_execution, jit_compile=False)
    batches = distributed(tf.distribute.get_strategy())
    recorder = Recorder()
    model.fit(batches, steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[recorder])
    losses = {f"loss/{name}": np.array([entry[name] for entry in recorder.losses]) for name in recorder.losses[0]}
    return losses | weights(model)


def weights(model: DistillationModel) -> Arrays:
    return {f"weight/{variable.path}": variable.numpy() for variable in model.trainable_variables}


def sgd() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(0.02)


def adamw(name: str = "adamw") -> keras.optimizers.Optimizer:
    """Clips at every step: the gradients of this model have norms of about 10."""
    config = OptimizerConfig(name=name, learning_rate=0.02, warmup_steps=2, weight_decay=0.1, clip_norm=0.5)
    return make_optimizer(config, STEPS)


def gradients(strategy: tf.distribute.Strategy, kind: type = DistillationModel, **kwargs: Any) -> Arrays:
    """The losses and the gradients of the first batch, summed over replicas, without an optimizer."""
    model = make_model(kind, **kwargs)
    batch = next(iter(distributed(strategy)))

    def step(batch: Any) -> list[Any]:
        found = [tf.convert_to_tensor(gradient) for gradient in model.compute_gradients(batch)]
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, found)

    outputs = tf.function(lambda: strategy.run(step, (batch,)))()
    found = [strategy.experimental_local_results(output)[0].numpy() for output in outputs]
    losses = {metric.name: metric.result().numpy() for metric in model.metrics}
    names = [variable.path for variable in model.trainable_variables]
    return losses | {f"gradient/{name}": value for name, value in zip(names, found, strict=True)}


class OneTape(DistillationModel):
    """The same chunks, all under one tape: what caching is to give without holding them all."""

    def compute_gradients(self, batch: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            chunks = [
                self({name: ids[start : start + self._chunk] for name, ids in batch.items()}, training=True)
                for start in range(0, len(batch["source_token_ids"]), self._chunk)
            ]
            embeddings = Pairs(*(tf.concat(sides, axis=0) for sides in zip(*chunks, strict=True)))
            loss = self.compute_loss(batch, y_pred=embeddings)
        return tape.gradient(loss, self.trainable_variables)


def masks(strategy: tf.distribute.Strategy, compile_encoder: bool) -> Arrays:
    """Embeddings with dropout of one and the same sentence on every replica, twice."""
    model = make_model(DistillationModel, dropout=0.5, compile_encoder=compile_encoder)
    batch = {f"{side}_token_ids": tf.constant([[2, 3, 4, 5, 6, 7]]) for side in ("source", "target")}

    def step() -> Any:
        return gather_pairs(model(batch, training=True))

    draw = tf.function(lambda: strategy.run(step))
    draws = [tf.nest.map_structure(strategy.experimental_local_results, draw()) for _ in range(2)]
    sides = {f"target_{i}": pairs.target[0].numpy() for i, pairs in enumerate(draws)}
    return sides | {f"draw_{i}": pairs.source[0].numpy() for i, pairs in enumerate(draws)}


def evaluate(strategy: tf.distribute.Strategy, **kwargs: Any) -> Arrays:
    """What `evaluate` says of the batches with dropout in the model, which it must not use."""
    model = make_model(DistillationModel, dropout=0.5, **kwargs)
    model.compile(optimizer=sgd(), jit_compile=False)
    found = model.evaluate(distributed(strategy), steps=STEPS, verbose=0, return_dict=True)
    return {name: np.array(value) for name, value in found.items()}


def reference(strategy: tf.distribute.Strategy) -> Arrays:
    """What an independent computation of the first batch's loss needs."""
    model = make_model(DistillationModel)
    first = {name: tf.constant(values[0]) for name, values in make_batches().items()}
    embeddings = Pairs(*(side.numpy() for side in model(first)))
    kernel, bias = (variable.numpy() for variable in model.projection.variables)
    batch = {f"batch_{name}": values[0] for name, values in make_batches().items()}
    return {**batch, **embeddings._asdict(), "kernel": kernel, "bias": bias}


def clipping(strategy: tf.distribute.Strategy, optimizer: Callable[[], keras.optimizers.Optimizer]) -> Arrays:
    """First moments after one step on sum_i (table[id_i] . kernel) weight_i: a tenth of the clipped gradient."""
    table = keras.Variable(np.arange(10, dtype=np.float32).reshape(5, 2) / 10, name="table")
    kernel = keras.Variable([1.0, -2.0], name="kernel")
    applied = optimizer()
    applied.build([table, kernel])
    rows = tf.data.Dataset.from_tensors({"id": [0, 3, 3, 0], "weight": [1.0, 2.0, -3.0, 5.0]})

    def step(row: Any) -> None:
        with tf.GradientTape() as tape:
            picked = tf.gather(table.value, row["id"])
            loss = tf.reduce_sum(tf.linalg.matvec(picked, kernel.value) * row["weight"])
        applied.apply(tape.gradient(loss, [table.value, kernel.value]), [table, kernel])

    batch = next(iter(strategy.experimental_distribute_dataset(rows)))
    tf.function(lambda: strategy.run(step, (batch,)))()
    moments = {variable.name: variable.numpy() for variable in applied.variables if "momentum" in variable.name}
    return {name.removesuffix("_momentum"): value for name, value in moments.items()}


def pretraining(strategy: tf.distribute.Strategy) -> Arrays:
    """The losses and weights of a masked language model whose rows hide different numbers of tokens."""
    encoder = Encoder(40, 8, 1, 2, 16, max_positions=LENGTH, dropout=0.0, seed=3, execution=UNFUSED)
    model = PretrainingModel(encoder, PAD)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(scale=0.3, size=tuple(variable.shape)))
    optimizer = sgd()
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, jit_compile=False)
    token_ids = make_batches()["source_token_ids"]
    columns = {
        "token_ids": token_ids,
        "segment_ids": np.zeros_like(token_ids),
        "positions": np.tile(np.int32([1, 2]), (STEPS, ROWS, 1)),
        "labels": generator.integers(1, 40, (STEPS, ROWS, 2)).astype(np.int32),
        "weights": (np.arange(2) <= np.arange(ROWS)[:, None] % 2).astype(np.float32)[None].repeat(STEPS, axis=0),
    }
    columns["weights"][:, 0] = 0  # a row without a word that could be hidden

    def rows(worker: int, workers: int) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(columns).repeat()

    recorder = Recorder()
    batches = distribute_batches(strategy, rows)
    model.fit(batches, steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[recorder])
    losses = {f"loss/{name}": np.array([entry[name] for entry in recorder.losses]) for name in recorder.losses[0]}
    return losses | {f"column/{name}": column for name, column in columns.items()} | weights(model)


def eagerly(case: Callable[[tf.distribute.Strategy], Arrays]) -> Callable[[tf.distribute.Strategy], Arrays]:
    """The case without graphs."""

    def run(strategy: tf.distribute.Strategy) -> Arrays:
        tf.config.run_functions_eagerly(True)
        try:
            return case(strategy)
        finally:
            tf.config.run_functions_eagerly(False)

    return run


CASES: dict[str, Callable[[tf.distribute.Strategy], Arrays]] = {
    "sgd": lambda strategy: train(sgd()),
    "sgd_unmasked": lambda strategy: train(sgd(), loss={"mask_duplicates": False}),
    "sgd_executions_of_3": lambda strategy: train(sgd(), steps_per_execution=3),
    "sgd_compiled": lambda strategy: train(sgd(), compile_encoder=True),
    "sgd_fused": lambda strategy: train(sgd(), execution=FUSED),
    "sgd_chunked": lambda strategy: train(sgd(), chunk=2),
    "sgd_eager": eagerly(lambda strategy: train(sgd())),
    "adamw": lambda strategy: train(adamw()),
    "lazy_adamw": lambda strategy: train(adamw("lazy_adamw")),
    "lazy_adamw_chunked": lambda strategy: train(adamw("lazy_adamw"), chunk=2),
    "wrong_scale": lambda strategy: train(sgd(), kind=LocalMean),
    "gradients": lambda strategy: gradients(strategy),
    "gradients_compiled": lambda strategy: gradients(strategy, compile_encoder=True),
    "gradients_eager": eagerly(lambda strategy: gradients(strategy)),
    "gradients_chunked": lambda strategy: gradients(strategy, chunk=2),
    "gradients_chunked_eager": eagerly(lambda strategy: gradients(strategy, chunk=2)),
    "gradients_dropped": lambda strategy: gradients(strategy, dropout=0.5),
    "gradients_dropped_fused": lambda strategy: gradients(strategy, dropout=0.5, execution=FUSED),
    "cached": lambda strategy: gradients(strategy, chunk=2, dropout=0.5),
    "cached_fused": lambda strategy: gradients(strategy, chunk=2, dropout=0.5, execution=FUSED),
    "cached_compiled": lambda strategy: gradients(strategy, chunk=2, dropout=0.5, compile_encoder=True),
    "one_tape": lambda strategy: gradients(strategy, OneTape, chunk=2, dropout=0.5),
    "one_tape_compiled": lambda strategy: gradients(strategy, OneTape, chunk=2, dropout=0.5, compile_encoder=True),
    "evaluate_chunked": lambda strategy: evaluate(strategy, chunk=2),
    "masks": lambda strategy: masks(strategy, compile_encoder=False),
    "masks_compiled": lambda strategy: masks(strategy, compile_encoder=True),
    "evaluate": evaluate,
    "reference": reference,
    "pretraining": pretraining,
    "clipping": lambda strategy: clipping(strategy, lambda: ClippedAdamW(clip_norm=0.5, weight_decay=0.0)),
    "no_clipping": lambda strategy: clipping(strategy, lambda: ClippedAdamW(weight_decay=0.0)),
    "wrong_clipping": lambda strategy: clipping(strategy, lambda: keras.optimizers.AdamW(global_clipnorm=0.5)),
}


def main() -> None:
    path, replicas, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if "TF_CONFIG" in os.environ:
        strategy = make_strategy("multi_worker")
    elif replicas > 1:
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
        strategy = make_strategy("mirrored")
    else:
        strategy = make_strategy("one_device")
    assert strategy.num_replicas_in_sync == replicas
    found = {}
    for name in names:
        with strategy.scope():
            found |= {f"{name}:{key}": value for key, value in CASES[name](strategy).items()}
    np.savez(path, **found)


main()
