import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import BatchConfig
from lealla_tf.corpus.batching import training_batches
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.segments import InMemory, Segment
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary

DIGITS = "0123456789"
# [PAD] is not 0, so that padding by 0 is seen.
VOCABULARY = Vocabulary(
    ["s", "t", "x", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]", *DIGITS, *(f"##{digit}" for digit in DIGITS)]
)
TOKENIZER = Tokenizer(VOCABULARY)
START, END, PAD = VOCABULARY.start_id, VOCABULARY.end_id, VOCABULARY.pad_id
PAIRS = 60


def text(side, number):
    """`s 17 x x x`: which side, which pair, and up to eight tokens more, of another number on each side."""
    return f"{side} {number}{' x' * (number % (9 if side == 's' else 7))}"


def ids(sentence, length):
    """The tokens of `text`, put together by hand."""
    pieces = []
    for word in sentence.split():
        pieces += [word[0], *(f"##{character}" for character in word[1:])]
    kept = [VOCABULARY.pieces.index(piece) for piece in pieces][: length - 2]
    return [START, *kept, END]


def number_of(row):
    """The pair that a row of ids comes from."""
    pieces = [VOCABULARY.pieces[token] for token in row]
    return int("".join(piece[-1] for piece in pieces if piece[-1] in DIGITS))


def corpus(count=PAIRS, teacher=False):
    pairs = Segment.of_pairs([(text("s", n), text("t", n)) for n in range(count)])
    if not teacher:
        return pairs
    numbers = np.arange(count, dtype=np.float16)[:, None]
    return Segment(pairs.source, pairs.target, numbers + np.float16([0, 0.5]), -numbers - np.float16([0, 0.25]))


def config(size=8, length=16, buckets=(), window=4):
    return BatchConfig(size=size, length=length, buckets=buckets, window=window)


