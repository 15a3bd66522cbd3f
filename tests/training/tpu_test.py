"""What a TPU asks of the training step, as far as a machine without one can tell."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import BatchConfig, LossConfig, OptimizerConfig, TrainingConfig
from lealla_tf.corpus.batching import training_batches
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.segments import InMemory, Segment
from lealla_tf.errors import UsageError
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary
from lealla_tf.training.distillation_model import DistillationModel
from lealla_tf.training.execution import execution_of
from lealla_tf.training.optimizer import make_optimizer
from lealla_tf.training.strategy import distribute_batches, make_strategy

SIZE, LENGTH, TEACHER_DIM, REPLICAS = 8, 6, 3, 2

# Operations that read text, tables or files, that call Python, or whose output is as long as its values say.
_DENIED = re.compile("String|Regex|Unicode|Wordpiece|Hash|Table|Unique|PyFunc|Print|File|Decode|Iterator|^Where$")
_WIDE = {tf.int64, tf.uint64, tf.float64}


def lint(function):
    """What of a traced function, with all functions that it calls, a TPU would not take; each complaint names it."""
    definition = function.graph.as_graph_def(add_shapes=True)
    complaints = []
    for node in (*definition.node, *(node for part in definition.library.function for node in part.node_def)):
        if _DENIED.search(node.op):
            complaints.append(f"{node.op} {node.name}")
        types = {kind for value in node.attr.values() for kind in (value.type, *value.list.type)}
        if tf.string.as_datatype_enum in types:
            complaints.append(f"string {node.name}")
        for shape in (tf.TensorShape(shape) for shape in node.attr["_output_shapes"].list.shape):
            if not shape.is_fully_defined():
                complaints.append(f"shape {shape} {node.name}")
            # The count of the steps and the seeds of dropout have 64 bits, which a TPU puts together from 32.
            elif shape.num_elements() > 2 and any(kind.as_datatype_enum in types for kind in _WIDE):
                complaints.append(f"64 bits {node.name}")
    return complaints


class TwoCores:
    """The part of a strategy that hands out datasets, for two cores of one machine."""

    def distribute_datasets_from_function(self, make):
        return make(tf.distribute.InputContext(1, 0, REPLICAS))


@pytest.fixture(scope="module")
def batches():
    """What each core gets, from text and a teacher's vectors to batches of one length, core by core."""
    words = [f"{name}{number}" for name in "st" for number in range(16)]
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])
    # One of them twice, so that there are duplicates to mask.
    numbers = [*range(15), 0]
    vectors = np.random.default_rng(0).normal(size=(16, TEACHER_DIM)).astype(np.float16)
    texts = [f"s{n} s3".encode() for n in numbers], [f"t{n}".encode() for n in numbers]
    pairs = Segment.of_bytes(*texts, vectors, -vectors)
    config = BatchConfig(size=SIZE, length=LENGTH, window=2)
    mixture = Mixture({"de-en": InMemory(pairs)}, temperature=1.0, seed=0, window=2 * SIZE)

    def make(worker, workers):
        return training_batches(mixture, Tokenizer(vocabulary), config, seed=0, worker=worker, num_workers=workers)

    return distribute_batches(TwoCores(), make)


def make_model(chunk=0, kind=DistillationModel, dropout=0.1):
    """A tiny encoder and all three losses, and AdamW with clipping."""
    keras.utils.set_random_seed(0)
    encoder = Encoder(
        37,
        8,
        1,
        2,
        16,
        max_positions=LENGTH,
        dropout=dropout,
        seed=3,
        execution=execution_of(TrainingConfig(strategy="tpu")),
    )
    loss = LossConfig(feature=10.0, logit=0.02, scale=10.0, temperature=10.0)
    model = kind(encoder, loss, 0, TEACHER_DIM, chunk=chunk, static_shapes=True)
    optimizer = make_optimizer(OptimizerConfig(learning_rate=0.01, warmup_steps=1, clip_norm=0.5), 10)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, jit_compile=False)
    return model


def trace(step, *signature):
    return tf.function(step, autograph=False).get_concrete_function(*signature)


def test_the_batches_of_a_core_are_static_and_of_32_bits(batches):
    rows = SIZE // REPLICAS
    columns = {
        "token_ids": tf.TensorSpec((rows, LENGTH), tf.int32),
        "fingerprint": tf.TensorSpec((rows,), tf.int32),
        "teacher": tf.TensorSpec((rows, TEACHER_DIM), tf.float32),
    }
    expected = {f"{side}_{name}": column for side in ("source", "target") for name, column in columns.items()}
    assert batches.element_spec == expected


@pytest.mark.parametrize("chunk", [0, 2])
def test_the_step_is_fit_for_a_tpu(batches, chunk):
    """As `strategy.run` gets it: embeddings, all three losses, gradients, clipping and AdamW."""
    step = trace(make_model(chunk).train_step, batches.element_spec)
    assert lint(step) == []
    # It looked at what there is to see.
    assert {"ResourceApplyAdam", "StatelessRandomUniformV2"} <= operations(step)


