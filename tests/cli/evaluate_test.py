"""`lealla evaluate` in-process, with a model that knows three languages by heart."""

import argparse
import json
import subprocess
import sys
import types

import numpy as np
import pytest

from lealla_tf.cli import evaluate
from lealla_tf.errors import DataError, UsageError

MEANINGS = ["one", "two", "three", "four"]
# German is learnt; French knows two words of four and takes the others for the first.
WORDS = {"eins": 0, "zwei": 1, "drei": 2, "vier": 3, "un": 0, "deux": 1, "trois": 0, "quatre": 0}


class FakeEncoder:
    """One axis a meaning."""

    dim = 4
    num_parameters = 12_000_000
    trained_languages = ("de", "en")
    fingerprint = "abc"

    def embed(self, sentences):
        return np.eye(4, dtype=np.float32)[[MEANINGS.index(s) if s in MEANINGS else WORDS[s] for s in sentences]]


class DivergedEncoder(FakeEncoder):
    """What training leaves behind after a learning rate that is too high."""

    def embed(self, sentences):
        return np.full((len(sentences), 4), np.nan, np.float32)


@pytest.fixture
def data(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    for code, words in (("deu", list(WORDS)[:4]), ("fra", list(WORDS)[4:])):
        (directory / f"tatoeba.{code}-eng.{code}").write_text("\n".join(words) + "\n", encoding="utf-8")
        (directory / f"tatoeba.{code}-eng.eng").write_text("\n".join(MEANINGS) + "\n", encoding="utf-8")
    return directory


@pytest.fixture
def loaded(monkeypatch):
    """Puts an encoder in the place of every model and records what was asked for."""
    calls = []

    def use(encoder):
        module = types.ModuleType("lealla_tf.inference.loading")
        module.load_sentence_encoder = lambda model, preprocessor="": calls.append((model, preprocessor)) or encoder
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return calls

    return use


def run(*arguments):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    evaluate.run(parser.parse_args(["--benchmark", "tatoeba", *map(str, arguments)]))


def test_table_goes_to_stdout_and_progress_to_stderr(data, loaded, capsys):
    calls = loaded(FakeEncoder())
    run("--data", data, "the/model", "--preprocessor", "the/preprocessor")
    out, err = capsys.readouterr()
    assert calls == [("the/model", "the/preprocessor")]
    assert "Model: the/model, 12.0M parameters, 4 dimensions\n" in out
    assert "deu    German                     4     100.0     100.0   100.0\n" in out
    # Two of four are right in French; among English words "three" and "four" find no French one: ties go to the first.
    assert "fra *  French                     4      50.0      50.0    50.0\n" in out
    assert "the 2 languages evaluated         2      75.0      75.0    75.0\n" in out
    assert [line.split(",")[0] for line in err.splitlines()] == [
        "deu 100.0  8 of 16 sentences",
        "fra  50.0  16 of 16 sentences",
    ]
    assert err.endswith(" a second, 0 min 00 s left\n")


def test_output_holds_the_three_files(data, loaded, capsys, tmp_path):
    loaded(FakeEncoder())
    output = tmp_path / "new" / "output"
    group = tmp_path / "group"
    group.write_text("fra\ndeu\n", encoding="utf-8")
    arguments = ("--data", data, "--languages", "fra, deu", "--group", f"mine={group}", "--output", output, "the/model")
    run(*arguments)
    assert sorted(path.name for path in output.iterdir()) == ["tatoeba.json", "tatoeba.png", "tatoeba.txt"]
    assert (output / "tatoeba.txt").read_text(encoding="utf-8") == capsys.readouterr().out
    assert (output / "tatoeba.png").read_bytes().startswith(b"\x89PNG")
    value = json.loads((output / "tatoeba.json").read_text(encoding="utf-8"))
    assert value["metrics"]["tatoeba/fra-eng/source_to_target/precision_at_1"] == 0.5
    assert value["metrics"]["tatoeba/group_mine/mean/precision_at_1"] == 0.75
    assert value["model"]["fingerprint"] == "abc"
    assert value["absent_from_training"] == ["fra"]

    before = {path.name: path.read_bytes() for path in output.iterdir()}
    (output / "notes").write_text("mine", encoding="utf-8")
    run(*arguments)  # into the existing directory, beside what else is there
    assert {name: (output / name).read_bytes() for name in before} == before
    assert (output / "notes").read_text(encoding="utf-8") == "mine"


def test_a_model_that_diverged_is_a_mistake_in_the_data(data, loaded, capsys, tmp_path):
    loaded(DivergedEncoder())
    with pytest.raises(DataError, match=r"^the/model: `embed` must return finite vectors.*cannot be evaluated.$"):
        run("--data", data, "--output", tmp_path / "output", "the/model")
    assert not (tmp_path / "output").exists()
    assert capsys.readouterr().out == ""


def test_mistakes_are_found_before_the_model_is_loaded(data, loaded, tmp_path):
    calls = loaded(FakeEncoder())
    file = tmp_path / "file"
    file.write_text("deu\n", encoding="utf-8")
    for arguments, error, message in [
        (["--languages", "deu,,fra"], UsageError, "--languages must be codes separated by commas, such as deu,fra."),
        (["--languages", ""], UsageError, "--languages must be codes separated by commas.*Received: ''"),
        (["--languages", "deu,xyz"], UsageError, "No Tatoeba files for xyz"),
        (["--group", "mine"], UsageError, "--group must be name=file, the name of letters, digits and _. .*'mine'"),
        (["--group", "my group=x"], UsageError, "--group must be name=file.*'my group=x'"),
        (["--group", f"14={file}"], UsageError, "--group must not use a name twice. Received: '14', which is taken."),
        (["--group", f"evaluated={file}"], UsageError, "must not use a name twice. Received: 'evaluated'"),
        (["--group", f"a={file}", "--group", f"a={file}"], UsageError, "must not use a name twice. Received: 'a'"),
        (["--group", f"a={file}x"], DataError, "filex: cannot be read"),
        (["--output", file], UsageError, "--output must name a directory. Received: .*file, which is a file."),
        (["--data", tmp_path / "nowhere"], DataError, "nowhere: is not a directory"),
    ]:
        with pytest.raises(error, match=message):
            run("--data", data, *arguments, "the/model")
    assert calls == []


def test_an_unknown_benchmark_is_refused_by_the_parser(capsys):
    with pytest.raises(SystemExit):
        run("--benchmark", "other", "--data", "x", "the/model")
    assert "invalid choice: 'other'" in capsys.readouterr().err


def test_declaring_the_command_imports_nothing_heavy():
    program = (
        "import sys, argparse; from lealla_tf.cli import evaluate; evaluate.add_arguments(argparse.ArgumentParser());"
        "print(sorted({'numpy', 'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
