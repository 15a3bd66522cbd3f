"""A checkpoint is read back as it was written, and what is damaged or of another making is named."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lealla_tf.checkpoints import (
    RunDirectory,
    assign_weights,
    encoder_weights,
    is_checkpoint,
    load_checkpoint,
    read_arrays,
    save_checkpoint,
)
from lealla_tf.config import BatchConfig, Config, EncoderConfig
from lealla_tf.errors import DataError
from lealla_tf.files import MANIFEST, read_json, sha256, write_json
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.tokenizer import compile_vocabulary
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary

VOCABULARY = Vocabulary([*SPECIAL_PIECES, "a", "##b", "é"])
CONFIG = Config(
    encoder=EncoderConfig(
        vocabulary_size=8, hidden_dim=4, num_layers=1, num_heads=2, intermediate_dim=6, max_positions=8
    ),
    batch=BatchConfig(length=8),
)
FACTS = {"step": 7, "languages": ["de", "en"], "metrics": {"validation/precision_at_1": 0.5}}
STATE = {"optimizer/iterations": np.array(7), "dropout_seeds": np.arange(6).reshape(3, 2)}
INPUTS = {"token_ids": np.array([[2, 5, 6, 3]]), "padding_mask": np.ones((1, 4), "int32")}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.from_encoder_config(CONFIG.encoder)


@pytest.fixture(scope="module")
def saved(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved") / "checkpoint"
    save_checkpoint(directory, encoder, CONFIG, VOCABULARY, FACTS, STATE)
    return directory


@pytest.fixture
def checkpoint(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(saved, tmp_path / "checkpoint"))


def refused(path: Path, message: str) -> Any:
    return pytest.raises(DataError, match=re.escape(f"{path}{message}"))


# --- writing and reading


def test_round_trip(saved: Path, encoder: Encoder) -> None:
    """Read back in this process; the tests of the backends read one in a fresh process."""
    loaded = load_checkpoint(saved)
    assert (loaded.config, loaded.vocabulary, loaded.languages) == (CONFIG, VOCABULARY, ("de", "en"))
    assert {name: loaded.manifest[name] for name in FACTS} == FACTS
    copy = loaded.load_encoder()
    for name, weight in encoder_weights(encoder).items():
        np.testing.assert_array_equal(encoder_weights(copy)[name], weight, err_msg=name)
    np.testing.assert_array_equal(copy.embed(INPUTS), encoder.embed(INPUTS))


def test_arguments_of_the_encoder_are_handed_on(saved: Path) -> None:
    copy = load_checkpoint(saved).load_encoder(name="teacher", dtype="mixed_bfloat16")
    assert (copy.name, copy.dtype_policy.name) == ("teacher", "mixed_bfloat16")


def test_what_a_checkpoint_consists_of(saved: Path, encoder: Encoder) -> None:
    files = {"config.json", "vocabulary.txt", "vocabulary.bin", "encoder.npz", "training.npz"}
    assert {path.name for path in saved.iterdir()} == {*files, MANIFEST}
    manifest = read_json(saved / MANIFEST)
    assert manifest["files"] == {name: sha256(saved / name) for name in files}
    assert (manifest["kind"], manifest["num_parameters"]) == ("lealla-checkpoint", encoder.count_params())
    assert "encoder/" not in "".join(read_arrays(saved / "encoder.npz"))
    assert "layer_0/attention/query/kernel" in read_arrays(saved / "encoder.npz")


def test_the_state_of_the_run(saved: Path) -> None:
    state = load_checkpoint(saved).read_training_state()
    assert state.keys() == STATE.keys()
    for name, value in STATE.items():
        np.testing.assert_array_equal(state[name], value)


def test_the_compiled_vocabulary_is_that_of_the_vocabulary_and_the_mode(saved: Path, tmp_path: Path) -> None:
    assert (saved / "vocabulary.bin").read_bytes() == compile_vocabulary(VOCABULARY, "exact")
    tokenizer = load_checkpoint(saved).load_tokenizer()
    assert (tokenizer.mode, tokenizer.vocabulary) == ("exact", VOCABULARY)
    assert tokenizer.tokenize_flat(["a ab b é"]).to_list() == [[5, 5, 6, 1, 7]]


def test_a_checkpoint_without_a_compiled_vocabulary(checkpoint: Path) -> None:
    (checkpoint / "vocabulary.bin").unlink()
    manifest = read_json(checkpoint / MANIFEST)
    del manifest["files"]["vocabulary.bin"]
    write_json(checkpoint / MANIFEST, manifest)
    assert load_checkpoint(checkpoint).load_tokenizer().tokenize_flat(["a ab"]).to_list() == [[5, 5, 6]]


def test_a_compiled_vocabulary_of_another_checkpoint(checkpoint: Path) -> None:
    (checkpoint / "vocabulary.bin").write_bytes(compile_vocabulary(Vocabulary([*SPECIAL_PIECES, "a", "b"]), "exact"))
    with refused(checkpoint / "vocabulary.bin", ": was changed since the checkpoint was written"):
        load_checkpoint(checkpoint).load_tokenizer()


def test_a_checkpoint_is_replaced_as_a_whole(checkpoint: Path, encoder: Encoder) -> None:
    save_checkpoint(checkpoint, encoder, CONFIG, VOCABULARY, {"step": 8}, {})
    loaded = load_checkpoint(checkpoint)
    assert (loaded.manifest["step"], loaded.languages, loaded.read_training_state()) == (8, (), {})


def test_what_is_not_a_checkpoint_is_not_replaced(tmp_path: Path, encoder: Encoder) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with refused(tmp_path, ": the directory is not empty and was not written by lealla"):
        save_checkpoint(tmp_path, encoder, CONFIG, VOCABULARY, FACTS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_fingerprint_is_of_all_that_decides_an_embedding(tmp_path: Path, saved: Path, encoder: Encoder) -> None:
    """Another step of the same weights has the same one; other weights or another vocabulary have not."""
    other = Encoder.from_encoder_config(CONFIG.encoder)
    other.set_weights([weight + 1 for weight in encoder.get_weights()])
    pieces = Vocabulary([*SPECIAL_PIECES, "a", "##b", "e"])
    save_checkpoint(tmp_path / "same", encoder, CONFIG, VOCABULARY, {"step": 9}, {})
    save_checkpoint(tmp_path / "weights", other, CONFIG, VOCABULARY, FACTS, STATE)
    save_checkpoint(tmp_path / "vocabulary", encoder, CONFIG, pieces, FACTS, STATE)
    fingerprint = load_checkpoint(saved).fingerprint
    assert re.fullmatch("[0-9a-f]{32}", fingerprint)
    assert load_checkpoint(tmp_path / "same").fingerprint == fingerprint
    others = {load_checkpoint(tmp_path / name).fingerprint for name in ("weights", "vocabulary")}
    assert len({fingerprint, *others}) == 3


# --- weights that do not fit


def test_weights_of_other_names(saved: Path) -> None:
    deeper = Encoder.from_encoder_config(EncoderConfig(**{**CONFIG.encoder.__dict__, "num_layers": 2}))
    message = (
        ": does not hold the weights of this encoder (16 names differ, among them layer_1/attention/key/bias); "
        "use the configuration that it was trained with."
    )
    with refused(saved / "encoder.npz", message):
        load_checkpoint(saved).assign_to(deeper)


def test_weights_of_other_shapes_change_nothing(saved: Path) -> None:
    """The tables come first and fit; still they are not assigned before all the others are found to fit."""
    wider = Encoder.from_encoder_config(EncoderConfig(**{**CONFIG.encoder.__dict__, "intermediate_dim": 5}))
    before = encoder_weights(wider)
    message = (
        ": layer_0/intermediate/kernel has the shape (4, 6), and the encoder needs (4, 5); "
        "use the configuration that it was trained with."
    )
    with refused(saved / "encoder.npz", message):
        load_checkpoint(saved).assign_to(wider)
    for name, weight in encoder_weights(wider).items():
        np.testing.assert_array_equal(weight, before[name])


def test_weights_are_named_alike_in_encoders_of_all_names(encoder: Encoder) -> None:
    other = Encoder.from_encoder_config(CONFIG.encoder, name="teacher")
    assign_weights(other, encoder_weights(encoder), "here")
    np.testing.assert_array_equal(other.embed(INPUTS), encoder.embed(INPUTS))


# --- damage


def test_nothing_there(tmp_path: Path) -> None:
    with refused(tmp_path, ": is not a checkpoint; name a directory that `lealla train` wrote."):
        load_checkpoint(tmp_path)
    with refused(tmp_path / "missing", ": does not exist here; name a directory that `lealla train` wrote."):
        load_checkpoint(tmp_path / "missing")
    with pytest.raises(DataError, match=r"^https://somewhere/model: does not exist here"):  # both slashes of the name
        load_checkpoint("https://somewhere/model")


MANIFESTS = {
    "a list": [1],
    "a string": "lealla-checkpoint",
    "no kind": {"step": 1},
    "another kind": {"kind": "lealla-shards", "files": {}},
    "another program's": {"manifest_version": 3, "name": "extension"},
}


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_of_another_making(checkpoint: Path, manifest: Any) -> None:
    write_json(checkpoint / MANIFEST, manifest)
    with refused(checkpoint, ": is not a checkpoint; name a directory that `lealla train` wrote."):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("files", [None, [], {}, {"encoder.npz": 3}, "missing"])
@pytest.mark.parametrize("left_out", ["all", "training.npz"])
def test_a_manifest_without_checksums(checkpoint: Path, files: Any, left_out: str) -> None:
    manifest = read_json(checkpoint / MANIFEST)
    if left_out != "all":
        manifest["files"].pop(left_out)
    elif files == "missing":
        del manifest["files"]
    else:
        manifest["files"] = files
    write_json(checkpoint / MANIFEST, manifest)
    with refused(checkpoint / MANIFEST, ": lacks the checksums of the checkpoint's files; use another checkpoint."):
        load_checkpoint(checkpoint)


def test_a_manifest_that_is_not_json(checkpoint: Path) -> None:
    (checkpoint / MANIFEST).write_text("{\n")
    with refused(checkpoint / MANIFEST, ":2: is not JSON"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "vocabulary.txt"])
def test_a_file_that_was_changed(checkpoint: Path, name: str) -> None:
    with (checkpoint / name).open("a") as file:
        file.write("\n")
    with refused(checkpoint / name, ": was changed since the checkpoint was written; use another checkpoint."):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "vocabulary.txt", "vocabulary.bin", "encoder.npz", "training.npz"])
def test_a_missing_file(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    with refused(checkpoint / name, ": is missing; use another checkpoint."):
        loaded = load_checkpoint(checkpoint)
        loaded.load_encoder()
        loaded.load_tokenizer()
        loaded.read_training_state()


def test_a_configuration_of_a_newer_version(checkpoint: Path) -> None:
    """It is not the user's command line that is wrong: exit code 1 and not 2, and what to do is to update."""
    values = read_json(checkpoint / "config.json")
    values["encoder"]["rotary"] = True
    write_json(checkpoint / "config.json", values)
    manifest = read_json(checkpoint / MANIFEST)
    manifest["files"]["config.json"] = sha256(checkpoint / "config.json")
    write_json(checkpoint / MANIFEST, manifest)
    with refused(checkpoint / "config.json", ": Unknown field `rotary` in `encoder`. Valid fields: ") as caught:
        load_checkpoint(checkpoint)
    assert str(caught.value).endswith("Read it with the version that wrote it.")


