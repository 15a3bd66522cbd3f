"""Checkpoints: a directory each, complete in itself, and a run that holds some of them.

A checkpoint holds `config.json` (the resolved configuration), `vocabulary.txt` and
`vocabulary.bin` (the same compiled for the tokenizer, which saves seconds at every start),
`encoder.npz` (the weights by name), `training.npz` (what it takes to go on with the run)
and `manifest.json`, which is written last.  A run directory names its `last` and its `best`
checkpoint in `run.json`.
"""

import os
import shutil
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from lealla_tf.config import Config
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import MANIFEST, atomic_directory, read_json, sha256, write_json
from lealla_tf.models.encoder import Encoder, weight_shapes
from lealla_tf.models.stacking import stack_layers
from lealla_tf.settings import from_dict, to_json
from lealla_tf.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from lealla_tf.text.tokenizer import Tokenizer

CHECKPOINT_KIND = "lealla-checkpoint"
RUN_KIND = "lealla-run"
RUN_FILE = "run.json"

_CONFIG, _VOCABULARY, _ENCODER, _TRAINING = "config.json", "vocabulary.txt", "encoder.npz", "training.npz"

# It may be missing, and is then made anew.
_COMPILED_VOCABULARY = "vocabulary.bin"

# Where in the header of a zip file's member the lengths of what follows it stand: the name, and an extra part.
_ZIP_LENGTHS = 26

