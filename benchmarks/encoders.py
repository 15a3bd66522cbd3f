"""The encoders that `benchmarks.encoding` compares: the same weights, from sentences or token ids to unit vectors."""

import functools
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lealla_tf.checkpoints import assign_weights
from lealla_tf.config import EncoderConfig
from lealla_tf.inference.packed_encoder import PackedSentenceEncoder, token_batches
from lealla_tf.inference.sentence_encoder import embed_with
from lealla_tf.models.encoder import Encoder, weight_shapes
from lealla_tf.processor import num_cores
from lealla_tf.text.packing import add_special_tokens
from lealla_tf.text.tokenizer import Tokenizer

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Batch:
    """Sentences that go through another library's model together, padded to the longest of them."""

    rows: Array
    """Which sentences."""
    token_ids: Array
    """int64 `(sentences, longest)`."""
    mask: Array
    """int64, 1 at tokens."""


@dataclass(frozen=True)
class Text:
    """Sentences, and the batches that they make for those who are given token ids."""

    sentences: Sequence[str]
    batches: Sequence[Batch]

    @property
    def tokens(self) -> int:
        """How many there are, padding left out."""
        return sum(int(batch.mask.sum()) for batch in self.batches)


@dataclass(frozen=True)
class Model:
    """Weights of a shape, and all that is needed to run them elsewhere."""

    config: EncoderConfig
    weights: dict[str, Array]
    tokenizer: Tokenizer
    length: int
    directory: Path
    """For what must be a file."""

    def text(self, sentences: Sequence[str]) -> Text:
        """The sentences in batches as ours, for as many threads as there are cores."""
        vocabulary = self.tokenizer.vocabulary
        rows = add_special_tokens(self.tokenizer.tokenize_flat(tf.constant(sentences)), vocabulary, self.length)
        lengths = rows.row_lengths().numpy()
        order = np.argsort(-lengths, kind="stable")
        batches = []
        for part in token_batches(lengths[order], num_cores()):
            token_ids = tf.gather(rows, order[part]).to_tensor(vocabulary.pad_id).numpy().astype(np.int64)
            mask = np.arange(token_ids.shape[1]) < lengths[order[part], None]
            batches.append(Batch(order[part], token_ids, mask.astype(np.int64)))
        return Text(sentences, batches)


Encode = Callable[[Text], Array]


def random_weights(config: EncoderConfig, seed: int = 0) -> dict[str, Array]:
    """Weights with which every part matters: kernels that keep the size of what they are given, small biases.

    Those that an encoder starts with would hardly change what a layer is given, and hide mistakes.
    """
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in weight_shapes(config).items():
        scale = shape[0] ** -0.5 if name.endswith("kernel") else 0.02
        weights[name] = random.standard_normal(shape, np.float32) * np.float32(scale)
        if name.endswith("gamma"):
            weights[name] += 1
    return weights


def plain(model: Model) -> Encode:
    """The Keras encoder, batches padded to their longest sentence."""
    encoder = Encoder.from_encoder_config(model.config)
    assign_weights(encoder, model.weights, "benchmark")
    embed = embed_with(encoder, model.tokenizer, model.length).embed
    return lambda text: embed(text.sentences)


def packed(model: Model, **options: Any) -> Encode:
    """What `lealla embed` runs."""
    encoder = PackedSentenceEncoder(
        model.weights, model.config, lambda: model.tokenizer, model.length, fingerprint="", **options
    )
    return lambda text: encoder.embed(text.sentences)


def torch_bert(model: Model) -> Encode:
    """`transformers.BertModel`, a batch for each core at a time."""
    import torch

    bert = _bert(model)

    def run(batch: Batch) -> Array:
        with torch.inference_mode():
            inputs = {"input_ids": torch.from_numpy(batch.token_ids), "attention_mask": torch.from_numpy(batch.mask)}
            pooled = bert(**inputs).pooler_output
            return torch.nn.functional.normalize(pooled).numpy()

    encode = _by_threads(run, model.config.dim)

    def encode_by_single_threads(text: Text) -> Array:
        torch.set_num_threads(1)
        return encode(text)

    return encode_by_single_threads


