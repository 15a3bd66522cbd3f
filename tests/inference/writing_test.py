import io
import sys

import numpy as np
import pytest

from lealla_tf.errors import DataError
from lealla_tf.inference.writing import _header, open_writer

ROWS = np.random.default_rng(0).standard_normal((2500, 3)).astype(np.float32)
# What nine digits have to give back: the smallest, the largest, neighbours of one, a negative zero.
HARD = np.array([[1e-45, 3.4028235e38, -0.0], [1.0000001, 0.99999994, 16777217.0], [0.1, -1 / 3, 1e-38]], np.float32)


def write(path, blocks, dim=3):
    with open_writer(str(path), dim) as append:
        for block in blocks:
            append(block)


@pytest.mark.parametrize(
    "rows", [[], [ROWS[:1]], [ROWS], [ROWS[:7], ROWS[7:7], ROWS[7:]]], ids=["0", "1", "all", "blocks"]
)
def test_npy_is_what_numpy_reads(tmp_path, rows):
    write(tmp_path / "x.npy", rows)
    expected = np.concatenate(rows) if rows else np.zeros((0, 3), np.float32)
    for mode in (None, "r") if len(expected) else (None,):  # an empty file cannot be mapped
        read = np.load(tmp_path / "x.npy", mmap_mode=mode)
        assert read.dtype == np.float32 and read.shape == expected.shape
        np.testing.assert_array_equal(read, expected)


def test_npy_holds_float32_whatever_comes(tmp_path):
    write(tmp_path / "x.npy", [ROWS.astype(np.float64), np.asfortranarray(ROWS)[::2], ROWS.astype(">f4")])
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.concatenate([ROWS, ROWS[::2], ROWS]))


@pytest.mark.parametrize("rows", [0, 1, 10**9, 10**15])
def test_the_header_has_room_for_any_number_of_rows(rows):
    header = _header(rows, 4096)
    assert len(header) == 128
    file = io.BytesIO(header)
    assert np.lib.format.read_magic(file) == (1, 0)
    assert np.lib.format.read_array_header_1_0(file) == ((rows, 4096), False, np.dtype("<f4"))
    assert file.tell() == 128


@pytest.mark.parametrize("rows", [ROWS, HARD], ids=["random", "hard"])
def test_text_gives_float32_back(tmp_path, rows):
    write(tmp_path / "x.tsv", [rows[:1], rows[1:]])
    lines = (tmp_path / "x.tsv").read_text(encoding="utf-8").splitlines()
    read = np.array([[float(number) for number in line.split("\t")] for line in lines], np.float64).astype(np.float32)
    np.testing.assert_array_equal(read.view(np.uint32), rows.view(np.uint32))


def test_text_by_hand(tmp_path):
    write(tmp_path / "x.tsv", [np.array([[0.5, -1, 0.1]], np.float32)])
    assert (tmp_path / "x.tsv").read_bytes() == b"0.5\t-1\t0.100000001\n"


def test_a_dash_is_standard_output(capfdbinary, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("-", [np.array([[1, 2, 3]], np.float32)])
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == b"1\t2\t3\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.npy", "x.tsv"])
def test_a_failure_leaves_the_old_file(tmp_path, name):
    (tmp_path / name).write_text("old", encoding="utf-8")
    with pytest.raises(KeyError), open_writer(str(tmp_path / name), 3):
        raise KeyError
    assert (tmp_path / name).read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["x.npy", "x.tsv"])
def test_rows_of_another_width_are_refused(tmp_path, name):
    for rows in (ROWS[:, :2], ROWS[0], ROWS[None]):
        with pytest.raises(ValueError, match=r"^Rows must have the shape \(count, 3\). Received: \("):
            write(tmp_path / name, [rows])
    assert list(tmp_path.iterdir()) == []


def test_a_new_directory_is_made(tmp_path):
    write(tmp_path / "new" / "deep" / "x.npy", [ROWS])
    assert len(np.load(tmp_path / "new" / "deep" / "x.npy")) == 2500


def begin(path, dim=3, origin="model"):
    """An attempt that ends after 7 rows, in the middle of writing more."""
    with pytest.raises(KeyError), open_writer(str(path), dim, origin) as append:
        append(ROWS[:5], "five")
        append(ROWS[5:7], "seven")
        append._file.write(b"half a row")
        raise KeyError


@pytest.mark.parametrize("name", ["x.npy", "x.tsv"])
def test_an_attempt_is_gone_on_with(tmp_path, name):
    (tmp_path / name).write_text("old", encoding="utf-8")
    begin(tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8") == "old"
    with open_writer(str(tmp_path / name), 3, "model") as append:
        assert (append.rows, append.state) == (7, "seven")
        append(ROWS[7:], "all")
    write(tmp_path / f"whole.{name}", [ROWS])
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole.{name}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"whole.{name}"])


@pytest.mark.parametrize(("dim", "origin"), [(3, "other"), (4, "model")])
def test_an_attempt_of_another_origin_or_width_is_not(tmp_path, dim, origin):
    begin(tmp_path / "x.npy")
    with (
        pytest.raises(DataError, match=r"x.npy.partial: was begun with another model"),
        open_writer(str(tmp_path / "x.npy"), dim, origin),
    ):
        raise AssertionError


def test_an_attempt_that_lost_rows_is_told(tmp_path):
    begin(tmp_path / "x.npy")
    with (tmp_path / "x.npy.partial").open("r+b") as file:
        file.truncate(140)
    with (
        pytest.raises(DataError, match=r"x.npy.partial: is shorter than it was left; remove .*x.npy.partial.json"),
        open_writer(str(tmp_path / "x.npy"), 3, "model"),
    ):
        raise AssertionError


def test_two_do_not_write_the_same_file(tmp_path):
    with (
        open_writer(str(tmp_path / "x.npy"), 3),
        pytest.raises(DataError, match=r"x.npy.partial: another process writes this file"),
        open_writer(str(tmp_path / "x.npy"), 3),
    ):
        raise AssertionError
    assert len(np.load(tmp_path / "x.npy")) == 0


@pytest.mark.parametrize("left", ["notes", "rows"])
def test_half_of_what_an_attempt_leaves_is_no_attempt(tmp_path, left):
    """As when it was killed while the file was put in its place, or before anything was noted."""
    begin(tmp_path / "x.npy")
    (tmp_path / {"notes": "x.npy.partial", "rows": "x.npy.partial.json"}[left]).unlink()
    with open_writer(str(tmp_path / "x.npy"), 3, "model") as append:
        assert append.rows == 0
        append(ROWS)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), ROWS)
