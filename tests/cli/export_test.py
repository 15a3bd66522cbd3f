"""`lealla export` from a checkpoint of a tiny model."""

import argparse
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lealla_tf.checkpoints import load_checkpoint, save_checkpoint
from lealla_tf.cli import export
from lealla_tf.config import BatchConfig, Config, CorpusConfig, EncoderConfig, LossConfig, TeacherConfig, TrainingConfig
from lealla_tf.errors import DataError, UsageError
from lealla_tf.inference.loading import load_sentence_encoder
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.vocabulary import Vocabulary

FACTS = {
    "step": 1200,
    "languages": ["de", "en"],
    "metrics": {
        "validation/en-de/source_to_target/precision_at_1": 0.5,
        "validation/en-de/target_to_source/precision_at_1": 0.25,
        "validation/precision_at_1": 0.375,
    },
}


def save(directory, **groups):
    vocabulary = Vocabulary(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", *(f"##{c}" for c in "abcdefgh")]
    )
    config = Config(
        encoder=EncoderConfig(
            vocabulary_size=len(vocabulary),
            hidden_dim=8,
            num_layers=1,
            num_heads=2,
            intermediate_dim=16,
            max_positions=24,
        ),
        batch=BatchConfig(size=4, length=16),
        **groups,
    )
    save_checkpoint(directory, Encoder.from_encoder_config(config.encoder), config, vocabulary, FACTS, {})
    return load_checkpoint(directory)


@pytest.fixture
def checkpoint(tmp_path):
    return save(
        tmp_path / "build_machine" / "checkpoint",
        corpus=CorpusConfig(files=("de=/build_machine/a.tsv.gz", "/build_machine/prepared", "de=tfds:para_crawl/ende")),
        teacher=TeacherConfig(model="https://models.example/labse"),
        training=TrainingConfig(init_from="/build_machine/earlier"),
    )


def run(*arguments):
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    export.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def facts(monkeypatch):
    """Takes the place of the export, and keeps what was to be said of the model."""
    import lealla_tf.saved_model.writing

    given = []
    monkeypatch.setattr(
        lealla_tf.saved_model.writing,
        "export_model",
        lambda directory, encoder, vocabulary, facts, progress: given.append(facts) or [],
    )
    return given


def write_report(path, fingerprint):
    metrics = {"tatoeba/deu-eng/source_to_target/precision_at_1": 0.951}
    value = {
        "benchmark": "tatoeba",
        "metrics": metrics,
        "labels": {"deu-eng": "German (deu)"},
        "model": {"fingerprint": fingerprint, "name": "/build_machine"},
    }
    path.write_text(json.dumps(value), encoding="utf-8")


def test_a_checkpoint_becomes_a_directory_that_embeds_as_it_does(checkpoint, tmp_path, capsys):
    sentences = ["ab c", "", "h e d g", "a " * 40]
    expected = load_sentence_encoder(str(checkpoint.directory)).embed(sentences)
    report = tmp_path / "tatoeba.json"
    write_report(report, checkpoint.fingerprint)
    output = tmp_path / "released" / "letters"
    run(checkpoint.directory, "--output", output, "--license", "CC0", "--evaluation", report)
    out, err = capsys.readouterr()
    assert out == f"{output}\n"
    assert "writing preprocessor\n" in err
    assert "checked sentence_encoder: 9 vectors are as before the export" in err
    shutil.rmtree(checkpoint.directory)

    loaded = load_sentence_encoder(str(output))
    np.testing.assert_allclose(loaded.embed(sentences), expected, atol=1e-5)
    assert loaded.trained_languages == ("de", "en")
    assert loaded.num_parameters == load_manifest(output)["num_parameters"]
    two_halves = load_sentence_encoder(str(output / "encoder"), str(output / "preprocessor"))
    np.testing.assert_allclose(two_halves.embed(sentences), expected, atol=1e-5)

    card = (output / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# letters\n")
    assert "## Licence\n\nCC0\n" in card
    assert "| German (deu) | 95.1 | not evaluated | not evaluated |" in card
    assert "* corpus: de=a.tsv.gz, prepared, de=ende\n" in card
    for file in output.rglob("*"):
        assert not file.is_file() or b"build_machine" not in file.read_bytes(), file


def load_manifest(directory):
    return json.loads((directory / "manifest.json").read_text(encoding="utf-8"))


def test_what_is_said_of_the_model(checkpoint, facts, tmp_path):
    run(checkpoint.directory, "--output", tmp_path / "output")
    run(checkpoint.directory, "--output", tmp_path / "output", "--name", "Letters", "--license", "CC0")
    plain, named = facts
    assert (plain.name, plain.license, plain.benchmarks) == ("output", "", ())
    assert (named.name, named.license) == ("Letters", "CC0")
    assert plain.checkpoint == checkpoint.fingerprint
    assert (plain.text_mode, plain.sequence_length) == ("exact", 16)
    assert plain.languages == ("de", "en")
    assert plain.metrics == FACTS["metrics"]
    assert plain.training == (
        "1,200 steps of 4 pairs",
        "losses: additive margin 1, feature 1000, logit 0.01",
        "teacher: https://models.example/labse",
        "started from: earlier",
        "corpus: de=a.tsv.gz, prepared, de=ende",
    )


def test_without_a_teacher_none_is_named(facts, tmp_path):
    checkpoint = save(tmp_path / "checkpoint", loss=LossConfig(feature=0, logit=0))
    run(checkpoint.directory, "--output", tmp_path / "output")
    stored = save(tmp_path / "checkpoint")
    run(stored.directory, "--output", tmp_path / "output")
    assert facts[0].training[1:] == ("losses: additive margin 1", "teacher: none")
    assert facts[1].training[2:] == ("teacher: embeddings stored with the corpus",)


def test_mistakes_are_found_before_anything_is_written(checkpoint, tmp_path):
    other, text, mine = tmp_path / "other.json", tmp_path / "text.json", tmp_path / "mine"
    write_report(other, "another")
    text.write_text('{"benchmark": "tatoeba"}')
    mine.mkdir()
    (mine / "file").write_text("mine")
    for arguments, error, message in [
        (["--output", mine], DataError, "was not written by lealla"),
        (["--output", other], DataError, "is a file, and a directory is to be written"),
        (["--name", "two\nlines"], UsageError, r"--name must be one line of text. Received: 'two\\nlines'"),
        (["--evaluation", text], DataError, "text.json: is not a report of `lealla evaluate`; name the JSON file"),
        (["--evaluation", tmp_path / "no.json"], DataError, "no.json: cannot be read"),
        (
            ["--evaluation", other],
            DataError,
            rf"is of another model \(fingerprint another\) than the one to be exported \({checkpoint.fingerprint}\)",
        ),
    ]:
        given = {"--output": tmp_path / "output"} | dict([arguments])
        with pytest.raises(error, match=message):
            run(checkpoint.directory, *(part for pair in given.items() for part in pair))
    with pytest.raises(DataError, match="nowhere: does not exist here; name a directory that `lealla train` wrote"):
        run(tmp_path / "nowhere", "--output", tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_declaring_the_command_imports_nothing_heavy():
    program = (
        "import sys, argparse; from lealla_tf.cli import export; export.add_arguments(argparse.ArgumentParser());"
        "print(sorted({'numpy', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
