"""Batches for a masked language model."""

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import BatchConfig, PretrainingConfig
from lealla_tf.corpus.masking import mask_tokens, masked_batches
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.segments import InMemory, Segment
from lealla_tf.text.packing import join_segments
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary

VOCABULARY = Vocabulary([*SPECIAL_PIECES, "[unused0]", *(f"s{n}" for n in range(30)), *(f"t{n}" for n in range(30))])
PAD, UNKNOWN, START, END, MASK = range(5)


def rows_of_tokens(count, length=40):
    """Rows `[CLS]` ... `[SEP]` of different lengths, with an unknown token each."""
    generator = np.random.default_rng(0)
    rows = np.zeros((count, length), np.int32)
    for row in rows:
        size = generator.integers(4, length + 1)
        row[:size] = [START, UNKNOWN, *generator.integers(6, len(VOCABULARY), size - 3), END]
    return rows


def masked(rows, rate=0.15, seed=(0, 0)):
    found = mask_tokens(tf.constant(rows), VOCABULARY, rate, tf.constant(seed, tf.int64))
    return {name: value.numpy() for name, value in found.items()}


def test_the_share_of_each_row_is_hidden_and_the_labels_tell_what_was_there():
    rows = rows_of_tokens(200)
    found = masked(rows)
    ordinary = (rows > MASK).sum(axis=1)
    np.testing.assert_array_equal(found["weights"].sum(axis=1), np.maximum(np.round(0.15 * ordinary), 1))
    assert found["positions"].shape == found["labels"].shape == (200, 6)
    for row, hidden, places, labels, weights in zip(rows, *(found[name] for name in found), strict=True):
        chosen = places[weights > 0]
        assert len(set(chosen)) == len(chosen)
        assert (row[chosen] > MASK).all(), "a special or unknown token was hidden"
        np.testing.assert_array_equal(labels, row[places])
        untouched = np.delete(np.arange(len(row)), chosen)
        np.testing.assert_array_equal(hidden[untouched], row[untouched])


def test_of_the_hidden_tokens_most_are_masked_some_replaced_some_kept():
    """4,500 draws: five standard deviations are 3 % of them around 80 %, 2.3 % around 10 %."""
    rows = np.concatenate([rows_of_tokens(500)] * 3)
    found = masked(rows)
    is_hidden = found["weights"] > 0
    now = np.take_along_axis(found["token_ids"], found["positions"], axis=1)[is_hidden]
    labels = found["labels"][is_hidden]
    assert np.mean(now == MASK) == pytest.approx(0.8, abs=0.03)
    # One in sixty of the replacements is the token itself.
    assert np.mean(now == labels) == pytest.approx(0.1, abs=0.025)
    replaced = now[(now != MASK) & (now != labels)]
    assert set(replaced) == set(range(6, len(VOCABULARY))), "every ordinary piece, and no other"


def test_every_token_is_as_likely_to_be_hidden():
    row = np.int32([[START, *range(6, 16), END]] * 4000)
    counts = np.bincount(masked(row)["positions"][masked(row)["weights"] > 0], minlength=12)[1:11]
    np.testing.assert_allclose(counts / counts.sum(), 0.1, atol=0.02)


def test_the_seed_decides():
    rows = rows_of_tokens(20)
    first, again, other = masked(rows), masked(rows), masked(rows, seed=(0, 1))
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert (first["token_ids"] != other["token_ids"]).any()


def test_a_row_without_words_hides_nothing():
    found = masked(np.int32([[START, UNKNOWN, END, PAD], [START, END, PAD, PAD]]))
    assert not found["weights"].any()
    np.testing.assert_array_equal(found["token_ids"], [[START, UNKNOWN, END, PAD], [START, END, PAD, PAD]])


def test_segments_are_joined_by_hand():
    first = tf.ragged.constant([[10, 11, 12, 13], [10], [10, 11, 12, 13]], dtype=tf.int32)
    second = tf.ragged.constant([[20, 21, 22], [], []], dtype=tf.int32)
    rows, first_lengths = join_segments(first, second, VOCABULARY, 7)
    assert rows.to_list() == [
        [START, 10, 11, END, 20, 21, END],
        [START, 10, END],
        [START, 10, 11, 12, 13, END],
    ]
    assert first_lengths.numpy().tolist() == [4, 3, 6]


