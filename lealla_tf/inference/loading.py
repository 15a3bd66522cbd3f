"""Models by name: a checkpoint, an exported directory, or a Hub handle."""

import contextlib
import functools
import hashlib
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  registers the operators that loaded models contain

from lealla_tf.checkpoints import Checkpoint, is_checkpoint, load_checkpoint
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import MANIFEST, read_json
from lealla_tf.inference.packed_encoder import PackedSentenceEncoder, check_dtype, keep_cores_apart
from lealla_tf.inference.sentence_encoder import GraphSentenceEncoder, SentenceEncoder, embed_with
from lealla_tf.saved_model.checking import SENTENCE_ENCODER
from lealla_tf.saved_model.reading import is_export, read_export

_SAVED_MODEL = "saved_model.pb"

# Seconds without an answer after which a server counts as out of reach; TensorFlow Hub itself waits for ever.
_PATIENCE = 60.0


def load_sentence_encoder(model: str, preprocessor: str = "", dtype: str = "float32") -> SentenceEncoder:
    """The encoder at `model`, as fast as this machine embeds with it.

    A model of this project is packed, unless there is a GPU; any other runs as it comes.

    Args:
        model: A run or a checkpoint of `lealla train`; a directory of `lealla export`; a
            SavedModel that takes strings; or, with `preprocessor`, one of LaBSE's format that
            takes ids. Directories, or handles that TensorFlow Hub resolves.
        preprocessor: The SavedModel that turns strings into the inputs of `model`.
        dtype: `float32`, or `bfloat16`: see `PackedSentenceEncoder`.

    Raises:
        DataError: if there is no such model, it cannot be fetched, or does not do what it
            has to; says which.
        UsageError: for bfloat16, if the model is not packed, or the processor lacks it.
    """
    check_dtype(dtype)
    if not preprocessor and not tf.config.list_physical_devices("GPU"):
        if is_checkpoint(model):
            return _pack_checkpoint(load_checkpoint(model), dtype)
        directory = find_model(model)
        if is_export(directory):
            return _pack_export(directory, dtype)
    if dtype != "float32":
        raise UsageError(
            f"{model}: runs as it comes, and not in {dtype}, which is for checkpoints and exports of this project "
            "on CPUs; use float32."
        )
    return load_teacher(model, preprocessor)


def load_teacher(model: str, preprocessor: str = "") -> GraphSentenceEncoder:
    """The encoder at `model` in TensorFlow's graph, for use within a training step.

    Arguments and errors are those of `load_sentence_encoder`.
    """
    if not preprocessor and is_checkpoint(model):
        return _load_checkpoint(load_checkpoint(model))
    directory = find_model(model)
    if not preprocessor and (directory / SENTENCE_ENCODER / _SAVED_MODEL).is_file():
        directory = directory / SENTENCE_ENCODER
    loaded, fingerprint = _load(directory, model)
    inputs: Callable[[Any], Any] = tf.convert_to_tensor
    if preprocessor:
        preprocess, prefix = _load(find_model(preprocessor), preprocessor)
        inputs, fingerprint = preprocess, prefix + fingerprint
    embed_inputs = functools.partial(_default_output, loaded)
    variables = getattr(loaded, "variables", ())
    return GraphSentenceEncoder(
        inputs,
        embed_inputs,
        dim=_width(inputs, embed_inputs, model, bool(preprocessor)),
        fingerprint=fingerprint,
        num_parameters=sum(int(np.prod(variable.shape)) for variable in variables if variable.dtype.is_floating),
        trained_languages=_exported_languages(directory),
    )


def _load_checkpoint(checkpoint: Checkpoint) -> GraphSentenceEncoder:
    """The encoder of a checkpoint, which was trained at the configured length."""
    encoder = embed_with(checkpoint.load_encoder(), checkpoint.load_tokenizer(), checkpoint.config.batch.length)
    encoder.fingerprint = checkpoint.fingerprint
    encoder.trained_languages = checkpoint.languages
    return encoder


def _pack_checkpoint(checkpoint: Checkpoint, dtype: str) -> PackedSentenceEncoder:
    """The same, packed."""
    # Side by side: of a large table, a checksum takes a third of a second.
    with ThreadPoolExecutor(1) as thread:
        verified = thread.submit(checkpoint.verify_weights)
        encoder = PackedSentenceEncoder(
            checkpoint.map_weights(),
            checkpoint.config.encoder,
            checkpoint.load_tokenizer,
            checkpoint.config.batch.length,
            fingerprint=checkpoint.fingerprint,
            dtype=dtype,
            trained_languages=checkpoint.languages,
        )
        verified.result()
    return encoder


