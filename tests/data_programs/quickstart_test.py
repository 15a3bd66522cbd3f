"""How the quickstart shows, skips and ends its commands; the commands themselves have their own tests."""

import shlex
from pathlib import Path

import pytest

from data.sample.quickstart import run, shown, train


def test_a_long_command_is_shown_so_that_it_can_be_pasted() -> None:
    command = ["lealla", "vocabulary", *(f"--corpus={n}=a place/{n}.tsv" for n in range(20)), "--output=it's.txt"]
    text = shown(command)
    lines = text.splitlines()
    assert len(lines) > 5 and max(map(len, lines)) < 120
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert shlex.split(text.replace("\\\n", "")) == ["$", *command]
    assert shown(["lealla", "export", "a"]) == "$ lealla export a"


def test_what_was_made_is_not_made_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "made"
    program = f"open({str(made)!r}, 'x').close()"  # fails where it is
    for _ in range(2):
        run("python", "-c", program, makes=made)
    assert capfd.readouterr().out.splitlines()[-1] == f"done before: {made}"
    with pytest.raises(SystemExit) as end:
        run("python", "-c", program, makes=None)
    assert end.value.code == 1


def test_training_is_done_when_the_last_step_has_its_checkpoint(tmp_path: Path, capsys: object) -> None:
    (tmp_path / "checkpoints" / "step_00000400").mkdir(parents=True)
    train("quickstart_student", tmp_path)  # or it would end the program: there is no corpus
    (tmp_path / "checkpoints" / "step_00000400").rename(tmp_path / "checkpoints" / "step_00000300")
    with pytest.raises(SystemExit):
        train("quickstart_student", tmp_path)


def test_a_command_that_is_interrupted_ends_in_its_own_time(tmp_path: Path) -> None:
    """Or Ctrl-C would kill a training before it has saved its checkpoint."""
    program = (
        "import os, pathlib, signal, sys, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(1); "
        f"pathlib.Path({str(tmp_path / 'saved')!r}).touch(); sys.exit(130)"
    )
    with pytest.raises(SystemExit) as end:
        run("python", "-c", program, makes=None)
    assert end.value.code == 130
    assert (tmp_path / "saved").exists()