def test_a_flipped_bit_anywhere_in_the_weights(checkpoint: Path) -> None:
    """In the names, the headers, the numbers or the directory of the archive: one message for all."""
    path = checkpoint / "encoder.npz"
    content = path.read_bytes()
    loaded = load_checkpoint(checkpoint)
    for position in range(0, len(content), len(content) // 40):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        with refused(path, ": was changed since the checkpoint was written; use another checkpoint."):
            loaded.load_encoder()


def test_a_truncated_state(checkpoint: Path) -> None:
    path = checkpoint / "training.npz"
    path.write_bytes(path.read_bytes()[:100])
    with refused(path, ": was changed since the checkpoint was written; use another checkpoint."):
        load_checkpoint(checkpoint).read_training_state()


# --- read_arrays


def test_arrays_are_mapped(tmp_path: Path) -> None:
    """Whatever their shapes, orders and types, and wherever in the file they come to lie."""
    arrays = {
        "weight/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "step": np.array(7),
        "nothing": np.zeros((0, 3)),
        "\u00e9": np.array([True, False]),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert not found["weight/kernel"].flags.owndata


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 is how an archive begins", b"something else"])
def test_arrays_that_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with refused(tmp_path / "a.npz", ": is damaged ("):
        read_arrays(tmp_path / "a.npz")


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    """Unpickling runs code of the file's author."""
    np.savez(tmp_path / "a.npz", weight=np.array([{}], dtype=object))
    with refused(tmp_path / "a.npz", ": is damaged (an array of objects)"):
        read_arrays(tmp_path / "a.npz")


def test_missing_arrays(tmp_path: Path) -> None:
    with refused(tmp_path / "a.npz", ": cannot be read (No such file or directory); use another checkpoint."):
        read_arrays(tmp_path / "a.npz")


# --- checkpoints of a run


def test_a_run_stands_for_its_best_checkpoint(tmp_path: Path, saved: Path) -> None:
    run = RunDirectory(tmp_path)
    for step, score in ((10, 0.9), (20, 0.1)):
        shutil.copytree(saved, run.checkpoint_path(step))
        run.record(run.checkpoint_path(step), score)
    assert load_checkpoint(tmp_path).directory == run.checkpoint_path(10)
    assert load_checkpoint(run.checkpoint_path(20)).directory == run.checkpoint_path(20)


def test_is_checkpoint(tmp_path: Path, saved: Path) -> None:
    RunDirectory(tmp_path / "run").create({})
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").touch()
    write_json(tmp_path / "model" / MANIFEST, {"kind": "lealla-export"})
    assert is_checkpoint(saved)
    assert is_checkpoint(tmp_path / "run")
    assert not is_checkpoint(tmp_path / "model")
    assert not is_checkpoint(tmp_path / "missing")
    assert not is_checkpoint("https://hub.example/lealla/1")