def _pack_export(directory: Path, dtype: str) -> PackedSentenceEncoder:
    """The encoder of an exported directory, packed; its fingerprint is that of the SavedModel that does the same."""
    # TensorFlow computes where it reads variables.
    keep_cores_apart()
    export = read_export(directory)
    return PackedSentenceEncoder(
        export.weights,
        export.config,
        lambda: export.tokenizer,
        export.sequence_length,
        fingerprint=_fingerprint(directory / SENTENCE_ENCODER),
        dtype=dtype,
        trained_languages=_exported_languages(directory),
    )


def find_model(handle: str) -> Path:
    """The local directory of a path or a handle, fetched if need be.

    Raises:
        DataError: if there is no such path, or the handle cannot be fetched.
    """
    if handle and Path(handle).exists():  # of an empty name, Path makes the working directory
        return Path(handle)
    if "://" not in handle:
        raise DataError(
            f"{handle}: does not exist; name a checkpoint, an exported directory or a Hub handle (https://...)."
        )
    try:
        with _socket_timeout(_PATIENCE):
            return Path(_hub().resolve(handle))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise DataError(
            f"{handle}: cannot be fetched ({_first_line(error)}); connect, or name a local directory."
        ) from error


def _load(directory: Path, name: str) -> tuple[Any, str]:
    """A SavedModel and its fingerprint."""
    if not (directory / _SAVED_MODEL).is_file():
        raise DataError(f"{name}: holds no model ({_SAVED_MODEL} or a checkpoint); name another directory.")
    try:
        loaded = _hub().load(str(directory))
        fingerprint = _fingerprint(directory)
    except (OSError, ValueError, LookupError, tf.errors.OpError) as error:
        raise DataError(
            f"{name}: cannot be loaded as a SavedModel ({_first_line(error)}); fetch or export it again."
        ) from error
    if not callable(loaded):
        raise DataError(f"{name}: is a SavedModel that cannot be called; name one of TensorFlow Hub's format.")
    return loaded, fingerprint


def _fingerprint(directory: Path) -> str:
    """What changes with the graph or the weights of a SavedModel."""
    try:
        return str(tf.saved_model.experimental.read_fingerprint(str(directory)).singleprint())
    except FileNotFoundError:
        # Written before TensorFlow 2.12, as LaBSE is. The index holds the checksums of all weights.
        digest = hashlib.sha256((directory / _SAVED_MODEL).read_bytes())
        digest.update((directory / "variables" / "variables.index").read_bytes())
        return digest.hexdigest()


def _default_output(model: Any, inputs: Any) -> Any:
    """The embedding among a model's outputs: the only one, or the one called `default`."""
    outputs = model(inputs)
    return outputs["default"] if isinstance(outputs, Mapping) else outputs


def _width(inputs: Callable[[Any], Any], embed_inputs: Callable[[Any], Any], name: str, has_preprocessor: bool) -> int:
    """The width of the embeddings, found by embedding a word."""
    try:
        shape = tf.convert_to_tensor(embed_inputs(inputs(tf.constant(["word"]))), tf.float32).shape
    except (ValueError, TypeError, LookupError, AttributeError, tf.errors.OpError) as error:
        remedy = (
            "check that the preprocessor belongs to it"
            if has_preprocessor
            else "an encoder that takes ids needs its --preprocessor"
        )
        raise DataError(f"{name}: does not embed strings ({_first_line(error)}); {remedy}.") from error
    if shape.rank != 2:
        raise DataError(f"{name}: gives an output of shape {shape} for one sentence; name a model that gives a vector.")
    return int(shape[-1])


def _exported_languages(directory: Path) -> tuple[str, ...]:
    """The languages that the manifest of an exported directory names."""
    for place in (directory, directory.parent):
        if (place / MANIFEST).is_file():
            manifest = read_json(place / MANIFEST)
            return tuple(manifest.get("languages", ())) if isinstance(manifest, dict) else ()
    return ()


def _hub() -> Any:
    """TensorFlow Hub, which takes a third of a second to import: what pkg_resources needs, which it imports."""
    with warnings.catch_warnings():
        # Its deprecation is no concern of this project's users.
        warnings.filterwarnings("ignore", "pkg_resources is deprecated")
        import tensorflow_hub
    return tensorflow_hub


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Bounds how long a connection that is opened in the block waits for an answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _first_line(error: Exception) -> str:
    """The first line of what an exception says, or what it is."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # What is announced there stands on lines of its own, which are left out here.
    return lines[0].removesuffix("Got:").rstrip(" .")
