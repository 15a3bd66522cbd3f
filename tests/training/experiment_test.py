"""`lealla experiment` from start to end, and from the middle: interrupted, killed, and started again."""

import json
import signal

import numpy as np
import pytest

from lealla_tf.checkpoints import load_checkpoint

RUNS = [
    {"name": "plain"},
    {"name": "distilled", "set": ["loss.feature=100"], "paper": [80.0]},
    {"name": "reduction", "set": ["training.trained=reduction", "training.init_from={teacher}",
                                  "encoder.embedding_dim=12"]},
    {"name": "synchronized", "set": ["loss.feature=100", "loss.feature_pattern=synchronized",
                                     "teacher.reduction={reduction}", "encoder.embedding_dim=12"]},
]  # fmt: skip
SETTINGS = ["training.steps=16", "training.checkpoint_every=8", "training.log_every=4"]


@pytest.fixture
def command(start, task, unbroken, tmp_path):
    """Starts the experiment, or goes on with it."""
    path = tmp_path / "experiment.json"
    plan = {"question": "Which is better?", "base": str(task / "config.json"), "set": SETTINGS, "runs": RUNS}
    path.write_text(json.dumps(plan))
    corpus = [f"--corpus={language}={task / f'{language}.tsv'}" for language in ("de", "fr")]
    teacher = [f"--teacher={unbroken.path}", f"--vocabulary={task / 'vocabulary.txt'}"]
    arguments = ["experiment", path, *corpus, *teacher, f"--output={tmp_path / 'out'}"]
    return lambda *more, **environment: start("command.py", *arguments, *more, **environment)


@pytest.mark.slow
def test_an_experiment_that_is_stopped_and_killed_ends_as_if_nothing_had_happened(command, start, task, tmp_path):
    """Each run is that of `lealla train` with its configuration; all share one corpus and its targets."""
    out = tmp_path / "out"
    child = command(HOOK="interrupt:5")
    assert child.complaint(130) == "Stopped. The same command goes on from there."
    assert "| plain | not run |" in child.out.read_text()
    assert command(HOOK="kill_in_step:12").wait() == -signal.SIGKILL
    child = command()
    assert child.wait() == 0, child.errors()
    table = child.out.read_text()
    assert (out / "table.md").read_text() == table
    assert table.startswith("Which is better?\n\n| run | seeds | parameters |")
    assert [line.split(" | ")[:2] for line in table.splitlines()[4:]] == [[f"| {run['name']}", "1"] for run in RUNS]
    assert all((out / f"{name}.png").is_file() for name in ("learning_curves", "scores", "parameters"))
    assert json.loads((out / "corpus/manifest.json").read_text())["teacher"]["dim"] == 32

    single = tmp_path / "single"
    run = out / "runs/plain/seed_0"
    arguments = [f"--config={run / 'config.json'}", f"--vocabulary={task / 'vocabulary.txt'}", f"--output={single}"]
    other = start("command.py", "train", *arguments)
    # A second start finds all done, and shows it.
    again = command()
    assert other.wait() == again.wait() == 0, other.errors() + again.errors()
    assert again.out.read_text() == table
    assert "run 1 of" not in again.errors()
    expected = load_checkpoint(single).read_weights()
    for name, value in load_checkpoint(run).read_weights().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    result = json.loads((out / "results/synchronized/seed_0.json").read_text())
    assert set(result["metrics"]) == {"validation/precision_at_1"}
    assert result["curve"]["step"] == [4, 8, 12, 16]


def test_what_cannot_be_carried_out_ends_in_one_line(command, tmp_path):
    faults = {
        "Run reduction: 'training.init_from={teacher}' needs a teacher; name one with --teacher.": ["--teacher="],
        "The run distilled needs a teacher; name one with --teacher.": ["--teacher=", "--only=distilled"],
        "There is no run 'other'. Runs: plain, distilled, reduction, synchronized.": ["--only=other"],
        "--seeds must be numbers, such as 0,1,2. Received: 'a'.": ["--seeds=a"],
        "--benchmark must be NAME=DIR, of tatoeba,": ["--benchmark=tatoeba"],
        "--languages needs one --benchmark, whose languages they are.": ["--languages=deu"],
    }
    children = [command(*more) for more in faults.values()]
    for fault, child in zip(faults, children, strict=True):
        assert fault in child.complaint(2)
