"""Reading an exported directory for its parts, without running the models in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from lealla_tf.config import EncoderConfig
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import MANIFEST, read_json
from lealla_tf.models.encoder import weight_shapes
from lealla_tf.saved_model.checking import ENCODER, EXPORT_KIND, PREPROCESSOR, SENTENCE_ENCODER, read_manifest
from lealla_tf.settings import from_dict
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Export:
    """What `export_model` was given and wrote."""

    config: EncoderConfig
    weights: Mapping[str, np.ndarray[Any, Any]]
    """By the names of `lealla_tf.checkpoints.encoder_weights`."""
    tokenizer: Tokenizer
    sequence_length: int


def is_export(path: Path) -> bool:
    """Whether `path` is a directory of `lealla export`."""
    if not (path / MANIFEST).is_file():
        return False
    manifest = read_json(path / MANIFEST)
    return isinstance(manifest, dict) and manifest.get("kind") == EXPORT_KIND


def read_export(path: Path) -> Export:
    """The parts of an exported directory.

    Raises:
        DataError: if a part is missing or damaged, or does not fit the manifest.
    """
    manifest = read_manifest(path)
    try:
        config = from_dict(EncoderConfig, manifest["encoder"])
        vocabulary = Vocabulary.from_file(path / ENCODER / "assets" / "vocabulary.txt")
        if vocabulary.fingerprint != manifest["vocabulary"].get("sha256"):
            raise DataError(f"{path / ENCODER}: carries another vocabulary as its asset; export the model anew.")
        tokenizer = Tokenizer(vocabulary, manifest.get("text_mode", ""), _compiled_vocabulary(path / PREPROCESSOR))
    except (UsageError, ValueError) as error:
        raise DataError(f"{path / MANIFEST}: {error} Export the model anew.") from error
    return Export(config, _read_weights(path / SENTENCE_ENCODER, config), tokenizer, manifest["sequence_length"])


def _read_weights(path: Path, config: EncoderConfig) -> dict[str, np.ndarray[Any, Any]]:
    """The weights of a SavedModel that was made of an encoder of this shape."""
    shapes = weight_shapes(config)
    try:
        reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
        weights = {name: reader.get_tensor(_key(name)) for name in shapes}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise DataError(f"{path}: its variables cannot be read; copy it again, or export it anew.") from error
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            raise DataError(
                f"{path}: {name} has the shape {weights[name].shape}, and the manifest says {shape}; "
                "copy it again, or export it anew."
            )
    return weights


def _key(name: str) -> str:
    """What a SavedModel calls the value of a weight in `TrainableModule.weights`: `/` in a name becomes `.S`."""
    return f"weights/{name.replace('/', '.S')}/.ATTRIBUTES/VARIABLE_VALUE"


def _compiled_vocabulary(path: Path) -> bytes:
    """The table of a preprocessor's tokenizer: the only bytes among the constants of its graph.

    To load the preprocessor itself takes seconds, most of them for functions that are not wanted.
    """
    try:
        saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    except (OSError, DecodeError) as error:
        raise DataError(f"{path}: cannot be read as a SavedModel; copy it again, or export it anew.") from error
    for node in saved.meta_graphs[0].graph_def.node:
        if node.op == "Const" and node.attr["dtype"].type == tf.uint8.as_datatype_enum:
            return node.attr["value"].tensor.tensor_content
    raise DataError(f"{path}: has no tokenizer; export it anew.")
