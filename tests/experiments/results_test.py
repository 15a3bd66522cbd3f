"""Results, the table, the pictures, and going through the runs, with made-up runs."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lealla_tf.errors import DataError, UsageError, UserError
from lealla_tf.experiments.conduct import conduct
from lealla_tf.experiments.pictures import draw
from lealla_tf.experiments.plan import Experiment, Run, trials
from lealla_tf.experiments.results import (
    HELD_OUT,
    config_checksum,
    find_result,
    read_results,
    result_path,
    selected,
    spread,
    summarise,
)
from lealla_tf.experiments.table import by_run, table
from lealla_tf.presets import preset

EXPERIMENT = Experiment(
    question="Which is better?",
    base="quickstart_student",
    seeds=(0, 1),
    runs=(Run(name="plain", paper=(80.3,)), Run(name="never"), Run(name="scaled", set=("loss.scale=10",))),
    grid=(("loss.margin=0.1", "loss.margin=0.2"),),
)
TATOEBA = {"plain": (0.5, 0.6), "scaled": (0.7, 0.7), "margin_0.1": (0.1, 0.1), "margin_0.2": (0.9, 0.9)}
PRECISION = {"plain": (0.2, 0.3), "scaled": (0.4, 0.4), "margin_0.1": (0.5, 0.7), "margin_0.2": (0.6, 0.5)}


def planned(directory):
    return [trial for trial in trials(EXPERIMENT, directory, preset) if trial.run.name != "never"]


def train(trial):
    """Writes the log of a run of 60 steps: 20 at 512 pairs a second, then 40 at 1024."""
    trial.directory.mkdir(parents=True, exist_ok=True)
    name = trial.run.name
    entries = [
        {"step": 20, "loss": 4.0, "pairs_per_second": 512.0},
        {"step": 40, HELD_OUT: PRECISION[name][trial.seed]},
        {"step": 60, "loss": 2.0, "pairs_per_second": 1024.0},
        {"step": 60, HELD_OUT: PRECISION[name][trial.seed] / 2},
    ]
    (trial.directory / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return trial.directory


def evaluate(checkpoint):
    run, seed = checkpoint.parent.name, int(checkpoint.name[-1])
    value = TATOEBA[run][seed]
    # The group's mean is the mean of the languages already.
    return {
        "tatoeba/deu-eng/mean/precision_at_1": value - 0.05,
        "tatoeba/fra-eng/mean/precision_at_1": value + 0.05,
        "tatoeba/fra-eng/source_to_target/precision_at_1": 0.0,
        "tatoeba/group_evaluated/mean/precision_at_1": 0.0,
    }


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("experiment")
    assert conduct(planned(directory), directory, train, evaluate)
    return directory


def test_a_result_by_hand(directory):
    """20 steps of 256 pairs at 512 a second are 10 s, and 40 at 1024 are 10 s more."""
    trial = planned(directory)[1]
    result = find_result(directory, trial)
    assert (result.run, result.seed, result.seconds) == ("plain", 1, 20.0)
    assert result.metrics[HELD_OUT] == 0.3  # of the best checkpoint, which is the one that is judged
    assert result.curve == {"step": [20, 60], "loss": [4.0, 2.0], "held_out": [[40, 60], [0.3, 0.15]]}
    # 4 layers of width 64: 4 (4 (64^2 + 64) + 2 * 64 * 256 + 256 + 64 + 4 * 64), and the pooler, 64^2 + 64.
    assert result.encoder_parameters == 4 * 49_984 + 4_160
    assert result.num_parameters == result.encoder_parameters + (6000 + 64 + 2) * 64 + 2 * 64
    assert result_path(directory, "plain", 1).stat().st_size < 2000


def test_long_curves_are_thinned(directory, tmp_path):
    trial = dataclasses.replace(planned(directory)[0], directory=tmp_path)
    entries = [{"step": step, "loss": 1.0, "pairs_per_second": 1.0} for step in range(1, 1001)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    result = summarise(trial, {"num_parameters": 1, "encoder_parameters": 1}, {})
    assert len(result.curve["step"]) < 70
    assert result.curve["step"][-1] == 1000


def test_mean_and_spread_by_hand(directory):
    """Of 0.5 and 0.6: 0.55, and sqrt(2 * 0.05^2 / 1)."""
    found = spread(by_run(read_results(directory))["plain"], "tatoeba/*-eng/mean/precision_at_1")
    assert found.mean == pytest.approx(0.55)
    assert found.deviation == pytest.approx(0.05 * 2**0.5)
    assert spread([], HELD_OUT) is None


def test_selection_is_by_the_held_out_pairs_and_not_by_the_benchmark(directory):
    results = by_run(read_results(directory))
    assert selected(results, ["margin_0.1", "margin_0.2"]) == "margin_0.1"
    assert selected(results, ["never"]) is None


def test_the_table(directory):
    size = "0.59M | 0.20M"
    assert table(EXPERIMENT, by_run(read_results(directory))) == (
        "Which is better?\n"
        "\n"
        "| run | seeds | parameters | without tables | steps | seconds | held-out pairs | tatoeba | tatoeba (paper) |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        f"| plain | 2 | {size} | 400 | 20 | 25.0 ± 7.1 | 55.0 ± 7.1 | 80.3 |\n"
        "| never | not run | - | - | - | - | - | - | - |\n"
        f"| scaled | 2 | {size} | 400 | 20 | 40.0 ± 0.0 | 70.0 ± 0.0 | - |\n"
        f"| margin_0.1 | 2 | {size} | 400 | 20 | 60.0 ± 14.1 | 10.0 ± 0.0 | - |\n"
        f"| margin_0.2 | 2 | {size} | 400 | 20 | 55.0 ± 7.1 | 90.0 ± 0.0 | - |\n"
        "\n"
        "Selected of the grid, by the held-out pairs of the training corpus: margin_0.1.\n"
    )


def test_the_pictures_show_every_run(directory, tmp_path, monkeypatch):
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **kwargs: figures.append(self) or save(self, *args, **kwargs)
    )
    files = draw(EXPERIMENT, by_run(read_results(directory)), tmp_path)
    assert [file.name for file in files] == ["learning_curves.png", "scores.png", "parameters.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    curves, bars, sizes = figures
    assert [len(axis.lines) for axis in curves.axes] == [8, 8]
    names = list(TATOEBA)
    assert [text.get_text() for text in curves.legends[0].get_texts()] == names
    (axis,) = bars.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == names
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([55, 70, 10, 90])
    assert {text.get_text() for text in sizes.axes[0].texts} == set(names)
    assert draw(EXPERIMENT, {}, tmp_path / "nothing") == []


def test_finished_runs_are_not_repeated(directory):
    assert conduct(planned(directory), directory, lambda trial: pytest.fail(trial.name), evaluate)


def test_a_run_that_is_cut_off_anywhere_is_gone_on_with(tmp_path):
    """In training or in judging: what is written at the end decides."""
    trained, judged = [], []

    def cut_off(trial):
        trained.append(trial.name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train(trial)

    def judge(checkpoint):
        judged.append(checkpoint.name)
        if len(judged) == 2:
            raise KeyboardInterrupt
        return evaluate(checkpoint)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            conduct(planned(tmp_path), tmp_path, cut_off, judge)
    assert not conduct(planned(tmp_path), tmp_path, lambda trial: None, judge)  # told to stop
    assert conduct(planned(tmp_path), tmp_path, cut_off, judge)
    assert trained[:4] == ["plain, seed 0", "plain, seed 1", "plain, seed 1", "plain, seed 1"]
    assert len(read_results(tmp_path)) == 8


def test_a_run_that_fails_by_itself_is_passed_over_and_tried_again(tmp_path):
    lines = []

    def diverge(trial):
        if trial.name == "scaled, seed 1":
            raise UserError("The loss is nan at step 7.")
        return train(trial)

    assert conduct(planned(tmp_path), tmp_path, diverge, evaluate, lines.append)
    assert lines[3:5] == ["run 4 of 8: scaled, seed 1", "scaled, seed 1 failed: The loss is nan at step 7."]
    assert len(read_results(tmp_path)) == 7
    tried = []
    assert conduct(planned(tmp_path), tmp_path, lambda trial: tried.append(trial.name) or train(trial), evaluate)
    assert tried == ["scaled, seed 1"]


@pytest.mark.parametrize("kind", [UsageError, DataError])
def test_what_would_go_wrong_with_all_runs_ends_the_experiment(tmp_path, kind):
    def fail(trial):
        raise kind("no such corpus")

    with pytest.raises(kind, match="no such corpus"):
        conduct(planned(tmp_path), tmp_path, fail, evaluate)


def test_the_result_of_another_run_under_the_same_name(directory):
    changed = planned(directory)[0]
    changed = dataclasses.replace(changed, config=dataclasses.replace(changed.config, loss=preset("labse").loss))
    with pytest.raises(UsageError, match=r"seed_0\.json is of a run with other settings; name another --output"):
        conduct([changed], directory, train, evaluate)


def test_the_checksum_does_not_change_with_places():
    config = preset("quickstart_student")
    moved = dataclasses.replace(config, corpus=dataclasses.replace(config.corpus, files=("elsewhere",)))
    moved = dataclasses.replace(moved, training=dataclasses.replace(config.training, steps_per_execution=2))
    assert config_checksum(moved) == config_checksum(config)
    other = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=1))
    assert config_checksum(other) != config_checksum(config)


def test_files_that_are_something_else(tmp_path):
    path = Path(tmp_path / "results/a/seed_0.json")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(DataError, match=re.escape(f"{path}: is not the result of a run; remove it.")):
        read_results(tmp_path)
    path.write_text(json.dumps({"kind": "lealla-result", "run": "a"}))
    with pytest.raises(DataError, match="is of another version"):
        read_results(tmp_path)
