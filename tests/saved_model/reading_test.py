"""Reading an export for its parts: what went into it comes out, and damage is told."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.checkpoints import encoder_weights
from lealla_tf.errors import DataError
from lealla_tf.inference.loading import load_sentence_encoder, load_teacher
from lealla_tf.inference.packed_encoder import PackedSentenceEncoder
from lealla_tf.saved_model.reading import is_export, read_export
from lealla_tf.text.tokenizer import Tokenizer

SENTENCES = ["ab c!", "", "xyz " * 30, "\U00012000"]


def test_what_was_exported(exported, encoder, vocabulary):
    found = read_export(exported)
    assert found.config == encoder.config
    assert found.sequence_length == 16
    weights = encoder_weights(encoder)
    assert found.weights.keys() == weights.keys()
    for name, weight in weights.items():
        np.testing.assert_array_equal(found.weights[name], weight)
    assert found.tokenizer.vocabulary == vocabulary
    expected = Tokenizer(vocabulary, "exact").tokenize(tf.constant(SENTENCES))
    assert found.tokenizer.tokenize(tf.constant(SENTENCES)).to_list() == expected.to_list()


def test_an_export_is_loaded_packed_and_gives_the_vectors_of_its_saved_model(exported):
    packed, plain = load_sentence_encoder(str(exported)), load_teacher(str(exported))
    assert isinstance(packed, PackedSentenceEncoder)
    np.testing.assert_allclose(packed.embed(SENTENCES), plain.embed(SENTENCES), atol=1e-5)
    for fact in ("dim", "fingerprint", "num_parameters", "trained_languages"):
        assert getattr(packed, fact) == getattr(plain, fact)


def test_what_is_an_export(exported, tmp_path):
    assert is_export(exported)
    assert not is_export(exported / "sentence_encoder")
    (tmp_path / "manifest.json").write_text("[]", encoding="utf-8")
    assert not is_export(tmp_path)


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


def change_manifest(path, **changes):
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    manifest |= changes
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "encoder/assets/vocabulary.txt",
            r"encoder: carries another vocabulary as its asset; export the model anew\.$",
        ),
        ("preprocessor/saved_model.pb", r"preprocessor: cannot be read as a SavedModel; copy it again"),
        (
            "sentence_encoder/variables/variables.index",
            r"sentence_encoder: its variables cannot be read; copy it again",
        ),
    ],
)
def test_a_file_of_something_else(copy, file, message):
    (copy / file).write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_export(copy)


def test_a_manifest_of_another_shape(copy, encoder):
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    change_manifest(copy, encoder=manifest["encoder"] | {"intermediate_dim": 64})
    with pytest.raises(DataError, match=r"layer_0/intermediate/kernel has the shape \(16, 32\), and the manifest says"):
        read_export(copy)
    change_manifest(copy, encoder=manifest["encoder"] | {"num_layers": 9})
    with pytest.raises(DataError, match="its variables cannot be read"):
        read_export(copy)
    change_manifest(copy, encoder=manifest["encoder"] | {"wings": 2})
    with pytest.raises(DataError, match=r"manifest.json: .*wings.* Export the model anew\.$"):
        read_export(copy)


def test_a_preprocessor_without_a_tokenizer(copy):
    tf.saved_model.save(tf.Module(), str(copy / "preprocessor"))
    with pytest.raises(DataError, match=r"preprocessor: has no tokenizer; export it anew\.$"):
        read_export(copy)
