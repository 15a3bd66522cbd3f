"""Whole runs of `lealla train` in processes of their own: what they write, what they learn, what they refuse."""

import json

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import Config
from lealla_tf.corpus.opening import Corpus
from lealla_tf.errors import UsageError
from lealla_tf.settings import with_settings
from lealla_tf.text.vocabulary import Vocabulary
from lealla_tf.training.distillation import train


def test_files_of_a_run(unbroken):
    names = {".lock", "checkpoints", "config.json", "metrics.jsonl", "run.json", "tensorboard"}
    assert {item.name for item in unbroken.path.iterdir()} == names
    kept = {f"checkpoints/{item.name}" for item in (unbroken.path / "checkpoints").iterdir()}
    assert kept == {unbroken.state["last"], unbroken.state["best"]}
    names = {"config.json", "encoder.npz", "manifest.json", "training.npz", "vocabulary.bin", "vocabulary.txt"}
    assert {item.name for item in (unbroken.path / unbroken.state["last"]).iterdir()} == names


def test_last_is_the_last_step_and_best_the_best_validation(unbroken):
    scores = {entry["step"]: entry["validation/precision_at_1"] for entry in unbroken.validations}
    assert unbroken.last_step == 80
    assert unbroken.state["best_score"] == max(scores.values())
    assert scores[int(unbroken.state["best"][-8:])] == max(scores.values())


def test_configuration_is_resolved(unbroken, task):
    config = json.loads((unbroken.path / "config.json").read_text())
    assert config["encoder"]["vocabulary_size"] == 125
    assert config["encoder"]["activation"] == "gelu_tanh"
    assert config["corpus"]["files"] == [f"{language}={task / f'{language}.tsv'}" for language in ("de", "fr")]
    assert config == json.loads((unbroken.path / unbroken.state["last"] / "config.json").read_text())


def test_entries_of_the_log(unbroken):
    assert [entry["step"] for entry in unbroken.losses] == list(range(5, 81, 5))
    names = {"step", "loss", "additive_margin", "learning_rate", "pairs_per_second"}
    assert all(entry.keys() == names for entry in unbroken.losses)
    assert [entry["step"] for entry in unbroken.validations] == [16, 32, 48, 64, 80]
    directions = ("source_to_target", "target_to_source")
    scores = [f"validation/en-{language}/{way}/precision_at_1" for language in ("de", "fr") for way in directions]
    for entry in unbroken.validations:
        assert entry.keys() == {"step", "validation/precision_at_1", *scores}
        assert entry["validation/precision_at_1"] == pytest.approx(np.mean([entry[name] for name in scores]))


def test_manifest_of_a_checkpoint(unbroken):
    manifest = json.loads((unbroken.path / unbroken.state["last"] / "manifest.json").read_text())
    assert manifest["step"] == 80
    assert manifest["languages"] == ["de", "en", "fr"]
    assert manifest["teacher"] is None
    assert manifest["metrics"].items() <= unbroken.validations[-1].items()


def test_events_are_readable_and_say_the_same(unbroken):
    (path,) = (unbroken.path / "tensorboard").iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(path)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        found |= {(event.step, value.tag): float(tf.make_ndarray(value.tensor)) for value in event.summary.value}
    expected = {
        (entry["step"], name): value for entry in unbroken.entries for name, value in entry.items() if name != "step"
    }
    assert found == pytest.approx(expected, rel=1e-6)


def test_it_learns(unbroken):
    """Chance is 1 in 49."""
    losses = [entry["loss"] for entry in unbroken.losses]
    assert losses[-1] < 0.7 * losses[0]
    scores = [entry["validation/precision_at_1"] for entry in unbroken.validations]
    assert scores[-1] > 0.6
    assert scores[-1] > scores[0]


def test_a_loss_that_is_not_finite_stops_the_run(run):
    """Steps of 1e30 carry the weights out of the range of float32's squares."""
    child = run.start("--set", "optimizer.learning_rate=1e30", "--set", "training.steps_per_execution=1")
    assert child.complaint(1) == (
        "lealla: The loss is nan at step 2; the run stopped, and the checkpoints before it are kept. Lower "
        "optimizer.learning_rate or optimizer.clip_norm, and start again in a new directory."
    )
    assert "last" not in run.state


