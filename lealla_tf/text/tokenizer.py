"""BERT's tokenization as TensorFlow ops: strings in, ragged token ids out, no file behind it."""

import functools

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow_text.core.pybinds import pywrap_fast_wordpiece_tokenizer_model_builder as model_builder

from lealla_tf.text.vocabulary import UNKNOWN, Vocabulary

# A word of more bytes than this is one unknown token.
MAX_WORD_BYTES = {"labse": 100, "exact": 400}
MODES = tuple(MAX_WORD_BYTES)

# Replaced before tensorflow_text's FastBertTokenizer sees the sentence.
#   labse: the published preprocessor splits at ASCII white space alone, so a no-break or an
#     ideographic space is a character of its word, and one that no vocabulary spells.
#     FastBertTokenizer would split there; a code point that never occurs in text keeps it from that.
#   exact: control characters except tab and line breaks, format characters, private use and
#     U+FFFD, which Hugging Face's normalizer deletes and FastBertTokenizer makes spaces or keeps.
_REPLACED = {
    "labse": (r"[\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]", "\U0010ffff"),
    "exact": (
        r"[\x{0000}-\x{0008}\x{000B}\x{000C}\x{000E}-\x{001F}\x{007F}-\x{009F}\p{Cf}\p{Co}\x{FFFD}]+",
        "",
    ),
}


class Tokenizer(tf.Module):
    """Splits sentences into words and words into pieces: cased, accents kept, CJK split.

    Words are found as BERT does it (white space, punctuation and every CJK ideograph
    separate), and each is cut greedily into the longest pieces of the vocabulary; a word
    that cannot be cut, or that has too many bytes, is one `[UNK]`.

    * `labse` reproduces the published multilingual preprocessor, which is tensorflow_text's
      `BertTokenizer`: control and format characters become spaces, a word may have 100
      bytes, and a word with a no-break or another non-ASCII space in it is `[UNK]`.
    * `exact` gives the ids of Hugging Face's `BertTokenizerFast`: control and format
      characters are deleted, a word may have 400 bytes, and every white space separates.  Unlike there,
      a special piece that is spelt out in a sentence, such as `[SEP]`, is text, and a word
      of more than 100 characters in at most 400 bytes is cut and not `[UNK]`; and 418 code
      points, punctuation and format characters younger than Unicode 8 and the ideographs
      U+2B820 to U+2B91F, are told apart by newer tables.

    The tables are constants of the graph, so the module can be used in `tf.data` and
    saved inside a SavedModel without an asset.  Bytes that are not UTF-8 raise no error.

    Args:
        vocabulary: the pieces.
        mode: `labse` or `exact`.
        compiled: What `compile_vocabulary` gave for the two, where it is at hand.

    Raises:
        ValueError: if `mode` is neither, or if `vocabulary` has no piece of a word.

    Example:
        >>> pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", "!"]
        >>> Tokenizer(Vocabulary(pieces)).tokenize(["playing!", "work"]).to_list()
        [[[5, 6], [7]], [[1]]]
    """

    def __init__(self, vocabulary: Vocabulary, mode: str = "labse", compiled: bytes | None = None) -> None:
        super().__init__(name="tokenizer")
        if compiled is None:
            compiled = compile_vocabulary(vocabulary, mode)
        self._vocabulary = vocabulary
        self._mode = mode
        continues = np.array([piece.startswith("##") for piece in vocabulary.pieces])
        # On the CPU, where the string ops are: elsewhere the tables were copied at every call.
        with tf.device("CPU:0"):
            self._continues = tf.constant(continues)
            model = tf.constant(np.frombuffer(compiled, np.uint8))
        self._tokenizer = tf_text.FastBertTokenizer(token_out_type=tf.int32, fast_wordpiece_model_buffer=model)

    @property
    def vocabulary(self) -> Vocabulary:
        """The pieces."""
        return self._vocabulary

    @property
    def mode(self) -> str:
        """`labse` or `exact`."""
        return self._mode

    def tokenize(self, sentences: tf.Tensor) -> tf.RaggedTensor:
        """Ids of the pieces of every word.

        Args:
            sentences: strings in UTF-8 `(batch,)`.

        Returns:
            int32 `(batch, (words), (pieces))`.
        """
        pieces = self.tokenize_flat(sentences)
        starts_word = tf.logical_not(tf.gather(self._continues, pieces.values))
        # words_before[i]: how many words start before piece i, so a row's first word at its first piece.
        words_before = tf.concat([[0], tf.cumsum(tf.cast(starts_word, tf.int64))], axis=0)
        word_starts = tf.concat([tf.where(starts_word)[:, 0], pieces.row_splits[-1:]], axis=0)
        words = tf.RaggedTensor.from_row_splits(pieces.values, word_starts, validate=False)
        return tf.RaggedTensor.from_row_splits(words, tf.gather(words_before, pieces.row_splits), validate=False)

    def tokenize_flat(self, sentences: tf.Tensor) -> tf.RaggedTensor:
        """Ids of the pieces of every sentence, without the division into words: the fast path.

        Args:
            sentences: strings in UTF-8 `(batch,)`.

        Returns:
            int32 `(batch, (pieces))`.
        """
        sentences = tf.convert_to_tensor(sentences, tf.string)
        pattern, replacement = _REPLACED[self._mode]
        return self._tokenizer.tokenize(tf.strings.regex_replace(sentences, pattern, replacement))


@functools.lru_cache(maxsize=1)  # a run writes it with every checkpoint
def compile_vocabulary(vocabulary: Vocabulary, mode: str) -> bytes:
    """The trie of tensorflow_text's WordPiece, which its operator takes as it is.

    Of 501,153 pieces it is made in two seconds and read in a tenth of one: 24 MiB.

    Raises:
        ValueError: as `Tokenizer` does.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {', '.join(MODES)}. Received: mode={mode!r}.")
    pieces = [piece if _can_match(piece) else f"[{index}]" for index, piece in enumerate(vocabulary.pieces)]
    try:
        return model_builder.build_fast_wordpiece_model(pieces, MAX_WORD_BYTES[mode], "##", UNKNOWN, False, False)
    except RuntimeError as error:
        raise ValueError(f"`vocabulary` cannot be used as WordPiece: {error} Received: {vocabulary}.") from error


def _can_match(piece: str) -> bool:
    """Whether a word can hold `piece`: with a piece of white space in it the trie would not split there."""
    return piece.split() == [piece] and min(piece) > " "
