"""`python -m export.verify`: what is right on stdout, what is wrong on stderr."""

import pytest

from export import verify
from lealla_tf.errors import DataError
from lealla_tf.saved_model import checking


def test_what_was_found_is_printed(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(
        checking, "check_export", lambda directory, tolerance: asked.append((directory, tolerance)) or ["one", "two"]
    )
    assert verify.main(["the/model"]) == 0
    assert verify.main(["the/model", "--tolerance", "1e-3"]) == 0
    assert asked == [("the/model", 1e-5), ("the/model", 1e-3)]
    assert capsys.readouterr().out == "one\ntwo\none\ntwo\n"


def test_what_is_wrong_is_one_line_and_a_status(monkeypatch, tmp_path, capsys):
    assert verify.main([str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"{tmp_path}/manifest.json: cannot be read (No such file or directory).\n"

    def refuse(directory, tolerance):
        raise DataError(f"{directory}: differs")

    monkeypatch.setattr(checking, "check_export", refuse)
    assert verify.main(["the/model"]) == 1
    assert capsys.readouterr().err == "the/model: differs\n"


def test_help_needs_no_tensorflow(capsys):
    with pytest.raises(SystemExit) as stopped:
        verify.main(["--help"])
    assert stopped.value.code == 0
    assert "Verifies an exported model" in capsys.readouterr().out
