"""One step is the same step on 1, 2 and 4 replicas, eager, in a graph and compiled, and the one of the formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import LossConfig, OptimizerConfig, TrainingConfig
from lealla_tf.models.encoder import Encoder
from lealla_tf.presets import PRESETS
from lealla_tf.training.distillation_model import DistillationModel
from lealla_tf.training.execution import execution_of
from lealla_tf.training.optimizer import make_optimizer
from lealla_tf.training.strategy import distribute_batches

SIDES = ("source", "target")
WORKERS = ("chief", "worker")
LOSS = {"feature": 10.0, "logit": 0.02, "scale": 10.0, "temperature": 10.0}
ON_ALL = ["sgd", "sgd_unmasked", "sgd_executions_of_3", "adamw", "wrong_scale", "gradients", "masks", "evaluate"]
ON_ALL += [
    "sgd_chunked",
    "gradients_chunked",
    "cached",
    "one_tape",
    "evaluate_chunked",
    "lazy_adamw",
    "lazy_adamw_chunked",
    "sgd_fused",
    "cached_fused",
    "gradients_dropped",
    "gradients_dropped_fused",
]
ON_WORKERS = ["sgd", "sgd_executions_of_3", "adamw", "lazy_adamw", "gradients", "masks", "evaluate"]
ON_ONE = ["reference", "sgd_eager", "sgd_compiled", "gradients_eager", "gradients_compiled"]
ON_ONE += ["gradients_chunked_eager", "cached_compiled", "one_tape_compiled"]


class Steps:
    """What `steps.py` wrote, by case."""

    def __init__(self, path):
        with np.load(path) as file:
            self._arrays = dict(file)

    def __getitem__(self, case):
        found = {name.partition(":")[2]: value for name, value in self._arrays.items() if name.startswith(f"{case}:")}
        assert found, case
        return found


@pytest.fixture(scope="module")
def steps(start, cluster, tmp_path_factory):
    """The quick cases on one device, on two, and by two processes."""
    directory = tmp_path_factory.mktemp("steps")
    children = {
        count: start("steps.py", directory / f"{count}.npz", count, *names)
        for count, names in {1: ON_ALL + ON_ONE, 2: ON_ALL}.items()
    }
    for name, config in zip(WORKERS, cluster(), strict=True):
        children[name] = start("steps.py", directory / f"{name}.npz", 2, *ON_WORKERS, TF_CONFIG=config)
    for child in children.values():
        assert child.wait(800) == 0, child.errors()
    return {name: Steps(directory / f"{name}.npz") for name in children}


def difference(one, other):
    """The largest difference of any number."""
    assert one.keys() == other.keys()
    return max(np.abs(one[name] - other[name]).max() for name in one)


def close(one, other, tolerance):
    """Whether everything is equal, relative to its size if that is more than 1."""
    assert one.keys() == other.keys()
    return all(np.allclose(one[name], other[name], rtol=tolerance, atol=tolerance) for name in one)


@pytest.mark.parametrize("case", ["sgd", "sgd_unmasked", "sgd_executions_of_3", "gradients", "evaluate"])
def test_two_replicas_are_one_device(steps, case):
    assert close(steps[1][case], steps[2][case], 1e-5)


@pytest.mark.parametrize("worker", WORKERS)
@pytest.mark.parametrize("case", ["sgd", "sgd_executions_of_3", "gradients", "evaluate"])
def test_two_processes_are_one_device(steps, case, worker):
    assert close(steps[1][case], steps[worker][case], 1e-5)


def test_masking_duplicates_matters_in_these_batches(steps):
    """Or the equality of the masked steps would say nothing about the mask's rows."""
    assert difference(steps[1]["sgd"], steps[1]["sgd_unmasked"]) > 0.1


def test_a_local_mean_is_noticed(steps):
    """The negative control: the mistake that is the easiest to make is far outside of the tolerance."""
    assert close(steps[1]["wrong_scale"], steps[1]["sgd"], 0.0)
    assert difference(steps[1]["wrong_scale"], steps[2]["wrong_scale"]) > 0.1


OTHERS = [(case, 2) for case in ("adamw", "lazy_adamw", "lazy_adamw_chunked")]
OTHERS += [(case, worker) for case in ("adamw", "lazy_adamw") for worker in WORKERS]