@pytest.mark.slow
def test_embeddings_that_are_not_finite_are_not_scored(run):
    child = run.start("--set", "optimizer.learning_rate=1e30", "--set", "training.checkpoint_every=1")
    assert child.complaint(1).startswith("lealla: The embeddings are not finite after step 1; the run stopped, and")
    assert "last" not in run.state


@pytest.mark.slow
def test_steps_of_one_execution_are_named_together(run):
    more = ["training.steps_per_execution=16", "training.log_every=16"]
    child = run.start(*(argument for setting in more for argument in ("--set", setting)), HOOK="nan_in_step:17")
    assert child.complaint(1).startswith("lealla: The loss is nan at steps 17 to 32; the run stopped, and")
    assert run.last_step == 16


@pytest.mark.slow
def test_weights_that_are_not_finite_are_not_saved(run):
    """The loss is fine, and its gradient is not."""
    complaint = run.start(HOOK="infinite_weight:32").complaint(1)
    assert complaint.startswith("lealla: The weights are not finite after step 32; the run stopped, and the")
    assert run.last_step == 16


def test_a_step_that_does_not_fit_into_memory(run):
    complaint = run.start(HOOK="out_of_memory:2").complaint(1)
    assert complaint.startswith("lealla: A step does not fit into the memory of the device. Lower batch.size or")


def test_batches_must_divide_among_the_replicas_and_a_failed_start_binds_nothing(run):
    assert run.start("--strategy=mirrored", CPUS="3").complaint(2) == (
        "lealla: batch.size must be a multiple of the number of replicas, 3. Received: batch.size=32."
    )
    assert run.train("--set", "batch.size=30", HOOK="interrupt:1") == 130


def test_chunks_must_divide_the_rows_of_a_replica(run):
    assert run.start("--strategy=mirrored", "--chunk=32", CPUS="2").complaint(2) == (
        "lealla: batch.chunk must divide the rows of a replica, 16. Received: batch.chunk=32."
    )


def test_what_a_tpu_does_not_do(run):
    child = run.start("--strategy=tpu", "--set", "batch.buckets=[]", "--set", "optimizer.name=lazy_adamw")
    assert child.complaint(2) == "lealla: A TPU updates whole tables: set optimizer.name=adamw."


def test_no_tpu(run):
    complaint = run.start("--strategy=tpu", "--set", "batch.buckets=[]").complaint(2)
    assert complaint.startswith("lealla: The strategy tpu needs a TPU, and none was found (")


@pytest.mark.slow
def test_fewer_pairs_than_a_batch(run, task, tmp_path):
    """The pairs are repeated; a step has the size that was asked for."""
    few = tmp_path / "few.tsv"
    few.write_text("".join((task / "de.tsv").read_text().splitlines(keepends=True)[:7]))
    child = run.start_on(f"--corpus=de={few}", "--set", "training.steps=10")
    assert child.wait() == 0, child.errors()
    # A tenth of seven pairs is none to hold out, and what is never scored has no best.
    assert not run.validations
    assert "best" not in run.state
    assert child.out.read_text() == f"{run.path / 'checkpoints' / 'step_00000010'}\n"


@pytest.mark.slow
def test_the_configuration_of_a_run_repeats_it(start, run, task, unbroken):
    files = [f"--config={unbroken.path / 'config.json'}", f"--vocabulary={task / 'vocabulary.txt'}"]
    child = start("command.py", "train", *files, f"--output={run.path}")
    assert child.wait() == 0, child.errors()
    run.assert_is(unbroken)


