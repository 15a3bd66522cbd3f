"""`lealla prepare` in-process, with a teacher that is two numbers."""

import argparse
import json
import subprocess
import sys
import types

import numpy as np
import pytest

from lealla_tf.cli import prepare
from lealla_tf.errors import DataError, UsageError


class FakeTeacher:
    dim = 2
    fingerprint = "abc"

    def embed(self, sentences):
        return np.tile(np.float32([0.6, 0.8]), (len(sentences), 1))


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "de.tsv"
    rows = [f"Sentence {n}.\tSatz {n}." for n in range(40)]
    path.write_text("\n".join([*rows, "no tab", "same\tsame"]) + "\n", encoding="utf-8")
    return f"de={path}"


@pytest.fixture
def loaded(monkeypatch):
    """Puts the teacher in the place of every model and records what was asked for."""
    calls = []
    module = types.ModuleType("lealla_tf.inference.loading")
    module.load_sentence_encoder = lambda model, preprocessor="": calls.append((model, preprocessor)) or FakeTeacher()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def run(*arguments):
    parser = argparse.ArgumentParser()
    prepare.add_arguments(parser)
    prepare.run(parser.parse_args(list(map(str, arguments))))


def manifest(directory):
    return json.loads((directory / "manifest.json").read_text(encoding="utf-8"))


def test_the_directory_goes_to_stdout_and_the_rest_to_stderr(corpus, loaded, capsys, tmp_path):
    output = tmp_path / "new" / "out"
    run(
        *("--corpus", corpus, "--teacher", "the/model", "--teacher-preprocessor", "the/preprocessor"),
        *("--validation-pairs", 2, "--shard-pairs", 16, "--seed", 5, "--output", output),
    )
    out, err = capsys.readouterr()
    assert out == f"{output}\n"
    assert loaded == [("the/model", "the/preprocessor")]
    lines = err.splitlines()
    assert lines[0].startswith("40 of 40 pairs, ") and lines[0].endswith(" a second")
    assert lines[1].split() == ["file", "pair", "kept", "dropped", "no_tab", "identical"]
    assert lines[2].split()[1:] == ["en-de", "40", "2", "1", "1"]
    found = manifest(output)
    assert found["teacher"] == {"model": "the/model", "fingerprint": "abc", "dim": 2}
    assert (found["validation_pairs"], found["shard_pairs"], found["seed"]) == (2, 16, 5)
    assert [shard["pairs"] for shard in found["language_pairs"]["en-de"]["shards"]] == [16, 16, 6]


def test_no_teacher_is_loaded_unless_one_is_named(corpus, loaded, tmp_path):
    run("--corpus", corpus, "--output", tmp_path / "out", "--set", "filter.identical=false")
    assert loaded == []
    found = manifest(tmp_path / "out")
    assert found["teacher"] is None and found["filter"]["identical"] is False
    assert found["files"][0]["kept"] == 41


def test_the_same_command_again_changes_nothing(corpus, loaded, capsys, tmp_path):
    arguments = ("--corpus", corpus, "--teacher", "the/model", "--output", tmp_path / "out")
    run(*arguments)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.tfrecord")}
    run(*arguments)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.tfrecord")} == before
    assert "40 of 40 pairs\n" in capsys.readouterr().err


def test_mistakes_are_told_before_the_teacher_is_loaded(corpus, loaded, tmp_path):
    for arguments, error, message in [
        (["--shard-pairs", 0], UsageError, r"^--shard-pairs must be at least 1. Received: 0.$"),
        (["--validation-pairs", -1], UsageError, r"^--validation-pairs must be at least 0. Received: -1.$"),
        (["--seed", -1], UsageError, r"^--seed must be at least 0. Received: -1.$"),
        (["--set", "filter.scripts=true"], UsageError, r"^Unknown field `scripts` in `filter`. Valid fields: max_char"),
        (["--corpus", f"de={tmp_path / 'no.tsv'}"], DataError, r"no.tsv: does not exist; name an existing file"),
        (["--output", corpus.partition("=")[2] + "/out"], DataError, r"out: cannot be written, for .* is a file"),
    ]:
        with pytest.raises(error, match=message):
            run("--corpus", corpus, "--teacher", "the/model", "--output", tmp_path / "out", *arguments)
    with pytest.raises(UsageError, match=r"^No corpus is given; name one with --corpus.$"):
        run("--teacher", "the/model", "--output", tmp_path / "out")
    assert loaded == [] and not (tmp_path / "out").exists()


def test_declaring_the_command_imports_nothing_heavy():
    program = (
        "import sys, argparse; from lealla_tf.cli import prepare; prepare.add_arguments(argparse.ArgumentParser());"
        "print(sorted({'numpy', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
