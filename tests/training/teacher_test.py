"""Distilling from a checkpoint: with targets that were stored, and with a teacher within the step."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import LossConfig
from lealla_tf.files import sha256
from lealla_tf.inference.sentence_encoder import embed_with
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary
from lealla_tf.training.distillation_model import DistillationModel

SETTINGS = {
    "loss.feature": 100, "loss.logit": 0.1, "encoder.dropout": 0, "encoder.hidden_dim": 16, "training.log_every": 1,
    "training.steps": 8, "training.checkpoint_every": 4,
}  # fmt: skip
STUDENT = [argument for name, value in SETTINGS.items() for argument in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def prepared(start, task, unbroken, tmp_path_factory):
    """The corpus as shards, `with` the run's embeddings as targets and `without`."""
    directory = tmp_path_factory.mktemp("prepared")
    corpus = [f"--corpus={language}={task / f'{language}.tsv'}" for language in ("de", "fr")]
    common = ["prepare", *corpus, "--validation-pairs=10", "--shard-pairs=128"]
    teachers = {"with": [f"--teacher={unbroken.path}"], "without": []}
    children = [start("command.py", *common, *more, f"--output={directory / name}") for name, more in teachers.items()]
    for child in children:
        assert child.wait() == 0, child.errors()
    return directory


def change_weights(run):
    """Makes another model of the run's best checkpoint, one that is whole."""
    checkpoint = run.path / run.state["best"]
    with np.load(checkpoint / "encoder.npz") as file:
        np.savez(checkpoint / "encoder.npz", **{name: 2 * value for name, value in dict(file).items()})
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    manifest["files"]["encoder.npz"] = sha256(checkpoint / "encoder.npz")
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def runs(run, start, task, tmp_path):
    """Makes runs with names."""
    return lambda name: type(run)(start, task, tmp_path / name)


def test_stored_targets_and_a_teacher_on_the_fly_agree_to_float16(unbroken, prepared, runs):
    """And embedding in chunks, teacher and student, changes nothing."""
    stored, on_the_fly, chunked = runs("stored"), runs("on_the_fly"), runs("chunked")
    teacher = f"--teacher={unbroken.path}"
    before = {path: path.read_bytes() for path in unbroken.path.rglob("*.npz")}
    children = [
        stored.start_on(f"--corpus={prepared / 'with'}", *STUDENT),
        on_the_fly.start_on(f"--corpus={prepared / 'without'}", teacher, *STUDENT),
        chunked.start_on(f"--corpus={prepared / 'without'}", teacher, *STUDENT, "--global-batch=32", "--chunk=8"),
    ]
    for child in children:
        assert child.wait() == 0, child.errors()
    assert len(stored.losses) == len(on_the_fly.losses) == 8
    for one, other in zip(stored.losses, on_the_fly.losses, strict=True):
        for name in ("loss", "additive_margin", "feature", "logit"):
            assert one[name] == pytest.approx(other[name], rel=2e-3), (one["step"], name)
    for one, other in zip(on_the_fly.losses, chunked.losses, strict=True):
        for name in ("loss", "additive_margin", "feature", "logit"):
            assert one[name] == pytest.approx(other[name], rel=1e-4), (one["step"], name)
    assert stored.losses[0]["feature"] > 0.005
    manifests = [
        json.loads((run.path / run.state["last"] / "manifest.json").read_text()) for run in (stored, on_the_fly)
    ]
    assert manifests[0]["teacher"] == manifests[1]["teacher"] is not None
    # The width of the targets is the teacher's, and the teacher's weights are no part of the run.
    state = on_the_fly.last()
    assert state["projection/kernel"].shape == (16, 32)
    assert state.keys() == stored.last().keys()
    assert {path: path.read_bytes() for path in unbroken.path.rglob("*.npz")} == before


def test_another_teacher_under_the_same_name(unbroken, prepared, runs, tmp_path):
    teacher = runs("teacher")
    shutil.copytree(unbroken.path, teacher.path)
    run = runs("run")
    arguments = [f"--corpus={prepared / 'without'}", f"--teacher={teacher.path}", *STUDENT]
    assert run.start_on(*arguments, HOOK="interrupt:4").wait() == 130
    change_weights(teacher)
    complaint = run.start_on(*arguments).complaint(2)
    assert complaint == f"lealla: {run.path} holds a run with another teacher; name another --output."


def test_targets_of_another_teacher(unbroken, prepared, runs):
    """A teacher that is named must be the one that the corpus was prepared with."""
    other = runs("other")
    shutil.copytree(unbroken.path, other.path)
    change_weights(other)
    complaint = runs("run").start_on(f"--corpus={prepared / 'with'}", f"--teacher={other.path}", *STUDENT).complaint(2)
    assert complaint == (
        f"lealla: The corpus holds the targets of another teacher ({unbroken.path}) than {other.path}; prepare it "
        "with this one, or leave out --teacher."
    )