@pytest.mark.parametrize(("case", "other"), OTHERS)
def test_replicas_are_one_device_with_adamw_decay_and_clipping(steps, case, other):
    weights = [{name: value for name, value in steps[n][case].items() if "weight" in name} for n in (1, other)]
    assert difference(*weights) < 1e-6
    assert close(steps[1][case], steps[other][case], 1e-5)


def test_lazy_steps_are_others_and_do_not_depend_on_chunks(steps):
    assert difference(steps[1]["lazy_adamw"], steps[1]["adamw"]) > 1e-3
    assert close(steps[1]["lazy_adamw"], steps[1]["lazy_adamw_chunked"], 1e-4)


@pytest.mark.parametrize("kind", ["eager", "compiled"])
def test_the_loss_the_gradients_and_the_weights_do_not_depend_on_the_execution(steps, kind):
    assert close(steps[1]["gradients"], steps[1][f"gradients_{kind}"], 1e-5)
    assert close(steps[1]["sgd"], steps[1][f"sgd_{kind}"], 1e-5)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("case", ["sgd", "gradients_dropped", "cached"])
def test_fusing_changes_neither_losses_nor_gradients_nor_weights(steps, count, case):
    """Not even with dropout, whose masks are drawn outside of what is fused."""
    assert close(steps[count][case], steps[count][f"{case}_fused"], 1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_chunks_change_neither_losses_nor_gradients_nor_weights(steps, count):
    for case in ("sgd", "gradients", "evaluate"):
        assert close(steps[count][case], steps[count][f"{case}_chunked"], 1e-5)
    assert close(steps[1]["gradients"], steps[1]["gradients_chunked_eager"], 1e-5)


@pytest.mark.parametrize(
    ("count", "cached", "one_tape"),
    [(1, "cached", "one_tape"), (2, "cached", "one_tape"), (1, "cached_compiled", "one_tape_compiled")],
)
def test_the_second_pass_drops_the_units_of_the_first(steps, count, cached, one_tape):
    """The gradients with dropout are those of the same chunks under a single tape, which pass but once."""
    assert close(steps[count][cached], steps[count][one_tape], 1e-5)
    # Half of all units are dropped: other masks would give altogether other gradients.
    assert difference(steps[count][cached], steps[count]["gradients"]) > 1


@pytest.mark.parametrize("count", [1, 2])
def test_steps_per_execution_change_nothing_but_the_means(steps, count):
    single, triple = steps[count]["sgd"], steps[count]["sgd_executions_of_3"]
    for name, values in single.items():
        expected = values.reshape(2, 3).mean(axis=1) if name.startswith("loss/") else values
        np.testing.assert_allclose(triple[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_training_reduces_the_loss(steps):
    losses = steps[1]["sgd"]["loss/loss"]
    assert losses[-1] < losses[0] - 1


@pytest.mark.parametrize("replicas", [2, *WORKERS])
def test_replicas_drop_different_units(steps, replicas):
    first, second = steps[replicas]["masks"]["draw_0"]
    assert np.abs(first - second).max() > 0.01
    np.testing.assert_allclose(first, steps[1]["masks"]["draw_0"][0], atol=1e-6)


def test_each_side_drops_different_units(steps):
    """Of one and the same sentence."""
    masks = steps[1]["masks"]
    assert np.abs(masks["draw_0"] - masks["target_0"]).max() > 0.01


def test_each_step_drops_different_units(steps):
    assert difference({"": steps[1]["masks"]["draw_0"]}, {"": steps[1]["masks"]["draw_1"]}) > 0.01


def test_the_loss_is_that_of_the_paper(steps):
    """LEALLA, equations 2 to 5, row by row, from the embeddings."""
    known = steps[1]["reference"]
    losses = steps[1]["sgd_unmasked"]
    expected = _paper(known, excluded=np.zeros((8, 8), bool))
    for name, value in expected.items():
        np.testing.assert_allclose(losses[f"loss/{name}"][0], value, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(steps[1]["gradients"]["loss"], _paper(known, _duplicates(known))["loss"], rtol=1e-5)


def _duplicates(known):
    same = [np.equal.outer(known[f"batch_{side}_fingerprint"], known[f"batch_{side}_fingerprint"]) for side in SIDES]
    return (same[0] | same[1]) & ~np.eye(8, dtype=bool)


def _paper(known, excluded):
    """The terms and their weighted sum, in plain loops."""
    count = len(known["source"])
    x, y = known["source"].astype(np.float64), known["target"].astype(np.float64)
    margin_term = 0.0
    for a, b in ((x, y), (y, x)):
        for i in range(count):
            own = np.exp(LOSS["scale"] * (a[i] @ b[i] - 0.3))
            others = [n for n in range(count) if n != i and not excluded[i, n]]
            margin_term -= np.log(own / (own + sum(np.exp(LOSS["scale"] * (a[i] @ b[n])) for n in others)))
    teacher = {side: known[f"batch_{side}_teacher"] for side in SIDES}
    feature = sum(
        np.mean((teacher[side] - (embedding @ known["kernel"] + known["bias"])) ** 2, axis=-1).sum()
        for side, embedding in (("source", x), ("target", y))
    )
    logit = np.mean((LOSS["temperature"] * (teacher["source"] @ teacher["target"].T - x @ y.T)) ** 2)
    terms = {"additive_margin": margin_term / count, "feature": feature / count, "logit": logit}
    loss = terms["additive_margin"] + LOSS["feature"] * terms["feature"] + LOSS["logit"] * terms["logit"]
    return {**terms, "loss": loss}


@pytest.mark.slow
def test_four_replicas_and_compiled_replicas(start, steps, tmp_path):
    children = [
        start("steps.py", tmp_path / "4.npz", 4, "sgd", "adamw", "gradients"),
        start("steps.py", tmp_path / "2.npz", 2, "sgd_compiled", "masks_compiled"),
    ]
    for child in children:
        assert child.wait(500) == 0, child.errors()
    four, compiled = Steps(tmp_path / "4.npz"), Steps(tmp_path / "2.npz")
    for case in ("sgd", "gradients", "adamw"):
        assert close(steps[1][case], four[case], 1e-5)
    assert close(steps[1]["sgd"], compiled["sgd_compiled"], 1e-5)
    first, second = compiled["masks_compiled"]["draw_0"]
    assert np.abs(first - second).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("chunk", "steps_per_execution"), [(64, 1), (0, 2)])
def test_a_large_model_takes_step_after_step(chunk, steps_per_execution):
    """Where much memory is in use, TensorFlow rewrites sums of three tensors, and a second step of a loop fails."""
    keras.utils.set_random_seed(0)
    preset = PRESETS["lealla_small"].encoder
    encoder = Encoder.from_encoder_config(preset, execution=execution_of(TrainingConfig()))
    model = DistillationModel(encoder, LossConfig(feature=0, logit=0, mask_duplicates=False), 0, chunk=chunk)
    optimizer = make_optimizer(OptimizerConfig(name="lazy_adamw", warmup_steps=0), 10)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, steps_per_execution=steps_per_execution, jit_compile=False)
    ids = np.random.default_rng(0).integers(1, preset.vocabulary_size, (2, 256, 16), np.int32)
    columns = dict(zip(("source_token_ids", "target_token_ids"), ids, strict=True))
    dataset = tf.data.Dataset.from_tensors(columns).repeat()
    batches = distribute_batches(tf.distribute.get_strategy(), lambda worker, workers: dataset)
    fitted = model.fit(batches, epochs=3, steps_per_epoch=steps_per_execution, shuffle=False, verbose=0)
    assert np.isfinite(fitted.history["loss"]).all()
    assert len(fitted.history["loss"]) == 3


def test_distillation_needs_the_width_of_the_teacher():
    encoder = Encoder(10, 4, 1, 1, 4, max_positions=4)
    with pytest.raises(ValueError, match=r"needs `teacher_dim`.*Received: teacher_dim=None, feature=1000.0, logit"):
        DistillationModel(encoder, LossConfig(), 0)


def test_no_projection_without_feature_distillation():
    encoder = Encoder(10, 4, 1, 1, 4, max_positions=4)
    model = DistillationModel(encoder, LossConfig(feature=0, logit=0), 0)
    assert model.projection is None
    assert [metric.name for metric in model.metrics] == ["loss", "additive_margin"]
    assert [v.path for v in model.trainable_variables] == [v.path for v in encoder.trainable_variables]
