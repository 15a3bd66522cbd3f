import collections
import os
import re
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text as tf_text
import tokenizers

from lealla_tf.text.learning import learn
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary

PIECES = [
    *SPECIAL_PIECES,
    "a",
    "##a",
    "b",
    "##b",
    "!",
    "é",
    "##\u0301",
    "e",
    "汉",
    "ท",
    "##ท",
    "\U0001f468",
    "!!",
    "##!",
]
VOCABULARY = Vocabulary(PIECES)
ID = {piece: index for index, piece in enumerate(PIECES)}
UNKNOWN = ["[UNK]"]

# Non-ASCII white space, at which the published preprocessor does not split.
SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def hugging_face(vocabulary):
    """BertTokenizerFast without its special tokens: the same normalizer, pre-tokenizer and model."""
    model = tokenizers.models.WordPiece(
        {piece: index for index, piece in enumerate(vocabulary.pieces)}, unk_token="[UNK]", max_input_chars_per_word=100
    )
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return lambda sentences: [encoding.ids for encoding in tokenizer.encode_batch(sentences)]


def published(vocabulary):
    """The tokenizer inside the published multilingual preprocessor."""
    keys = tf.lookup.KeyValueTensorInitializer(list(vocabulary.pieces), tf.range(len(vocabulary), dtype=tf.int64))
    tokenizer = tf_text.BertTokenizer(
        tf.lookup.StaticVocabularyTable(keys, 1), token_out_type=tf.int64, lower_case=False
    )
    return lambda sentences: tokenizer.tokenize(tf.constant(sentences))


def ids(rows):
    """The ids of every sentence as bytes, words or none: quick to compare, where `to_list` is not."""
    if isinstance(rows, list):
        return [np.array(row, np.int32).tobytes() for row in rows]
    flat = rows.merge_dims(1, 2) if rows.ragged_rank == 2 else rows
    values = tf.cast(flat.values, tf.int32).numpy()
    return [row.tobytes() for row in np.split(values, flat.row_splits.numpy()[1:-1])]


def words(tokenizer, sentence):
    [row] = tokenizer.tokenize(tf.constant([sentence])).to_list()
    return [[tokenizer.vocabulary.pieces[piece] for piece in word] for word in row]


EXACT, LABSE = Tokenizer(VOCABULARY, "exact"), Tokenizer(VOCABULARY, "labse")
HUGGING_FACE, PUBLISHED = hugging_face(VOCABULARY), published(VOCABULARY)

A, B, AA = ["a"], ["b"], ["a", "##a"]

# sentence, words of `exact`, words of `labse`
CASES = {
    "empty": ("", [], []),
    "white space only": (" \t\r\n ", [], []),
    "longest match": ("aab b", [["a", "##a", "##b"], B], [["a", "##a", "##b"], B]),
    "case is kept": ("A a", [UNKNOWN, A], [UNKNOWN, A]),
    "punctuation apart": ("a!!b", [A, ["!"], ["!"], B], [A, ["!"], ["!"], B]),
    "no part of a word is known": ("axa b", [UNKNOWN, B], [UNKNOWN, B]),
    "ideographs apart": ("a汉汉b", [A, ["汉"], ["汉"], B], [A, ["汉"], ["汉"], B]),
    "composed and combining accents": ("é e\u0301", [["é"], ["e", "##\u0301"]], [["é"], ["e", "##\u0301"]]),
    "special pieces are text": ("[PAD]", [UNKNOWN] * 3, [UNKNOWN] * 3),
    "zero width non-joiner": ("a\u200ca", [AA], [A, A]),
    "soft hyphen": ("a\u00ada", [AA], [A, A]),
    "byte order mark": ("\ufeffa", [A], [A]),
    "control character": ("a\x07a", [AA], [A, A]),
    "NUL": ("a\x00a", [AA], [A, A]),
    "next line": ("a\u0085a", [AA], [A, A]),
    "replacement character": ("a\ufffda", [AA], [UNKNOWN]),
    "private use": ("a\ue000a", [AA], [UNKNOWN]),
    "no-break space": ("a\u00a0a b", [A, A, B], [UNKNOWN, B]),
    "narrow no-break space before punctuation": ("a\u202f!", [A, ["!"]], [UNKNOWN, ["!"]]),
    "ideographic space": ("汉\u3000汉", [["汉"], ["汉"]], [["汉"], UNKNOWN, ["汉"]]),
    "33 Thai letters, 99 bytes": ("ท" * 33, [["ท"] + ["##ท"] * 32], [["ท"] + ["##ท"] * 32]),
    "37 Thai letters, 111 bytes": ("ท" * 37, [["ท"] + ["##ท"] * 36], [UNKNOWN]),
    "100 letters": ("a" * 100, [["a"] + ["##a"] * 99], [["a"] + ["##a"] * 99]),
    "family of emoji, joined": ("\U0001f468\u200d!", [["\U0001f468"], ["!"]], [["\U0001f468"], ["!"]]),
    "emoji joined to an unknown one": ("\U0001f468\u200d\U0001f469", [UNKNOWN], [["\U0001f468"], UNKNOWN]),
}


