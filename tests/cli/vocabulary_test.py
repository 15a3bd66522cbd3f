import argparse
import gzip
import hashlib
import json
import random
import re

import pytest

from lealla_tf.cli import vocabulary as command
from lealla_tf.errors import DataError, UsageError
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(argument) for argument in arguments]))


def write_corpus(path, letters, count):
    """`count` pairs of an English and a foreign sentence of random words, gzipped."""
    generator = random.Random(letters)

    def sentence(letters):
        words = ["".join(generator.choices(letters, k=generator.randint(1, 4))) for _ in range(5)]
        return " ".join(words)

    lines = [f"{sentence('etaoin')}\t{sentence(letters)}\n" for _ in range(count)]
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write("".join(lines).encode())
    return path


@pytest.fixture
def corpus(tmp_path):
    return [
        *("--corpus", f"de={write_corpus(tmp_path / 'de.tsv.gz', 'abcäöü', 300)}"),
        *("--corpus", f"el={write_corpus(tmp_path / 'el.tsv.gz', 'αβγδε', 100)}"),
    ]


def test_writes_vocabulary_and_manifest_and_prints_coverage(tmp_path, corpus, capsys):
    output = tmp_path / "new" / "vocabulary.txt"
    run(*corpus, "--size", 400, "--seed", 3, "--output", output)

    vocabulary = Vocabulary.from_file(output)
    assert len(vocabulary) == 400
    assert (vocabulary.pad_id, vocabulary.unknown_id) == (0, 100)
    [ids] = Tokenizer(vocabulary, "exact").tokenize_flat(["αβγ"]).to_list()
    assert vocabulary.unknown_id not in ids

    manifest = json.loads((tmp_path / "new" / "vocabulary.manifest.json").read_text(encoding="utf-8"))
    assert manifest["vocabulary"] == {"sha256": hashlib.sha256(output.read_bytes()).hexdigest(), "size": 400}
    assert manifest["options"] == {
        "temperature": 0.7,
        "seed": 3,
        "max_sentences": 2_000_000,
        "character_coverage": 0.9995,
        "on_error": "skip",
    }
    assert manifest["versions"].keys() == {"lealla_tf", "tokenizers"}
    path = tmp_path / "el.tsv.gz"
    assert manifest["inputs"][1] == {
        "language_pair": "en-el",
        "format": "tsv",
        "files": [
            {
                "name": str(path),
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        ],
        "kept": 100,
        "dropped": {},
    }
    assert {name: entry["sentences"] for name, entry in manifest["languages"].items()} == {
        "de": 300,
        "el": 100,
        "en": 400,
    }
    assert manifest["languages"]["el"]["coverage"]["sentences"] == 5  # a twentieth

    printed = capsys.readouterr()
    assert [line.split()[:2] for line in printed.out.splitlines()] == [
        ["language", "sentences"],
        ["de", "15"],
        ["el", "5"],
        ["en", "20"],
    ]
    assert "300" in printed.err
    assert f"wrote {output}" in printed.err


def test_same_input_and_seed_give_the_same_bytes(tmp_path, corpus):
    for name in ("a", "b"):
        run(*corpus, "--size", 420, "--output", tmp_path / name / "v.txt", "--max-sentences", 300)
    run(*corpus, "--size", 420, "--output", tmp_path / "c" / "v.txt", "--max-sentences", 300, "--seed", 1)

    def read(name):
        return [(tmp_path / name / file).read_bytes() for file in ("v.txt", "v.manifest.json")]

    assert read("a") == read("b")
    assert read("a") != read("c")


def test_faulty_lines_are_counted(tmp_path, corpus, capsys):
    path = tmp_path / "sv.tsv"
    path.write_bytes(b"one\tett\n\ttom\nno tab\nsame\tsame\nbad \xff\tbyte\n" + b"long \tl\xc3\xa5ng\n" * 50)

    run(*corpus, "--corpus", f"sv={path}", "--size", 400, "--output", tmp_path / "v.txt")

    manifest = json.loads((tmp_path / "v.manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"][2]["kept"] == 52  # one, same, and 50 times the same
    assert manifest["inputs"][2]["dropped"] == {"no_tab": 1, "not_utf8": 1, "empty": 1}
    assert "no_tab" in capsys.readouterr().err

    with pytest.raises(DataError, match=re.escape(f"{path}:3: the line has no tab")):
        run(*corpus, "--corpus", f"sv={path}", "--size", 400, "--output", tmp_path / "w.txt", "--on-error", "stop")
    assert not (tmp_path / "w.txt").exists()


def test_little_room_for_pieces_is_told(tmp_path, corpus, capsys):
    run(*corpus, "--size", 320, "--output", tmp_path / "v.txt")

    assert "warning: little room is left for longer pieces" in capsys.readouterr().err


def test_impossible_sizes_leave_nothing_behind(tmp_path, corpus):
    with pytest.raises(DataError, match="A vocabulary of 200 pieces is too small"):
        run(*corpus, "--size", 200, "--output", tmp_path / "v.txt")
    with pytest.raises(DataError, match="The corpus is too small for a vocabulary of 9000 pieces: it gives"):
        run(*corpus, "--size", 9000, "--output", tmp_path / "v.txt")
    assert {path.name for path in tmp_path.iterdir()} == {"de.tsv.gz", "el.tsv.gz"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "0"], "--size must be at least 1. Received: 0."),
        (["--temperature", "1.5"], "--temperature must be from 0 to 1. Received: 1.5."),
        (["--max-sentences", "0"], "--max-sentences must be at least 1. Received: 0."),
        (["--character-coverage", "0.2"], "--character-coverage must be from 0.5 to 1. Received: 0.2."),
    ],
)
def test_wrong_options_are_refused(tmp_path, corpus, arguments, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        run(*corpus, *arguments, "--output", tmp_path / "v.txt")


def test_wrong_output_and_no_corpus_are_refused(tmp_path, corpus):
    with pytest.raises(UsageError, match=r"--output must name a file\. Received: .*, which is a directory"):
        run(*corpus, "--output", tmp_path)
    with pytest.raises(UsageError, match="--output must name a text file"):
        run(*corpus, "--output", tmp_path / "v.json")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"v.txt: cannot be written, for .*file is a file"):
        run(*corpus, "--output", tmp_path / "file" / "v.txt")
    with pytest.raises(UsageError, match="Name parallel text with --corpus"):
        run("--output", tmp_path / "v.txt")
    with pytest.raises(DataError, match="does not exist"):
        run("--corpus", f"de={tmp_path}/none.tsv", "--output", tmp_path / "v.txt")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no tab\nat all\n", r"2 no_tab, the first at .*x\.tsv:1\); mend the text"),
        ("a\tb\tc\n\n", r"1 (extra_tabs|no_tab), the first at .*x\.tsv:1; 1 .*, the first at .*x\.tsv:2\); mend"),
    ],
)
def test_text_without_a_pair_is_an_error_that_says_why(tmp_path, text, reason):
    (tmp_path / "x.tsv").write_text(text)
    with pytest.raises(DataError, match=rf"^No pair of en-de is left \(dropped: {reason}"):
        run("--corpus", f"de={tmp_path / 'x.tsv'}", "--output", tmp_path / "v.txt")
    assert not (tmp_path / "v.txt").exists()
