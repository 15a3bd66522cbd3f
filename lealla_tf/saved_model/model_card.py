"""The model card: what a released model is, from what, how good, and how it is used."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lealla_tf.config import EncoderConfig

NOT_EVALUATED = "not evaluated"


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known of a model besides its weights; what is not known is left empty.

    `training` says how it was trained, a line each.  `metrics` are fractions by key, as
    training and evaluation name them; `benchmarks` are the names of those that are of a
    benchmark, such as `tatoeba`, and `labels` say in words what a part of a key means, such as
    `deu-eng`.  `checkpoint` is the fingerprint of what was exported.
    """

    name: str
    checkpoint: str
    text_mode: str
    sequence_length: int
    license: str = ""
    languages: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    benchmarks: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def model_card(facts: ModelFacts, config: EncoderConfig, num_parameters: int) -> str:
    """The card, in Markdown; its examples run as they are in the directory that it stands in."""
    sections = {
        "What it is": _description(facts, config, num_parameters),
        "How to use it": [_USE.replace("{length}", str(min(facts.sequence_length, 32)))],
        "What it was trained on": _training(facts),
        "How good it is": _evaluation(facts),
        "Limits": _limits(facts),
        "Licence": [facts.license or "Not stated: ask whoever published the model before you use it."],
        "Is it unchanged?": [_INTEGRITY.format(checkpoint=facts.checkpoint)],
    }
    parts = [f"# {facts.name}"]
    for title, paragraphs in sections.items():
        parts += [f"## {title}", *paragraphs]
    return "\n\n".join(parts) + "\n"


def _description(facts: ModelFacts, config: EncoderConfig, num_parameters: int) -> list[str]:
    """What goes in, what comes out, and the shape between."""
    rows = {
        "parameters": f"{num_parameters:,}",
        "dimensions of the embedding": config.dim,
        "layers / width / feed-forward width / heads": (
            f"{config.num_layers} / {config.hidden_dim} / {config.intermediate_dim} / {config.num_heads}"
        ),
        "vocabulary": f"{config.vocabulary_size:,} pieces, cased",
        "tokenization": facts.text_mode,
        "length": f"{facts.sequence_length} tokens; the encoder alone takes up to {config.max_positions}",
    }
    return [
        f"A sentence encoder: it turns a sentence into a vector of {config.dim} numbers, such that sentences that "
        "mean the same are close to each other, whatever languages they are in. Closeness is the cosine, which is "
        "the inner product, for the vectors are of unit length. It is a BERT encoder of the LEALLA family "
        "(Mao and Nakagawa, 2023, arXiv 2302.08387).",
        _table(("", ""), rows.items()),
        _FILES,
    ]


def _training(facts: ModelFacts) -> list[str]:
    """Languages and data."""
    languages = f"{len(facts.languages)} languages: {' '.join(facts.languages)}." if facts.languages else "Not stated."
    return [languages, *(["\n".join(f"* {line}" for line in facts.training)] if facts.training else [])]


def _evaluation(facts: ModelFacts) -> list[str]:
    """A table for each benchmark, and one for the pairs held out of the training corpus."""
    paragraphs = []
    for benchmark in facts.benchmarks:
        if rows := _score_rows(facts.metrics, benchmark):
            rows = [(facts.labels.get(name, name), *values) for name, *values in rows]
            paragraphs += [f"{benchmark.capitalize()}, precision at 1 in per cent:", _table(_SCORE_HEADER, rows)]
        else:
            paragraphs += [f"{benchmark.upper()}:", _table(("", "value"), _value_rows(facts.metrics, benchmark))]
    if not paragraphs:
        paragraphs.append(f"Benchmarks: {NOT_EVALUATED}.")
    if held_out := _score_rows(facts.metrics, "validation"):
        paragraphs.append(
            "Pairs held out of the training corpus, precision at 1 in per cent, each sentence looked up among the "
            "held-out sentences of its language (few, and easier than a benchmark):"
        )
        paragraphs.append(_table(_SCORE_HEADER, held_out))
    return paragraphs


def _limits(facts: ModelFacts) -> list[str]:
    """What a user has to know before relying on it."""
    lines = [
        f"Text beyond {facts.sequence_length} tokens is cut off, without a word.",
        "Vectors of different models must not be compared with each other.",
        "In languages that are not listed above it may fail; nothing tells you when it does.",
        "The preprocessor and the encoder belong together: with another vocabulary the vectors mean nothing.",
    ]
    return ["\n".join(f"* {line}" for line in lines)]


