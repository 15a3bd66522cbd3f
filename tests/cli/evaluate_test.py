"""`lealla evaluate` in-process, with a model that knows three languages by heart."""

import argparse
import json
import subprocess
import sys

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


def run(*arguments, benchmark="tatoeba"):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    evaluate.run(parser.parse_args(["--benchmark", benchmark, *map(str, arguments)]))


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
    assert err.endswith(" a second\n")


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
    with pytest.raises(DataError, match=r"^the/model: `embed` must return finite vectors.*The model cannot be used\.$"):
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
        (["--output", file / "deep"], DataError, "deep/tatoeba.json: cannot be written, for .*file is a file"),
        (["--data", tmp_path / "nowhere"], DataError, "nowhere: is not a directory"),
    ]:
        with pytest.raises(error, match=message):
            run("--data", data, *arguments, "the/model")
    assert calls == []


def test_sts(loaded, tmp_path, capsys):
    loaded(FakeEncoder())
    (tmp_path / "en-de.tsv").write_text("5\tone\teins\n1\ttwo\tdrei\n", encoding="utf-8")
    run("--data", tmp_path, "--output", tmp_path / "results", "the/model", benchmark="sts")
    out, err = capsys.readouterr()
    assert "en-de            2     100.0\n" in out
    assert err.startswith("en-de  2 of 2 pairs, ")
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["sts.json", "sts.txt"]
    assert json.loads((tmp_path / "results" / "sts.json").read_text())["metrics"]["sts/en-de/spearman"] == 1
    (tmp_path / "en-de.tsv").write_text("5\tone\n", encoding="utf-8")
    calls = loaded(FakeEncoder())
    with pytest.raises(DataError, match=r"en-de\.tsv:1: must be score"):
        run("--data", tmp_path, "the/model", benchmark="sts")
    with pytest.raises(UsageError, match=r"--group belongs to tatoeba\. Received: --benchmark sts."):
        run("--data", tmp_path, "--group", "a=b", "the/model", benchmark="sts")
    assert len(calls) == 1


def write_bucc(directory, split, gold):
    directory.mkdir(exist_ok=True)
    for kind, rows in (("de", list(WORDS)[:4]), ("en", MEANINGS)):
        text = "".join(f"{kind}-{number}\t{word}\n" for number, word in enumerate(rows))
        (directory / f"de-en.{split}.{kind}").write_text(text, encoding="utf-8")
    (directory / f"de-en.{split}.gold").write_text("".join(f"de-{a}\ten-{b}\n" for a, b in gold), encoding="utf-8")


def test_bucc(loaded, tmp_path, capsys):
    loaded(FakeEncoder())
    write_bucc(tmp_path / "data", "training", [(0, 0), (1, 1), (2, 2), (3, 3)])
    write_bucc(tmp_path / "data", "sample", [(0, 0), (1, 1), (2, 2), (3, 2)])
    arguments = ("--data", tmp_path / "data", "the/model", "--splits", "training,sample", "--neighbours", "2")
    run(*arguments, "--output", tmp_path / "results", "--cache", tmp_path / "cache", benchmark="bucc")
    out, err = capsys.readouterr()
    assert "de-en sample, threshold of training 75.0 75.0 75.0 " in " ".join(out.split())
    assert "embedding de-en.training.de, 4 sentences: 100 %\n" in err
    assert len(list((tmp_path / "cache").iterdir())) == 4
    value = json.loads((tmp_path / "results" / "bucc.json").read_text(encoding="utf-8"))
    assert value["metrics"]["bucc/de-en/f1"] == 0.75
    assert value["settings"] == {
        "splits": ["training", "sample"],
        "k": 2,
        "margin": "ratio",
        "direction": "max",
        "search": "exact",
        "effort": None,
    }
    assert (tmp_path / "results" / "bucc.png").read_bytes().startswith(b"\x89PNG")

    calls = loaded(FakeEncoder())
    for more, error, message in [
        (
            ["--splits", "training"],
            UsageError,
            "--splits must be two names, such as training,test. Received: 'training'",
        ),
        (["--effort", "3"], UsageError, "--effort belongs to --search ivf or hnsw. Received: --effort 3"),
        (["--splits", "test,training"], DataError, "holds de-en.training but no de-en.test"),
        (["--languages", "fr-en"], UsageError, "No BUCC files for fr-en"),
        (["--group", "a=b"], UsageError, "--group belongs to tatoeba"),
    ]:
        with pytest.raises(error, match=message):
            run(*arguments, *more, benchmark="bucc")
    assert len(calls) == 1


