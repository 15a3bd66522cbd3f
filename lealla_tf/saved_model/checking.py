"""Checks that an exported directory is what it was written as, and does what it has to."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  registers the operators of the preprocessor

from lealla_tf.errors import DataError
from lealla_tf.files import MANIFEST, read_json, sha256

EXPORT_KIND = "lealla-export"
PREPROCESSOR, ENCODER, SENTENCE_ENCODER = "preprocessor", "encoder", "sentence_encoder"
CARD, REFERENCE = "README.md", "reference.json"

_PACKED = ("input_word_ids", "input_mask", "input_type_ids")
_TRAINABLE = ("variables", "trainable_variables", "regularization_losses", "serve", "serve_train", "normalized")
_CONTRACT = {
    PREPROCESSOR: ("__call__", "tokenize", "bert_pack_inputs", "serve"),
    ENCODER: ("__call__", *_TRAINABLE, "vocab_file", "do_lower_case"),
    SENTENCE_ENCODER: ("__call__", *_TRAINABLE),
}

Array = np.ndarray[Any, Any]


def check_export(directory: str | os.PathLike[str], tolerance: float = 1e-5) -> list[str]:
    """Loads what `export_model` wrote and holds it against its own manifest and reference.

    Args:
        directory: The exported directory.
        tolerance: The largest difference between embeddings that are to be equal, in any
            component.

    Returns:
        What was found to be right, a line each.

    Raises:
        DataError: at the first thing that is wrong; says what.
    """
    path = Path(directory)
    manifest = read_manifest(path)
    found = [_check_files(path, manifest["files"])]
    models = {name: _load(path / name, names) for name, names in _CONTRACT.items()}
    sentences, reference = _read_reference(path / REFERENCE)
    checker = _Checker(path, manifest, models, sentences, tolerance)
    found.append(checker.check_preprocessor())
    found.append(checker.check_encoder())
    found.append(checker.check_sentence_encoder(reference))
    found.append(checker.check_signatures())
    found.append(checker.check_dropout())
    return found


class _Checker:
    """The checks of the loaded models, each of which says what it found."""

    def __init__(
        self, path: Path, manifest: Mapping[str, Any], models: Mapping[str, Any], sentences: Any, tolerance: float
    ) -> None:
        self.path, self.manifest, self.models, self.tolerance = path, manifest, models, tolerance
        self.sentences = sentences
        self.packed = models[PREPROCESSOR](sentences)

    def check_preprocessor(self) -> str:
        """Widths, names and the special tokens."""
        shape = (len(self.sentences), self.manifest["sequence_length"])
        shapes = {name: tuple(value.shape) for name, value in self.packed.items()}
        self._require(shapes == dict.fromkeys(_PACKED, shape), PREPROCESSOR, f"gives {shapes}, and {shape} is expected")
        size = self.manifest["vocabulary"]["size"]
        tokenize, bert_pack_inputs = self.models[PREPROCESSOR].tokenize, self.models[PREPROCESSOR].bert_pack_inputs
        found = int(tokenize.get_special_tokens_dict()["vocab_size"])
        self._require(found == size, PREPROCESSOR, f"has {found} pieces, and the manifest says {size}")
        again = bert_pack_inputs([tokenize(self.sentences)])
        equal = all(bool(tf.reduce_all(again[name] == self.packed[name])) for name in _PACKED)
        self._require(equal, PREPROCESSOR, "packs otherwise in two steps than in one")
        return f"{PREPROCESSOR}: {size:,} pieces, rows of {shape[1]} tokens"

    def check_encoder(self) -> str:
        """Number of weights, the asset, and the outputs' names and shapes."""
        model, expected = self.models[ENCODER], self.manifest["num_parameters"]
        for name in (ENCODER, SENTENCE_ENCODER):
            found = sum(int(np.prod(variable.shape)) for variable in self.models[name].trainable_variables)
            self._require(found == expected, name, f"has {found} weights, and the manifest says {expected}")
        asset = Path(os.fsdecode(model.vocab_file.asset_path.numpy()))
        self._require(
            sha256(asset) == self.manifest["vocabulary"]["sha256"], ENCODER, "carries another vocabulary as its asset"
        )
        outputs, dim = model(self.packed), self.manifest["dim"]
        shape = tuple(outputs["default"].shape)
        self._require(
            shape == (len(self.sentences), dim), ENCODER, f"gives embeddings {shape}; width {dim} is expected"
        )
        layers, expected = len(outputs["encoder_outputs"]), self.manifest["encoder"]["num_layers"]
        self._require(layers == expected, ENCODER, f"has {layers} layers, and the manifest says {expected}")
        return f"{ENCODER}: {found:,} weights, {layers} layers, {dim} dimensions"

    def check_sentence_encoder(self, reference: Array) -> str:
        """Unit length; equal to the encoder's embeddings, and to those of before the export."""
        name = SENTENCE_ENCODER
        embeddings = self.models[name](self.sentences).numpy()
        self._require(embeddings.shape == reference.shape, name, f"gives {embeddings.shape}, not {reference.shape}")
        norms = np.linalg.norm(embeddings, axis=-1)
        self._require_close(norms, np.ones_like(norms), name, "gives vectors that are not of unit length")
        pooled = self.models[ENCODER](self.packed)["default"].numpy()
        normalised = pooled / np.linalg.norm(pooled, axis=-1, keepdims=True)
        what = f"gives other vectors than {PREPROCESSOR} and {ENCODER} together"
        self._require_close(embeddings, normalised, name, what)
        difference = self._require_close(embeddings, reference, name, "gives other vectors than before it was exported")
        return f"{name}: {len(reference)} vectors are as before the export, within {difference:.1e}"

    def check_signatures(self) -> str:
        """The signatures give what the calls give."""
        what = "gives other vectors by its signature"
        model = self.models[SENTENCE_ENCODER]
        served = self._signature(SENTENCE_ENCODER)(sentences=self.sentences)["default"].numpy()
        self._require_close(served, model(self.sentences).numpy(), SENTENCE_ENCODER, what)
        packed = self._signature(PREPROCESSOR)(sentences=self.sentences)
        served = self._signature(ENCODER)(**packed)["default"].numpy()
        self._require_close(served, self.models[ENCODER](self.packed)["default"].numpy(), ENCODER, what)
        return "signatures: serving_default of all three"

    def check_dropout(self) -> str:
        """Active in training, and another one at each call."""
        model, rate = self.models[SENTENCE_ENCODER], self.manifest["encoder"]["dropout"]
        plain, first, second = (model(self.sentences, training=training).numpy() for training in (False, True, True))
        varies = not (np.array_equal(first, second) or np.array_equal(first, plain))
        self._require(varies == (rate > 0), SENTENCE_ENCODER, f"has a dropout of {rate}, and training does not show it")
        return f"dropout: {rate}, in training only" if rate else "dropout: none"

    def _signature(self, name: str) -> Any:
        """The signature of a model."""
        signatures = self.models[name].signatures
        self._require("serving_default" in signatures, name, "has no signature serving_default")
        return signatures["serving_default"]

    def _require_close(self, found: Array, expected: Array, name: str, what: str) -> float:
        """The largest difference, if it is within the tolerance."""
        difference = float(np.max(np.abs(found - expected)))
        # Written so that NaN fails.
        within = difference <= self.tolerance
        self._require(within, name, f"{what} (by {difference:.1e}, more than {self.tolerance:.0e})")
        return difference

    def _require(self, condition: bool, name: str, what: str) -> None:
        """Raises `DataError` about a model unless `condition`."""
        if not condition:
            raise DataError(f"{self.path / name}: {what}; export the model anew.")


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest, if it is one of an export."""
    manifest = read_json(path / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("kind") != EXPORT_KIND:
        raise DataError(f"{path}: is not an exported model; name a directory that `lealla export` wrote.")
    expected = {"dim": int, "num_parameters": int, "sequence_length": int, "vocabulary": dict, "encoder": dict}
    for name, kind in {**expected, "files": dict}.items():
        if not isinstance(manifest.get(name), kind):
            raise DataError(f"{path / MANIFEST}: `{name}` is missing or of another kind; export the model anew.")
    return manifest


def _check_files(path: Path, files: Mapping[str, str]) -> str:
    """Every file is there and unchanged, and no other stands in a model's directory."""
    for name, checksum in files.items():
        if not (path / name).is_file():
            raise DataError(f"{path / name}: is missing; copy the whole directory.")
        if sha256(path / name) != checksum:
            raise DataError(f"{path / name}: was changed since it was written; copy it again, or export anew.")
    present = {
        file.relative_to(path).as_posix() for name in _CONTRACT for file in (path / name).rglob("*") if file.is_file()
    }
    if unknown := sorted(present - files.keys()):
        raise DataError(f"{path / unknown[0]}: is not in the manifest; remove it, or export the model anew.")
    return f"files: {len(files)}, unchanged"


def _load(path: Path, names: tuple[str, ...]) -> Any:
    """A SavedModel that has all of `names`."""
    try:
        model = tf.saved_model.load(str(path))
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path}: cannot be loaded as a SavedModel ({reason}); export the model anew.") from error
    if missing := [name for name in names if not hasattr(model, name)]:
        raise DataError(f"{path}: lacks {', '.join(missing)}; export the model anew.")
    return model


def _read_reference(path: Path) -> tuple[Any, Array]:
    """The sentences and the embeddings that they have to get."""
    value = read_json(path)
    try:
        embeddings = np.array([[float(number) for number in row.split()] for row in value["embeddings"]], np.float32)
        return tf.constant(value["sentences"], tf.string), embeddings
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: does not hold sentences and their embeddings ({error}); export anew.") from error
