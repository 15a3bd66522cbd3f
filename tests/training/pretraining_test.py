"""Pre-training: the loss on several replicas, runs of `lealla pretrain`, and what starts from them."""

import json

import numpy as np
import pytest

from lealla_tf.checkpoints import load_checkpoint
from lealla_tf.config import BatchConfig, Config
from lealla_tf.errors import UsageError
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary
from lealla_tf.training.pretraining import check_settings


@pytest.fixture(scope="module")
def steps(start, tmp_path_factory):
    """What one and two replicas made of the same batches."""
    directory = tmp_path_factory.mktemp("steps")
    found = []
    children = [start("steps.py", directory / f"{n}.npz", n, "pretraining") for n in (1, 2)]
    for number, child in enumerate(children, start=1):
        assert child.wait() == 0, child.errors()
        with np.load(directory / f"{number}.npz") as file:
            found.append({name.removeprefix("pretraining:"): value for name, value in file.items()})
    return found


def test_two_replicas_do_what_one_does(steps):
    """Their parts of a batch hide 3 and 4 tokens: a mean of means would differ."""
    one, two = steps
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_the_loss_is_that_of_guessing_among_forty_pieces(steps):
    np.testing.assert_allclose(steps[0]["loss/loss"], np.log(40), atol=1)
    assert ((steps[0]["loss/accuracy"] >= 0) & (steps[0]["loss/accuracy"] <= 1)).all()


class Pretraining:
    """Runs of `lealla pretrain` on the task."""

    def __init__(self, start, task, path):
        self.path = path
        self._start, self._task = start, task

    def start(self, *more, **environment):
        files = [f"--config={self._task / 'config.json'}", f"--vocabulary={self._task / 'vocabulary.txt'}"]
        files.append(f"--corpus=de={self._task / 'de.tsv'}")
        return self._start("command.py", "pretrain", *files, f"--output={self.path}", *more, **environment)

    @property
    def last(self):
        path = self.path / json.loads((self.path / "run.json").read_text())["last"]
        with np.load(path / "training.npz") as file:
            return dict(file)

    @property
    def losses(self):
        entries = [json.loads(line) for line in (self.path / "metrics.jsonl").read_text().splitlines()]
        return [entry["loss"] for entry in entries]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "fr.txt"
    path.write_text("".join(f"fr{n} fr{n + 1} fr{n + 2}\n" for n in range(30)))
    return f"--text=fr={path}"


@pytest.fixture(scope="module")
def unbroken_pretraining(start, task, text, tmp_path_factory):
    run = Pretraining(start, task, tmp_path_factory.mktemp("pretraining") / "run")
    child = run.start(text)
    assert child.wait() == 0, child.errors()
    assert "pairs to train on; language pairs: 1\n30 sentences to train on; languages: 1\n" in child.errors()
    return run


def test_a_run_learns_from_pairs_and_text(unbroken_pretraining):
    losses = unbroken_pretraining.losses
    assert losses[-1] < losses[0] - 0.3
    manifest = load_checkpoint(unbroken_pretraining.path).manifest
    assert manifest["languages"] == ["de", "en", "fr"]
    assert any(name.startswith("head/") for name in unbroken_pretraining.last)


@pytest.mark.slow
def test_a_run_that_was_killed_ends_as_if_nothing_had_happened(start, task, text, tmp_path, unbroken_pretraining):
    run = Pretraining(start, task, tmp_path / "run")
    assert run.start(text, HOOK="kill_in_step:40").wait() == -9
    assert run.start(text).wait() == 0
    assert run.last.keys() == unbroken_pretraining.last.keys()
    for name, value in unbroken_pretraining.last.items():
        np.testing.assert_array_equal(run.last[name], value, err_msg=name)


def test_a_deeper_run_starts_from_its_layers_and_its_head(start, task, text, tmp_path, unbroken_pretraining):
    run = Pretraining(start, task, tmp_path / "run")
    stacked = (f"--stack-from={unbroken_pretraining.path}", "--set", "encoder.num_layers=2")
    few = ("training.steps=1", "optimizer.warmup_steps=0", "optimizer.learning_rate=1e-12")
    child = run.start(text, *stacked, *(word for setting in few for word in ("--set", setting)))
    assert child.wait() == 0, child.errors()
    before, after = unbroken_pretraining.last, run.last
    for name in ("head/bias", "head/transform/kernel", "encoder/layer_0/output/kernel"):
        np.testing.assert_allclose(after[name], before[name], atol=1e-6, err_msg=name)
    np.testing.assert_allclose(
        after["encoder/layer_1/output/kernel"], before["encoder/layer_0/output/kernel"], atol=1e-6
    )
    assert run.losses[0] < unbroken_pretraining.losses[0], "what was learnt is worth something in a deeper encoder"


def test_training_starts_from_it(run, unbroken_pretraining):
    few = ("training.steps=1", "optimizer.warmup_steps=0", "optimizer.learning_rate=1e-12")
    child = run.start(
        f"--init-from={unbroken_pretraining.path}", *(word for setting in few for word in ("--set", setting))
    )
    assert child.wait() == 0, child.errors()
    name = "layer_0/attention/query/kernel"
    np.testing.assert_allclose(run.last("encoder")[name], unbroken_pretraining.last[f"encoder/{name}"], atol=1e-6)


def test_a_distillation_run_is_no_pretraining_run(run, unbroken, task, start):
    child = Pretraining(start, task, unbroken.path).start()
    assert "holds a run with" in child.complaint(2)


@pytest.mark.parametrize(
    ("batch", "message"),
    [({"chunk": 64}, "set batch.chunk=0"), ({"length": 4}, "at least 5, for two segments. Received: 4")],
)
def test_settings_that_it_cannot_have(batch, message):
    vocabulary = Vocabulary(SPECIAL_PIECES)
    config = Config(batch=BatchConfig(**batch))
    config = type(config)(encoder=type(config.encoder)(vocabulary_size=5), batch=config.batch)
    with pytest.raises(UsageError, match=message):
        check_settings(config, vocabulary)
