"""What `lealla train` makes of its arguments; the runs themselves are tested with the training."""

import json
import os
import subprocess
import sys

import pytest

from lealla_tf.checkpoints import save_checkpoint
from lealla_tf.cli import train
from lealla_tf.cli.main import make_parser
from lealla_tf.config import BatchConfig, Config, EncoderConfig, LossConfig, TextConfig
from lealla_tf.corpus import opening
from lealla_tf.errors import DataError, UsageError
from lealla_tf.models.encoder import Encoder
from lealla_tf.presets import preset
from lealla_tf.settings import to_json
from lealla_tf.text.vocabulary import Vocabulary

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"]
SHAPE = EncoderConfig(vocabulary_size=8, hidden_dim=4, num_layers=1, num_heads=1, intermediate_dim=4, max_positions=16)


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocabulary.txt"
    Vocabulary(WORDS).save(path)
    return str(path)


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of a small shape with few positions."""
    config = Config(encoder=SHAPE, text=TextConfig(mode="labse"), batch=BatchConfig(size=64, length=16))
    path = tmp_path / "checkpoint"
    facts = {"step": 1, "languages": [], "metrics": {}}
    save_checkpoint(path, Encoder.from_encoder_config(SHAPE), config, Vocabulary(WORDS), facts, {})
    return str(path)


def configure(*arguments):
    return train.configure(make_parser().parse_args(["train", "--output=run", *arguments]))


def write(path, values):
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return f"--config={path}"


def test_the_default_is_the_preset_of_the_small_model_for_the_vocabulary(vocabulary):
    config, found = configure(f"--vocabulary={vocabulary}")
    assert config == preset("lealla_small", 8)
    assert found == Vocabulary(WORDS)


def test_everything_that_the_command_line_says(vocabulary):
    config, _ = configure(
        f"--vocabulary={vocabulary}", "--config=lealla_base", "--corpus=de=a.tsv", "--corpus=fr=1", "--on-error=stop",
        "--teacher=labse", "--teacher-preprocessor=7", "--strategy=mirrored", "--set", "encoder.num_layers=3",
    )  # fmt: skip
    assert config.encoder.num_layers == 3
    assert config.encoder.hidden_dim == 192
    assert config.corpus.files == ("de=a.tsv", "fr=1")
    assert config.corpus.on_error == "stop"
    assert (config.teacher.model, config.teacher.preprocessor) == ("labse", "7")
    assert config.training.strategy == "mirrored"


def test_a_file_s_settings_count_where_the_command_line_says_nothing(vocabulary, tmp_path):
    values = {
        "corpus": {"files": ["de=b.tsv"], "on_error": "stop"},
        "teacher": {"model": "labse", "preprocessor": "p"},
        "training": {"strategy": "mirrored"},
    }
    config, _ = configure(f"--vocabulary={vocabulary}", write(tmp_path / "c.json", values))
    assert config.corpus.files == ("de=b.tsv",)
    assert config.corpus.on_error == "stop"
    assert (config.teacher.model, config.teacher.preprocessor) == ("labse", "p")
    assert config.training.strategy == "mirrored"


def test_batches_and_chunks(vocabulary, tmp_path):
    config, _ = configure(f"--vocabulary={vocabulary}", "--global-batch=1024", "--chunk=64")
    assert (config.batch.size, config.batch.chunk) == (1024, 64)
    # 0 is a value, which switches off what the file says.
    file = write(tmp_path / "c.json", {"batch": {"size": 64, "chunk": 16}})
    config, _ = configure(f"--vocabulary={vocabulary}", file, "--chunk=0")
    assert (config.batch.size, config.batch.chunk) == (64, 0)
    with pytest.raises(UsageError, match=r"`chunk` must divide `size`, or be 0 \(off\)\. Received: chunk=48, size=64"):
        configure(f"--vocabulary={vocabulary}", file, "--chunk=48")


def test_set_counts_before_everything(vocabulary):
    config, _ = configure(f"--vocabulary={vocabulary}", "--on-error=skip", "--set", "corpus.on_error=stop")
    assert config.corpus.on_error == "stop"


def test_a_configuration_that_was_written_is_read_back(vocabulary, tmp_path):
    written, _ = configure(f"--vocabulary={vocabulary}", "--corpus=de=a.tsv", "--teacher=labse")
    again, _ = configure(f"--vocabulary={vocabulary}", write(tmp_path / "config.json", to_json(written)))
    assert again == written


def test_init_from_gives_shape_text_vocabulary_and_batches(checkpoint):
    """Its 16 positions would not hold the 128 tokens of the default."""
    config, vocabulary = configure(f"--init-from={checkpoint}")
    assert config.encoder == SHAPE
    assert config.text.mode == "labse"
    assert config.batch == BatchConfig(size=64, length=16)
    assert config.loss == LossConfig()
    assert config.training.init_from == checkpoint
    assert vocabulary == Vocabulary(WORDS)


def test_init_from_in_a_file_gives_the_vocabulary_too(checkpoint, tmp_path):
    config, _ = configure(f"--init-from={checkpoint}", "--set", "training.steps=7", "--set", "optimizer.warmup_steps=0")
    again, vocabulary = configure(write(tmp_path / "config.json", to_json(config)))
    assert again == config
    assert vocabulary == Vocabulary(WORDS)


def test_a_configuration_counts_before_init_from(checkpoint):
    config, _ = configure(f"--init-from={checkpoint}", "--config=quickstart_student")
    assert config.encoder == preset("quickstart_student", 8).encoder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "^A vocabulary is needed: learn one with `lealla vocabulary` and name it with --vocabulary"),
        (["--config=nosuch"], "^Unknown preset 'nosuch'"),
        (["VOCABULARY", "--teacher-preprocessor=p"], "`preprocessor` needs `model`, the encoder it belongs to"),
        (["VOCABULARY", "--set", "batch.size=1"], "`size` must be at least 2: a batch of 1 has no negatives"),
        (["VOCABULARY", "--set", "encoder.layers=1"], "Unknown field `layers` in `encoder`"),
        (["VOCABULARY", "--set", "training.steps=0"], "`steps` must be at least 1"),
    ],
)
def test_usage(vocabulary, arguments, message):
    arguments = [f"--vocabulary={vocabulary}" if item == "VOCABULARY" else item for item in arguments]
    with pytest.raises(UsageError, match=message):
        configure(*arguments)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ('{\n"batch": {,}}', DataError, r"c\.json:2: is not JSON \("),
        ({"batch": {"sise": 2}}, UsageError, r"c\.json: Unknown field `sise` in `batch`\. Valid fields: size, length"),
        ({"batch": {"size": "2"}}, UsageError, r"c\.json: `batch.size` must be of type int\. Received: '2'\."),
        ({"batch": {"size": 1}}, UsageError, r"c\.json: .*`size` must be at least 2"),
        ([1], UsageError, r"c\.json: `configuration` must be an object of fields\. Received: \[1\]\."),
    ],
)
def test_a_file_that_is_no_configuration(vocabulary, tmp_path, values, error, message):
    with pytest.raises(error, match=message):
        configure(f"--vocabulary={vocabulary}", write(tmp_path / "c.json", values))


def test_files_that_are_not_there(vocabulary, tmp_path):
    with pytest.raises(
        DataError, match=r"nosuch\.json: there is no such configuration file; name one, or a preset \(la"
    ):
        configure(f"--config={tmp_path / 'nosuch.json'}")
    with pytest.raises(DataError, match=r"nosuch\.txt: cannot be read as a vocabulary"):
        configure(f"--vocabulary={tmp_path / 'nosuch.txt'}")
    with pytest.raises(DataError, match="nosuch"):
        configure(f"--init-from={tmp_path / 'nosuch'}")


def test_no_distillation_and_no_margin_loss(vocabulary, task_arguments):
    """Without a teacher the losses that need one are switched off; here, that leaves none."""
    arguments = make_parser().parse_args(
        ["train", f"--vocabulary={vocabulary}", "--set", "loss.additive_margin=0", *task_arguments]
    )
    with pytest.raises(UsageError, match="At least one loss's weight must be positive"):
        arguments.run(arguments)


def test_mistakes_are_told_before_the_corpus_is_read(vocabulary, checkpoint, task_arguments, monkeypatch, tmp_path):
    monkeypatch.setattr(opening, "open_corpus", lambda *args, **kwargs: pytest.fail("it was read"))
    other = tmp_path / "other.txt"
    Vocabulary([*WORDS, "d"]).save(other)
    for arguments, error, message in [
        (["--corpus=de=nosuch.tsv"], DataError, "^nosuch.tsv: does not exist"),
        ([f"--output={vocabulary}"], DataError, "is a file, and a directory is to be written; name another --output"),
        ([f"--output={tmp_path}"], DataError, "the directory is not empty and holds no run; name another --output"),
        ([f"--output={vocabulary}/run"], DataError, "run.json: cannot be written, for .*vocabulary.txt is a file"),
        (["--set", "training.steps=20"], UsageError, "^optimizer.warmup_steps must not exceed training.steps, 20; set"),
        (["--teacher=nosuch"], DataError, "^nosuch: does not exist; name a checkpoint, an exported directory or a Hub"),
        ([f"--init-from={checkpoint}", f"--vocabulary={other}"], UsageError, "was trained with another vocabulary"),
    ]:
        parsed = make_parser().parse_args(["train", f"--vocabulary={vocabulary}", *task_arguments, *arguments])
        with pytest.raises(error, match=message):
            parsed.run(parsed)
    assert not (tmp_path / "run").exists()
    parsed = make_parser().parse_args(["train", f"--vocabulary={vocabulary}", f"--output={tmp_path / 'run'}"])
    with pytest.raises(UsageError, match=r"^No corpus is given; name one with --corpus"):
        parsed.run(parsed)


def test_few_pairs(vocabulary, tmp_path, capsys, monkeypatch):
    """One is refused; fewer than a batch are told."""
    (tmp_path / "corpus.tsv").write_text("a\tb\n")
    corpus = f"--corpus=de={tmp_path / 'corpus.tsv'}"
    arguments = ["train", corpus, f"--vocabulary={vocabulary}", f"--output={tmp_path / 'run'}"]
    parsed = make_parser().parse_args(arguments)
    with pytest.raises(DataError, match=r"^The corpus has one pair to train on, which has nothing to be told apart"):
        parsed.run(parsed)
    assert "warning: a batch of 8,192 repeats pairs; set batch.size lower, or add text\n" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_tensorflow_says_nothing_of_itself(vocabulary, checkpoint):
    """What it prints about processors while it is imported is not the user's concern."""
    command = ["-c", "from lealla_tf.cli.main import main; main()", "train", "--output=x", "--corpus=de=nosuch.tsv"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    result = subprocess.run(
        [sys.executable, *command, f"--init-from={checkpoint}"], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 1
    assert result.stderr == "lealla: nosuch.tsv: does not exist; name an existing file for en-de.\n"


@pytest.fixture
def task_arguments(tmp_path):
    """A corpus of ten pairs and a place for the run."""
    rows = "".join(f"{'a ' * count}\t{'b ' * count}\n" for count in range(1, 11))
    (tmp_path / "corpus.tsv").write_text(rows)
    return [f"--corpus=de={tmp_path / 'corpus.tsv'}", f"--output={tmp_path / 'run'}"]
