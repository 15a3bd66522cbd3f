"""One interface to every encoder: sentences in, unit-length embeddings out."""

import abc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lealla_tf.models.encoder import Encoder, unit_length
from lealla_tf.text.packing import add_special_tokens
from lealla_tf.text.tokenizer import Tokenizer

Embeddings = np.ndarray[Any, Any]
Rows = np.ndarray[Any, Any]

# A batch is padded to its longest sentence, so it is bounded by the area of its padded text.
_BYTES_PER_BATCH = 32_768
_SENTENCES_PER_BATCH = 512

# Sentences are sorted within this many, which bounds the memory of what is being sorted.
_SORTED_AT_ONCE = 65_536


class SentenceEncoder(abc.ABC):
    """A model that embeds sentences; `load_sentence_encoder` makes one from a path or a handle.

    Args:
        dim: Width of the embeddings.
        fingerprint: Changes with everything that an embedding depends on.
        num_parameters: Number of trainable weights.
        trained_languages: Codes of the languages of the training corpus, where known.
    """

    def __init__(
        self, *, dim: int, fingerprint: str, num_parameters: int, trained_languages: Sequence[str] = ()
    ) -> None:
        self.dim = dim
        self.fingerprint = fingerprint
        self.num_parameters = num_parameters
        self.trained_languages = tuple(trained_languages)

    def embed(self, sentences: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> Embeddings:
        """Unit-length embeddings of sentences, in their order.

        Sentences of like length go through the model together; memory beyond the result is
        bounded however many there are.

        Args:
            sentences: Any number of strings.
            progress: Called with the number of sentences that are done, after each batch.

        Returns:
            float32 `(count, dim)`.

        Raises:
            TypeError: if a single string is given instead of a sequence, or something else in it.
            ValueError: if a sentence holds a lone surrogate, which is no character.
        """
        if isinstance(sentences, str | bytes):
            raise TypeError("`sentences` must be a sequence of strings. Received: a single string; put it in a list.")
        result = np.empty((len(sentences), self.dim), np.float32)
        done = 0
        for start in range(0, len(sentences), _SORTED_AT_ONCE):
            chunk = sentences[start : start + _SORTED_AT_ONCE]
            texts = [_utf8(sentence, number) for number, sentence in enumerate(chunk, start)]
            for rows, embeddings in self._embed_texts(texts):
                result[start + rows] = embeddings
                done += len(rows)
                progress(done)
        return result

    @abc.abstractmethod
    def _embed_texts(self, texts: list[bytes]) -> Iterator[tuple[Rows, Embeddings]]:
        """Numbers of texts and their embeddings, in any order; there is at least one text."""


class GraphSentenceEncoder(SentenceEncoder):
    """Any model that TensorFlow's graph can hold, in two halves.

    The first can run in a data pipeline and the second within a training step: `inputs` turns
    strings into what the model takes, `embed_inputs` embeds that.  A teacher is one of these,
    frozen.

    Args:
        inputs: From strings `(rows,)` to the model's inputs, in TensorFlow's graph.
        embed_inputs: From those to embeddings `(rows, dim)`, of any length; they are brought
            to unit length here.
        facts: The arguments of `SentenceEncoder`.
    """

    def __init__(self, inputs: Callable[[Any], Any], embed_inputs: Callable[[Any], Any], **facts: Any) -> None:
        super().__init__(**facts)
        self.inputs = inputs
        self._embed_inputs = embed_inputs
        signature = [tf.TensorSpec([None], tf.string)]
        self._embed_strings = tf.function(
            lambda strings: self.embed_inputs(inputs(strings)), input_signature=signature, autograph=False
        )

    def embed_inputs(self, inputs: Any) -> Any:
        """Unit-length embeddings float32 `(rows, dim)` of what `inputs` gave."""
        return unit_length(self._embed_inputs(inputs))

    def _embed_texts(self, texts: list[bytes]) -> Iterator[tuple[Rows, Embeddings]]:
        for rows in _batches([len(text) for text in texts]):
            yield rows, self._embed_strings(tf.constant([texts[row] for row in rows])).numpy()


def embed_with(encoder: Encoder, tokenizer: Tokenizer, length: int) -> GraphSentenceEncoder:
    """The `SentenceEncoder` of an encoder of this project whose weights may change, and its tokenizer.

    Args:
        encoder: Its weights are used as they are at each call.
        tokenizer: Of the encoder's vocabulary.
        length: Sentences are cut at this many tokens.
    """
    vocabulary = tokenizer.vocabulary

    def inputs(strings: Any) -> dict[str, Any]:
        rows = add_special_tokens(tokenizer.tokenize_flat(strings), vocabulary, length)
        token_ids = rows.to_tensor(vocabulary.pad_id)
        return {"token_ids": token_ids, "padding_mask": tf.sequence_mask(rows.row_lengths(), dtype=tf.int32)}

    return GraphSentenceEncoder(
        inputs,
        encoder.embed,
        dim=encoder.config.dim,
        fingerprint="",
        num_parameters=encoder.count_params(),
    )


def _utf8(sentence: str, number: int) -> bytes:
    """The bytes of a sentence, or an error that names its number."""
    if not isinstance(sentence, str):
        raise TypeError(f"`sentences` must be strings. Received: {type(sentence).__name__} at index {number}.")
    try:
        return sentence.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            "`sentences` must be text without lone surrogates; decode the bytes that they come from anew, with "
            f'errors="replace". Received: {sentence[error.start]!r} at index {number}, character {error.start}.'
        ) from error


def _batches(lengths: Sequence[int]) -> Iterator[Rows]:
    """Row numbers, sorted by length, in batches of bounded padded size."""
    order = np.argsort(lengths, kind="stable")[::-1]
    start = 0
    while start < len(order):
        longest = max(lengths[order[start]], 1)
        count = min(max(_BYTES_PER_BATCH // longest, 1), _SENTENCES_PER_BATCH)
        yield order[start : start + count]
        start += count