def test_a_damaged_shard_ends_in_one_line(prepared, run, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(prepared / "with", damaged)
    for shard in damaged.glob("en-??-0*.tfrecord"):
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 255
        shard.write_bytes(content)
    complaint = run.start_on(f"--corpus={damaged}", *STUDENT).complaint(1)
    assert complaint.startswith(f"lealla: {damaged}/en-")
    assert ".tfrecord: is damaged (" in complaint


def test_without_a_teacher_the_distillation_losses_are_switched_off_and_it_is_said(run):
    child = run.start("--set", "loss.feature=100", HOOK="interrupt:1")
    assert child.wait() == 130
    assert "No teacher is given: training with the additive-margin loss alone (loss.feature = loss.logit = 0)." in (
        child.errors()
    )
    assert json.loads((run.path / "config.json").read_text())["loss"]["feature"] == 0.0


class Strings(tf.Module):
    """From strings to vectors of seven components that are not of unit length."""

    def __init__(self):
        super().__init__()
        self.table = tf.Variable(tf.random.stateless_normal([50, 7], [0, 0]) * 5)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, strings):
        return tf.gather(self.table, tf.strings.to_hash_bucket_fast(strings, 50))


class Preprocessor(tf.Module):
    """From strings to LaBSE's inputs."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, strings):
        ids = tf.cast(tf.io.decode_raw(strings, tf.uint8, fixed_length=8), tf.int32)
        return {"input_word_ids": ids, "input_mask": tf.cast(ids > 0, tf.int32), "input_type_ids": tf.zeros_like(ids)}


class Ids(tf.Module):
    """From LaBSE's inputs to LaBSE's outputs."""

    def __init__(self):
        super().__init__()
        self.table = tf.Variable(tf.random.stateless_normal([256, 7], [0, 0]) * 5)

    @tf.function(
        input_signature=[
            {name: tf.TensorSpec([None, None], tf.int32) for name in ("input_word_ids", "input_mask", "input_type_ids")}
        ]
    )
    def __call__(self, inputs):
        rows = tf.gather(self.table, inputs["input_word_ids"])
        return {"default": tf.reduce_sum(rows, axis=1), "pooled_output": rows[:, 0], "sequence_output": rows}


def test_saved_models_as_teachers(runs, tmp_path):
    """Of strings, and of ids with a preprocessor; their width of 7 is found."""
    for name, module in (("strings", Strings()), ("ids", Ids()), ("preprocessor", Preprocessor())):
        tf.saved_model.save(module, str(tmp_path / name))
    teachers = {
        "of_strings": [f"--teacher={tmp_path / 'strings'}"],
        "of_ids": [f"--teacher={tmp_path / 'ids'}", f"--teacher-preprocessor={tmp_path / 'preprocessor'}"],
    }
    started = {name: runs(name).start(*more, *STUDENT, HOOK="interrupt:3") for name, more in teachers.items()}
    for name, child in started.items():
        assert child.wait() == 130, child.errors()
        run = runs(name)
        assert run.last()["projection/kernel"].shape == (16, 7)
        # Of each side, the mean squares of a unit vector's seven components, and of a projection by a kernel of
        # (16, 7) that is drawn with the variance 2 / (16 + 7).
        assert run.losses[0]["feature"] == pytest.approx(2 * (1 / 7 + 2 / 23), rel=0.25)


def test_a_step_leaves_the_teacher_as_it_is():
    """Its weights are none of the model's, and no gradient reaches them."""
    keras.utils.set_random_seed(0)
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"])
    teacher_encoder = Encoder(len(vocabulary), 12, 1, 2, 8, max_positions=6)
    teacher = embed_with(teacher_encoder, Tokenizer(vocabulary), 6)
    student = Encoder(len(vocabulary), 4, 1, 1, 4, max_positions=6)
    model = DistillationModel(student, LossConfig(), 0, teacher.dim, teacher.embed_inputs)
    model.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=False)
    ids = {id(variable) for variable in teacher_encoder.variables}
    assert not ids & {id(variable) for variable in model.variables}
    before = [variable.numpy() for variable in teacher_encoder.variables]
    batch = {}
    for side, texts in (("source", ["a b", "c"]), ("target", ["b", "a c c"])):
        batch[f"{side}_token_ids"] = tf.constant([[2, 5, 6, 3], [2, 7, 3, 0]])
        batch[f"{side}_fingerprint"] = tf.constant([1, 2], tf.int64)
        batch[f"{side}_teacher"] = teacher.inputs(tf.constant(texts))
    kernel = model.projection.kernel.numpy()
    model.train_step(batch)
    assert np.abs(model.projection.kernel.numpy() - kernel).max() > 0
    for variable, value in zip(teacher_encoder.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
