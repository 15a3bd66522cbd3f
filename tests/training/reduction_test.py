"""Runs that reduce a frozen teacher, and students of each pattern, from the command line."""

import json

import numpy as np
import pytest

from lealla_tf.checkpoints import load_checkpoint
from lealla_tf.inference.loading import load_sentence_encoder, load_teacher

SENTENCES = ["e1 e2 e3", "de4 de5", "fr6 fr7 fr8 fr9", "e39 e0"]
REDUCTION = {"encoder.embedding_dim": 12, "training.trained": "reduction", "optimizer.learning_rate": 0.02}
DISTILLED = {"loss.feature": 100, "encoder.dropout": 0, "training.steps": 6, "training.checkpoint_every": 3}


def settings(**values):
    return [argument for name, value in values.items() for argument in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def shards(start, task, unbroken, tmp_path_factory):
    """The corpus with the run's embeddings."""
    directory = tmp_path_factory.mktemp("prepared") / "shards"
    corpus = [f"--corpus={language}={task / f'{language}.tsv'}" for language in ("de", "fr")]
    child = start("command.py", "prepare", *corpus, f"--teacher={unbroken.path}", f"--output={directory}")
    assert child.wait() == 0, child.errors()
    return directory


@pytest.fixture(scope="module")
def reduced(make_run, shards, unbroken):
    """A reduction to 12 dimensions, learnt from stored embeddings."""
    run = make_run("reduced")
    child = run.start_on(f"--corpus={shards}", f"--init-from={unbroken.path}", *settings(**REDUCTION))
    assert child.wait() == 0, child.errors()
    return run


def test_a_reduced_model_is_the_teacher_and_a_dense_layer(reduced, unbroken):
    """Its other weights are the teacher's, bit for bit; it learns; and it can be used as any model."""
    teacher, model = (load_checkpoint(run.path) for run in (unbroken, reduced))
    before, after = teacher.read_weights(), model.read_weights()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert set(after) - set(before) == {"reduction/kernel", "reduction/bias"}
    assert after["reduction/kernel"].shape == (32, 12)
    wide = load_teacher(str(unbroken.path)).embed(SENTENCES)
    narrow = wide @ after["reduction/kernel"] + after["reduction/bias"]
    narrow /= np.linalg.norm(narrow, axis=-1, keepdims=True)
    for load in (load_teacher, load_sentence_encoder):
        np.testing.assert_allclose(load(str(reduced.path)).embed(SENTENCES), narrow, atol=1e-5)
    assert model.manifest["teacher"] == teacher.fingerprint
    assert reduced.losses[-1]["loss"] < 0.9 * reduced.losses[0]["loss"]
    # Nothing is kept of an optimizer for what does not move.
    assert not [name for name in reduced.last() if name.startswith("optimizer/") and "layer_0" in name]


def test_a_reduction_that_was_killed_goes_on(make_run, reduced, shards, unbroken):
    run = make_run("killed")
    arguments = (f"--corpus={shards}", f"--init-from={unbroken.path}", *settings(**REDUCTION))
    assert run.start_on(*arguments, HOOK="kill_in_step:40").wait() < 0
    assert run.start_on(*arguments).wait() == 0
    run.assert_is(reduced)


def test_without_stored_embeddings_they_are_computed(make_run, reduced, unbroken):
    """The same run but for what float16 leaves of the embeddings; dropout is off in what is frozen."""
    run = make_run("computed")
    child = run.start(f"--init-from={unbroken.path}", *settings(**REDUCTION, **{"encoder.dropout": 0.5}))
    assert child.wait() == 0, child.errors()
    # The corpus is in another order than its shards.
    assert run.losses[-1]["loss"] == pytest.approx(reduced.losses[-1]["loss"], rel=0.2)


def test_students_of_the_other_patterns(make_run, reduced, shards, start, tmp_path):
    first = {"loss.feature_pattern": "distillation_first", "encoder.pooled_dim": 32, "encoder.embedding_dim": 12}
    second = {
        "loss.feature_pattern": "synchronized",
        "teacher.reduction": reduced.path,
        "encoder.hidden_dim": 12,
        "encoder.num_heads": 2,
    }
    runs = {name: make_run(name) for name in ("first", "second")}
    children = {
        name: runs[name].start_on(f"--corpus={shards}", *settings(**DISTILLED, **more))
        for name, more in (("first", first), ("second", second))
    }
    for name, child in children.items():
        assert child.wait() == 0, child.errors()
        assert load_sentence_encoder(str(runs[name].path)).embed(SENTENCES).shape == (4, 12)
        assert not [weight for weight in runs[name].last() if weight.startswith("projection/")]
    # The layer that reduces is a part of what is exported.
    exported = tmp_path / "exported"
    child = start("command.py", "export", runs["first"].path, f"--output={exported}")
    assert child.wait() == 0, child.errors()
    assert json.loads((exported / "manifest.json").read_text())["encoder"]["embedding_dim"] == 12
    before, after = (load_sentence_encoder(str(path)).embed(SENTENCES) for path in (runs["first"].path, exported))
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_what_does_not_fit_ends_in_one_line(make_run, reduced, shards, unbroken):
    synchronized = {**DISTILLED, "loss.feature_pattern": "synchronized"}
    faults = {
        "needs a run with training.trained=reduction: set teacher.reduction.": {**synchronized},
        "must be a run with training.trained=reduction.": {**synchronized, "teacher.reduction": unbroken.path},
        "must reduce to the width of the student's embeddings, 32.": {
            **synchronized,
            "teacher.reduction": reduced.path,
        },
        "must be a model that is not reduced.": {**REDUCTION, "training.init_from": reduced.path},
        "set encoder.pooled_dim=32.": {
            **DISTILLED,
            "loss.feature_pattern": "distillation_first",
            "encoder.embedding_dim": 8,
            "encoder.pooled_dim": 16,
        },
    }
    children = [make_run("fault").start_on(f"--corpus={shards}", *settings(**more)) for more in faults.values()]
    for fault, child in zip(faults, children, strict=True):
        assert fault in child.complaint(2)
