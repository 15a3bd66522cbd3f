"""Pairs that are written are the pairs that are read."""

import gzip

import pytest

from lealla_tf.corpus.filtering import FileReport
from lealla_tf.corpus.reading import read_pairs
from lealla_tf.corpus.specification import parse_corpus
from lealla_tf.corpus.writing import check_pair_output, open_pair_writer
from lealla_tf.errors import UsageError

PAIRS = [
    (1.25, "Fische & <Chips>\x07", 'Fish & "chips"'),
    (1.0 / 3, "一 \u2028 二", "one two"),
    (-0.5, "]]> &amp;", "x\ty"),
]


def write(path, pairs=PAIRS, language_pair="de-en"):
    with open_pair_writer(str(path), language_pair) as writer:
        for pair in pairs:
            writer(*pair)


@pytest.mark.parametrize("zipped", [False, True])
def test_tsv(tmp_path, zipped):
    path = tmp_path / ("new/pairs.tsv" + ".gz" * zipped)
    write(path, language_pair="")
    data = path.read_bytes()
    assert (gzip.decompress(data) if zipped else data).decode().split("\n") == [
        '1.250000\tFische & <Chips>\x07\tFish & "chips"',
        "0.333333\t一 \u2028 二\tone two",
        "-0.500000\t]]> &amp;\tx y",
        "",
    ]
    write(path, language_pair="")
    assert path.read_bytes() == data


@pytest.mark.parametrize("zipped", [False, True])
def test_a_translation_memory_is_read_back(tmp_path, zipped):
    """By the project's own reader, which is strict XML; it makes white space one space."""
    path = tmp_path / ("pairs.tmx" + ".gz" * zipped)
    write(path)
    (file,) = parse_corpus([f"de-en={path}"])
    assert list(read_pairs(file, "stop", FileReport(file.name))) == [
        ("Fische & <Chips>", 'Fish & "chips"'),
        ("一 二", "one two"),
        ("]]> &amp;", "x y"),
    ]
    text = (gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()).decode()
    assert text.count('<prop type="score">0.333333</prop>') == 1


def test_two_aligned_files_are_read_back(tmp_path):
    path = str(tmp_path / "pairs.{de,en}")
    write(path, language_pair="")
    (file,) = parse_corpus([f"de-en={path}"])
    assert list(read_pairs(file, "stop", FileReport(file.name))) == [pair[1:] for pair in PAIRS]
    assert (tmp_path / "pairs.scores").read_text() == "1.250000\n0.333333\n-0.500000\n"


def test_standard_output(capfdbinary):
    write("-", language_pair="")
    assert capfdbinary.readouterr().out.decode().split("\n")[2] == "-0.500000\t]]> &amp;\tx y"


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.tsv.gz", "pairs.tmx", "pairs.{de,en}"])
def test_what_stood_there_stays_if_writing_fails(tmp_path, name):
    path = str(tmp_path / name)
    write(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt), open_pair_writer(path, "de-en") as writer:
        writer(*PAIRS[0])
        raise KeyboardInterrupt
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_names_that_say_nothing(tmp_path):
    for path, language_pair, message in [
        ("pairs.txt", "de-en", r"Pairs are written to NAME\.tsv, .* Received: 'pairs\.txt'"),
        ("pairs", "de-en", "Pairs are written to"),
        ("pairs.{de}", "de-en", "Pairs are written to"),
        ("pairs.tmx", "", r"pairs\.tmx: a TMX file names its languages\. .* Received: ''"),
        ("pairs.tmx", "de-de", r"pairs\.tmx: a TMX file names its languages"),
    ]:
        with pytest.raises(UsageError, match=message):
            check_pair_output(path, language_pair)
    (tmp_path / "a.en").mkdir()
    with pytest.raises(UsageError, match=r"a\.en: is a directory; name a file"):
        check_pair_output(str(tmp_path / "a.{de,en}"), "")
