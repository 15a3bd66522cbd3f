"""Encoders by name: checkpoints, SavedModels of every kind, and names of nothing that can be used."""

import json
import shutil
import socket
from urllib.error import URLError

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.checkpoints import RunDirectory, save_checkpoint
from lealla_tf.config import BatchConfig, Config, EncoderConfig, TextConfig
from lealla_tf.errors import DataError, UsageError
from lealla_tf.inference import loading, packed_encoder
from lealla_tf.inference.loading import load_sentence_encoder
from lealla_tf.inference.sentence_encoder import embed_with
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary

STRINGS = tf.TensorSpec([None], tf.string)
IDS = {name: tf.TensorSpec([None, None], tf.int32) for name in ("input_word_ids", "input_mask", "input_type_ids")}


class Hashing(tf.Module):
    """From strings to rows of a table, which are not of unit length."""

    def __init__(self, dim=3, seed=0):
        super().__init__()
        self.table = tf.Variable(tf.random.stateless_normal([50, dim], [seed, 0]) * 7)

    @tf.function(input_signature=[STRINGS])
    def __call__(self, strings):
        return tf.gather(self.table, tf.strings.to_hash_bucket_fast(strings, 50))


class Preprocessor(tf.Module):
    """From strings to LaBSE's inputs; the ids are the first bytes."""

    @tf.function(input_signature=[STRINGS])
    def __call__(self, strings):
        ids = tf.cast(tf.io.decode_raw(tf.strings.substr(strings, 0, 4), tf.uint8, fixed_length=4), tf.int32)
        mask = tf.cast(ids > 0, tf.int32)
        return {"input_word_ids": ids, "input_mask": mask, "input_type_ids": tf.zeros_like(ids)}


class IdEncoder(tf.Module):
    """From LaBSE's inputs to LaBSE's outputs; `default` is not of unit length."""

    variables = None  # tf.Module has a property, which is not saved; a list is

    def __init__(self):
        super().__init__()
        self.table = tf.Variable(tf.random.stateless_normal([256, 5], [1, 2]) * 3)
        self.counter = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.variables = [self.table, self.counter]

    @tf.function(input_signature=[IDS])
    def __call__(self, inputs):
        embedded = (
            tf.gather(self.table, inputs["input_word_ids"]) * tf.cast(inputs["input_mask"], tf.float32)[..., None]
        )
        return {
            "default": tf.reduce_sum(embedded, axis=1),
            "sequence_output": embedded,
            "pooled_output": embedded[:, 0],
        }


def make(body, signature=STRINGS):
    """A module that can be called and does `body`."""
    module = tf.Module()
    module.__call__ = tf.function(body, input_signature=[signature])
    return module


def save(module, path):
    tf.saved_model.save(module, str(path))
    return str(path)


