"""Directories of one file a language."""

import gzip

import pytest

from lealla_tf.errors import DataError, UsageError
from lealla_tf.evaluation.multiparallel import find_languages, read_languages


def write(directory, *names, text="one\ntwo\n"):
    directory.mkdir(exist_ok=True)
    for name in names:
        (directory / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return directory


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (["deu_Latn.devtest", "zho_Hant.devtest", "eng_Latn.devtest"], ["deu_Latn", "eng_Latn", "zho_Hant"]),
        (
            ["newstest2019-ref.deu.txt", "newstest2019-ref.zho-TW.txt", "newstest2019-src.eng.txt"],
            ["deu", "eng", "zho-TW"],
        ),
        (["de", "en"], ["de", "en"]),
        (["de.txt.gz", "en.txt"], ["de", "en"]),
    ],
)
def test_names_of_files(tmp_path, names, codes):
    write(tmp_path, *names, "README.md", "LICENSE", "metadata_devtest.tsv")
    (tmp_path / "dev").mkdir()
    assert list(find_languages(tmp_path)) == codes
    assert read_languages(find_languages(tmp_path, codes[:2])) == {code: ["one", "two"] for code in codes[:2]}


def test_directories_that_cannot_be_used(tmp_path):
    data = write(tmp_path / "data", "deu.dev", "eng.dev")
    for directory, message in [
        (tmp_path / "nowhere", "nowhere: is not a directory"),
        (write(tmp_path / "one", "deu.dev"), r"must hold files of two languages, such as deu\.txt\. Found: 1"),
        (write(tmp_path / "two", "deu.dev", "eng.devtest"), r"holds several parts \(\.dev, \.devtest\); keep"),
        (
            write(tmp_path / "three", "deu.dev", "deu.devtest"),
            r"deu\.devtest: is a second file of deu, besides deu\.dev",
        ),
    ]:
        with pytest.raises(DataError, match=message):
            find_languages(directory)
    with pytest.raises(UsageError, match=r"No file for fra in .* There: deu, eng\."):
        find_languages(data, ["deu", "fra"])
    with pytest.raises(UsageError, match=r"name two of them\. Received: deu\."):
        find_languages(data, ["deu", "deu"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one\n\n", r"eng\.dev:2: is blank"),
        ("one\n", r"deu\.dev:2: has no partner: .*deu\.dev has 2 lines and .*eng\.dev 1"),
        ("", r"eng\.dev: is empty"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, message):
    write(tmp_path, "deu.dev")
    write(tmp_path, "eng.dev", text=text)
    with pytest.raises(DataError, match=message):
        read_languages(find_languages(tmp_path))