Weights = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk; `load_checkpoint` makes it.

    `manifest` holds `step`, `languages` (of the training corpus), `metrics` of the validation
    at that step, `num_parameters`, and under `files` the checksums of the files.
    """

    directory: Path
    config: Config
    manifest: Mapping[str, Any]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The pieces of the encoder's ids."""
        return Vocabulary.from_file(self.directory / _VOCABULARY)

    @property
    def fingerprint(self) -> str:
        """A checksum of the weights and the vocabulary: of all that decides an embedding."""
        files = self.manifest["files"]
        return f"{files[_ENCODER][:16]}{files[_VOCABULARY][:16]}"

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the training corpus, in two- or three-letter codes."""
        return tuple(self.manifest.get("languages", ()))

    def load_tokenizer(self) -> "Tokenizer":
        """The tokenizer that the encoder was trained with.

        The compiled vocabulary is read if the manifest names it: its checksum stands beside that
        of the vocabulary and that of the configuration, which were both written with it.
        """
        from lealla_tf.text.tokenizer import Tokenizer  # and TensorFlow, which other backends do without

        compiled = None
        if checksum := self.manifest["files"].get(_COMPILED_VOCABULARY):
            _verify(self.directory / _COMPILED_VOCABULARY, checksum)
            compiled = (self.directory / _COMPILED_VOCABULARY).read_bytes()
        return Tokenizer(self.vocabulary, self.config.text.mode, compiled)

    def check_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Raises `UsageError` unless this is the vocabulary that the weights belong to."""
        if vocabulary != self.vocabulary:
            raise UsageError(
                f"{self.directory}: was trained with another vocabulary; start from it with its own "
                f"--vocabulary={self.directory / _VOCABULARY}."
            )

    def load_encoder(self, **kwargs: Any) -> Encoder:
        """The encoder with its weights; `kwargs` are further arguments of `Encoder`."""
        encoder = Encoder.from_encoder_config(self.config.encoder, **kwargs)
        self.assign_to(encoder)
        return encoder

    def assign_to(self, encoder: Encoder) -> None:
        """Gives `encoder` the checkpoint's weights; `DataError` if it has another shape."""
        assign_weights(encoder, self._read(_ENCODER), str(self.directory / _ENCODER))

    def start(self, encoder: Encoder) -> None:
        """Gives `encoder` the checkpoint's weights to start from; a reduction that it adds keeps its own."""
        own = {name: value for name, value in encoder_weights(encoder).items() if name.startswith("reduction/")}
        assign_weights(encoder, {**own, **self._read(_ENCODER)}, str(self.directory / _ENCODER))

    def read_weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """The encoder's weights by name; `DataError` if they are of another shape, or not what was written."""
        self.verify_weights()
        return self.map_weights()

    def map_weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """`read_weights` before `verify_weights`, for which all of the file is read."""
        weights = read_arrays(self.directory / _ENCODER)
        check_weights(weights, weight_shapes(self.config.encoder), str(self.directory / _ENCODER))
        return weights

    def verify_weights(self) -> None:
        """Raises `DataError` unless the encoder's weights are those that were written."""
        _verify(self.directory / _ENCODER, self.manifest["files"][_ENCODER])

    def read_training_state(self) -> dict[str, np.ndarray[Any, Any]]:
        """What `save_checkpoint` was given as the state of the run."""
        return self._read(_TRAINING)

    def _read(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays of one of the checkpoint's files, if they are those that were written."""
        _verify(self.directory / name, self.manifest["files"][name])
        return read_arrays(self.directory / name)


def save_checkpoint(
    directory: Path,
    encoder: Encoder,
    config: Config,
    vocabulary: Vocabulary,
    facts: Mapping[str, Any],
    training_state: Weights,
) -> None:
    """Writes a checkpoint, atomically; what stands at `directory` stays until it is complete.

    Args:
        directory: Where to.
        encoder: Its weights are written.
        config: The resolved configuration of the run.
        vocabulary: Of the encoder's ids.
        facts: Entries of the manifest: `step`, `languages`, `metrics`.
        training_state: Arrays by name.
    """
    from lealla_tf.text.tokenizer import compile_vocabulary

    with atomic_directory(directory) as temporary:
        (temporary / _CONFIG).write_text(to_json(config), encoding="utf-8")
        vocabulary.save(temporary / _VOCABULARY)
        (temporary / _COMPILED_VOCABULARY).write_bytes(compile_vocabulary(vocabulary, config.text.mode))
        _write_arrays(temporary / _ENCODER, encoder_weights(encoder))
        _write_arrays(temporary / _TRAINING, training_state)
        files = {file.name: sha256(file) for file in sorted(temporary.iterdir())}
        parameters = encoder.count_params()
        write_json(
            temporary / MANIFEST, {"kind": CHECKPOINT_KIND, **facts, "num_parameters": parameters, "files": files}
        )


def load_checkpoint(path: str | Path) -> Checkpoint:
    """The checkpoint at `path`, or the best one of the run at `path`.

    Raises:
        DataError: if there is none, if it was changed since it was written, or if another
            version of this project wrote it and this one cannot read it.
    """
    directory = Path(path)
    if not directory.exists():
        raise DataError(f"{path}: does not exist here; name a directory that `lealla train` wrote.")
    if (directory / RUN_FILE).is_file():
        best = RunDirectory(directory).best
        if best is None:
            raise DataError(f"{directory}: the run has no checkpoint yet; let it train for longer.")
        directory = best
    manifest = _read_manifest(directory)
    for name in (_CONFIG, _VOCABULARY):
        _verify(directory / name, manifest["files"][name])
    try:
        config = from_dict(Config, read_json(directory / _CONFIG))
    except UsageError as error:
        raise DataError(f"{directory / _CONFIG}: {error} Read it with the version that wrote it.") from error
    return Checkpoint(directory, config, manifest)


def is_checkpoint(path: str | Path) -> bool:
    """Whether `path` is a run or a checkpoint, judged by the files it holds."""
    directory = Path(path)
    if (directory / RUN_FILE).is_file():
        return True
    manifest = directory / MANIFEST
    return manifest.is_file() and (directory / _ENCODER).is_file()


def encoder_weights(encoder: Encoder) -> dict[str, np.ndarray[Any, Any]]:
    """The trainable weights by name, such as `layer_0/attention/query/kernel`."""
    prefix = f"{encoder.name}/"
    return {variable.path.removeprefix(prefix): variable.numpy() for variable in encoder.trainable_variables}


def assign_weights(encoder: Encoder, weights: Weights, origin: str) -> None:
    """Gives the encoder the weights that `encoder_weights` named.

    Raises:
        DataError: if a name is missing or unknown, or a shape is another; names `origin`.
    """
    prefix = f"{encoder.name}/"
    variables = {variable.path.removeprefix(prefix): variable for variable in encoder.trainable_variables}
    check_weights(weights, {name: tuple(variable.shape) for name, variable in variables.items()}, origin)
    # Only now: a refused file leaves the encoder as it was.
    for name, variable in variables.items():
        variable.assign(weights[name])


def stack_into(encoder: Encoder, checkpoint: Checkpoint) -> None:
    """Gives the encoder the weights of a checkpoint with fewer layers, which are repeated; see `stack_layers`.

    Raises:
        DataError: if the numbers of layers do not fit, or something else of the shape differs.
    """
    origin = str(checkpoint.directory / _ENCODER)
    try:
        weights = stack_layers(checkpoint.read_weights(), encoder.config.num_layers)
    except ValueError as error:
        raise DataError(f"{origin}: cannot be stacked: {error}") from error
    assign_weights(encoder, weights, origin)


def check_weights(weights: Weights, shapes: Mapping[str, tuple[int, ...]], origin: str) -> None:
    """Raises `DataError`, which names `origin`, unless the weights are those of the `shapes`."""
    if differing := sorted(shapes.keys() ^ weights.keys()):
        raise DataError(
            f"{origin}: does not hold the weights of this encoder ({len(differing)} names differ, among them "
            f"{differing[0]}); use the configuration that it was trained with."
        )
    for name, shape in shapes.items():
        if tuple(weights[name].shape) != shape:
            raise DataError(
                f"{origin}: {name} has the shape {weights[name].shape}, and the encoder needs "
                f"{shape}; use the configuration that it was trained with."
            )


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an .npz file that is not compressed, mapped: their pages are read when they are used.

    Raises:
        DataError: if the file is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            return {
                info.filename.removesuffix(".npy"): _map_array(path, file, info.header_offset)
                for info in archive.infolist()
            }
    except (zipfile.BadZipFile, ValueError, EOFError, struct.error) as error:
        raise DataError(f"{path}: is damaged ({error}); use another checkpoint.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); use another checkpoint.") from error


def _map_array(path: Path, file: BinaryIO, start: int) -> np.ndarray[Any, Any]:
    """The array of the member of a zip file that begins at `start`, with a header of its own."""
    file.seek(start + _ZIP_LENGTHS)
    file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)  # its name, and what else is said of it
    if (version := np.lib.format.read_magic(file)) != (1, 0):
        raise ValueError(f"an array of format {version}")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject:
        raise ValueError("an array of objects")
    if 0 in shape:
        return np.empty(shape, dtype)
    order: Literal["F", "C"] = "F" if is_fortran else "C"
    return np.asarray(np.memmap(path, dtype, mode="r", offset=file.tell(), shape=shape, order=order))


