import dataclasses
import itertools
import json
import math
import re
from typing import Any

import pytest

from lealla_tf.config import (
    BatchConfig,
    Config,
    CorpusConfig,
    EncoderConfig,
    FilterConfig,
    LossConfig,
    OptimizerConfig,
    PretrainingConfig,
    TeacherConfig,
    TextConfig,
    TrainingConfig,
    ValidationConfig,
)
from lealla_tf.errors import UsageError
from lealla_tf.presets import PRESETS
from lealla_tf.settings import from_dict, to_dict, to_json, with_settings

GROUPS = ("encoder", "text", "corpus", "batch", "pretraining", "teacher", "loss", "optimizer", "training", "validation")


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name: str) -> None:
    config = PRESETS[name]
    assert from_dict(Config, json.loads(to_json(config))) == config


def test_json_round_trip_of_every_field() -> None:
    """No field of `Config` may be at its default here, or its round trip would prove nothing."""
    config = Config(
        encoder=EncoderConfig(
            vocabulary_size=7,
            hidden_dim=6,
            num_layers=5,
            num_heads=3,
            intermediate_dim=4,
            max_positions=64,
            num_segments=1,
            activation="relu",
            pooling="mean",
            embedding_dim=4,
            dropout=0.25,
            layer_norm_epsilon=1e-6,
            initializer_range=0.5,
            embedding_initializer_range=0.5,
        ),
        text=TextConfig(mode="labse"),
        corpus=CorpusConfig(
            files=("de-en:tsv:a b.tsv", "fr-en:tmx:é.tmx"),
            on_error="stop",
            temperature=0.5,
            filter=FilterConfig(max_characters=0, max_length_ratio=0.0, identical=False, duplicates=False, script=True),
        ),
        batch=BatchConfig(size=4, length=32, buckets=(8, 16), window=3, chunk=2),
        pretraining=PretrainingConfig(text=("de=a.txt",), translation=0.25, rate=0.2),
        teacher=TeacherConfig(model="here", preprocessor="there", reduction="beside"),
        loss=LossConfig(
            additive_margin=2.0,
            feature=0.0,
            logit=0.0,
            feature_pattern="synchronized",
            margin=0.0,
            scale=1.0,
            temperature=2.0,
            mask_duplicates=False,
        ),
        optimizer=OptimizerConfig(
            name="lazy_adamw",
            learning_rate=1.0,
            warmup_steps=0,
            decay="cosine",
            weight_decay=0.1,
            beta_1=0.0,
            beta_2=0.5,
            epsilon=1.0,
            clip_norm=0.0,
        ),
        training=TrainingConfig(
            steps=20,
            seed=1,
            strategy="mirrored",
            steps_per_execution=10,
            precision="mixed_bfloat16",
            jit_compile=True,
            checkpoint_every=10,
            log_every=20,
            init_from="elsewhere",
            stack_from="somewhere",
            trained="reduction",
            worker_timeout=60.0,
        ),
        validation=ValidationConfig(pairs=0),
    )
    default = _flat(to_dict(Config()))
    # Only the pooler that is the default can have another width.
    unchanged = [path for path, value in _flat(to_dict(config)).items() if value == default[path]]
    assert unchanged == ["encoder.pooled_dim"]
    wider = dataclasses.replace(config, encoder=EncoderConfig(pooled_dim=8, embedding_dim=4))
    for one in (config, wider):
        assert from_dict(Config, json.loads(to_json(one))) == one


