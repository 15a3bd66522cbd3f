"""Sentences through the packed graph: batches of a bounded number of tokens, one at a time on every core."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

from lealla_tf.config import EncoderConfig
from lealla_tf.errors import UsageError
from lealla_tf.inference.packed_graph import EMBEDDINGS, LENGTHS, RELIABLE, TOKEN_EMBEDDINGS, Weights, build_graph
from lealla_tf.inference.sentence_encoder import Embeddings, SentenceEncoder
from lealla_tf.processor import FLAGS, has_bfloat16, num_cores
from lealla_tf.text.packing import add_special_tokens
from lealla_tf.text.tokenizer import Tokenizer

Array = np.ndarray[Any, Any]

DTYPES = ("float32", "bfloat16")

_TOKEN_TABLE = "embeddings/token/embeddings"

_OWN_MEMORY = "TF_ONEDNN_USE_SYSTEM_ALLOCATOR"

# Tokens of a batch, with the padding that attention sees: more do not stay in a core's cache, and fewer do not keep its
# multipliers busy.
_MOST_TOKENS, _FEWEST_TOKENS = 1024, 256

# Sentences that are tokenised by one call.
_SENTENCES_PER_BLOCK = 4096


class PackedSentenceEncoder(SentenceEncoder):
    """An encoder of this project with weights that no longer change, for throughput on CPUs.

    Its embeddings are those of `lealla_tf.models.encoder.Encoder`, but for rounding.

    On each core one thread goes through the graph, in memory of its own, if TensorFlow has not computed before in the
    process: see `keep_cores_apart`.

    Args:
        weights: By the names of `lealla_tf.checkpoints.encoder_weights`.
        config: The shape of the encoder.
        load_tokenizer: Gives the tokenizer of the encoder's vocabulary; called while TensorFlow optimises the graph.
        length: Sentences are cut at this many tokens.
        dtype: `float32`; or `bfloat16`, which is faster and gives vectors whose cosine with those of
            float32 is above 0.999, on processors that multiply it themselves.
        fingerprint, trained_languages: See `SentenceEncoder`.

    Raises:
        UsageError: if the processor has no bfloat16, or `dtype` is neither.
    """

    def __init__(
        self,
        weights: Weights,
        config: EncoderConfig,
        load_tokenizer: Callable[[], Tokenizer],
        length: int,
        *,
        fingerprint: str,
        dtype: str = "float32",
        trained_languages: Sequence[str] = (),
    ) -> None:
        check_dtype(dtype)
        super().__init__(
            dim=config.dim,
            fingerprint=fingerprint if dtype == "float32" else f"{fingerprint}-{dtype}",
            num_parameters=sum(array.size for array in weights.values()),
            trained_languages=trained_languages,
        )
        keep_cores_apart()
        self._num_threads = num_cores()
        self._threads = ThreadPoolExecutor(self._num_threads, thread_name_prefix="embed")
        # As bytes, of which any place will do: to take rows of numbers, NumPy first copies all of an array that lies
        # between the addresses of its numbers, as one that is mapped from a file may.
        self._table = np.ascontiguousarray(weights[_TOKEN_TABLE]).view(np.uint8)
        graphs = self._threads.submit(_Graphs, weights, config, dtype)
        tokenizer = load_tokenizer()
        self._graphs = graphs.result()

        def tokenize(strings: Any) -> tuple[Any, Any]:
            rows = add_special_tokens(tokenizer.tokenize_flat(strings), tokenizer.vocabulary, length)
            return rows.values, rows.row_lengths()

        self._tokenize = tf.function(tokenize, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)

    def _embed_texts(self, texts: list[bytes]) -> Iterator[tuple[Array, Embeddings]]:
        """Sorted by length, for little padding."""
        token_ids, lengths = self._token_ids(texts)
        order = np.argsort(-lengths, kind="stable")
        token_ids, lengths = _reorder(token_ids, lengths, order)
        ends = np.cumsum(lengths)

        def embed(batch: slice) -> tuple[Array, Embeddings]:
            first = ends[batch.start] - lengths[batch.start]
            return order[batch], self._graphs.embed(
                np.take(self._table, token_ids[first : ends[batch.stop - 1]], axis=0).view(np.float32), lengths[batch]
            )

        yield from self._threads.map(embed, token_batches(lengths, self._num_threads))

    def _token_ids(self, texts: list[bytes]) -> tuple[Array, Array]:
        """The ids of all sentences one after the other, and the number of each sentence's."""

        def tokenize(start: int) -> tuple[Array, Array]:
            token_ids, lengths = self._tokenize(tf.constant(texts[start : start + _SENTENCES_PER_BLOCK]))
            return token_ids.numpy(), lengths.numpy().astype(np.int32)

        blocks = self._threads.map(tokenize, range(0, len(texts), _SENTENCES_PER_BLOCK))
        token_ids, lengths = zip(*blocks, strict=True)
        return np.concatenate(token_ids), np.concatenate(lengths)


