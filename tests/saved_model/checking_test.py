"""Everything that can be wrong with an exported directory is found, and said."""

import json
import shutil
import types

import pytest
import tensorflow as tf

from lealla_tf.errors import DataError
from lealla_tf.files import sha256
from lealla_tf.saved_model import checking
from lealla_tf.saved_model.checking import check_export


@pytest.fixture(scope="module")
def models(exported):
    """The three models, loaded once."""
    return {name: tf.saved_model.load(str(exported / name)) for name in checking._CONTRACT}


@pytest.fixture
def copy(exported, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(exported, tmp_path / "copy")


@pytest.fixture
def check(copy, models, monkeypatch):
    """Checks the copy's files, with the models that are loaded already, or others."""

    def run(**replaced):
        monkeypatch.setattr(checking, "_load", lambda path, names: (models | replaced)[path.name])
        return check_export(copy)

    return run


def edit(path, change):
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def edit_reference(copy, change):
    """Changes the reference, and its checksum in the manifest."""
    edit(copy / "reference.json", change)
    edit(
        copy / "manifest.json", lambda value: value["files"].update({"reference.json": sha256(copy / "reference.json")})
    )


def test_a_good_directory_passes(check):
    found = check()
    assert found[0] == "files: 15, unchanged"
    assert found[1] == "preprocessor: 59 pieces, rows of 16 tokens"
    assert found[2] == "encoder: 6,112 weights, 2 layers, 16 dimensions"
    assert found[3].startswith("sentence_encoder: 9 vectors are as before the export, within ")
    assert found[4:] == ["signatures: serving_default of all three", "dropout: 0.1, in training only"]


def test_files_are_compared_with_the_manifest(copy):
    file = copy / "encoder" / "variables" / "variables.data-00000-of-00001"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"variables.data-00000-of-00001: was changed since it was written; copy it"):
        check_export(copy)
    file.unlink()
    with pytest.raises(DataError, match=r"variables.data-00000-of-00001: is missing; copy the whole directory"):
        check_export(copy)


def test_files_that_nobody_wrote_are_found(copy):
    (copy / "preprocessor" / "assets" / "more").write_text("")
    with pytest.raises(DataError, match="preprocessor/assets/more: is not in the manifest; remove it"):
        check_export(copy)


def test_other_directories_are_refused(copy, tmp_path):
    with pytest.raises(DataError, match=r"nowhere/manifest.json: cannot be read"):
        check_export(tmp_path / "nowhere")
    edit(copy / "manifest.json", lambda value: value.pop("vocabulary"))
    with pytest.raises(DataError, match=r"manifest.json: `vocabulary` is missing or of another kind"):
        check_export(copy)
    edit(copy / "manifest.json", lambda value: value.update(kind="lealla-checkpoint"))
    with pytest.raises(DataError, match="copy: is not an exported model; name a directory that `lealla export` wrote"):
        check_export(copy)
    (copy / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="copy: is not an exported model"):
        check_export(copy)


def test_what_is_no_model_is_said_to_be_none(copy):
    path = copy / "preprocessor" / "saved_model.pb"
    path.write_bytes(b"not a model")
    edit(copy / "manifest.json", lambda value: value["files"].update({"preprocessor/saved_model.pb": sha256(path)}))
    with pytest.raises(DataError, match="copy/preprocessor: cannot be loaded as a SavedModel"):
        check_export(copy)


def test_a_model_that_lacks_parts_is_refused(copy, tmp_path):
    bare = tmp_path / "bare"
    tf.saved_model.save(tf.Module(), str(bare))
    with pytest.raises(DataError, match="bare: lacks __call__, tokenize; export the model anew"):
        checking._load(bare, ("__call__", "tokenize"))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("dim", 17, r"encoder: gives embeddings \(9, 16\); width 17 is expected"),
        ("num_parameters", 6_113, "encoder: has 6112 weights, and the manifest says 6113"),
        ("sequence_length", 15, r"preprocessor: gives .*, and \(9, 15\) is expected"),
        ("vocabulary.size", 60, "preprocessor: has 59 pieces, and the manifest says 60"),
        ("vocabulary.sha256", "0", "encoder: carries another vocabulary as its asset"),
        ("encoder.num_layers", 3, "encoder: has 2 layers, and the manifest says 3"),
        ("encoder.dropout", 0, "sentence_encoder: has a dropout of 0, and training does not show it"),
    ],
)
def test_the_models_are_compared_with_the_manifest(copy, check, place, value, message):
    def change(manifest):
        *parents, name = place.split(".")
        for parent in parents:
            manifest = manifest[parent]
        assert manifest[name] != value
        manifest[name] = value

    edit(copy / "manifest.json", change)
    with pytest.raises(DataError, match=message):
        check()


