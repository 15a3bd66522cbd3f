"""The packed encoder against the encoder itself: the same vectors, whatever the sentences, the shape and the scores."""

import collections
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf import processor
from lealla_tf.checkpoints import encoder_weights
from lealla_tf.config import EncoderConfig
from lealla_tf.errors import UsageError
from lealla_tf.inference.packed_encoder import PackedSentenceEncoder, _reorder, token_batches
from lealla_tf.inference.packed_graph import EMBEDDINGS, LENGTHS, RELIABLE, TOKEN_EMBEDDINGS
from lealla_tf.inference.sentence_encoder import embed_with
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary

# Sentences of several scripts, of Tatoeba's length and longer.
SENTENCES = [
    "How are you?",
    "Ça va, l'été !",
    "Wie geht es dir?",
    "Как дела?",
    "你好吗？今天天气很好。",
    "สบายดีไหม",
    "كيف حالك؟",
    "नमस्ते दुनिया",
    "",
    "   ",
    "\U00012000",
    "The same words again and again. " * 40,
    *(" ".join(["word"] * count) for count in range(1, 60)),
]
CHARACTERS = sorted({character for sentence in SENTENCES for character in sentence if not character.isspace()})
VOCABULARY = Vocabulary([*SPECIAL_PIECES, *CHARACTERS, *(f"##{character}" for character in CHARACTERS)])
LENGTH = 48

SHAPES = {
    "thin": {"hidden_dim": 16, "num_layers": 4, "num_heads": 8, "intermediate_dim": 64},
    "wide": {"hidden_dim": 96, "num_layers": 2, "num_heads": 12, "intermediate_dim": 96},
    "one layer": {"hidden_dim": 8, "num_layers": 1, "num_heads": 1, "intermediate_dim": 12, "num_segments": 1},
}


def make_encoder(shape="thin", scale=0.2, **settings):
    """An encoder of weights far from their initial ones, with which layers hardly change what they are given."""
    config = EncoderConfig(vocabulary_size=len(VOCABULARY), max_positions=LENGTH, **SHAPES[shape], **settings)
    encoder = Encoder.from_encoder_config(config)
    generator = np.random.default_rng(0)
    for variable in encoder.trainable_variables:
        variable.assign(variable.numpy() + scale * generator.standard_normal(variable.shape))
    return encoder


def pack(encoder, length=LENGTH, dtype="float32"):
    weights, tokenizer = encoder_weights(encoder), Tokenizer(VOCABULARY, "exact")
    return PackedSentenceEncoder(weights, encoder.config, lambda: tokenizer, length, fingerprint="print", dtype=dtype)


def plain(encoder, length=LENGTH):
    return embed_with(encoder, Tokenizer(VOCABULARY, "exact"), length)


@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu_erf", "relu"])
@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_are_those_of_the_encoder(shape, activation):
    encoder = make_encoder(shape, activation=activation)
    found = pack(encoder).embed(SENTENCES)
    np.testing.assert_allclose(found, plain(encoder).embed(SENTENCES), atol=1e-5)
    assert found.dtype == np.float32 and found.shape == (len(SENTENCES), encoder.config.dim)
    assert np.abs(found[0] - found[2]).max() > 0.01


