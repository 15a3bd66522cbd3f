"""Files of embeddings: complete, interrupted, found again, in use."""

import fcntl
import re
import resource

import numpy as np
import pytest

from lealla_tf.errors import DataError
from lealla_tf.evaluation import embedding_files
from lealla_tf.evaluation.embedding import EmbeddingError
from lealla_tf.evaluation.embedding_files import EmbeddingFiles

SENTENCES = [f"sentence {number}" for number in range(11)]


def vector(sentence):
    number = float(sentence.split()[-1])
    return np.cos(number), np.sin(number), 0


class Model:
    """Counts what it embeds, and breaks down before sentence `fails_at` of all it is given."""

    def __init__(self, fails_at=10**9):
        self.embedded, self.fails_at = [], fails_at

    def __call__(self, sentences):
        if len(self.embedded) + len(sentences) > self.fails_at:
            raise KeyboardInterrupt
        self.embedded += sentences
        return np.array([vector(sentence) for sentence in sentences])


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(embedding_files, "_CHUNK", 4)


def expected():
    return np.array([vector(sentence) for sentence in SENTENCES], np.float32)


def test_embeddings_are_written_once_and_found_again(tmp_path):
    model, calls = Model(), []
    files = EmbeddingFiles(model, "abc", tmp_path / "new", lambda *progress: calls.append(progress))
    vectors = files.embed(SENTENCES, "de")
    assert isinstance(vectors, np.memmap)
    np.testing.assert_array_equal(vectors, expected())
    assert calls == [("de", 4, 11), ("de", 8, 11), ("de", 11, 11)]
    (path,) = (tmp_path / "new").iterdir()
    assert re.fullmatch(r"de\.[0-9a-f]{20}\.npy", path.name)
    np.testing.assert_array_equal(np.load(path), expected())

    again = Model()
    np.testing.assert_array_equal(EmbeddingFiles(again, "abc", tmp_path / "new").embed(SENTENCES, "de"), expected())
    assert again.embedded == []


def test_another_model_or_other_sentences_have_another_file(tmp_path):
    model = Model()
    for fingerprint, sentences in [("abc", SENTENCES), ("abd", SENTENCES), ("abc", SENTENCES[::-1])]:
        EmbeddingFiles(model, fingerprint, tmp_path).embed(sentences, "de")
    assert len(model.embedded) == 33
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(("fails_at", "kept"), [(3, 0), (4, 4), (7, 4), (8, 8)])
@pytest.mark.parametrize("torn", [0, 1, 13])
def test_a_run_that_was_stopped_is_gone_on_with(tmp_path, fails_at, kept, torn):
    """`torn` bytes of a chunk reached the disk when it was stopped."""
    with pytest.raises(KeyboardInterrupt):
        EmbeddingFiles(Model(fails_at), "abc", tmp_path).embed(SENTENCES, "de")
    (partial,) = tmp_path.iterdir()
    assert partial.suffix == ".partial"
    with partial.open("ab") as file:
        file.write(bytes(torn))
    model = Model()
    np.testing.assert_array_equal(EmbeddingFiles(model, "abc", tmp_path).embed(SENTENCES, "de"), expected())
    assert model.embedded == SENTENCES[kept:]
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]


def test_a_file_that_another_process_writes_is_left_alone(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        EmbeddingFiles(Model(4), "abc", tmp_path).embed(SENTENCES, "de")
    (partial,) = tmp_path.iterdir()
    with partial.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another process writes this file; wait for it, or name another --cache"):
            EmbeddingFiles(Model(), "abc", tmp_path).embed(SENTENCES, "de")


def test_a_disk_without_room_is_told_and_gone_on_from(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))  # the header and the first chunk of 48 bytes
    try:
        with pytest.raises(
            DataError,
            match=r"/x\..*\.partial: cannot be written \(File too large\); make room, or name a directory that",
        ):
            EmbeddingFiles(Model(), "model", tmp_path).embed(SENTENCES, "x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    model = Model()
    np.testing.assert_array_equal(EmbeddingFiles(model, "model", tmp_path).embed(SENTENCES, "x"), expected())
    assert model.embedded == SENTENCES[4:]


def test_a_damaged_file_is_named(tmp_path):
    EmbeddingFiles(Model(), "abc", tmp_path).embed(SENTENCES, "de")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"\.npy: is damaged .*; remove it"):
        EmbeddingFiles(Model(), "abc", tmp_path).embed(SENTENCES, "de")
    np.save(path, expected()[:-1])
    with pytest.raises(DataError, match=r"\.npy: is not of 11 sentences; remove it"):
        EmbeddingFiles(Model(), "abc", tmp_path).embed(SENTENCES, "de")


def test_vectors_are_checked(tmp_path):
    with pytest.raises(EmbeddingError, match="unit length"):
        EmbeddingFiles(lambda sentences: np.ones((len(sentences), 2)), "abc", tmp_path).embed(SENTENCES, "de")
