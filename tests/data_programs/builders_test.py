import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data import parallel_files, tatoeba
from lealla_tf.corpus.filtering import FileReport
from lealla_tf.corpus.reading import read_pairs
from lealla_tf.corpus.specification import parse_corpus
from lealla_tf.errors import DataError

ROOT = Path(__file__).parents[2]
GERMAN = [("One.", "Eins."), ("One.", "Eins."), ("Two.", "Zwei."), ("Großer\u2028Text", "漢字")]


def read(argument):
    """The pairs of one value of `--corpus`, and the report of reading them."""
    (file,) = parse_corpus([argument])
    report = FileReport(file.name)
    return list(read_pairs(file, "skip", report)), report


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A TFDS data directory with the pairs of two files of German and one of French."""
    directory = tmp_path_factory.mktemp("prepared")
    lines = "".join(f"{source}\t{target}\n" for source, target in GERMAN)
    (directory / "a.tsv.gz").write_bytes(gzip.compress(f"no tab\n{lines}\t\nempty\t\n".encode()))
    (directory / "b.tsv").write_text("Three.\tDrei.\n", encoding="utf-8")
    (directory / "c.en").write_text("One.\n", encoding="utf-8")
    (directory / "c.fr").write_text("Un.\n", encoding="utf-8")
    corpus = [f"de={directory}/a.tsv.gz", f"en-fr={directory}/c.{{en,fr}}", f"de={directory}/b.tsv"]
    arguments = [argument for value in corpus for argument in ("--corpus", value)]
    assert parallel_files.main([*arguments, "--output", str(directory / "tfds")]) == 0
    return directory / "tfds"


def test_what_is_prepared_is_read_back_by_name(prepared):
    pairs, report = read(f"de=tfds:parallel_files/en-de@{prepared}")
    assert pairs == [*GERMAN, ("Three.", "Drei.")]
    assert not report.dropped
    assert read(f"fr-en=tfds:parallel_files/en-fr:1.0.0:train@{prepared}")[0] == [("Un.", "One.")]
    assert read(f"de=tfds:parallel_files/en-de:train[:2]@{prepared}")[0] == GERMAN[:2]


def test_a_fresh_process_reads_it_without_the_builder(prepared):
    program = (
        "import sys\n"
        "from lealla_tf.corpus.filtering import FileReport\n"
        "from lealla_tf.corpus.reading import read_pairs\n"
        "from lealla_tf.corpus.specification import parse_corpus\n"
        "(file,) = parse_corpus(sys.argv[1:])\n"
        "print(len(list(read_pairs(file, 'stop', FileReport('a')))), 'data.parallel_files' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, f"de=tfds:parallel_files/en-de@{prepared}"]
    assert subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout == "5 False\n"


def test_the_report_says_what_was_left_out(tmp_path, capsys):
    (tmp_path / "a.tsv").write_text("a\tb\nno tab\n\tb\n", encoding="utf-8")
    arguments = ["--corpus", f"de={tmp_path}/a.tsv", "--output", str(tmp_path / "out")]
    assert parallel_files.main(arguments) == 0
    output = capsys.readouterr().out
    assert re.search(r"^total +1 +2 +1 +1$", output, re.MULTILINE)
    assert f"first no_tab: {tmp_path}/a.tsv:2" in output
    assert parallel_files.main(arguments) == 1
    assert "1.0.0: is prepared already; remove it, or name another --output." in capsys.readouterr().err


def test_stop_leaves_no_data_set(tmp_path, capsys):
    (tmp_path / "a.tsv").write_text("a\tb\nno tab\n", encoding="utf-8")
    arguments = ["--corpus", f"de={tmp_path}/a.tsv", "--output", str(tmp_path / "out"), "--on-error", "stop"]
    assert parallel_files.main(arguments) == 1
    error = capsys.readouterr().err
    assert f"python -m data.parallel_files: {tmp_path}/a.tsv:2: the line has no tab; write source<TAB>target" in error
    with pytest.raises(DataError, match="no data set, configuration or version of this name is known to TFDS or in"):
        read(f"de=tfds:parallel_files/en-de@{tmp_path}/out")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("parallel_files/en-de:test@DIR", "tfds:parallel_files/en-de: has no split 'test'; its splits are train."),
        ("parallel_files/en-de:train[@DIR", "has no split 'train['; its splits are train."),
        ("parallel_files/en-de:train[:0]@DIR", "the split train[:0] is empty; name another one."),
        ("parallel_files/en-fr@DIR", "tfds:parallel_files/en-fr: has no language de; its languages are en, fr."),
        ("parallel_files/en-es@DIR", "tfds:parallel_files/en-es: no data set, configuration or version of this name"),
        (
            "no_such_data_set",
            "tfds:no_such_data_set: no data set, configuration or version of this name is known to TFDS;",
        ),
        ("wmt14_translate/de-xx@DIR", "tfds:wmt14_translate/de-xx: no data set, configuration or version of this name"),
        ("wmt14_translate/de-en:9.9.9@DIR", "tfds:wmt14_translate/de-en:9.9.9: no data set, configuration or version"),
        ("wmt14_translate/de-en@DIR", "is not prepared in DIR/wmt14_translate/de-en/1.0.0; run `tfds build wmt14"),
    ],
)
def test_data_sets_that_cannot_be_read(prepared, name, message):
    with pytest.raises(DataError, match=re.escape(message.replace("DIR", str(prepared)))) as caught:
        read("de=tfds:" + name.replace("DIR", str(prepared)))
    assert "\n" not in str(caught.value)


def test_a_data_set_of_other_features(tmp_path):
    import numpy as np
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict({"text": np.str_})
    tfds.dataset_builders.store_as_tfds_dataset(
        "texts", "1.0.0", features=features, split_datasets={"train": [(0, {"text": "a"})]}, data_dir=tmp_path
    )
    with pytest.raises(DataError, match="tfds:texts: its features are FeaturesDict; name a data set of Translation"):
        read(f"de=tfds:texts@{tmp_path}")


def test_malformed_examples_are_counted(tmp_path):
    import tensorflow_datasets as tfds

    pairs = [("a", "b"), ("c\0", "d"), ("e", b"\xff"), (" g ", "h"), ("i", "j\0")]
    examples = [(number, {"en": source, "de-AT": target}) for number, (source, target) in enumerate(pairs)]
    tfds.dataset_builders.store_as_tfds_dataset(
        "raw",
        "1.0.0",
        features=tfds.features.Translation(("en", "de-AT")),
        split_datasets={"test": examples},
        data_dir=tmp_path,
        disable_shuffling=True,
    )
    result, report = read(f"de=tfds:raw:test@{tmp_path}")
    assert result == [("a", "b"), ("g", "h")]
    assert report.dropped == {"nul_byte": 2, "not_utf8": 1}
    name = f"tfds:raw:test@{tmp_path}"
    assert report.first == {"nul_byte": f"{name}:2", "not_utf8": f"{name}:3"}


def test_a_damaged_data_set(prepared, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(prepared, copy)
    (record,) = copy.glob("parallel_files/en-de/1.0.0/*.tfrecord*")
    content = bytearray(record.read_bytes())
    content[len(content) // 2] ^= 255
    record.write_bytes(content)
    with pytest.raises(DataError, match=r"copy:1: is damaged \(.*corrupted record.*\); prepare it again"):
        read(f"de=tfds:parallel_files/en-de@{copy}")


def test_a_data_set_that_lost_its_end(prepared, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(prepared, copy)
    (record,) = copy.glob("parallel_files/en-de/1.0.0/*.tfrecord*")
    length = int.from_bytes(record.read_bytes()[:8], "little")  # a record: length, checksum, data, checksum
    record.write_bytes(record.read_bytes()[: 8 + 4 + length + 4])
    with pytest.raises(DataError, match=r"is damaged \(holds 1 of its 5 pairs\); prepare it again"):
        read(f"de=tfds:parallel_files/en-de@{copy}")


def test_other_file_formats_are_named(prepared, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(prepared, copy)
    path = copy / "parallel_files/en-de/1.0.0/dataset_info.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"tfrecord"', '"riegeli"'), encoding="utf-8")
    with pytest.raises(DataError, match="its files are of the format riegeli; prepare it with --file_format=tfrecord"):
        read(f"de=tfds:parallel_files/en-de@{copy}")


def test_parts_of_a_split_and_many_batches(tmp_path):
    (tmp_path / "a.tsv").write_text("".join(f"s{n}\tt{n}\n" for n in range(10_000)), encoding="utf-8")
    assert parallel_files.main(["--corpus", f"de={tmp_path}/a.tsv", "--output", f"{tmp_path}/out"]) == 0
    expected = [(f"s{n}", f"t{n}") for n in (*range(9_000, 10_000), *range(100, 8_900))]
    assert read(f"de=tfds:parallel_files/en-de:train[90%:]+train[100:8900]@{tmp_path}/out")[0] == expected


def write_tatoeba(directory):
    directory.mkdir()
    for name, text in {"deu": "Eins.\nZwei.\n", "fra": "Un.\n"}.items():
        (directory / f"tatoeba.{name}-eng.{name}").write_text(text, encoding="utf-8")
        (directory / f"tatoeba.{name}-eng.eng").write_text("One.\nTwo.\n"[: 5 * text.count("\n")], encoding="utf-8")
    return directory


def test_tatoeba(tmp_path, capsys):
    source = write_tatoeba(tmp_path / "source")
    assert tatoeba.main(["--data", str(source), "--output", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.endswith(f"2 languages stand in {tmp_path}/out: deu fra\n")
    pairs, _ = read(f"deu-eng=tfds:tatoeba_benchmark/deu-eng:test@{tmp_path}/out")
    assert pairs == [("Eins.", "One."), ("Zwei.", "Two.")]
    assert read(f"eng-fra=tfds:tatoeba_benchmark/fra-eng:test@{tmp_path}/out")[0] == [("One.", "Un.")]


def test_tatoeba_of_some_languages(tmp_path, capsys):
    source = write_tatoeba(tmp_path / "source")
    arguments = ["--data", str(source), "--output", str(tmp_path / "out"), "--languages"]
    assert tatoeba.main([*arguments, "fra"]) == 0
    assert [path.name for path in (tmp_path / "out/tatoeba_benchmark").iterdir()] == ["fra-eng"]
    assert tatoeba.main([*arguments, "ita"]) == 2
    assert "python -m data.tatoeba: No Tatoeba files for ita" in capsys.readouterr().err


def test_tatoeba_checks_all_files_before_it_writes(tmp_path, capsys):
    source = write_tatoeba(tmp_path / "source")
    (source / "tatoeba.fra-eng.fra").write_text("Un.\nDeux.\n", encoding="utf-8")
    assert tatoeba.main(["--data", str(source), "--output", str(tmp_path / "out")]) == 1
    assert "tatoeba.fra-eng.fra has 2 lines and" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
