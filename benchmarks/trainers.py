"""Ways to train the same encoder on the same batches: ours, and sentence-transformers on torch.

Each is a class whose instances take steps; all compute

    1/N sum_i [ -log softmax_j(s x_i y_j)_i - log softmax_j(s y_i x_j)_i ]

which is the additive-margin softmax with a margin of 0, and twice what sentence-transformers calls
the symmetric loss of multiple negatives.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SCALE = 20.0
BATCHES = 4


@dataclass(frozen=True)
class Task:
    """What all are given: the shape of the encoder, its first weights, and the shape of the batches.

    `chunk` pairs are embedded at a time, or all of them if it is 0.
    """

    preset: str
    weights: Path
    pairs: int
    length: int
    chunk: int
    vocabulary_size: int

    def batches(self) -> list[dict[str, Array]]:
        """Different batches of random tokens, none of them padding."""
        random = np.random.default_rng(0)
        shape = (2, self.pairs, self.length)
        ids = [random.integers(1, self.vocabulary_size, shape, np.int32) for _ in range(BATCHES)]
        return [{"source_token_ids": source, "target_token_ids": target} for source, target in ids]


def write_weights(preset: str, path: Path) -> None:
    """First weights of the encoder, of a range in which sentences differ."""
    import keras

    from lealla_tf.checkpoints import encoder_weights
    from lealla_tf.models.encoder import Encoder
    from lealla_tf.presets import PRESETS

    keras.utils.set_random_seed(0)
    encoder = Encoder.from_encoder_config(PRESETS[preset].encoder)
    random = np.random.default_rng(0)
    weights = encoder_weights(encoder)
    # As wide as suits the width of lealla_small, and not BERT's 0.02.
    wider = {
        name: random.normal(scale=0.1, size=value.shape).astype(np.float32) if value.ndim == 2 else value
        for name, value in weights.items()
    }
    np.savez(path, **wider)


class Ours:
    """The step of `lealla train`: model, optimizer and loop are the command's, the batches lie ready."""

    def __init__(self, task: Task, optimizer: str, *, xla: bool) -> None:
        import tensorflow as tf

        from lealla_tf.checkpoints import assign_weights
        from lealla_tf.config import LossConfig, OptimizerConfig, TrainingConfig
        from lealla_tf.models.encoder import Encoder
        from lealla_tf.presets import PRESETS
        from lealla_tf.training.distillation_model import DistillationModel
        from lealla_tf.training.execution import execution_of
        from lealla_tf.training.optimizer import make_optimizer
        from lealla_tf.training.strategy import distribute_batches

        tf.config.experimental.enable_op_determinism()
        tf.random.set_seed(0)
        encoder = Encoder.from_encoder_config(
            PRESETS[task.preset].encoder,
            execution=execution_of(TrainingConfig(jit_compile=xla)),
        )
        with np.load(task.weights) as weights:
            assign_weights(encoder, dict(weights), str(task.weights))
        loss = LossConfig(feature=0, logit=0, margin=0, scale=SCALE, mask_duplicates=False)
        self.model = DistillationModel(encoder, loss, 0, compile_encoder=xla, chunk=task.chunk)
        made = make_optimizer(OptimizerConfig(name=optimizer, warmup_steps=0), 1000)
        made.build(self.model.trainable_variables)
        self.model.compile(optimizer=made, jit_compile=False)
        batches = {name: np.stack([batch[name] for batch in task.batches()]) for name in task.batches()[0]}
        self._first = {name: tf.constant(column[0]) for name, column in batches.items()}
        dataset = tf.data.Dataset.from_tensor_slices(batches).repeat()
        self._iterator = iter(distribute_batches(tf.distribute.get_strategy(), lambda worker, workers: dataset))
        self._step = self.model.make_train_function()
        self._test = tf.function(self.model.test_step)

    def loss(self) -> float:
        """Of the first batch, without dropout."""
        self._test(self._first)
        value = float(self.model.metrics[0].result())
        self.model.reset_metrics()
        return value

    def step(self) -> None:
        """A step; like the log of a run, it reads the loss."""
        float(self._step(self._iterator)["loss"])


