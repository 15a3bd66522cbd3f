"""`python -m export.preprocessor`: a vocabulary becomes a SavedModel."""

import json

import numpy as np
import pytest
import tensorflow as tf

from export import preprocessor
from lealla_tf.text.vocabulary import Vocabulary


@pytest.fixture
def vocabulary(tmp_path):
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"])
    vocabulary.save(tmp_path / "vocabulary.txt")
    return vocabulary


def test_a_preprocessor_is_written(vocabulary, tmp_path, capsys):
    output = tmp_path / "output"
    assert preprocessor.main([str(tmp_path / "vocabulary.txt"), "--output", str(output), "--length", "6"]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    (tmp_path / "vocabulary.txt").unlink()
    loaded = tf.saved_model.load(str(output))
    packed = loaded(tf.constant(["ab a", "b"]))
    np.testing.assert_array_equal(packed["input_word_ids"], [[2, 5, 6, 5, 3, 0], [2, 1, 3, 0, 0, 0]])
    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    files = manifest.pop("files")
    assert "saved_model.pb" in files
    assert manifest == {
        "kind": "lealla-preprocessor",
        "vocabulary": {"size": 7, "sha256": vocabulary.fingerprint},
        "text_mode": "labse",
        "sequence_length": 6,
    }


def test_the_mode_is_passed_on(vocabulary, tmp_path):
    """A word joiner is a space to the published preprocessor, and nothing to Hugging Face's."""
    for mode, expected in (("labse", [2, 5, 1, 3, 0]), ("exact", [2, 5, 6, 3, 0])):
        arguments = ["--output", str(tmp_path / mode), "--length", "5", "--mode", mode]
        assert preprocessor.main([str(tmp_path / "vocabulary.txt"), *arguments]) == 0
        ids = tf.saved_model.load(str(tmp_path / mode))(tf.constant(["a\u2060b"]))["input_word_ids"]
        np.testing.assert_array_equal(ids, [expected])


def test_mistakes_are_one_line(vocabulary, tmp_path, capsys):
    file, output = str(tmp_path / "vocabulary.txt"), str(tmp_path / "output")
    assert preprocessor.main([file, "--output", output, "--length", "4"]) == 2
    assert capsys.readouterr().err == "--length must be at least 5. Received: 4.\n"
    assert preprocessor.main([str(tmp_path / "nowhere"), "--output", output]) == 1
    assert "nowhere: cannot be read as a vocabulary" in capsys.readouterr().err
    assert preprocessor.main([file, "--output", str(tmp_path)]) == 1
    assert "was not written by lealla" in capsys.readouterr().err
    assert not (tmp_path / "output").exists()