@pytest.mark.slow
def test_replicas_are_one_device_and_may_change_in_number(start, task, tmp_path, run):
    """Without dropout, whose masks differ with the number of replicas."""
    settings = ["encoder.dropout=0.0", "training.steps_per_execution=2", "training.log_every=8", "training.steps=32"]
    more = [argument for setting in settings for argument in ("--set", setting)]
    runs = {name: type(run)(start, task, tmp_path / name) for name in ("one", "two", "changed")}
    assert runs["one"].train(*more) == 0
    mirrored = [*more, "--strategy=mirrored"]
    assert runs["two"].train(*mirrored, CPUS="2") == 0
    assert runs["changed"].train(*mirrored, CPUS="2", HOOK="interrupt:9") == 130
    assert runs["changed"].train(*mirrored, CPUS="4", HOOK="interrupt:19") == 130
    assert runs["changed"].train(*mirrored, CPUS="1") == 0
    expected = runs["one"].last("encoder")
    # Softmax does not change with the key's bias: its gradient is rounding, which Adam blows up to whole steps.
    del expected["layer_0/attention/key/bias"]
    for name, value in expected.items():
        for other in ("two", "changed"):
            np.testing.assert_allclose(runs[other].last("encoder")[name], value, atol=2e-6, err_msg=name)
    assert [entry["step"] for entry in runs["changed"].losses] == [8, 16, 24, 32]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["encoder.vocabulary_size=9"],
            r"^encoder.vocabulary_size must be the size of the vocabulary, 5. Received: 9\.$",
        ),
        (
            ["training.steps=10", "optimizer.warmup_steps=11"],
            r"^optimizer.warmup_steps must not exceed training.steps, 10; set both. Received: 11\.$",
        ),
        ([], "^The losses need a teacher: name one with --teacher, prepare the corpus with one, or set loss.feature=0"),
        (
            ["training.strategy=tpu", "batch.buckets=[16]", "loss.feature=0", "loss.logit=0"],
            r"^A TPU needs batches of one length: set batch.buckets=\[\]\.$",
        ),
    ],
)
def test_parts_that_do_not_fit_together(tmp_path, settings, message):
    """It is said before anything is made."""
    config = with_settings(Config(), ["encoder.vocabulary_size=5", *settings])
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    with pytest.raises(UsageError, match=message):
        train(config, vocabulary, Corpus({}, {}, "abc"), tmp_path / "run", lambda encoder, tokenizer: None)
    assert not (tmp_path / "run").exists()


class TestInitFrom:
    """Starting from the weights of another run."""

    def start(self, start, task, output, *more):
        settings = ["loss.feature=0", "loss.logit=0", "training.steps=4", "optimizer.warmup_steps=0"]
        settings = [argument for setting in settings for argument in ("--set", setting)]
        return start("command.py", "train", f"--corpus=de={task / 'de.tsv'}", *settings, *more, f"--output={output}")

    def test_shape_vocabulary_and_weights_are_those_of_the_checkpoint(self, start, task, unbroken, run):
        more = ["--set", "optimizer.learning_rate=1e-9", f"--init-from={unbroken.path}"]
        child = self.start(start, task, run.path, *more)
        assert child.wait() == 0, child.errors()
        with np.load(unbroken.path / unbroken.state["best"] / "encoder.npz") as expected:
            found = run.last("encoder")
            assert found.keys() == set(expected)
            for name, value in found.items():
                np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)
        config = json.loads((run.path / "config.json").read_text())
        assert config["encoder"] == json.loads((unbroken.path / "config.json").read_text())["encoder"]
        assert config["training"]["init_from"] == str(unbroken.path)

    def test_another_vocabulary_or_another_shape(self, start, task, unbroken, tmp_path):
        vocabulary = tmp_path / "vocabulary.txt"
        vocabulary.write_text((task / "vocabulary.txt").read_text().replace("fr39", "fr99"))
        origin = f"--init-from={unbroken.path}"
        other_words = self.start(start, task, tmp_path / "words", origin, f"--vocabulary={vocabulary}")
        other_shape = self.start(start, task, tmp_path / "shape", origin, "--set", "encoder.intermediate_dim=16")
        complaint = other_words.complaint(2)
        assert "was trained with another vocabulary; start from it with its own --vocabulary=" in complaint
        assert "use the configuration that it was trained with" in other_shape.complaint(1)