@pytest.mark.parametrize(("sentence", "exact", "labse"), CASES.values(), ids=CASES.keys())
def test_words_by_hand_and_by_both_models(sentence, exact, labse):
    """Both expectations are checked against the programs that they stand for, too."""
    assert words(EXACT, sentence) == exact
    assert words(LABSE, sentence) == labse
    assert HUGGING_FACE([sentence]) == [[ID[piece] for word in exact for piece in word]]
    assert PUBLISHED([sentence]).to_list() == [[[ID[piece] for piece in word] for word in labse]]


def test_a_word_may_have_400_bytes_in_exact_mode():
    """Hugging Face's limit is 100 characters, whatever their bytes: the same at four bytes each."""
    assert words(EXACT, "a" * 400) == [["a"] + ["##a"] * 399]
    assert words(EXACT, "a" * 401) == [UNKNOWN]
    assert words(EXACT, "ท" * 133) == [["ท"] + ["##ท"] * 132]
    assert words(EXACT, "ท" * 134) == [UNKNOWN]
    assert HUGGING_FACE(["a" * 100, "a" * 101])[1] == [ID["[UNK]"]]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("piece", ["{}", "##{}", "a{}"])
def test_pieces_with_white_space_change_nothing(space, piece):
    """tensorflow_text's trie would match such a piece instead of splitting there."""
    tokenizer = Tokenizer(Vocabulary([*PIECES, piece.format(space)]), "exact")

    assert words(tokenizer, f"a{space}a {space} b{space}") == [A, A, B]


@pytest.mark.parametrize("piece", ["## ", "\x11", "a\x00b", "##"])
def test_pieces_that_no_word_can_hold_change_nothing(piece):
    tokenizer = Tokenizer(Vocabulary([*PIECES, piece]), "exact")

    assert words(tokenizer, "aa b! #") == [AA, B, ["!"], UNKNOWN]


@pytest.mark.parametrize("tokenizer", [EXACT, LABSE], ids=["exact", "labse"])
def test_bytes_that_are_not_utf8_are_unknown_words(tokenizer):
    sentences = tf.constant([b"\xff\xfe a", b"a \xe2\x80", b"\xed\xa0\x80 b", bytes(range(128, 256))])

    rows = tokenizer.tokenize(sentences)

    assert rows.shape[0] == 4
    assert rows[0].to_list()[-1] == [ID["a"]]
    assert rows[1].to_list()[0] == [ID["a"]]
    assert rows[2].to_list()[-1] == [ID["b"]]


def test_types_and_shapes():
    rows = EXACT.tokenize(["aa b", "", "!"])

    assert (rows.dtype, rows.ragged_rank) == (tf.int32, 2)
    assert rows.to_list() == [[[5, 6], [7]], [], [[9]]]
    flat = EXACT.tokenize_flat(tf.constant(["aa b", "", "!"]))
    assert (flat.dtype, flat.to_list()) == (tf.int32, [[5, 6, 7], [], [9]])
    assert EXACT.tokenize(tf.constant([], tf.string)).to_list() == []


def test_works_in_tf_data():
    dataset = tf.data.Dataset.from_tensor_slices(["aa b", "!"]).batch(2).map(EXACT.tokenize)

    assert next(iter(dataset)).to_list() == [[[5, 6], [7]], [[9]]]


@pytest.mark.parametrize("mode", ["exact", "labse"])
def test_saved_model_needs_no_file(tmp_path, mode):
    path = tmp_path / "vocabulary.txt"
    VOCABULARY.save(path)

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.tokenizer = Tokenizer(Vocabulary.from_file(path), mode)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, sentences):
            return self.tokenizer.tokenize(sentences)

    tf.saved_model.save(Module(), tmp_path / "module")
    path.unlink()
    (tmp_path / "module").rename(tmp_path / "moved")
    loaded = tf.saved_model.load(tmp_path / "moved")

    sentences = ["aab a\u200ca", "a\u00a0! 汉"]
    assert loaded(sentences).to_list() == Tokenizer(VOCABULARY, mode).tokenize(sentences).to_list()
    assert not any((tmp_path / "moved" / "assets").iterdir())
    assert str(tmp_path).encode() not in (tmp_path / "moved" / "saved_model.pb").read_bytes()


def test_wrong_mode_and_wrong_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"`mode` must be one of labse, exact. Received: mode='Exact'"):
        Tokenizer(VOCABULARY, "Exact")
    with pytest.raises(ValueError, match="`vocabulary` cannot be used as WordPiece: No valid vocab tokens"):
        Tokenizer(Vocabulary(SPECIAL_PIECES))


# Code points that Hugging Face's tables, of Unicode 8, do not know as punctuation or format
# characters, and 256 ideographs (U+2B820 to U+2B91F) that it does not set apart.
UNLIKE_HUGGING_FACE = 418
# Punctuation that this Python may not know and tensorflow_text's newer tables do.
UNLIKE_PUBLISHED = 13