def operations(function):
    """The types of the operations of a traced function and of all that it calls."""
    definition = function.graph.as_graph_def()
    nodes = (*definition.node, *(node for part in definition.library.function for node in part.node_def))
    return {node.op for node in nodes}


class Careless(DistillationModel):
    """The mistake: padding is taken out of the batch, which leaves as many tokens as there happen to be."""

    def call(self, batch, training=False):
        tf.boolean_mask(batch["source_token_ids"], tf.not_equal(batch["source_token_ids"], self.pad_id))
        return super().call(batch, training)


def test_the_lint_sees_a_length_that_depends_on_the_batch_in_the_step(batches):
    complaints = lint(trace(make_model(kind=Careless).train_step, batches.element_spec))
    assert any(complaint.startswith("Where ") for complaint in complaints)
    assert any(complaint.startswith("shape (None,)") for complaint in complaints)


def test_the_lint_sees_what_chunks_are_added_up_by_elsewhere(batches):
    """On processors, only the rows of the table that a batch looks up: `tf.unique`."""
    model = make_model(chunk=2)
    model.static_shapes = False
    assert any(complaint.startswith("Unique ") for complaint in lint(trace(model.train_step, batches.element_spec)))


TEXT = tf.TensorSpec((4,), tf.string)
INTEGERS = tf.TensorSpec((4,), tf.int32)


def look_up(numbers):
    pairs = tf.lookup.KeyValueTensorInitializer(tf.range(4), tf.range(4))
    return tf.lookup.StaticHashTable(pairs, -1).lookup(numbers)


def in_a_loop(numbers):
    return tf.while_loop(lambda i: i < 3, lambda i: i + tf.size(tf.unique(numbers).y), [0])


@pytest.mark.parametrize(
    ("function", "spec", "complaint"),
    [
        (lambda numbers: numbers + 1, INTEGERS, None),
        (lambda text: tf.strings.to_hash_bucket_fast(text, 7), TEXT, "StringToHashBucketFast "),
        (tf.identity, TEXT, "string "),
        (lambda numbers: tf.as_string(numbers), INTEGERS, "AsString "),
        (look_up, INTEGERS, "LookupTableFindV2 "),
        (lambda numbers: tf.numpy_function(np.sin, [numbers], tf.float64), INTEGERS, "PyFunc "),
        (lambda numbers: tf.cast(numbers, tf.int64), INTEGERS, "64 bits "),
        (lambda numbers: numbers, tf.TensorSpec((None,), tf.int32), r"shape \(None,\) "),
        (in_a_loop, INTEGERS, "Unique "),
    ],
)
def test_the_lint(function, spec, complaint):
    complaints = lint(trace(function, spec))
    if complaint is None:
        assert complaints == []
    else:
        assert any(re.match(complaint, found) for found in complaints), complaints


def test_xla_compiles_the_step_and_takes_the_same(batches):
    """With chunks, which hold all there is without them, and loops; without dropout, whose masks XLA draws anew."""
    after = {}
    for compiled in (False, True):
        model = make_model(chunk=2, dropout=0.0)
        step = tf.function(model.train_step, autograph=False, jit_compile=compiled)
        for batch in batches.take(2):
            step(batch)
        losses = {metric.name: metric.result().numpy() for metric in model.metrics}
        assert losses.keys() == {"loss", "additive_margin", "feature", "logit"}
        after[compiled] = losses | {weight.path: weight.numpy() for weight in model.trainable_variables}
    for name, value in after[False].items():
        np.testing.assert_allclose(after[True][name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_xla_refuses_what_is_none_of_its_business():
    """The negative control of the compilation."""
    with pytest.raises(tf.errors.InvalidArgumentError, match="unsupported operations"):
        tf.function(lambda numbers: tf.strings.length(tf.as_string(numbers)), jit_compile=True)(tf.range(4))


@pytest.mark.parametrize("name", [None, "", "local"])
def test_the_tpu_of_this_machine(monkeypatch, name):
    names, strategies = [], []
    monkeypatch.delenv("TPU_NAME", raising=False)
    if name is not None:
        monkeypatch.setenv("TPU_NAME", name)
    resolver = object()
    resolvers = tf.distribute.cluster_resolver.TPUClusterResolver
    monkeypatch.setattr(resolvers, "connect", lambda name: names.append(name) or resolver)
    monkeypatch.setattr(tf.distribute, "TPUStrategy", lambda found: strategies.append(found) or "strategy")
    assert make_strategy("tpu") == "strategy"
    assert names == ["local"]
    assert strategies == [resolver]


def test_a_tpu_of_other_machines(monkeypatch):
    """The processes there are TensorFlow's own and hold no Python, which reads the corpus."""
    monkeypatch.setenv("TPU_NAME", "slice")
    with pytest.raises(UsageError, match=r"^The strategy tpu needs the TPU of this machine.* Received: TPU_NAME=slice"):
        make_strategy("tpu")