@pytest.fixture(scope="module")
def hashing(tmp_path_factory):
    """A saved `Hashing` and its path."""
    module = Hashing()
    return module, save(module, tmp_path_factory.mktemp("models") / "hashing")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A saved encoder of ids and its preprocessor."""
    directory = tmp_path_factory.mktemp("pair")
    return save(IdEncoder(), directory / "encoder"), save(Preprocessor(), directory / "preprocessor")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_bfloat16_is_for_packed_models_alone(hashing, monkeypatch):
    monkeypatch.setattr(packed_encoder, "has_bfloat16", lambda: True)
    with pytest.raises(UsageError, match=r"hashing: runs as it comes, and not in bfloat16, .*; use float32.$"):
        load_sentence_encoder(hashing[1], dtype="bfloat16")


def test_bfloat16_on_a_processor_without_it(hashing, monkeypatch):
    """Before anything is loaded."""
    monkeypatch.setattr(packed_encoder, "has_bfloat16", lambda: False)
    with pytest.raises(UsageError, match=r"^bfloat16 needs a processor that multiplies it"):
        load_sentence_encoder("nowhere", dtype="bfloat16")


def test_a_model_from_strings_to_vectors(hashing):
    module, path = hashing
    encoder = load_sentence_encoder(path)
    assert encoder.dim == 3
    assert encoder.trained_languages == ()
    texts = ["one", "two", "", "three"]
    np.testing.assert_allclose(encoder.embed(texts), unit(module(tf.constant(texts)).numpy()), rtol=1e-5)


def test_an_encoder_of_ids_with_its_preprocessor(pair):
    """`default` is the embedding, brought to unit length here."""
    encoder = load_sentence_encoder(*pair)
    assert encoder.dim == 5
    assert encoder.num_parameters == 256 * 5
    texts = ["one", "two", "three"]
    expected = IdEncoder()(Preprocessor()(tf.constant(texts)))["default"].numpy()
    assert np.abs(np.linalg.norm(expected, axis=1) - 1).min() > 0.1
    np.testing.assert_allclose(encoder.embed(texts), unit(expected), rtol=1e-5)


def test_the_halves_run_in_a_pipeline_and_in_a_step(pair):
    """As a teacher is used: preprocessed in tf.data, embedded elsewhere."""
    encoder = load_sentence_encoder(*pair)
    (inputs,) = tf.data.Dataset.from_tensors(["one", "two"]).map(encoder.inputs)
    assert inputs.keys() == IDS.keys()
    embedded = tf.function(encoder.embed_inputs)(inputs)
    np.testing.assert_allclose(embedded, encoder.embed(["one", "two"]), rtol=1e-5)


def test_an_exported_directory(hashing, tmp_path):
    """It holds the sentence encoder under its name, and a manifest."""
    shutil.copytree(hashing[1], tmp_path / "sentence_encoder")
    (tmp_path / "manifest.json").write_text(json.dumps({"languages": ["de", "en"]}))
    for path in (tmp_path, tmp_path / "sentence_encoder"):
        encoder = load_sentence_encoder(str(path))
        assert encoder.trained_languages == ("de", "en")
        np.testing.assert_array_equal(encoder.embed(["a"]), load_sentence_encoder(hashing[1]).embed(["a"]))


def test_a_checkpoint_and_its_run(tmp_path):
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"])
    shape = EncoderConfig(
        vocabulary_size=8, hidden_dim=4, num_layers=1, num_heads=1, intermediate_dim=4, max_positions=8
    )
    config = Config(encoder=shape, batch=BatchConfig(length=4), text=TextConfig(mode="exact"))
    original = Encoder.from_encoder_config(shape)
    run = RunDirectory(tmp_path)
    run.create({})
    path = run.checkpoint_path(3)
    save_checkpoint(path, original, config, vocabulary, {"step": 3, "languages": ["de", "en"], "metrics": {}}, {})
    run.record(path, None)
    texts = ["a", "b c", "a b c"]
    expected = embed_with(original, Tokenizer(vocabulary, "exact"), 4).embed(texts)
    for name in (tmp_path, path):
        encoder = load_sentence_encoder(str(name))
        np.testing.assert_allclose(encoder.embed(texts), expected, atol=1e-6)
        # The run trained at four tokens: [CLS] a b [SEP].
        np.testing.assert_allclose(encoder.embed(["a b"]), encoder.embed(["a b c"]), atol=1e-6)
        assert encoder.trained_languages == ("de", "en")
        assert encoder.num_parameters == original.count_params()
        assert len(encoder.fingerprint) == 32


def test_fingerprints_follow_the_weights_and_the_preprocessor(hashing, pair, tmp_path):
    again, other = save(Hashing(), tmp_path / "again"), save(Hashing(seed=1), tmp_path / "other")
    first = load_sentence_encoder(hashing[1]).fingerprint
    assert load_sentence_encoder(hashing[1]).fingerprint == first
    assert load_sentence_encoder(other).fingerprint != first
    assert again != other
    texts = make(lambda strings: Preprocessor()(strings + "x"))
    changed = load_sentence_encoder(pair[0], save(texts, tmp_path / "preprocessor")).fingerprint
    assert changed != load_sentence_encoder(*pair).fingerprint


def test_a_model_without_a_fingerprint(hashing, tmp_path):
    """As TensorFlow wrote them before 2.12, LaBSE among them."""
    fingerprints = []
    for seed in (0, 1):
        path = tmp_path / str(seed)
        save(Hashing(seed=seed), path)
        (path / "fingerprint.pb").unlink()
        encoder = load_sentence_encoder(str(path))
        assert encoder.embed(["one"]).shape == (1, 3)
        fingerprints.append(encoder.fingerprint)
        assert encoder.fingerprint == load_sentence_encoder(str(path)).fingerprint
    assert len(set(fingerprints)) == 2


def refused(model, preprocessor=""):
    """The one line that a model is refused with."""
    with pytest.raises(DataError) as error:
        load_sentence_encoder(str(model), str(preprocessor))
    (line,) = str(error.value).splitlines()
    assert line.startswith(str(model)) or (preprocessor and line.startswith(str(preprocessor)))
    return line


def test_nothing_there(tmp_path):
    assert "does not exist; name a checkpoint, an exported directory or a Hub handle (https://...)." in (
        refused(tmp_path / "nothing")
    )
    # As from `lealla embed "$MODEL"` with a variable that is not set.
    assert refused("").startswith(": does not exist; name a checkpoint")


def test_a_directory_without_a_model(tmp_path):
    assert "holds no model (saved_model.pb or a checkpoint); name another directory." in refused(tmp_path)


def test_a_preprocessor_that_is_not_there(pair, tmp_path):
    assert refused(pair[0], tmp_path).startswith(f"{tmp_path}: holds no model")


def test_an_encoder_of_ids_without_its_preprocessor(pair):
    line = refused(pair[0])
    assert "does not embed strings (" in line
    assert line.endswith("; an encoder that takes ids needs its --preprocessor.")


def test_an_encoder_with_another_preprocessor(pair, hashing):
    line = refused(pair[0], hashing[1])
    assert "does not embed strings (" in line
    assert line.endswith("; check that the preprocessor belongs to it.")


def test_a_model_that_cannot_be_called(tmp_path):
    module = tf.Module()
    module.variable = tf.Variable(1.0)
    line = refused(save(module, tmp_path / "model"))
    assert line.endswith("is a SavedModel that cannot be called; name one of TensorFlow Hub's format.")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda strings: {"other": tf.ones([1, 2])}, "does not embed strings"),
        (lambda strings: {"default": strings}, "does not embed strings"),
        (
            lambda strings: tf.ones([1]),
            "gives an output of shape (1,) for one sentence; name a model that",
        ),
        (lambda strings: tf.ones([1, 4, 2]), "gives an output of shape (1, 4, 2) for one sentence; name a model that"),
    ],
)
def test_a_model_that_gives_something_else(tmp_path, body, message):
    assert message in refused(save(make(body), tmp_path / "model"))


@pytest.mark.parametrize(
    "file", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied", "removed"])
def test_damaged_files(hashing, tmp_path, file, damage):
    shutil.copytree(hashing[1], tmp_path / "model")
    path = tmp_path / "model" / file
    content = bytearray(path.read_bytes())
    if damage == "removed":
        path.unlink()
    else:
        content[len(content) // 2] ^= 255
        path.write_bytes({"flipped": content, "truncated": content[: len(content) // 2], "emptied": b""}[damage])
    if (file, damage) == ("saved_model.pb", "flipped"):
        return  # a graph has no checksum, so what becomes of it is anybody's guess
    line = refused(tmp_path / "model")
    assert line.endswith(
        "; name another directory."
        if (file, damage) == ("saved_model.pb", "removed")
        else "; fetch or export it again."
    )


def test_a_run_that_has_no_checkpoint_yet(tmp_path):
    RunDirectory(tmp_path).create({})
    assert refused(tmp_path).endswith("the run has no checkpoint yet; let it train for longer.")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No proxy, and a cache of its own."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")


def test_a_handle_without_a_network(monkeypatch, offline):
    def resolve(handle):
        raise URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(loading._hub(), "resolve", resolve)
    line = refused("https://tfhub.dev/google/LaBSE/2")
    assert line == (
        "https://tfhub.dev/google/LaBSE/2: cannot be fetched (<urlopen error [Errno -2] Name or service not known>); "
        "connect, or name a local directory."
    )


def test_a_server_that_refuses(offline):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "cannot be fetched (<urlopen error [Errno 111] Connection refused>)" in refused(
        f"http://127.0.0.1:{port}/m/1"
    )


def test_a_server_that_never_answers(monkeypatch, offline):
    monkeypatch.setattr(loading, "_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = refused(f"http://127.0.0.1:{server.getsockname()[1]}/model/1")
    assert "cannot be fetched (" in line
    assert "timed out" in line
    assert socket.getdefaulttimeout() is None


def test_a_scheme_that_does_not_exist(offline):
    assert "cannot be fetched (File system scheme 'nosuch' not implemented" in refused("nosuch://model")