def onnx(model: Model) -> Encode:
    """ONNX Runtime on what torch exports, one thread of its own for each batch, and a batch for each core at a time."""
    import onnxruntime

    path = model.directory / "model.onnx"
    if not path.exists():
        _export(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(batch: Batch) -> Array:
        (pooled,) = session.run(None, {"input_ids": batch.token_ids, "attention_mask": batch.mask})
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    return _by_threads(run, model.config.dim)


def sentence_transformers(model: Model) -> Encode:
    """`SentenceTransformer.encode` from strings, as LaBSE is laid out: `[CLS]`, dense layer, unit length."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertTokenizerFast

    path = model.directory / "transformer"
    _bert(model, pooler=False).save_pretrained(path)
    model.tokenizer.vocabulary.save(path / "vocab.txt")
    tokenizer = BertTokenizerFast(str(path / "vocab.txt"), do_lower_case=False, strip_accents=False)
    tokenizer.save_pretrained(path)
    width = model.config.hidden_dim
    dense = models.Dense(width, width, activation_function=torch.nn.Tanh())
    dense.linear.load_state_dict({name: torch.from_numpy(a) for name, a in _dense(model.weights, "pooler").items()})
    encoder = SentenceTransformer(
        modules=[
            models.Transformer(str(path), max_seq_length=model.length),
            models.Pooling(width, pooling_mode="cls"),
            dense,
            models.Normalize(),
        ],
        device="cpu",
    )

    def run(text: Text) -> Array:
        torch.set_num_threads(num_cores())
        return encoder.encode(list(text.sentences), show_progress_bar=False)

    return run


# What each contestant does, by its name in the table.
ENCODERS: dict[str, Callable[[Model], Encode]] = {
    "plain": plain,
    "packed": packed,
    "packed bfloat16": functools.partial(packed, dtype="bfloat16"),
    "torch": torch_bert,
    "onnxruntime": onnx,
    "sentence-transformers": sentence_transformers,
}


def _by_threads(run: Callable[[Batch], Array], dim: int) -> Encode:
    """All batches, as many side by side as there are cores."""
    threads = ThreadPoolExecutor(num_cores())

    def encode(text: Text) -> Array:
        result = np.empty((len(text.sentences), dim), np.float32)
        for batch, vectors in zip(text.batches, threads.map(run, text.batches), strict=True):
            result[batch.rows] = vectors
        return result

    return encode


def _bert(model: Model, pooler: bool = True) -> Any:
    """The weights as a `transformers.BertModel`, sharing their memory."""
    import torch
    from transformers import BertConfig, BertModel

    config = model.config
    bert = BertModel(
        BertConfig(
            vocab_size=config.vocabulary_size,
            hidden_size=config.hidden_dim,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            intermediate_size=config.intermediate_dim,
            max_position_embeddings=config.max_positions,
            type_vocab_size=config.num_segments,
            hidden_act={"gelu_tanh": "gelu_pytorch_tanh", "gelu_erf": "gelu", "relu": "relu"}[config.activation],
            layer_norm_eps=config.layer_norm_epsilon,
        ),
        add_pooling_layer=pooler,
    )
    state = {name: torch.from_numpy(array) for name, array in _state(model.weights, config, pooler).items()}
    bert.load_state_dict(state, assign=True)
    return bert.eval()


def _state(weights: dict[str, Array], config: EncoderConfig, pooler: bool) -> dict[str, Array]:
    """The weights by the names of `transformers.BertModel`."""
    tables = {"token": "word", "position": "position", "segment": "token_type"}
    state = {
        f"embeddings.{theirs}_embeddings.weight": weights[f"embeddings/{ours}/embeddings"]
        for ours, theirs in tables.items()
    }
    norms = {"embeddings/norm": "embeddings.LayerNorm"}
    denses = {"pooler": "pooler.dense"} if pooler else {}
    for number in range(config.num_layers):
        ours, theirs = f"layer_{number}", f"encoder.layer.{number}"
        norms |= {f"{ours}/attention_norm": f"{theirs}.attention.output.LayerNorm"}
        norms |= {f"{ours}/output_norm": f"{theirs}.output.LayerNorm"}
        denses |= {f"{ours}/attention/{part}": f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")}
        denses |= {f"{ours}/attention/output": f"{theirs}.attention.output.dense"}
        denses |= {f"{ours}/{part}": f"{theirs}.{part}.dense" for part in ("intermediate", "output")}
    for ours, theirs in norms.items():
        state |= {f"{theirs}.weight": weights[f"{ours}/gamma"], f"{theirs}.bias": weights[f"{ours}/beta"]}
    for ours, theirs in denses.items():
        state |= {f"{theirs}.{part}": array for part, array in _dense(weights, ours).items()}
    return state


def _dense(weights: dict[str, Array], name: str) -> dict[str, Array]:
    """A dense layer as torch's `Linear`, whose kernel is transposed."""
    return {"weight": np.ascontiguousarray(weights[f"{name}/kernel"].T), "bias": weights[f"{name}/bias"]}


def _export(model: Model, path: Path) -> None:
    """Writes the model for ONNX Runtime, batch and length free."""
    import torch

    class Pooled(torch.nn.Module):
        """The pooled output alone."""

        def __init__(self) -> None:
            super().__init__()
            self.bert = _bert(model)
            # Without the tests for NaN that the exporter writes around the fused attention.
            self.bert.set_attn_implementation("eager")

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.bert(input_ids=input_ids, attention_mask=attention_mask).pooler_output

    names = ("input_ids", "attention_mask")
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=model.config.max_positions)}
    # Different tensors: of one, the exporter would make one input.
    token_ids, mask = torch.full((2, 8), 7), torch.tensor([[1] * 8, [1] * 5 + [0] * 3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Pooled().eval(),
            (token_ids, mask),
            str(path),
            input_names=list(names),
            output_names=["pooled"],
            dynamic_shapes=(free, free),
            dynamo=True,
            external_data=True,
            verbose=False,
        )