def test_xsim(loaded, tmp_path, capsys):
    loaded(FakeEncoder())
    for code, words in (("deu", list(WORDS)[:4]), ("fra", list(WORDS)[4:]), ("eng", MEANINGS)):
        (tmp_path / f"{code}.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    arguments = ("--data", tmp_path, "the/model", "--languages", "deu,eng")
    run(*arguments, "--neighbours", "2", "--output", tmp_path / "results", benchmark="xsim")
    out, err = capsys.readouterr()
    assert "xSIM error rate and precision at 1 (P@1) in per cent, ratio margin over 2 neighbours, 4 sentences" in out
    assert err == "embedding: 100 %\ncomparing: 100 %\n"
    value = json.loads((tmp_path / "results" / "xsim.json").read_text(encoding="utf-8"))
    assert value["metrics"]["xsim/deu-eng/error_rate"] == 0
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["xsim.json", "xsim.png", "xsim.txt"]
    with pytest.raises(UsageError, match="--direction belongs to bucc"):
        run(*arguments, "--direction", "max", benchmark="xsim")
    with pytest.raises(UsageError, match="No file for kab"):
        run("--data", tmp_path, "the/model", "--languages", "deu,kab", benchmark="xsim")


def test_united_nations(loaded, tmp_path, capsys):
    loaded(FakeEncoder())
    for name, words in (("en-fr.fr", list(WORDS)[4:]), ("en-fr.en", MEANINGS)):
        (tmp_path / f"UNv1.0.{name}").write_text("\n".join(words) + "\n", encoding="utf-8")
    arguments = ("--data", tmp_path, "the/model", "--cache", tmp_path / "cache", "--output", tmp_path / "results")
    run(*arguments, benchmark="united_nations")
    out, err = capsys.readouterr()
    assert "fr-en 4 0 4 50.0 50.0 50.0 50.0 50.0 50.0" in " ".join(out.split())
    assert "embedding UNv1.0.en-fr.fr, 4 sentences: 100 %\n" in err
    value = json.loads((tmp_path / "results" / "united_nations.json").read_text(encoding="utf-8"))
    assert value["metrics"]["united_nations/fr-en/mean/precision_at_1"] == 0.5
    assert value["settings"] == {"part": "bilingual", "search": "exact", "effort": None}
    run(*arguments, "--pairs", "2", benchmark="united_nations")
    assert "fr-en 4 0 2 100.0 100.0 100.0" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(UsageError, match="No files of the part 6way"):
        run(*arguments, "--part", "6way", benchmark="united_nations")
    with pytest.raises(UsageError, match="--pairs belongs to united_nations"):
        run(*arguments, "--pairs", "2", benchmark="sts")


# faiss is wrapped by SWIG, whose types Python 3.12 wants to have a module.
@pytest.mark.filterwarnings("ignore:builtin type .* has no __module__ attribute:DeprecationWarning")
def test_an_approximate_search_is_told(loaded, tmp_path, capsys):
    pytest.importorskip("faiss")
    loaded(FakeEncoder())
    for name, words in (("en-fr.fr", list(WORDS)[4:]), ("en-fr.en", MEANINGS)):
        (tmp_path / f"UNv1.0.{name}").write_text("\n".join(words) + "\n", encoding="utf-8")
    run("--data", tmp_path, "the/model", "--search", "hnsw", "--effort", "8", benchmark="united_nations")
    assert capsys.readouterr().out.endswith(
        "Neighbours were searched approximately (hnsw, effort 8); an exact search may find more.\n"
    )


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
