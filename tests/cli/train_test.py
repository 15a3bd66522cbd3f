"""What `lealla train` makes of its arguments; the runs themselves are tested with the training."""

import json

import pytest

from lealla_tf.checkpoints import save_checkpoint
from lealla_tf.cli.main import make_parser
from lealla_tf.cli.train import _configure
from lealla_tf.config import BatchConfig, Config, EncoderConfig, LossConfig, TextConfig, to_json
from lealla_tf.errors import DataError, UsageError
from lealla_tf.models.encoder import Encoder
from lealla_tf.presets import preset
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
    return _configure(make_parser().parse_args(["train", "--output=run", *arguments]))


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


@pytest.fixture
def task_arguments(tmp_path):
    """A corpus of ten pairs and a place for the run."""
    rows = "".join(f"{'a ' * count}\t{'b ' * count}\n" for count in range(1, 11))
    (tmp_path / "corpus.tsv").write_text(rows)
    return [f"--corpus=de={tmp_path / 'corpus.tsv'}", f"--output={tmp_path / 'run'}"]