def test_other_vectors_than_before_the_export_are_found(copy, check):
    def move(value):
        first, *rest = value["embeddings"][2].split()
        value["embeddings"][2] = " ".join([str(float(first) + 3e-5), *rest])

    edit_reference(copy, move)
    with pytest.raises(
        DataError, match=r"gives other vectors than before it was exported \(by 3.0e-05, more than 1e-05"
    ):
        check()
    assert check_export(copy, tolerance=1e-4)[3].endswith("within 3.0e-05")


def test_a_reference_that_cannot_be_one_is_refused(copy, check):
    edit_reference(copy, lambda value: value["embeddings"].pop())
    with pytest.raises(DataError, match=r"sentence_encoder: gives \(9, 16\), not \(8, 16\)"):
        check()
    edit_reference(copy, lambda value: value.pop("sentences"))
    with pytest.raises(DataError, match=r"reference.json: does not hold sentences and their embeddings"):
        check()


def altered(model, call, **attributes):
    """A stand-in for a loaded model, called by `call` and otherwise the same."""
    names = ("signatures", "trainable_variables", "vocab_file", "tokenize", "bert_pack_inputs")
    kept = {name: getattr(model, name) for name in names if hasattr(model, name)}
    kind = type("Altered", (types.SimpleNamespace,), {"__call__": lambda self, *args, **kwargs: call(*args, **kwargs)})
    return kind(**(kept | attributes))


def test_vectors_that_are_not_of_unit_length_are_found(check, models):
    model = models["sentence_encoder"]
    longer = altered(model, lambda *arguments, **options: 1.001 * model(*arguments, **options))
    with pytest.raises(DataError, match="gives vectors that are not of unit length"):
        check(sentence_encoder=longer)
    undefined = altered(model, lambda *arguments, **options: float("nan") * model(*arguments, **options))
    with pytest.raises(DataError, match=r"gives vectors that are not of unit length \(by nan"):
        check(sentence_encoder=undefined)


def test_an_encoder_that_is_another_than_the_sentence_encoder_is_found(check, models):
    def call(inputs):
        outputs = models["encoder"](inputs)
        return {**outputs, "default": outputs["default"] + 0.01}

    with pytest.raises(DataError, match="gives other vectors than preprocessor and encoder together"):
        check(encoder=altered(models["encoder"], call))


def test_a_preprocessor_that_packs_in_two_ways_is_found(check, models):
    model = models["preprocessor"]

    def other(segments):
        return {name: value + 1 for name, value in model.bert_pack_inputs(segments).items()}

    with pytest.raises(DataError, match="preprocessor: packs otherwise in two steps than in one"):
        check(preprocessor=altered(model, model, bert_pack_inputs=other))


def test_signatures_are_called(check, models):
    model, encoder = models["sentence_encoder"], models["encoder"]
    with pytest.raises(DataError, match="sentence_encoder: has no signature serving_default"):
        check(sentence_encoder=altered(model, model, signatures={}))
    wrong = {"serving_default": lambda sentences: {"default": -model(sentences)}}
    with pytest.raises(DataError, match="gives other vectors by its signature"):
        check(sentence_encoder=altered(model, model, signatures=wrong))
    wrong = {"serving_default": lambda **inputs: {"default": -encoder(inputs)["default"]}}
    with pytest.raises(DataError, match="/encoder: gives other vectors by its signature"):
        check(encoder=altered(encoder, encoder, signatures=wrong))


def test_dropout_must_be_active_in_training_and_only_there(check, models):
    model = models["sentence_encoder"]
    with pytest.raises(DataError, match=r"has a dropout of 0.1, and training does not show it"):
        check(sentence_encoder=altered(model, lambda sentences, training=False: model(sentences)))
