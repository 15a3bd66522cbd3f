"""Plans: what is read, what a run resolves to, and that the paper's experiments, which are files, all do."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from lealla_tf.config import Config
from lealla_tf.errors import UsageError
from lealla_tf.experiments.plan import Experiment, Run, read_experiment, select, trials
from lealla_tf.experiments.results import read_results
from lealla_tf.experiments.table import by_run, table
from lealla_tf.presets import PAPER_PRESETS, preset
from lealla_tf.settings import from_dict

DOCS = Path(__file__).parent.parent.parent / "docs"
FILES = sorted(str(path.relative_to(DOCS)) for path in DOCS.glob("*/*.json") if '"question"' in path.read_text())

# How many runs the paper's tables have.
SIZES = {
    "architectures": 13,
    "dimension_reduction": 7,
    "grid_small": 4 * 3 * 3 * 3,
    **{f"losses_{size}": 6 for size in ("small", "base", "large")},
    **{f"patterns_{size}": 5 for size in ("small", "base", "large")},
}


def base(name):
    """What the command gives: `{teacher}` has the shape of the published LaBSE."""
    if name.endswith(".json"):
        return from_dict(Config, json.loads((DOCS / "replication" / name).read_text()))
    return Config(encoder=preset("labse").encoder) if name == "/labse" else preset(name or "lealla_small")


def resolve(experiment, **kwargs):
    return list(trials(experiment, Path("out"), base, teacher="/labse", **kwargs))


@pytest.mark.parametrize("file", FILES)
def test_every_run_of_every_file_has_a_valid_configuration(file):
    experiment = read_experiment(DOCS / file)
    found = resolve(experiment)
    assert len(found) == len(experiment.all_runs) * len(experiment.seeds)
    checksums = {json.dumps(dataclasses.asdict(trial.config), sort_keys=True) for trial in found}
    assert len(checksums) == len(found), "two runs are the same"
    for trial in found:
        config = trial.config
        assert config.optimizer.warmup_steps <= config.training.steps
        if config.loss.feature and config.loss.feature_pattern == "synchronized":
            assert config.teacher.reduction.endswith(f"/seed_{trial.seed}")
        if config.loss.feature_pattern == "distillation_first":
            assert config.encoder.pooled_dim > config.encoder.embedding_dim


@pytest.mark.parametrize("name", SIZES)
def test_the_paper_s_experiments_are_there(name):
    experiment = read_experiment(DOCS / "experiments" / f"{name}.json")
    assert len(experiment.all_runs) == SIZES[name]
    assert all(len(run.paper) == len(experiment.scores) for run in experiment.runs)


@pytest.mark.parametrize("name", ["students", "dimension_reduction"])
def test_the_results_that_are_kept_are_those_of_the_plan(name):
    """Their tables can be made again from them; a plan that changes leaves them behind."""
    directory = DOCS / "replication" / name
    experiment = read_experiment(directory.with_suffix(".json"))
    results = read_results(directory)
    assert results
    assert {result.run for result in results} <= {run.name for run in experiment.all_runs}
    assert (directory / "table.md").read_text(encoding="utf-8") == table(experiment, by_run(results))


def test_the_architectures_are_the_paper_s_with_one_loss():
    found = resolve(read_experiment(DOCS / "experiments/architectures.json"))
    assert tuple(trial.run.name for trial in found) == PAPER_PRESETS
    for trial in found:
        assert trial.config.encoder == preset(trial.run.name).encoder
        assert (trial.config.loss.additive_margin, trial.config.loss.needs_teacher) == (1.0, False)


def test_the_subsets_of_the_losses():
    found = resolve(read_experiment(DOCS / "experiments/losses_large.json"))
    weights = {t.run.name: (t.config.loss.additive_margin, t.config.loss.feature, t.config.loss.logit) for t in found}
    assert weights == {
        "ams": (1, 0, 0),
        "feature": (0, 1e4, 0),
        "logit": (0, 0, 1e-2),
        "ams+feature": (1, 1e4, 0),
        "ams+logit": (1, 0, 1e-2),
        "all": (1, 1e4, 1e-2),
    }


def test_what_comes_later_counts():
    experiment = Experiment(
        question="?",
        set=("training.steps=10", "loss.margin=0.1", "optimizer.warmup_steps=1"),
        seeds=(3, 4),
        runs=(Run(name="a"), Run(name="b", base="lealla_large", set=("loss.margin=0.2",))),
    )
    found = resolve(experiment, settings=["training.steps=20", "loss.scale=5"])
    assert [(t.run.name, t.seed) for t in found] == [("a", 3), ("a", 4), ("b", 3), ("b", 4)]
    assert [t.config.training.seed for t in found] == [3, 4, 3, 4]
    assert {t.config.training.steps for t in found} == {20}
    assert [t.config.loss.margin for t in found] == [0.1, 0.1, 0.2, 0.2]
    assert [t.config.encoder.hidden_dim for t in found] == [128, 128, 256, 256]
    assert found[3].directory == Path("out/runs/b/seed_4")
    # The command's count before a run's own.
    assert resolve(experiment, settings=["loss.margin=0.7"])[3].config.loss.margin == 0.2


def test_places_are_filled_in():
    first = Run(name="first", base="{teacher}", set=("training.init_from={teacher}",))
    second = Run(name="second", set=("teacher.reduction={first}",))
    found = resolve(Experiment(question="?", seeds=(0, 5), runs=(first, second)))
    assert found[0].config.training.init_from == "/labse"
    assert found[0].config.encoder.hidden_dim == 768
    assert [t.config.teacher.reduction for t in found[2:]] == ["out/runs/first/seed_0", "out/runs/first/seed_5"]
    with pytest.raises(UsageError, match=r"Run first: .* needs a teacher; name one with --teacher\."):
        list(trials(Experiment(question="?", runs=(first,)), Path("out"), base))


def test_a_grid_is_every_combination():
    experiment = Experiment(
        question="?", grid=(("loss.feature=1", "loss.feature=2"), ("loss.logit=0.1", "loss.logit=0"))
    )
    assert {t.run.name: (t.config.loss.feature, t.config.loss.logit) for t in resolve(experiment)} == {
        "feature_1-logit_0.1": (1, 0.1),
        "feature_1-logit_0": (1, 0),
        "feature_2-logit_0.1": (2, 0.1),
        "feature_2-logit_0": (2, 0),
    }


def test_some_of_the_runs_with_other_seeds():
    experiment = Experiment(question="?", runs=(Run(name="a"), Run(name="b")), grid=(("loss.logit=1", "loss.logit=2"),))
    chosen = select(experiment, ["logit_2", "a"], [7, 8])
    assert [run.name for run in chosen.all_runs] == ["a", "logit_2"]
    assert chosen.seeds == (7, 8)
    assert select(experiment, [], []) == experiment
    needing = Experiment(question="?", runs=(*experiment.runs, Run(name="c", set=("teacher.reduction={b}",))))
    assert [run.name for run in select(needing, ["c"], []).runs] == ["b", "c"]
    with pytest.raises(UsageError, match=r"There is no run 'c'. Runs: a, b, logit_1, logit_2\."):
        select(experiment, ["c"], [])


REFUSED = [
    ({"runs": []}, "An experiment needs `runs` or a `grid`."),
    ({"runs": [{"name": "a/b"}]}, "A run's `name` must be of letters, digits and _ . + -"),
    ({"runs": [{"name": "teacher"}]}, "and not be `teacher`. Received: 'teacher'."),
    ({"runs": [{"name": "a"}, {"name": "a"}]}, "Two runs must not have one name. Received: a."),
    ({"runs": [{"name": "a"}], "seeds": []}, "`seeds` must name at least one seed."),
    ({"runs": [{"name": "a"}], "seeds": [1, 1]}, "`seeds` must differ. Received: (1, 1)."),
    ({"grid": [[]]}, "Each axis of `grid` must have at least one setting."),
    ({"runs": [{"name": "a", "set": ["teacher.reduction={b}"]}, {"name": "b"}]}, "an earlier run. Received: {b}, in"),
    ({"runs": [{"name": "a", "sets": []}]}, "Unknown field `sets` in `runs[0]`. Valid fields: name, base, set, paper."),
]


@pytest.mark.parametrize(("values", "message"), REFUSED)
def test_what_is_refused(tmp_path, values, message):
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps({"question": "?", **values}))
    with pytest.raises(UsageError, match=re.escape(message)) as error:
        read_experiment(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_run_without_a_valid_configuration_is_named():
    experiment = Experiment(question="?", runs=(Run(name="a"), Run(name="b", set=("loss.margin=2",))))
    with pytest.raises(UsageError, match=r"Run b: .*`margin` must be in \[0, 1\)\. Received: margin=2"):
        resolve(experiment)