def compare(reference, tokenizer_of):
    """The code points that are tokenized unlike `reference`, alone or inside a word."""
    unlike = []
    for start in range(0, sys.maxunicode, 0x10000):
        block = [point for point in range(start, start + 0x10000) if not 0xD800 <= point < 0xE000]
        characters = [chr(point) for point in block if not chr(point).isspace() and point >= 32]
        pieces = [*SPECIAL_PIECES, "a", "b", "##b", "1", *characters, *(f"##{character}" for character in characters)]
        vocabulary = Vocabulary(list(dict.fromkeys(pieces)))
        sentences = [f"a{c}b{c}{c} {c}1" for c in map(chr, block)]
        expected = ids(reference(vocabulary)(sentences))
        actual = ids(tokenizer_of(vocabulary)(sentences))
        unlike += [point for point, left, right in zip(block, actual, expected, strict=True) if left != right]
    return unlike


@pytest.mark.slow
def test_exact_mode_agrees_with_hugging_face_on_every_code_point_but_some():
    unlike = compare(hugging_face, lambda vocabulary: Tokenizer(vocabulary, "exact").tokenize_flat)

    assert len(unlike) == UNLIKE_HUGGING_FACE
    categories = {unicodedata.category(chr(point))[0] for point in unlike if not 0x2B820 <= point < 0x2B920}
    assert categories <= {"P", "C", "S", "M"}
    assert min(unlike) == 0x61D  # Arabic end of text mark, Unicode 14


@pytest.mark.slow
def test_labse_mode_agrees_with_the_published_preprocessor_on_every_code_point_but_some():
    unlike = compare(published, lambda vocabulary: Tokenizer(vocabulary, "labse").tokenize)

    assert len(unlike) == UNLIKE_PUBLISHED
    assert min(unlike) == 0x1B4E  # Balinese, Unicode 16


DATA = os.environ.get("LEALLA_DATA", "")


@pytest.fixture(scope="module")
def tatoeba():
    """All sentences of the 112 languages, by file, and a vocabulary learned from every fifth."""
    files = sorted(Path(DATA, "tatoeba").glob("tatoeba.*-eng.*"))
    sentences = {file.name: file.read_text(encoding="utf-8").rstrip("\n").split("\n") for file in files}
    text = [sentence for rows in sentences.values() for sentence in rows]
    assert (len(files), len(text)) == (224, 177_754)
    return sentences, learn(text[::5], 30_000)


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="LEALLA_DATA is not set")
def test_exact_mode_agrees_with_bert_tokenizer_fast_on_tatoeba(tatoeba, tmp_path):
    from transformers import BertTokenizerFast

    sentences, vocabulary = tatoeba
    vocabulary.save(tmp_path / "vocab.txt")
    reference = BertTokenizerFast.from_pretrained(tmp_path, do_lower_case=False, strip_accents=False)
    tokenizer = Tokenizer(vocabulary, "exact")

    unlike = [
        (name, sentence)
        for name, rows in sentences.items()
        for sentence, ours, theirs in zip(
            rows,
            ids(tokenizer.tokenize_flat(rows)),
            ids(reference(rows, add_special_tokens=False)["input_ids"]),
            strict=True,
        )
        if ours != theirs
    ]
    assert unlike == []


CAUSES = {
    "control or format character": "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]",
    "private use or U+FFFD": r"[\ue000-\uf8ff\ufffd]",
    "white space that is not ASCII": f"[{SPACES}]",
}


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="LEALLA_DATA is not set")
def test_labse_mode_differs_on_tatoeba_for_known_causes_only(tatoeba):
    sentences, vocabulary = tatoeba
    exact, labse, reference = Tokenizer(vocabulary, "exact"), Tokenizer(vocabulary, "labse"), published(vocabulary)

    languages = collections.defaultdict(collections.Counter)
    for name, rows in sentences.items():
        ours = labse.tokenize(rows)
        theirs = reference(rows)
        for left, right in zip(
            [ours.flat_values, *ours.nested_row_splits], [theirs.flat_values, *theirs.nested_row_splits], strict=True
        ):
            np.testing.assert_array_equal(left, right, err_msg=name)
        for sentence, one, other in zip(rows, ids(ours), ids(exact.tokenize_flat(rows)), strict=True):
            if one != other:
                causes = [cause for cause, pattern in CAUSES.items() if re.search(pattern, sentence)]
                cause = causes[0] if causes else "word of more than 100 bytes"
                assert causes or max(len(word.encode()) for word in re.split(r"\s", sentence)) > 100, sentence
                languages[cause][name.rpartition(".")[2]] += 1
    assert {cause: sum(counts.values()) for cause, counts in languages.items()} == {
        "control or format character": 473,
        "private use or U+FFFD": 1,
        "white space that is not ASCII": 158,
        "word of more than 100 bytes": 97,
    }
    assert languages["white space that is not ASCII"].most_common(3) == [("fra", 100), ("bel", 21), ("gle", 12)]
    assert languages["word of more than 100 bytes"] == {"tha": 86, "khm": 10, "jav": 1}