def test_pooling_by_the_mean():
    encoder = make_encoder(pooling="mean")
    np.testing.assert_allclose(pack(encoder).embed(SENTENCES), plain(encoder).embed(SENTENCES), atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls_tanh", "mean"])
def test_wider_pooling_and_reduction(pooling):
    encoder = make_encoder(pooling=pooling, pooled_dim=24, embedding_dim=7)
    found = pack(encoder).embed(SENTENCES)
    assert found.shape == (len(SENTENCES), 7)
    np.testing.assert_allclose(found, plain(encoder).embed(SENTENCES), atol=1e-5)


@pytest.fixture(scope="module")
def encoder():
    return make_encoder()


@pytest.mark.parametrize("sentence", ["How are you?", "", "The same words again and again. " * 40])
def test_one_sentence(encoder, sentence):
    np.testing.assert_allclose(pack(encoder).embed([sentence]), plain(encoder).embed([sentence]), atol=1e-5)


def test_no_sentences(encoder):
    assert pack(encoder).embed([]).shape == (0, 16)


def test_sentences_are_cut_at_the_length(encoder):
    """[CLS], eight pieces and [SEP]."""
    longer, kept, other = pack(encoder, 10).embed(["a a a a g g g g o", "a a a a g g g g", "a a a a g g g"])
    np.testing.assert_allclose(longer, kept, atol=1e-5)
    assert np.abs(kept - other).max() > 1e-3


def test_many_sentences_keep_their_order_and_progress_counts_them(encoder):
    """More than are tokenised at once, in batches of several threads."""
    words = ["day", "way", "game", "wage"]
    generator = np.random.default_rng(0)
    sentences = [" ".join(generator.choice(words, generator.integers(1, 6))) for _ in range(9000)]
    done = []
    found = pack(encoder).embed(sentences, progress=done.append)
    different = list(dict.fromkeys(sentences))
    expected = dict(zip(different, plain(encoder).embed(different), strict=True))
    np.testing.assert_allclose(found, [expected[sentence] for sentence in sentences], atol=1e-5)
    assert done == sorted(set(done)) and done[-1] == 9000 and len(done) > 10


@pytest.mark.parametrize(
    ("scale", "layers"),
    [(4.0, slice(None)), (30.0, slice(None)), (30.0, slice(1))],
    ids=["some scores", "all scores", "scores of the first layer"],
)
def test_scores_too_large_for_exponentials(scale, layers):
    """Exp overflows, or vanishes for a whole row: then softmax computes what it does not.

    Attention this sharp turns on the last bits of scores, so the two agree to a hundredth only.
    """
    encoder = make_encoder(scale=0.2)
    for layer in encoder.transformer_layers[layers]:
        for dense in (layer.attention.query_projection, layer.attention.key_projection):
            dense.kernel.assign(dense.kernel * scale)
    packed = pack(encoder)
    np.testing.assert_allclose(packed.embed(SENTENCES), plain(encoder).embed(SENTENCES), atol=1e-2)
    assert packed._graphs._has_softmax
    np.testing.assert_allclose(packed.embed(SENTENCES), plain(encoder).embed(SENTENCES), atol=1e-2)


@pytest.mark.skipif(not processor.has_bfloat16(), reason="the processor has no bfloat16")
def test_scores_too_large_for_exponentials_in_bfloat16():
    """Scores are large and all the same, so that rounding cannot turn attention to another token."""
    encoder = make_encoder(scale=0.1)
    for layer in encoder.transformer_layers:
        query, key = layer.attention.query_projection, layer.attention.key_projection
        key.kernel.assign(key.kernel * 0)
        for dense in (query, key):
            dense.bias.assign(dense.bias * 0 + 30)
    packed = pack(encoder, dtype="bfloat16")
    found = packed.embed(SENTENCES)
    assert packed._graphs._has_softmax
    assert np.sum(found * plain(encoder).embed(SENTENCES), axis=1).min() > 0.999


def test_facts(encoder):
    packed = pack(encoder)
    assert (packed.dim, packed.fingerprint, packed.trained_languages) == (16, "print", ())
    assert packed.num_parameters == encoder.count_params()


@pytest.mark.skipif(not processor.has_bfloat16(), reason="the processor has no bfloat16")
@pytest.mark.parametrize("pooling", ["cls_tanh", "mean"])
def test_bfloat16_gives_nearly_the_same_vectors(pooling):
    """To one part in a few hundred, which is what 8 bits hold; without any difference it were float32."""
    encoder = make_encoder("wide", scale=0.1, pooling=pooling)
    packed, exact = pack(encoder, dtype="bfloat16"), pack(encoder)
    found, expected = packed.embed(SENTENCES), exact.embed(SENTENCES)
    assert np.sum(found * expected, axis=1).min() > 0.999
    assert 1e-5 < np.abs(found - expected).max() < 0.02
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert (packed.fingerprint, exact.fingerprint) == ("print-bfloat16", "print")


def test_where_nothing_is_known_of_the_processor_there_is_no_bfloat16(tmp_path, monkeypatch, encoder):
    monkeypatch.setattr(processor, "FLAGS", tmp_path / "none")
    with pytest.raises(UsageError, match=r"^bfloat16 needs a processor that multiplies it .*; use float32.$"):
        pack(encoder, dtype="bfloat16")


def test_other_dtypes_are_refused(encoder):
    with pytest.raises(UsageError, match=r"^`dtype` must be one of float32, bfloat16. Received: dtype='int8'.$"):
        pack(encoder, dtype="int8")


def test_every_operator_is_fused(encoder):
    """Where oneDNN is on; an unfused norm or activation would cost more than all that packing saves."""
    layers, session = encoder.config.num_layers, pack(encoder)._graphs._session
    metadata, options = tf.compat.v1.RunMetadata(), tf.compat.v1.RunOptions(output_partition_graphs=True)
    inputs = {TOKEN_EMBEDDINGS: np.ones((5, 16), np.float32), LENGTHS: [2, 3]}
    session.run((EMBEDDINGS, RELIABLE), inputs, options=options, run_metadata=metadata)
    found = collections.Counter()
    for node in metadata.partition_graphs[0].node:
        fused = b"+".join(node.attr["fused_ops"].list.s).decode()
        found[f"{node.op}({fused})" if fused else node.op] += 1
    if not any(operator.startswith("_Mkl") for operator in found):
        pytest.skip("TensorFlow runs without oneDNN here")
    assert found["_MklLayerNorm"] == 2 * layers + 1
    # The projections to and from attention; into the feed-forward part; and out of it.
    assert found["_MklNativeFusedMatMul(BiasAdd)"] + found["_MklNativeFusedMatMul(BiasAdd+Add)"] == 3 * layers
    assert found["_MklNativeFusedMatMul(BiasAdd+Add)"] >= layers
    assert found["_MklNativeFusedMatMul(BiasAdd+GeluApproximate)"] == layers
    assert found["_MklFusedBatchMatMulV2(Mul+Add)"] == layers
    assert not {"MatMul", "BiasAdd", "Tanh", "Erf", "Pow"} & set(found)


PROGRAM = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from packed_encoder_test import SENTENCES, make_encoder, pack, plain
encoder = make_encoder()
np.testing.assert_allclose(pack(encoder).embed(SENTENCES), plain(encoder).embed(SENTENCES), atol=1e-5)
"""


def test_without_onednn():
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(Path(__file__).parent)], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]


BUSIEST = """
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf
if sys.argv[2] == "late":
    tf.constant(1) + 1
sys.path.insert(0, sys.argv[1])
from packed_encoder_test import LENGTH, VOCABULARY
from lealla_tf.config import EncoderConfig
from lealla_tf.inference.packed_encoder import PackedSentenceEncoder
from lealla_tf.models.encoder import weight_shapes
from lealla_tf.text.tokenizer import Tokenizer

def processor_times():
    return {task.name: int((task / "schedstat").read_text().split()[0]) for task in Path("/proc/self/task").iterdir()}

config = EncoderConfig(vocabulary_size=len(VOCABULARY), max_positions=LENGTH, hidden_dim=256, num_layers=2, num_heads=8)
weights = {name: np.full(shape, 0.01, np.float32) for name, shape in weight_shapes(config).items()}
encoder = PackedSentenceEncoder(weights, config, lambda: Tokenizer(VOCABULARY, "exact"), LENGTH, fingerprint="print")
tokens, lengths = np.random.default_rng(0).random((2048, 256), np.float32), np.full(64, 32, np.int32)
encoder._graphs.embed(tokens, lengths)
shares = []
for _ in range(15):
    before = processor_times()
    encoder._graphs.embed(tokens, lengths)
    spent = [time - before.get(name, 0) for name, time in processor_times().items()]
    shares.append(max(spent) / sum(spent))
print(min(shares), np.median(shares))
"""


@pytest.mark.skipif(processor.num_cores() < 2, reason="one core has nothing to share out")
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="nothing tells the times of threads")
@pytest.mark.parametrize("imported", ["first", "late"])
def test_operators_are_not_shared_out_unless_tensorflow_computed_before(imported):
    """By the share of a call's processor time that its busiest thread has."""
    arguments = [sys.executable, "-c", BUSIEST, str(Path(__file__).parent), imported]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    run = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    least, median = map(float, run.stdout.split())
    assert median > 0.75 if imported == "first" else least < 0.75


ADDRESSES = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import tensorflow as tf
from lealla_tf.inference.packed_encoder import keep_cores_apart, share_memory
for name in sys.argv[1:]:
    {"apart": keep_cores_apart, "shared": share_memory, "compute": lambda: tf.constant(1) + 1}[name]()

threads = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

def address():
    return np.frombuffer(memoryview(tf.zeros([1_000_000])), np.float32).ctypes.data

# After the first, which glibc takes from the system and gives back.
found = [{thread.submit(address).result() for _ in range(9)} for _ in range(2) for thread in threads][2:]
print(len(found[0] & found[1]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere threads may share the system's memory")
@pytest.mark.parametrize(
    ("calls", "shares"), [("apart", False), ("compute apart", True), ("shared apart", True), ("", True)]
)
def test_memory_that_a_thread_has_freed_is_not_given_to_another(calls, shares):
    """By the addresses of tensors that two threads make and free by turns."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    program = [sys.executable, "-c", ADDRESSES, *calls.split()]
    run = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    assert (int(run.stdout) > 0) == shares


@pytest.mark.parametrize("lengths", [[], [5], [2000], [2000, 9, 3], [7] * 500, [60] * 300 + [17, 3, 3, 1]])
def test_batches_hold_each_sentence_once_and_are_bounded(lengths):
    batches = list(token_batches(np.array(lengths, np.int32), 4))
    assert [row for batch in batches for row in range(len(lengths))[batch]] == list(range(len(lengths)))
    for batch in batches:
        held = lengths[batch]
        assert len(held) == 1 or len(held) * max(held) <= 1024


def test_batches_become_smaller_towards_the_end():
    """A fourth of what is left, as soon as that is less than 1,024 tokens, and in the end 256."""
    batches = [8 * (batch.stop - batch.start) for batch in token_batches(np.full(1024, 8, np.int32), 4)]
    assert batches == [1024] * 5 + [768, 576, 432, 320, 256, 256, 256, 208]


def test_reordering_by_hand():
    token_ids, lengths = _reorder(np.array([1, 2, 3, 4, 5, 6]), np.array([1, 3, 2]), np.array([1, 2, 0]))
    assert token_ids.tolist() == [2, 3, 4, 5, 6, 1]
    assert lengths.tolist() == [3, 2, 1]