def _flat(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    items: dict[str, Any] = {}
    for name, value in values.items():
        items |= _flat(value, f"{path}{name}.") if isinstance(value, dict) else {f"{path}{name}": value}
    return items


def test_missing_fields_keep_their_defaults() -> None:
    assert from_dict(Config, {}) == Config()
    assert from_dict(Config, {"batch": {"size": 4}}) == Config(batch=BatchConfig(size=4))


def test_configurations_are_frozen_and_hashable() -> None:
    config = from_dict(BatchConfig, {"buckets": [8, 16]})
    assert hash(config) == hash(BatchConfig(buckets=(8, 16)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("encoder.num_layers=12", "encoder.num_layers", 12),
        ("optimizer.learning_rate=1", "optimizer.learning_rate", 1.0),
        ("optimizer.learning_rate=2e-3", "optimizer.learning_rate", 0.002),
        ("text.mode=exact", "text.mode", "exact"),
        ('text.mode="labse"', "text.mode", "labse"),
        ("teacher.model=a=b, c", "teacher.model", "a=b, c"),
        ("teacher.model=", "teacher.model", ""),
        ('teacher.model="2024"', "teacher.model", "2024"),
        ("corpus.filter.script=true", "corpus.filter.script", True),
        ("batch.buckets=[8, 16]", "batch.buckets", [8, 16]),
        ("batch.buckets=[]", "batch.buckets", []),
        ('corpus.files=["a", "b"]', "corpus.files", ["a", "b"]),
    ],
)
def test_settings(setting: str, path: str, value: Any) -> None:
    before, after = _flat(to_dict(Config())), _flat(to_dict(with_settings(Config(), [setting])))
    assert after == {**before, path: value}
    assert type(after[path]) is type(value)


def test_of_two_settings_of_one_field_the_later_counts() -> None:
    assert with_settings(BatchConfig(), ["size=4", "size=8"]).size == 8


def test_the_order_of_settings_is_free() -> None:
    """Each of these is refused on its own, and so is each pair: only all three fit together."""
    settings = ["hidden_dim=100", "num_heads=20", "intermediate_dim=7"]
    with pytest.raises(UsageError, match="multiple of `num_heads`"):
        with_settings(EncoderConfig(), settings[:1])
    results = {with_settings(EncoderConfig(), order) for order in itertools.permutations(settings)}
    assert results == {EncoderConfig(hidden_dim=100, num_heads=20, intermediate_dim=7)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["encoder.num_layers"], r"A setting has the form field=value. Received: 'encoder.num_layers'."),
        (["nonsense=1"], rf"Unknown field `nonsense`. Valid fields: {', '.join(GROUPS)}."),
        (["batch.sise=1"], r"Unknown field `sise` in `batch`. Valid fields: size, length, buckets, window, chunk."),
        (
            ["corpus.filter.x=1"],
            r"Unknown field `x` in `corpus.filter`. "
            "Valid fields: max_characters, max_length_ratio, identical, duplicates, script.",
        ),
        (
            ["encodr.num_layers=1"],
            "Unknown group `encodr` in the configuration, set by 'encodr.num_layers=1'. "
            f"Valid groups: {', '.join(GROUPS)}.",
        ),
        (
            ["corpus.filters.script=true"],
            "Unknown group `filters` in `corpus`, set by 'corpus.filters.script=true'. Valid groups: filter.",
        ),
        (["batch.size.x=1"], "Unknown group `size` in `batch`, set by 'batch.size.x=1'. Valid groups: none."),
        (
            ['encoder={"num_layers": 3}'],
            "`encoder` is a group: set its fields one by one (encoder.name=value). "
            "Received: 'encoder={\"num_layers\": 3}'.",
        ),
        (["corpus.filter=0"], "`corpus.filter` is a group: set its fields one by one"),
        (["=1"], "Unknown field ``. Valid fields: encoder"),
        (
            ["encoder.num_heads=7"],
            "Configuration of `encoder`: `hidden_dim` must be a multiple of `num_heads`. "
            "Received: hidden_dim=128, num_heads=7.",
        ),
        (
            ["batch.length=513"],
            "Configuration: `batch.length` must not exceed `encoder.max_positions`. "
            "Received: length=513, max_positions=512.",
        ),
        (["corpus.filter.max_characters=-1"], "Configuration of `corpus.filter`: `max_characters` must be 0 (off)"),
    ],
)
def test_refused_settings(settings: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        with_settings(Config(), settings)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encoder": {"num_layers": True}}, "`encoder.num_layers` must be of type int. Received: True."),
        ({"encoder": {"num_layers": 12.0}}, "`encoder.num_layers` must be of type int. Received: 12.0."),
        ({"encoder": {"num_layers": "12"}}, "`encoder.num_layers` must be of type int. Received: '12'."),
        ({"encoder": {"num_layers": None}}, "`encoder.num_layers` must be of type int. Received: None."),
        ({"encoder": {"dropout": False}}, "`encoder.dropout` must be of type float. Received: False."),
        ({"encoder": {"dropout": "0.1"}}, "`encoder.dropout` must be of type float. Received: '0.1'."),
        ({"loss": {"mask_duplicates": 1}}, "`loss.mask_duplicates` must be of type bool. Received: 1."),
        ({"text": {"mode": 1}}, "`text.mode` must be of type str. Received: 1."),
        ({"batch": {"buckets": 8}}, "`batch.buckets` must be a list. Received: 8."),
        ({"batch": {"buckets": "88"}}, "`batch.buckets` must be a list. Received: '88'."),
        ({"batch": {"buckets": [8, 9.5]}}, "`batch.buckets[1]` must be of type int. Received: 9.5."),
        ({"corpus": {"files": ["a", 1]}}, "`corpus.files[1]` must be of type str. Received: 1."),
        ({"encoder": 3}, "`encoder` must be an object of fields. Received: 3."),
        ({"corpus": {"filter": [1]}}, "`corpus.filter` must be an object of fields. Received: [1]."),
        ([], "`configuration` must be an object of fields. Received: []."),
        ({"loss": {"scale": math.inf}}, "`loss.scale` must be a finite number. Received: inf."),
        ({"loss": {"feature": math.nan}}, "`loss.feature` must be a finite number. Received: nan."),
        ({"loss": {"scale": 10**400}}, "`loss.scale` must be a finite number. Received: 1000"),
    ],
)
def test_values_of_the_wrong_type(values: Any, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        from_dict(Config, values)