class RunDirectory:
    """The directory of a training run: its checkpoints, and which of them count.

    Only the last checkpoint and the best one are kept.

    Args:
        path: The directory; it need not exist.

    Raises:
        DataError: if it holds a `run.json` that is not of this project's making.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file = self.path / RUN_FILE
        self._state: dict[str, Any] = read_json(file) if file.is_file() else {"kind": RUN_KIND}
        if not isinstance(self._state, dict) or self._state.get("kind") != RUN_KIND:
            raise DataError(f"{file}: is not of a run of `lealla train`; name another directory.")

    @property
    def last(self) -> Path | None:
        """The checkpoint to go on from."""
        return self.path / self._state["last"] if "last" in self._state else None

    @property
    def best(self) -> Path | None:
        """The checkpoint with the highest score; the last one where nothing was scored."""
        return self.path / self._state["best"] if "best" in self._state else self.last

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint of a step belongs."""
        return self.path / "checkpoints" / f"step_{step:08d}"

    def record(self, checkpoint: Path, score: float | None) -> None:
        """Makes a written checkpoint the last one, and the best if its score is; removes others."""
        name = checkpoint.relative_to(self.path).as_posix()
        news: dict[str, Any] = {"last": name}
        if score is not None and score > self._state.get("best_score", float("-inf")):
            news |= {"best": name, "best_score": score}
        self._write(news)
        self.remove_others()

    def remove_others(self) -> None:
        """Removes checkpoints that are neither last nor best, and what a killed run left half-written."""
        checkpoints = self.path / "checkpoints"
        # By the names that a run gives: what a user copied to this place is not ours to remove.
        for directory in [*checkpoints.glob("step_*"), *checkpoints.glob(".step_*")]:
            if directory not in (self.last, self.best):
                shutil.rmtree(directory)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `create` was given."""
        return self._state.get("facts", {})

    def create(self, facts: Mapping[str, Any]) -> None:
        """Writes `run.json` of a new run, with what it is made of."""
        self._write({"facts": dict(facts)})

    def _write(self, news: Mapping[str, Any]) -> None:
        """Changes `run.json` and, once that is done, what this object knows of it."""
        state = {**self._state, **news}
        write_json(self.path / RUN_FILE, state)
        self._state = state


def _read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of the checkpoint at `directory`, with the checksums of all its files."""
    path = directory / MANIFEST
    manifest = read_json(path) if path.is_file() else None
    if not isinstance(manifest, dict) or manifest.get("kind") != CHECKPOINT_KIND:
        raise DataError(f"{directory}: is not a checkpoint; name a directory that `lealla train` wrote.")
    files = manifest.get("files")
    names = (_CONFIG, _VOCABULARY, _ENCODER, _TRAINING)
    if not isinstance(files, dict) or not all(isinstance(files.get(name), str) for name in names):
        raise DataError(f"{path}: lacks the checksums of the checkpoint's files; use another checkpoint.")
    return manifest


def _write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes what `read_arrays` reads."""
    np.savez(path, **arrays)


def _verify(path: Path, expected: str) -> None:
    """Raises `DataError` unless the file's checksum is the expected one."""
    if not path.is_file():
        raise DataError(f"{path}: is missing; use another checkpoint.")
    if sha256(path) != expected:
        raise DataError(f"{path}: was changed since the checkpoint was written; use another checkpoint.")
