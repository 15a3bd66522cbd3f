"""Embedding: in order, unit length, whatever the sentences are and however many."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.inference.sentence_encoder import (
    _BYTES_PER_BATCH,
    _SENTENCES_PER_BATCH,
    GraphSentenceEncoder,
    _batches,
    embed_with,
)
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
VOCABULARY = Vocabulary(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
)
LENGTH = 12


@pytest.fixture(scope="module")
def model():
    """An encoder whose embeddings tell sentences well apart."""
    keras.utils.set_random_seed(0)
    encoder = Encoder(len(VOCABULARY), 8, 2, 2, 16, max_positions=LENGTH, initializer_range=0.5)
    return encoder, embed_with(encoder, Tokenizer(VOCABULARY, "exact"), LENGTH)


def numbered(dim=2):
    """An encoder that maps the sentence "n" to the angle n / 1e5, five times too long."""

    def embed(strings):
        angles = tf.strings.to_number(strings, tf.float64) / 1e5
        return 5 * tf.stack([tf.cos(angles), tf.sin(angles)], axis=1)

    return GraphSentenceEncoder(tf.identity, embed, dim=dim, fingerprint="", num_parameters=0)


def sentences(count):
    generator = np.random.default_rng(0)
    return [" ".join(generator.choice(LETTERS, generator.integers(1, 20))) for _ in range(count)]


def test_each_row_is_the_embedding_of_its_sentence_alone(model):
    _, encoder = model
    texts = [*sentences(50), "", " ", "ß ü 漢字 🙂", "a\nb", "a\0"]
    found = encoder.embed(texts)
    assert found.shape == (55, 8)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    alone = np.concatenate([encoder.embed([text]) for text in texts])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert np.linalg.norm(found[0] - found[1]) > 0.1


def test_the_embedding_is_that_of_the_encoder(model):
    encoder, sentence_encoder = model
    token_ids = np.array([[2, 5, 6, 3, 0, 0]])
    expected = encoder({"token_ids": token_ids, "padding_mask": (token_ids > 0).astype(int)})["embedding"]
    np.testing.assert_allclose(sentence_encoder.embed(["a b"]), expected, atol=1e-5)


def test_sentences_are_cut_at_the_length(model):
    _, encoder = model
    words = " ".join(LETTERS[: LENGTH - 2])
    longer, shorter = encoder.embed([f"{words} x y z"]), encoder.embed([words[:-2]])
    np.testing.assert_allclose(encoder.embed([words]), longer, atol=1e-6)
    assert np.abs(longer - shorter).max() > 1e-3


@pytest.mark.parametrize("word", ["a ", "a"])
def test_a_sentence_of_100_000_characters(model, word):
    _, encoder = model
    found = encoder.embed(["b", (word * 100_000)[:100_000], "c"])
    np.testing.assert_allclose(found[[0, 2]], encoder.embed(["b", "c"]), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)


def test_no_sentences(model):
    assert model[1].embed([]).shape == (0, 8)


@pytest.mark.parametrize("kind", [tuple, np.array])
def test_other_sequences(model, kind):
    texts = sentences(3)
    np.testing.assert_array_equal(model[1].embed(kind(texts)), model[1].embed(texts))


def test_many_sentences_keep_their_order_and_progress_counts_them():
    """More than are sorted at once, in an order that is not that of their lengths."""
    order = np.random.default_rng(0).permutation(70_000)
    done = []
    found = numbered().embed([str(number) for number in order], progress=done.append)
    np.testing.assert_allclose(found, np.stack([np.cos(order / 1e5), np.sin(order / 1e5)], axis=1), atol=1e-6)
    assert done == sorted(set(done))
    assert done[-1] == 70_000
    assert done[0] <= 512


@pytest.mark.parametrize("lengths", [[], [0], [5, 0, 7], [10**6, 3, 10**6], list(range(3000)), [7] * 2000, [100] * 700])
def test_batches_hold_each_row_once_and_are_bounded(lengths):
    batches = list(_batches(lengths))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= _SENTENCES_PER_BATCH
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= _BYTES_PER_BATCH


def test_weights_are_used_as_they_are_at_each_call():
    encoder = Encoder(len(VOCABULARY), 4, 1, 1, 4, max_positions=LENGTH)
    sentence_encoder = embed_with(encoder, Tokenizer(VOCABULARY), LENGTH)
    before = sentence_encoder.embed(["a"])
    encoder.pooler.bias.assign([1.0, -1.0, 1.0, -1.0])
    assert np.abs(sentence_encoder.embed(["a"]) - before).max() > 0.1
    assert sentence_encoder.dim == 4
    assert sentence_encoder.num_parameters == encoder.count_params()


@pytest.mark.parametrize("sentence", ["one sentence", b"one sentence"])
def test_a_single_string(sentence):
    with pytest.raises(
        TypeError, match=r"`sentences` must be a sequence of strings\. Received: a single string; put it"
    ):
        numbered().embed(sentence)


@pytest.mark.parametrize(("other", "name"), [(b"2", "bytes"), (None, "NoneType"), (2, "int"), (float("nan"), "float")])
def test_something_else_than_a_string(other, name):
    with pytest.raises(TypeError, match=rf"`sentences` must be strings\. Received: {name} at index 1\."):
        numbered().embed(["1", other])


def test_a_lone_surrogate():
    """What `errors="surrogateescape"` makes of a byte that is not UTF-8, and no encoder can take."""
    text = b"12\xff".decode(errors="surrogateescape")
    with pytest.raises(ValueError, match=r"without lone surrogates.*Received: '\\udcff' at index 1, character 2\.$"):
        numbered().embed(["1", text])


def test_the_number_of_a_sentence_counts_from_the_first_of_all():
    with pytest.raises(TypeError, match="at index 65536"):
        numbered().embed(["1"] * 65_536 + [None])
