"""`lealla mine` and `lealla score` in-process, with a model of angles."""

import argparse
import gzip

import numpy as np
import pytest

from lealla_tf.cli import mine, score
from lealla_tf.corpus.filtering import FileReport
from lealla_tf.corpus.reading import read_pairs
from lealla_tf.corpus.specification import parse_corpus
from lealla_tf.errors import DataError, UsageError

# Degrees on a circle: translations are 5 apart, others at least 20.
ANGLES = {"eins": 0, "zwei": 40, "drei": 80, "Fremdes": 120, "one": 5, "two": 45, "three": 85, "strange": 170}


class FakeEncoder:
    dim = 2
    num_parameters = 0
    trained_languages = ()
    fingerprint = "abc"

    def __init__(self):
        self.embedded = []

    def embed(self, sentences):
        self.embedded += sentences
        angles = np.radians([ANGLES[sentence] for sentence in sentences])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def cosine(source, target):
    return np.cos(np.radians(ANGLES[source] - ANGLES[target]))


@pytest.fixture
def files(tmp_path):
    source, target = tmp_path / "text.de", tmp_path / "text.en.gz"
    source.write_text("eins\n\nzwei\neins\n drei \nFremdes\n", encoding="utf-8")
    target.write_bytes(gzip.compress(b"three\r\ntwo\none\nstrange\ntwo\n"))
    return source, target


def run(command, *arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(["the/model", *map(str, arguments)]))


def read_tsv(text):
    return [
        (float(score), source, target) for score, source, target in (line.split("\t") for line in text.splitlines())
    ]


def test_each_sentence_once_from_the_best_pair(loaded, files, capfd):
    encoder = FakeEncoder()
    loaded(encoder)
    run(mine, "--source", files[0], "--target", files[1], "--margin", "absolute")
    out, err = capfd.readouterr()
    assert read_tsv(out) == [
        (pytest.approx(cosine("eins", "one"), abs=1e-6), "eins", "one"),
        (pytest.approx(cosine("zwei", "two"), abs=1e-6), "zwei", "two"),
        (pytest.approx(cosine("drei", "three"), abs=1e-6), "drei", "three"),
        (pytest.approx(cosine("Fremdes", "strange"), abs=1e-6), "Fremdes", "strange"),
    ]
    assert sorted(encoder.embedded) == sorted(ANGLES)  # each sentence once, and no blank line
    assert "text.de: 4 different sentences in 6 lines\n" in err
    assert err.endswith("4 of 4 pairs written\n")


def test_margins_by_hand(loaded, files, capfd):
    """One neighbour: "Fremdes" is 35 from "three", its nearest, and "strange" is 50 from "Fremdes", its nearest."""
    loaded(FakeEncoder())
    run(mine, "--source", files[0], "--target", files[1], "--neighbours", "1")
    pairs = {(source, target): score for score, source, target in read_tsv(capfd.readouterr().out)}
    near, far, farther = (np.cos(np.radians(angle)) for angle in (5, 35, 50))
    assert pairs == pytest.approx(
        {
            ("eins", "one"): near / near,
            ("zwei", "two"): near / near,
            ("drei", "three"): near / near,
            ("Fremdes", "strange"): farther / ((far + farther) / 2),
        },
        abs=1e-5,
    )


def test_outputs_threshold_and_picture(loaded, files, tmp_path, capfd):
    loaded(FakeEncoder())
    common = ("--source", files[0], "--target", files[1], "--margin", "absolute", "--threshold", "0.9")
    expected = [("eins", "one"), ("zwei", "two"), ("drei", "three")]
    for output in (tmp_path / "mined.tmx.gz", tmp_path / "mined.{de,en}"):
        more = ("--output", output, "--languages", "de-en", "--cache", tmp_path / "cache")
        run(mine, *common, *more, "--picture", tmp_path / "a.png")
        (file,) = parse_corpus([f"de-en={output}"])
        assert sorted(read_pairs(file, "stop", FileReport(file.name))) == sorted(expected)
    assert capfd.readouterr().err.endswith("3 of 4 pairs written\n")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    encoder = FakeEncoder()
    loaded(encoder)
    run(mine, *common, "--output", tmp_path / "mined.tsv", "--cache", tmp_path / "cache")
    assert encoder.embedded == []  # found again
    assert [pair[1:] for pair in read_tsv((tmp_path / "mined.tsv").read_text())] == expected


