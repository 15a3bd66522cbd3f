"""Writing an exported directory: three SavedModels, the model card, the manifest; checked before it appears."""

import dataclasses
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf

import lealla_tf
from lealla_tf.errors import reason
from lealla_tf.files import MANIFEST, atomic_directory, sha256, write_json
from lealla_tf.models.encoder import Encoder
from lealla_tf.progress import Progress
from lealla_tf.saved_model.checking import (
    CARD,
    ENCODER,
    EXPORT_KIND,
    PREPROCESSOR,
    REFERENCE,
    SENTENCE_ENCODER,
    check_export,
)
from lealla_tf.saved_model.encoder import encoder_signatures, make_encoder
from lealla_tf.saved_model.model_card import ModelFacts, model_card
from lealla_tf.saved_model.preprocessor import make_preprocessor, preprocessor_signatures
from lealla_tf.saved_model.sentence_encoder import make_sentence_encoder, sentence_encoder_signatures
from lealla_tf.text.packing import pack
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary

# What every export is checked with: several scripts, nothing, unknown words, and more than fits.
_SENTENCES = (
    "How are you?",
    "Wie geht es dir?",
    "Ça va, l'été !",
    "Как дела?",
    "你好吗？",
    "สบายดีไหม",
    "",
    "\U00012000 \U00012001",
    "The same words again and again. " * 100,
)


def export_model(
    directory: str | os.PathLike[str],
    encoder: Encoder,
    vocabulary: Vocabulary,
    facts: ModelFacts,
    progress: Progress = lambda line: None,
) -> list[str]:
    """Writes the three SavedModels of a trained encoder, with card and manifest, at once or not at all.

    Args:
        directory: Where to; an earlier export there is replaced.
        encoder: The model.
        vocabulary: Of the encoder.
        facts: What the card and the manifest say of it.
        progress: Told what is being done.

    Returns:
        What was checked, as `check_export` says it.

    Raises:
        ValueError: if the encoder does not fit the vocabulary or the length.
        DataError: if `directory` holds something else, or what was written fails a check.
    """
    _check_fit(encoder, vocabulary, facts)
    tokenizer = Tokenizer(vocabulary, facts.text_mode)
    with atomic_directory(directory) as temporary:
        progress(f"writing {PREPROCESSOR}")
        write_preprocessor(temporary / PREPROCESSOR, tokenizer, facts.sequence_length)
        progress(f"writing {ENCODER}")
        with _vocabulary_file(vocabulary) as file:
            module = make_encoder(encoder, file)
            _save(module, temporary / ENCODER, encoder_signatures(module))
        progress(f"writing {SENTENCE_ENCODER}")
        module = make_sentence_encoder(encoder, tokenizer, facts.sequence_length)
        _save(module, temporary / SENTENCE_ENCODER, sentence_encoder_signatures(module))
        write_json(temporary / REFERENCE, _reference(encoder, tokenizer, facts.sequence_length))
        card = model_card(facts, encoder.config, encoder.count_params())
        (temporary / CARD).write_text(card, encoding="utf-8")
        write_json(temporary / MANIFEST, _manifest(temporary, encoder, vocabulary, facts))
        progress("checking what was written")
        return check_export(temporary)


def write_preprocessor(directory: Path, tokenizer: Tokenizer, length: int) -> None:
    """Writes the SavedModel of a preprocessor whose rows are of `length` tokens by default."""
    module = make_preprocessor(tokenizer, length)
    _save(module, directory, preprocessor_signatures(module))


def _save(module: tf.Module, directory: Path, signatures: dict[str, Any]) -> None:
    """Writes a SavedModel; `OSError`, as from any other file, if it cannot be written."""
    try:
        tf.saved_model.save(module, str(directory), signatures)
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, reason(error), str(directory)) from error


def _check_fit(encoder: Encoder, vocabulary: Vocabulary, facts: ModelFacts) -> None:
    """Raises `ValueError` unless the parts belong together."""
    config = encoder.config
    if config.vocabulary_size != len(vocabulary):
        raise ValueError(
            f"`vocabulary` must be the encoder's, of {config.vocabulary_size} pieces. Received: {vocabulary}."
        )
    if facts.sequence_length > config.max_positions:
        raise ValueError(
            f"`sequence_length` must not exceed the encoder's {config.max_positions} positions. "
            f"Received: sequence_length={facts.sequence_length}."
        )


@contextmanager
def _vocabulary_file(vocabulary: Vocabulary) -> Iterator[Path]:
    """The vocabulary as a file, for as long as it takes to copy it into a SavedModel."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "vocabulary.txt"
        vocabulary.save(path)
        yield path


def _reference(encoder: Encoder, tokenizer: Tokenizer, length: int) -> dict[str, Any]:
    """Sentences and the embeddings that the Keras encoder gives them, at full length."""
    inputs = pack([tokenizer.tokenize_flat(tf.constant(_SENTENCES))], tokenizer.vocabulary, length)
    embeddings = encoder(inputs, training=False)["embedding"].numpy()
    return {
        "sentences": list(_SENTENCES),
        # A line a sentence; nine digits give a float32 back.
        "embeddings": [" ".join(f"{value:.9g}" for value in row) for row in embeddings],
    }


def _manifest(directory: Path, encoder: Encoder, vocabulary: Vocabulary, facts: ModelFacts) -> dict[str, Any]:
    """What the directory holds, for programs."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    models = (PREPROCESSOR, ENCODER, SENTENCE_ENCODER)
    return {
        "kind": EXPORT_KIND,
        "lealla_tf": lealla_tf.__version__,
        "name": facts.name,
        "license": facts.license,
        "languages": list(facts.languages),
        "num_parameters": encoder.count_params(),
        "dim": encoder.config.dim,
        "normalized": {ENCODER: False, SENTENCE_ENCODER: True},
        "sequence_length": facts.sequence_length,
        "text_mode": facts.text_mode,
        "vocabulary": {"size": len(vocabulary), "sha256": vocabulary.fingerprint},
        "encoder": dataclasses.asdict(encoder.config),
        "metrics": dict(facts.metrics),
        "fingerprints": {
            "checkpoint": facts.checkpoint,
            **{name: _fingerprint(directory / name) for name in models},
        },
        "files": {path.relative_to(directory).as_posix(): sha256(path) for path in files},
    }


def _fingerprint(directory: Path) -> str:
    """TensorFlow's fingerprint of a SavedModel's graph, signatures and weights."""
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(directory))
    return str(fingerprint.singleprint())