def mixture(batch):
    """Pairs whose sides have as many words of the same numbers, and text without a target."""
    generator = np.random.default_rng(0)
    words = [generator.integers(30, size=generator.integers(2, 6)) for _ in range(64)]
    sides = ([" ".join(f"{side}{n}" for n in row).encode() for row in words] for side in "st")
    pairs = InMemory(Segment.of_bytes(*sides))
    text = InMemory(Segment.of_bytes([b"s1 s2 s3"] * 16, [b""] * 16))
    return Mixture({"en-de": pairs, "en-en": text}, 1.0, 0, batch.window * batch.size)


def batches(count, batch, translation=0.5, **kwargs):
    tokenizer = Tokenizer(VOCABULARY, "exact")
    pretraining = PretrainingConfig(translation=translation)
    found = masked_batches(mixture(batch), tokenizer, batch, pretraining, seed=0, **kwargs).take(count)
    return [{name: column.numpy() for name, column in one.items()} for one in found]


def original(batch):
    """The token ids as they were before any was hidden."""
    rows = batch["token_ids"].copy()
    np.put_along_axis(rows, batch["positions"], batch["labels"], axis=1)
    return rows


@pytest.mark.parametrize(("translation", "pairs"), [(0.0, 0.0), (1.0, 0.8), (0.5, 0.4)])
def test_rows_are_sentences_or_pairs(translation, pairs):
    """Four fifths of the text have a target; of 640 rows, five standard deviations are a tenth."""
    (batch,) = batches(1, BatchConfig(size=640, length=16, window=1), translation)
    rows = original(batch)
    is_pair = (rows == END).sum(axis=1) == 2
    assert is_pair.mean() == pytest.approx(pairs, abs=0.1)
    for row, segments in zip(rows[is_pair], batch["segment_ids"][is_pair], strict=True):
        first, second = row[(segments == 0) & (row > MASK)], row[segments == 1][:-1]
        np.testing.assert_array_equal(second, first + 30), "a pair's sides have words of the same numbers"
        assert row[segments == 1][-1] == END
    alone = rows[~is_pair]
    assert not batch["segment_ids"][~is_pair].any()
    if translation < 1:
        is_target = (alone >= 36).any(axis=1)
        assert is_target.mean() == pytest.approx(0.4 * (1 - translation) / (1 - pairs), abs=0.12)


@pytest.mark.parametrize("buckets", [(), (6, 8, 12)])
def test_the_batches_of_a_step_are_the_same_whenever_the_run_is_started(buckets):
    batch = BatchConfig(size=8, length=16, window=3, buckets=buckets)
    unbroken = batches(8, batch)
    resumed = batches(4, batch, first_step=4)
    for first, again in zip(unbroken[4:], resumed, strict=True):
        assert first.keys() == {"token_ids", "segment_ids", "positions", "labels", "weights"}
        for name, column in first.items():
            np.testing.assert_array_equal(column, again[name])
    widths = {one["token_ids"].shape[1] for one in unbroken}
    assert widths <= {*buckets, 16}
    assert (len(widths) > 1) == bool(buckets)
    assert len({one["positions"].tobytes() for one in unbroken}) == 8, "every step hides other tokens"


def test_workers_share_the_rows():
    batch = BatchConfig(size=8, length=16, window=3)
    whole = batches(4, batch)
    parts = [batches(4, batch, worker=worker, num_workers=2) for worker in range(2)]
    for one, *halves in zip(whole, *parts, strict=True):
        for name, column in one.items():
            np.testing.assert_array_equal(column, np.concatenate([half[name] for half in halves]))


def test_shapes_are_known_beforehand():
    batch = BatchConfig(size=8, length=16, window=3)
    spec = masked_batches(mixture(batch), Tokenizer(VOCABULARY, "exact"), batch, PretrainingConfig(), seed=0)
    shapes = {name: tuple(column.shape) for name, column in spec.element_spec.items()}
    assert shapes == dict.fromkeys(("token_ids", "segment_ids"), (8, 16)) | dict.fromkeys(
        ("positions", "labels", "weights"), (8, 3)
    )


def test_workers_that_cannot_share_a_batch_are_refused():
    batch = BatchConfig(size=8, length=16, window=3)
    with pytest.raises(ValueError, match=r"must divide the size of a batch, and `worker` lie in .* num_workers=3"):
        batches(1, batch, worker=0, num_workers=3)