def test_one_pair_a_target(loaded, files, capfd):
    """Forwards, both "drei" and "Fremdes" have "three" as the best."""
    loaded(FakeEncoder())
    common = ("--source", files[0], "--target", files[1], "--margin", "absolute", "--direction", "forward")
    for more, targets in (((), ["one", "three", "three", "two"]), (("--one-per-target",), ["one", "three", "two"])):
        run(mine, *common, *more)
        pairs = read_tsv(capfd.readouterr().out)
        assert sorted(pair[2] for pair in pairs) == targets
    assert ("Fremdes", "three") not in [pair[1:] for pair in pairs]


def test_mistakes_are_found_before_the_model_is_loaded(loaded, files, tmp_path):
    calls = loaded(FakeEncoder())
    blank = tmp_path / "blank"
    blank.write_text("\n \n")
    both = ("--source", files[0], "--target", files[1])
    for arguments, error, message in [
        ((*both, "--output", "pairs.txt"), UsageError, r"Pairs are written to NAME\.tsv"),
        ((*both, "--output", "pairs.tmx"), UsageError, r"pairs\.tmx: a TMX file names its languages"),
        ((*both, "--picture", "a.jpg"), UsageError, r"--picture must name a \.png file\. Received: a\.jpg"),
        ((*both, "--effort", "3"), UsageError, "--effort belongs to --search"),
        ((*both, "--cache", blank), DataError, "cannot be written, for .*blank is a file"),
        ((*both, "--output", blank / "a.tsv"), DataError, "cannot be written, for .*blank is a file"),
        ((*both, "--picture", blank / "a.png"), DataError, "cannot be written, for .*blank is a file"),
        ((*both[:2], "--target", tmp_path / "nowhere"), DataError, "nowhere: cannot be read"),
        ((*both[:2], "--target", blank), DataError, "blank: holds no sentence"),
    ]:
        with pytest.raises(error, match=message):
            run(mine, *arguments)
    with pytest.raises(SystemExit):
        run(mine, *both, "--neighbours", "0")
    assert calls == []


def test_score_keeps_the_order_and_the_number_of_pairs(loaded, tmp_path, capfd):
    loaded(FakeEncoder())
    path = tmp_path / "pairs.tsv"
    rows = [("two", "drei"), ("one", "eins"), ("two", "zwei"), ("one", "eins")]
    path.write_text("".join(f"{source}\t{target}\n" for source, target in rows), encoding="utf-8")
    run(score, "--corpus", f"de={path}")
    scored = read_tsv(capfd.readouterr().out)
    assert scored == [(pytest.approx(cosine(*row), abs=1e-6), *row) for row in rows]
    run(score, "--corpus", f"de={path}", "--threshold", "0.9", "--output", tmp_path / "good.tmx")
    (file,) = parse_corpus([f"de={tmp_path / 'good.tmx'}"])
    assert list(read_pairs(file, "stop", FileReport(file.name))) == rows[1:]


def test_score_by_a_margin(loaded, tmp_path, capfd):
    """One neighbour among the different sentences of the other side: that a pair stands twice changes nothing."""
    loaded(FakeEncoder())
    paths = tmp_path / "a.en", tmp_path / "a.de"
    paths[0].write_text("one\none\nstrange\n", encoding="utf-8")
    paths[1].write_text("eins\neins\nzwei\n", encoding="utf-8")
    run(score, "--corpus", f"en-de={paths[0]},{paths[1]}", "--margin", "distance", "--neighbours", "1")
    # strange is 130 from zwei and nearest to it; zwei is 35 from one.
    expected = cosine("strange", "zwei") - (cosine("strange", "zwei") + cosine("one", "zwei")) / 2
    scores = [pair[0] for pair in read_tsv(capfd.readouterr().out)]
    assert scores == pytest.approx([0, 0, expected], abs=1e-6)


def test_what_score_cannot_use(loaded, tmp_path):
    calls = loaded(FakeEncoder())
    path = tmp_path / "pairs.tsv"
    path.write_text("one\teins\ntwo\n", encoding="utf-8")
    for arguments, error, message in [
        ((), UsageError, r"--corpus must name one file.* Received: 0"),
        (("--corpus", f"de={path}"), DataError, r"pairs\.tsv:2: the line has no tab"),
        (("--corpus", f"de={path}.gz"), DataError, "does not exist"),
    ]:
        with pytest.raises(error, match=message):
            run(score, *arguments)
    assert calls == []
    run(score, "--corpus", f"de={path}", "--on-error", "skip", "--output", tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text().count("\n") == 1


def test_a_model_that_has_diverged_is_named(loaded, files):
    encoder = FakeEncoder()
    encoder.embed = lambda sentences: np.full((len(sentences), 2), np.nan)
    loaded(encoder)
    with pytest.raises(DataError, match=r"^the/model: `embed` must return finite vectors"):
        run(mine, "--source", files[0], "--target", files[1])