def batches(config, count, segment=None, seed=0, **arguments):
    """The first `count` batches from `first_step`, as arrays."""
    sources = {"en-de": InMemory(segment if segment is not None else corpus())}
    mixture = Mixture(sources, 1.0, seed, config.window * config.size)
    dataset = training_batches(mixture, TOKENIZER, config, seed=seed, **arguments)
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def assert_equal(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_batches_without_buckets_are_the_windows_cut():
    wanted = config()
    mixture = Mixture({"en-de": InMemory(corpus())}, 1.0, 0, 32)
    got = batches(wanted, 8)
    for step, batch in enumerate(got):
        rows = mixture.window(step // 4).take(slice(step % 4 * 8, step % 4 * 8 + 8))
        for side, column in zip(("source", "target"), rows.texts(), strict=True):
            expected = [ids(sentence, 16) for sentence in column]
            assert batch[f"{side}_token_ids"].tolist() == [row + [PAD] * (16 - len(row)) for row in expected]
            assert batch[f"{side}_token_ids"].dtype == np.int32
    assert sorted(got[0]) == ["source_fingerprint", "source_token_ids", "target_fingerprint", "target_token_ids"]


@pytest.mark.parametrize(("buckets", "firsts"), [((), [4, 7]), ((6, 9), [1, 11])], ids=["no buckets", "buckets"])
def test_batches_do_not_depend_on_where_the_run_began(buckets, firsts):
    wanted = config(buckets=buckets)
    whole = batches(wanted, 14)
    for first in firsts:  # at the border of two windows and within them
        assert_equal(batches(wanted, 3, first_step=first), whole[first : first + 3])


def test_a_bucket_is_the_smallest_that_holds_the_batch():
    wanted = config(buckets=(6, 9, 12))
    got, without = batches(wanted, 12), batches(config(), 12)
    widths = Counter()
    for window in (got[n : n + 4] for n in (0, 4, 8)):
        seen = []
        for batch in window:
            rows = [[t for t in row if t != PAD] for side in ("source", "target") for row in batch[f"{side}_token_ids"]]
            longest = max(map(len, rows))
            width = min(width for width in (6, 9, 12, 16) if width >= longest)
            assert batch["source_token_ids"].shape == batch["target_token_ids"].shape == (8, width)
            seen.append(longest)
            widths[width] += 1
        # Sentences of like length are together, but do not come by length.
        assert len(set(seen)) > 1
    assert len(widths) >= 3
    # The same pairs as without buckets, window by window.
    for n in (0, 4, 8):
        numbers, expected = (
            sorted(number_of(row) for batch in of_run[n : n + 4] for row in batch["source_token_ids"])
            for of_run in (got, without)
        )
        assert numbers == expected


def test_batches_of_a_window_are_shuffled_by_the_seed():
    def order(seed):
        wanted = config(buckets=(5, 6, 8, 9, 10), window=8)
        return [batch["source_token_ids"].shape[1] for batch in batches(wanted, 24, seed=seed)]

    first, second = order(0), order(1)
    assert first[:8] != sorted(first[:8])
    assert first != second


@pytest.mark.parametrize("buckets", [(), (6, 9)], ids=["no buckets", "buckets"])
def test_sides_targets_and_fingerprints_stay_together(buckets):
    for batch in batches(config(buckets=buckets), 9, corpus(teacher=True)):
        numbers = [number_of(row) for row in batch["source_token_ids"]]
        assert numbers == [number_of(row) for row in batch["target_token_ids"]]
        assert batch["source_teacher"].dtype == batch["target_teacher"].dtype == np.float32
        assert batch["source_teacher"].tolist() == [[n, n + 0.5] for n in numbers]
        assert batch["target_teacher"].tolist() == [[-n, -n - 0.25] for n in numbers]
        for side in ("source", "target"):
            fingerprints = batch[f"{side}_fingerprint"]
            texts = [text(side[0], n) for n in numbers]
            assert fingerprints.tolist() == tf.strings.to_hash_bucket_fast(texts, 2**31 - 1).numpy().tolist()


def test_equal_texts_have_equal_fingerprints_and_others_have_not():
    pairs = [("s 1", "t 1"), ("s 1", "t 2"), ("s 2", "t 1"), ("t 1", "s 2")]
    (batch,) = batches(config(size=4, window=1), 1, Segment.of_pairs(pairs))
    of_text = {}
    for side in ("source", "target"):
        for row, fingerprint in zip(batch[f"{side}_token_ids"], batch[f"{side}_fingerprint"], strict=True):
            of_text.setdefault(tuple(row), set()).add(int(fingerprint))
    assert all(len(fingerprints) == 1 for fingerprints in of_text.values())
    assert len({min(fingerprints) for fingerprints in of_text.values()}) == len(of_text) == 4
    assert batch["source_fingerprint"].dtype == np.int32


def test_float16_targets_arrive_exactly():
    bits = np.random.default_rng(0).integers(0, 0x7C00, (8, 3)).astype(np.uint16)  # every finite one, small ones too
    values = bits.view(np.float16)
    pairs = corpus(8)
    (batch,) = batches(config(window=1), 1, Segment(pairs.source, pairs.target, values, -values))
    numbers = [number_of(row) for row in batch["source_token_ids"]]
    assert batch["source_teacher"].tolist() == values[numbers].astype(np.float32).tolist()
    assert batch["target_teacher"].tolist() == (-values[numbers]).astype(np.float32).tolist()


def test_long_sentences_are_cut_between_their_special_tokens():
    for length in (3, 5):
        (batch,) = batches(config(length=length, window=1), 1)
        for side in ("source", "target"):
            rows = batch[f"{side}_token_ids"]
            assert rows.shape == (8, length)
            assert set(rows[:, 0]) == {START}
            assert set(rows[:, 1]) == {VOCABULARY.pieces.index(side[0])}
            assert PAD not in rows[:, :3]
            if length == 3:
                assert set(rows[:, 2]) == {END}


def test_a_sentence_without_tokens_is_its_special_tokens():
    pairs = Segment.of_pairs([("\u200b", "t 1"), ("\u200b", "\u200b")])
    (batch,) = batches(config(size=2, window=1, buckets=(4, 5)), 1, pairs)
    assert batch["source_token_ids"].tolist() == [[START, END, PAD, PAD]] * 2
    assert sorted(batch["target_token_ids"].tolist()) == sorted([ids("t 1", 4), [START, END, PAD, PAD]])


def test_one_pair_fills_a_batch():
    for batch in batches(config(size=4, window=2), 5, corpus(1)):
        assert batch["source_token_ids"].tolist() == [ids("s 0", 16) + [PAD] * 12] * 4


def test_a_run_may_be_longer_than_its_corpus():
    drawn = [number_of(row) for batch in batches(config(), 30, corpus(12)) for row in batch["source_token_ids"]]
    counts = Counter(drawn)
    assert len(drawn) == 240 and sorted(counts) == list(range(12))
    assert all(18 <= count <= 22 for count in counts.values())  # 20 passes, the last two of which end within a window


def test_workers_share_every_batch():
    wanted = config(buckets=(6, 9))
    whole = batches(wanted, 6, corpus(teacher=True))
    parts = [batches(wanted, 6, corpus(teacher=True), worker=worker, num_workers=2) for worker in range(2)]
    assert {batch["source_teacher"].shape for part in parts for batch in part} == {(4, 2)}
    joined = [{name: np.concatenate([b[name] for b in step]) for name in step[0]} for step in zip(*parts, strict=True)]
    assert_equal(joined, whole)


def test_a_teacher_within_the_step_is_fed_its_own_rows():
    def inputs(strings):
        return {"characters": tf.strings.length(strings), "ids": tf.reshape(tf.strings.length(strings), (-1, 1))}

    wanted = config(buckets=(6, 9))
    for batch in batches(wanted, 5, teacher_inputs=inputs, worker=1, num_workers=2):
        for side in ("source", "target"):
            lengths = [len(text(side[0], number_of(row))) for row in batch[f"{side}_token_ids"]]
            assert batch[f"{side}_teacher"]["characters"].tolist() == lengths
            assert batch[f"{side}_teacher"]["ids"].shape == (4, 1)
        assert "source" not in batch and "target" not in batch


def test_shapes_are_static():
    def spec(**arguments):
        mixture = Mixture({"en-de": InMemory(corpus(teacher=True))}, 1.0, 0, 32)
        return training_batches(mixture, TOKENIZER, config(**arguments), seed=0, num_workers=2).element_spec

    expected = {
        "source_token_ids": tf.TensorSpec((4, 16), tf.int32),
        "target_token_ids": tf.TensorSpec((4, 16), tf.int32),
        "source_teacher": tf.TensorSpec((4, 2), tf.float32),
        "target_teacher": tf.TensorSpec((4, 2), tf.float32),
        "source_fingerprint": tf.TensorSpec((4,), tf.int32),
        "target_fingerprint": tf.TensorSpec((4,), tf.int32),
    }
    assert spec() == expected
    bucketed = tf.TensorSpec((4, None), tf.int32)
    assert spec(buckets=(6,)) == {**expected, "source_token_ids": bucketed, "target_token_ids": bucketed}


def test_what_does_not_fit_is_refused():
    mixture = Mixture({"en-de": InMemory(corpus())}, 1.0, 0, 32)
    for arguments in ({"num_workers": 3}, {"worker": 2, "num_workers": 2}, {"worker": -1, "num_workers": 2}):
        with pytest.raises(ValueError, match=r"^`num_workers` must divide the size of a batch, and `worker` lie in"):
            training_batches(mixture, TOKENIZER, config(), seed=0, **arguments)
    with pytest.raises(ValueError, match=r"^`mixture` must have windows of .* Received: 32 pairs, window=5, size=8.$"):
        training_batches(mixture, TOKENIZER, config(window=5), seed=0)