def _score_rows(metrics: Mapping[str, float], prefix: str) -> list[tuple[Any, ...]]:
    """`prefix/<name>/<direction>/precision_at_1` as rows of name, both directions and mean."""
    scores: dict[str, dict[str, float]] = {}
    for key, value in metrics.items():
        match key.split("/"):
            case [first, name, direction, "precision_at_1"] if first == prefix:
                scores.setdefault(name, {})[direction] = value
    return [(name, *_percentages(directions)) for name, directions in scores.items()]


def _value_rows(metrics: Mapping[str, float], prefix: str) -> list[tuple[str, str]]:
    """All that is below a prefix; if that is very much, the means alone."""
    rows = [
        (key.removeprefix(f"{prefix}/"), f"{value:.3f}")
        for key, value in metrics.items()
        if key.startswith(f"{prefix}/")
    ]
    return rows if len(rows) <= _MOST_ROWS else [row for row in rows if row[0].startswith("mean/")]


def _percentages(scores: Mapping[str, float]) -> Iterator[str]:
    """The two directions and their mean."""
    values = [scores.get("source_to_target"), scores.get("target_to_source")]
    given = [value for value in values if value is not None]
    mean = scores.get("mean", sum(given) / 2 if len(given) == 2 else None)
    for value in (*values, mean):
        yield NOT_EVALUATED if value is None else f"{100 * value:.1f}"


def _table(header: Sequence[str], rows: Any) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


_MOST_ROWS = 50

_SCORE_HEADER = ("", "source to target", "target to source", "mean")

_FILES = _table(
    ("directory", "what it is", "in", "out"),
    [
        ("`sentence_encoder/`", "the whole model", "strings", "vectors of unit length"),
        ("`preprocessor/`", "text to token ids", "strings", "`input_word_ids`, `input_mask`, `input_type_ids`"),
        (
            "`encoder/`",
            "token ids to vectors, without text operators",
            "those three",
            "`default` (= `pooled_output`, **not** of unit length), `sequence_output`, `encoder_outputs`",
        ),
    ],
)

_USE = """Install `tensorflow` and `tensorflow-text` of the same minor version; nothing else is needed. Paths are
relative to the directory of this card.

```python
import tensorflow as tf
import tensorflow_text  # registers the text operators

model = tf.saved_model.load("sentence_encoder")
vectors = model(tf.constant(["How are you?", "Wie geht es dir?", "The train is late."]))
print(tf.linalg.matmul(vectors, vectors, transpose_b=True).numpy().round(2))  # cosines
```

In two steps, such as for a corpus that is tokenized once:

```python
import tensorflow as tf
import tensorflow_text

preprocessor = tf.saved_model.load("preprocessor")
encoder = tf.saved_model.load("encoder")
inputs = preprocessor(tf.constant(["How are you?"]), seq_length={length})
vectors = tf.math.l2_normalize(encoder(inputs)["default"], axis=-1)
print(vectors.shape)
```

As a layer of Keras 3 that goes on learning:

```python
import keras
import tensorflow as tf
import tensorflow_text

layer = keras.layers.TFSMLayer("sentence_encoder", call_endpoint="serve", call_training_endpoint="serve_train")
model = keras.Sequential([keras.Input([], dtype="string"), layer, keras.layers.Dense(1, activation="sigmoid")])
model.compile("adam", "binary_crossentropy")
# Before fit, which cannot name the optimizer's variables after those of a TFSMLayer (Keras 3.15).
model.optimizer.build(model.trainable_variables)
model.fit(tf.constant(["I like it.", "I do not."]), tf.constant([1, 0]), verbose=0)
```

As a layer of tf_keras: `tensorflow_hub.KerasLayer("sentence_encoder", trainable=True)`. All three have the
signature `serving_default`, for servers and for C."""

_INTEGRITY = """`manifest.json` lists every file with its SHA-256, and `reference.json` holds a few sentences with the
vectors that the trained model gave them before it was exported. `python -m export.verify DIRECTORY`, in a checkout
of lealla_tf, checks both. The fingerprint of the exported checkpoint is `{checkpoint}`."""