def keep_cores_apart() -> None:
    """Has TensorFlow give each session threads, and each thread memory, of its own.

    Otherwise it shares each operator out among all threads; and memory that one thread has freed is given to another,
    on whose core it has to be brought from a cache far away.

    It sets two variables of the environment, unless they are set.  TensorFlow reads them once, when it first computes,
    as a tokenizer already does: later, this changes nothing.  A program that trains, too, calls `share_memory` first.
    """
    os.environ.setdefault("TF_OVERRIDE_GLOBAL_THREADPOOL", "true")
    os.environ.setdefault(_OWN_MEMORY, "true")


def share_memory() -> None:
    """Has TensorFlow keep to memory that all threads share, in a program that embeds and trains.

    A step of training frees hundreds of MiB, which the system takes back where threads have memory of their own, and
    has to clear for the next step: that takes about a tenth more time.  It counts if it is called before
    `keep_cores_apart`, which encoders call, and before TensorFlow computes.
    """
    os.environ.setdefault(_OWN_MEMORY, "false")


class _Graphs:
    """The graph of an encoder, and the one with softmax as soon as it proves to be needed.

    Its sessions have no pool of run handlers. That would give each call one thread in any process; but such threads
    wait for each other by sleeping, and take a quarter to a half more time.
    """

    def __init__(self, weights: Weights, config: EncoderConfig, dtype: str) -> None:
        self._weights, self._config, self._dtype = weights, config, dtype
        self._lock = threading.Lock()
        self._session = self._open(softmax=False)
        self._has_softmax = False

    def embed(self, token_embeddings: Array, lengths: Array) -> Embeddings:
        """float32 `(sentences, dim)`, of sentences of these lengths."""
        embeddings, reliable = self._run(self._session, token_embeddings, lengths)
        if reliable:
            return embeddings
        with self._lock:
            if not self._has_softmax:
                self._session, self._has_softmax = self._open(softmax=True), True
        return self._run(self._session, token_embeddings, lengths)[0]

    def _open(self, softmax: bool) -> tf.compat.v1.Session:
        """A session that can run."""
        try:
            return self._try(softmax, fused_norm=True)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            # Without oneDNN: on other processors, or switched off.
            return self._try(softmax, fused_norm=False)

    def _try(self, softmax: bool, fused_norm: bool) -> tf.compat.v1.Session:
        """A session that has run once."""
        # All operators on the thread that calls.
        config = tf.compat.v1.ConfigProto(
            device_count={"GPU": 0}, intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1
        )
        # What finds nothing here, and takes a tenth of a second. All else is needed for some fusion or other.
        config.graph_options.rewrite_options.layout_optimizer = RewriterConfig.OFF
        config.graph_options.rewrite_options.memory_optimization = RewriterConfig.NO_MEM_OPT
        graph = build_graph(self._weights, self._config, dtype=self._dtype, softmax=softmax, fused_norm=fused_norm)
        session = tf.compat.v1.Session(graph=graph, config=config)
        self._run(session, self._weights[_TOKEN_TABLE][:1], np.ones(1, np.int32))
        return session

    def _run(self, session: tf.compat.v1.Session, token_embeddings: Array, lengths: Array) -> tuple[Embeddings, bool]:
        """The graph's outputs."""
        inputs = {TOKEN_EMBEDDINGS: token_embeddings, LENGTHS: lengths}
        return session.run((EMBEDDINGS, RELIABLE), inputs)


def _reorder(token_ids: Array, lengths: Array, order: Array) -> tuple[Array, Array]:
    """The ids and lengths of sentences in another order."""
    starts = (np.cumsum(lengths) - lengths)[order]
    lengths = lengths[order]
    shift = starts - (np.cumsum(lengths) - lengths)
    return token_ids[np.repeat(shift, lengths) + np.arange(len(token_ids))], lengths


def token_batches(lengths: Array, num_threads: int) -> Iterator[slice]:
    """Sentences of falling `lengths`, in batches for threads that each take the next when they are done with one.

    A batch has at most a thread's share of the tokens that are left, so that the last ones are small and the threads
    end together; but never more tokens than stay in a cache, nor so few that the multipliers idle, or one sentence.
    """
    left = np.cumsum(lengths[::-1])[::-1]
    start = 0
    while start < len(lengths):
        tokens = min(max(int(left[start]) // num_threads, _FEWEST_TOKENS), _MOST_TOKENS)
        stop = min(start + max(tokens // int(lengths[start]), 1), len(lengths))
        yield slice(start, stop)
        start = stop


def check_dtype(dtype: str) -> None:
    """Raises `UsageError` unless this processor computes in `dtype` itself."""
    if dtype not in DTYPES:
        raise UsageError(f"`dtype` must be one of {', '.join(DTYPES)}. Received: dtype={dtype!r}.")
    if dtype == "bfloat16" and not has_bfloat16():
        raise UsageError(
            "bfloat16 needs a processor that multiplies it (avx512_bf16 or amx_bf16 among the flags of "
            f"{FLAGS}), and would be slower than float32 here. Received: dtype={dtype!r}; use float32."
        )
