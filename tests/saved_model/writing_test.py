"""The whole directory: complete, free of traces of its origin, there at once or not at all."""

import dataclasses
import json
import resource
import tempfile
from pathlib import Path

import pytest
import tensorflow as tf

from lealla_tf.errors import DataError
from lealla_tf.files import sha256
from lealla_tf.models.encoder import count_parameters
from lealla_tf.saved_model import writing
from lealla_tf.saved_model.writing import export_model
from lealla_tf.text.vocabulary import Vocabulary


def test_everything_is_there_and_said_to_be_right(written):
    _, exported, found = written
    assert sorted(path.name for path in exported.iterdir()) == [
        "README.md",
        "encoder",
        "manifest.json",
        "preprocessor",
        "reference.json",
        "sentence_encoder",
    ]
    assert [line.split(":")[0] for line in found] == [
        "files",
        "preprocessor",
        "encoder",
        "sentence_encoder",
        "signatures",
        "dropout",
    ]


def test_the_manifest(exported, config, vocabulary):
    manifest = json.loads((exported / "manifest.json").read_text(encoding="utf-8"))
    files = manifest.pop("files")
    fingerprints = manifest.pop("fingerprints")
    version = manifest.pop("lealla_tf")
    assert version.count(".") == 2
    assert manifest == {
        "kind": "lealla-export",
        "name": "tiny",
        "license": "",
        "languages": ["de", "en"],
        "num_parameters": count_parameters(config)["total"],
        "dim": 16,
        "normalized": {"encoder": False, "sentence_encoder": True},
        "sequence_length": 16,
        "text_mode": "exact",
        "vocabulary": {"size": 59, "sha256": vocabulary.fingerprint},
        "encoder": dataclasses.asdict(config),
        "metrics": {},
    }
    present = {path.relative_to(exported).as_posix(): sha256(path) for path in exported.rglob("*") if path.is_file()}
    present.pop("manifest.json")
    assert files == present
    assert fingerprints == {
        "checkpoint": "c0ffee",
        **{
            name: tf.saved_model.experimental.read_fingerprint(str(exported / name)).singleprint()
            for name in ("preprocessor", "encoder", "sentence_encoder")
        },
    }
    assert len(set(fingerprints.values())) == 4


def test_no_file_tells_where_it_was_made(written):
    first, exported, _ = written
    root = Path(writing.__file__).parents[2]
    traces = [first.parent.name, str(root), tempfile.gettempdir(), str(Path.home()), str(Path.cwd())]
    for path in exported.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [trace for trace in traces if len(trace) > 1 and trace.encode() in content], path


def test_what_fails_a_check_does_not_appear(monkeypatch, encoder, vocabulary, facts, tmp_path):
    def refuse(directory):
        assert (directory / "sentence_encoder" / "saved_model.pb").is_file()
        raise DataError("something is wrong")

    # The models are not what is tested here, and take seconds.
    monkeypatch.setattr(writing, "write_preprocessor", lambda directory, tokenizer, length: directory.mkdir())
    monkeypatch.setattr(writing, "_fingerprint", lambda directory: "")
    monkeypatch.setattr(writing, "make_encoder", lambda encoder, file: tf.Module())
    monkeypatch.setattr(writing, "encoder_signatures", lambda module: None)
    monkeypatch.setattr(writing, "make_sentence_encoder", lambda encoder, tokenizer, length: tf.Module())
    monkeypatch.setattr(writing, "sentence_encoder_signatures", lambda module: None)
    monkeypatch.setattr(writing, "check_export", refuse)
    with pytest.raises(DataError, match=r"^something is wrong$"):
        export_model(tmp_path / "output", encoder, vocabulary, facts)
    assert not list(tmp_path.iterdir())

    said = []
    monkeypatch.setattr(writing, "check_export", lambda directory: ["fine"])
    assert export_model(tmp_path / "output", encoder, vocabulary, facts, said.append) == ["fine"]
    assert said == ["writing preprocessor", "writing encoder", "writing sentence_encoder", "checking what was written"]
    before = (tmp_path / "output" / "manifest.json").read_bytes()
    monkeypatch.setattr(writing, "check_export", refuse)
    with pytest.raises(DataError, match=r"^something is wrong$"):
        export_model(tmp_path / "output", encoder, vocabulary, facts)
    assert [path.name for path in tmp_path.iterdir()] == ["output"]
    assert (tmp_path / "output" / "manifest.json").read_bytes() == before


def test_a_disk_without_room_is_told_by_the_name_of_the_directory(encoder, vocabulary, facts, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            export_model(tmp_path / "full", encoder, vocabulary, facts)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(tmp_path / "full")
    assert not list(tmp_path.iterdir())


def test_another_directory_is_not_overwritten(encoder, vocabulary, facts, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(DataError, match="was not written by lealla"):
        export_model(tmp_path, encoder, vocabulary, facts)


def test_parts_that_do_not_fit_are_refused(encoder, vocabulary, facts, tmp_path):
    other = Vocabulary([*vocabulary.pieces, "."])
    with pytest.raises(ValueError, match=r"`vocabulary` must be the encoder's, of 59 pieces. Received: .*60 pieces"):
        export_model(tmp_path / "output", encoder, other, facts)
    long = dataclasses.replace(facts, sequence_length=25)
    with pytest.raises(ValueError, match=r"must not exceed the encoder's 24 positions. Received: sequence_length=25."):
        export_model(tmp_path / "output", encoder, vocabulary, long)