class SentenceTransformers:
    """The same encoder as transformers' BERT, and sentence-transformers' losses of multiple negatives."""

    def __init__(self, task: Task, *, sparse: bool) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer import losses, modules

        bert = _bert(task, sparse=sparse)
        width = bert.bert.config.hidden_size
        dense = modules.Dense(width, width, activation_function=torch.nn.Tanh())
        with np.load(task.weights) as weights, torch.no_grad():
            dense.linear.weight.copy_(torch.from_numpy(weights["pooler/kernel"].T))
            dense.linear.bias.copy_(torch.from_numpy(weights["pooler/bias"]))
        self.model = SentenceTransformer(modules=[bert, modules.Pooling(width, "cls"), dense], device="cpu")
        symmetric = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
        if task.chunk:
            # Ours embeds both sides of a chunk together.
            rows = 2 * task.chunk
            cached = losses.CachedMultipleNegativesRankingLoss
            self._loss = cached(self.model, SCALE, mini_batch_size=rows, **symmetric)
        else:
            self._loss = losses.MultipleNegativesRankingLoss(self.model, SCALE, **symmetric)
        table = bert.bert.embeddings.word_embeddings.weight
        others = [weight for weight in self.model.parameters() if weight is not table]
        if sparse:
            self._optimizers = [
                torch.optim.SparseAdam([table], lr=5e-4),
                torch.optim.AdamW(others, lr=5e-4, weight_decay=0, fused=True),
            ]
        else:
            self._optimizers = [torch.optim.AdamW([table, *others], lr=5e-4, weight_decay=0, fused=True)]
        self._batches = [_features(batch) for batch in task.batches()]
        self._count = 0

    def loss(self) -> float:
        """Of the first batch, without dropout; times 2, because it is the mean of both directions."""
        import torch

        self.model.eval()
        with torch.no_grad():
            value = 2 * float(self._loss([dict(side) for side in self._batches[0]], None))
        self.model.train()
        return value

    def step(self) -> None:
        """A step; it reads the loss, too."""
        sides = [dict(side) for side in self._batches[self._count % BATCHES]]
        self._count += 1
        loss = self._loss(sides, None)
        loss.backward()
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        float(loss.detach())


def _features(batch: dict[str, Array]) -> list[dict[str, Any]]:
    """The two sides as sentence-transformers takes them."""
    import torch

    ids = [torch.from_numpy(batch[f"{side}_token_ids"]).long() for side in ("source", "target")]
    return [{"input_ids": side, "attention_mask": (side != 0).long()} for side in ids]


def _bert(task: Task, *, sparse: bool) -> Any:
    """The BERT of transformers with the task's weights, as the first module of a SentenceTransformer."""
    import torch
    from transformers import BertConfig, BertModel

    from lealla_tf.presets import PRESETS

    config = PRESETS[task.preset].encoder

    class Bert(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = BertModel(
                BertConfig(
                    vocab_size=config.vocabulary_size,
                    hidden_size=config.hidden_dim,
                    num_hidden_layers=config.num_layers,
                    num_attention_heads=config.num_heads,
                    intermediate_size=config.intermediate_dim,
                    hidden_act="gelu_pytorch_tanh",
                    hidden_dropout_prob=config.dropout,
                    attention_probs_dropout_prob=config.dropout,
                    layer_norm_eps=config.layer_norm_epsilon,
                ),
                add_pooling_layer=False,
            )

        def forward(self, features: dict[str, Any]) -> dict[str, Any]:
            outputs = self.bert(input_ids=features["input_ids"], attention_mask=features["attention_mask"])
            return {**features, "token_embeddings": outputs.last_hidden_state}

    module = Bert()
    with np.load(task.weights) as weights:
        module.bert.load_state_dict({theirs: torch.from_numpy(value) for theirs, value in _renamed(weights).items()})
    module.bert.embeddings.word_embeddings.sparse = sparse
    return module


def _renamed(weights: Any) -> dict[str, Array]:
    """Our weights under the names of transformers; their kernels are turned."""
    parts = {
        "embeddings/token/embeddings": "embeddings.word_embeddings.weight",
        "embeddings/position/embeddings": "embeddings.position_embeddings.weight",
        "embeddings/segment/embeddings": "embeddings.token_type_embeddings.weight",
        "embeddings/norm/": "embeddings.LayerNorm.",
        "layer_": "encoder.layer.",
        "/attention/output/": ".attention.output.dense.",
        "/attention/": ".attention.self.",
        "/attention_norm/": ".attention.output.LayerNorm.",
        "/output_norm/": ".output.LayerNorm.",
        "/intermediate/": ".intermediate.dense.",
        "/output/": ".output.dense.",
        "gamma": "weight",
        "beta": "bias",
        "kernel": "weight",
    }
    renamed = {}
    for name in weights.files:
        if name.startswith("pooler"):
            continue
        theirs = name
        for part, other in parts.items():
            theirs = theirs.replace(part, other)
        value = weights[name]
        renamed[theirs.replace("/", ".")] = np.ascontiguousarray(value.T) if name.endswith("kernel") else value
    return renamed


TRAINERS = {
    "ours, lazy_adamw": lambda task: Ours(task, "lazy_adamw", xla=False),
    "ours, lazy_adamw, XLA": lambda task: Ours(task, "lazy_adamw", xla=True),
    "ours, adamw": lambda task: Ours(task, "adamw", xla=False),
    "ours, adamw, XLA": lambda task: Ours(task, "adamw", xla=True),
    "torch, SparseAdam": lambda task: SentenceTransformers(task, sparse=True),
    "torch, AdamW": lambda task: SentenceTransformers(task, sparse=False),
}
