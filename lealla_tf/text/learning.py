"""Learning a vocabulary: BPE merges over BERT's words, written as WordPiece pieces."""

import functools
import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import tokenizers

from lealla_tf.errors import DataError
from lealla_tf.text.vocabulary import END, MASK, PAD, START, UNKNOWN, Vocabulary

# LaBSE's order: [PAD] 0, [unused1] .. [unused99] 1 .. 99, [UNK] 100, [CLS] 101, [SEP] 102, [MASK] 103.
RESERVED_PIECES = (PAD, *(f"[unused{i}]" for i in range(1, 100)), UNKNOWN, START, END, MASK)

# Without a limit a sentence of Thai or Khmer, which has no spaces, that stands in the corpus
# twice becomes one piece.
MAX_PIECE_CHARACTERS = 32

# A pair of pieces that occurs once is chance, not a unit of the language.
_MIN_FREQUENCY = 2

# Sentences beyond the quota that are kept while reading: room for chance, and for fewer sorts.
_SLACK = 1.5


@dataclass(frozen=True)
class Sample:
    """What `sample_sentences` drew.

    Attributes:
        counts: language -> how many sentences were offered.
        learning: language -> sentences to learn from; repeated if there were too few.
        held_out: language -> other sentences, to measure the coverage with.
    """

    counts: dict[str, int]
    learning: dict[str, list[str]]
    held_out: dict[str, list[str]]


def sample_sentences(
    sentences: Iterable[tuple[str, str]],
    temperature: float = 0.7,
    seed: int = 0,
    max_sentences: int = 2_000_000,
    held_out: int = 1000,
) -> Sample:
    """Draws sentences so that small languages count for more than their share.

    Of N = min(`max_sentences`, all) sentences, a language with n sentences of its own gets
    N * n**t / sum over languages of n**t, for t = `temperature`: 1 keeps the natural
    shares, 0 gives all languages the same.  A language that has fewer sentences than its
    quota has them repeated, all equally often up to one.  Before that, `held_out` sentences
    of each language, but at most every twentieth, are set aside.

    One pass; the languages may come in any order.  About 1.5 * `max_sentences` are held in
    memory at most, and those set aside: a random number is drawn for each sentence, those
    with the smallest are kept, and a language's quota only ever becomes a smaller part of it.

    Args:
        sentences: pairs of language and sentence.
        temperature: t, in [0, 1].
        seed: the same seed and the same input give the same sample.
        max_sentences: the size of the sample.
        held_out: how many sentences of each language are set aside.

    Returns:
        The sample.  Languages are in alphabetical order.

    Raises:
        ValueError: if `temperature` is not in [0, 1] or `max_sentences` is not positive.
        DataError: if there are no sentences.
    """
    if not 0 <= temperature <= 1:
        raise ValueError(f"`temperature` must be in [0, 1]. Received: temperature={temperature}.")
    if max_sentences < 1:
        raise ValueError(f"`max_sentences` must be at least 1. Received: max_sentences={max_sentences}.")
    draw = random.Random(seed).random
    counts: Counter[str] = Counter()
    kept: dict[str, list[tuple[float, str]]] = {}
    limits: dict[str, float] = {}
    room = int(_SLACK * max_sentences)
    free = room
    for language, sentence in sentences:
        counts[language] += 1
        number = draw()
        if number > limits.get(language, 1.0):
            continue
        kept.setdefault(language, []).append((number, sentence))
        free -= 1
        if free <= 0:
            _shrink(kept, limits, _quotas(counts, temperature, max_sentences), held_out)
            free = max(room - sum(map(len, kept.values())), max_sentences // 4, 1)
    if not counts:
        raise DataError("The corpus has no sentences; name one that has.")
    return _split(kept, counts, _quotas(counts, temperature, max_sentences), held_out)


def _quotas(counts: Mapping[str, int], temperature: float, max_sentences: int) -> dict[str, int]:
    """How many sentences each language is to have."""
    total = min(max_sentences, sum(counts.values()))
    weights = {language: count**temperature for language, count in counts.items()}
    return {language: max(1, round(total * weight / sum(weights.values()))) for language, weight in weights.items()}


def _shrink(
    kept: dict[str, list[tuple[float, str]]], limits: dict[str, float], quotas: Mapping[str, int], held_out: int
) -> None:
    """Cuts every language to a tenth more than its quota, and notes up to which number it keeps from now on."""
    for language, entries in kept.items():
        length = quotas[language] + quotas[language] // 10 + held_out
        if len(entries) > length:
            entries.sort()
            del entries[length:]
            limits[language] = entries[-1][0]


def _split(
    kept: Mapping[str, list[tuple[float, str]]], counts: Mapping[str, int], quotas: Mapping[str, int], held_out: int
) -> Sample:
    """Sets the held-out sentences aside and repeats or cuts the others to the quotas."""
    sample = Sample({}, {}, {})
    for language in sorted(kept):
        ordered = [sentence for _, sentence in sorted(kept[language])]
        aside = min(held_out, counts[language] // 20)
        rest = ordered[aside:]
        repeats, remainder = divmod(quotas[language], len(rest))
        sample.counts[language] = counts[language]
        sample.held_out[language] = ordered[:aside]
        sample.learning[language] = rest * repeats + rest[:remainder]
    return sample


def choose_alphabet(sentences: Mapping[str, Collection[str]], coverage: float = 0.9995) -> list[str]:
    """The characters that a vocabulary is to spell words with.

    Of each language, the most frequent characters that together make up `coverage` of its
    text, and all of printable ASCII.  What is left out, foreign scripts and rare ideographs,
    would take up to two places of the vocabulary for a character that is hardly ever seen.
    1 keeps every character.

    Args:
        sentences: language -> sentences.
        coverage: the part of each language's characters, in (0, 1].

    Returns:
        Characters in the order of their code points.

    Raises:
        ValueError: if `coverage` is not in (0, 1].
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"`coverage` must be in (0, 1]. Received: coverage={coverage}.")
    alphabet = set(map(chr, range(33, 127)))
    for language in sentences:
        counts: Counter[str] = Counter()
        for sentence in sentences[language]:
            counts.update(sentence)
        used = {character: count for character, count in counts.items() if _is_visible(character)}
        missing = coverage * sum(used.values())
        for character in sorted(used, key=lambda character: (-used[character], character)):
            if missing <= 0:
                break
            alphabet.add(character)
            missing -= used[character]
    return sorted(alphabet)


def learn(sentences: Sequence[str], size: int, alphabet: Collection[str] | None = None) -> Vocabulary:
    """Learns a vocabulary of exactly `size` pieces.

    Words are BERT's (cased, accents kept, CJK ideographs and punctuation apart).  Starting
    from characters, the most frequent pair of adjacent pieces becomes a piece, until `size`
    is reached; pieces inside a word are written with `##`.  The same sentences give the
    same vocabulary, on any number of threads.

    Args:
        sentences: what to learn from.
        size: how many pieces, the 104 of `RESERVED_PIECES` and the characters included.
        alphabet: the characters to use, others count as spaces; None uses all there are.

    Returns:
        `RESERVED_PIECES`, then the characters, then those that continue a word, then the
        merged pieces in the order in which they were merged.

    Raises:
        DataError: if `size` has no room for the reserved pieces and the characters, or if
            the text is too small to give so many pieces.
    """
    if alphabet is None:
        alphabet = choose_alphabet({"": sentences}, 1.0)
    fixed = fixed_pieces(alphabet)
    if size <= len(fixed):
        raise DataError(
            f"A vocabulary of {size} pieces is too small: the reserved pieces and the characters of the corpus take "
            f"{len(fixed)} already. Ask for more pieces, or keep fewer characters."
        )
    # The trainer gives characters their ids in the order of a hash table, and equally
    # frequent pairs are merged in the order of ids.  What is registered as special
    # beforehand has its id from the order here: without it every run differs.
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=_MIN_FREQUENCY,
        show_progress=False,
        special_tokens=fixed,
        continuing_subword_prefix="##",
        max_token_length=MAX_PIECE_CHARACTERS,
    )
    model = tokenizers.Tokenizer(tokenizers.models.BPE(continuing_subword_prefix="##"))
    model.normalizer, model.pre_tokenizer = _NORMALIZER, _PRE_TOKENIZER
    model.train_from_iterator(_without_others(sentences, alphabet), trainer)
    ids = model.get_vocab(with_added_tokens=False)
    if len(ids) < size:
        raise DataError(
            f"The corpus is too small for a vocabulary of {size} pieces: it gives {len(ids)}. "
            "Ask for at most that many, or add text."
        )
    return Vocabulary(sorted(ids, key=ids.__getitem__))


def fixed_pieces(alphabet: Collection[str]) -> list[str]:
    """What every vocabulary with these characters has: `RESERVED_PIECES`, the characters, their `##` forms."""
    characters = sorted(filter(_is_visible, alphabet))
    return [*RESERVED_PIECES, *characters, *(f"##{character}" for character in characters if _continues(character))]


_NORMALIZER = tokenizers.normalizers.BertNormalizer(
    clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
)
_PRE_TOKENIZER = tokenizers.pre_tokenizers.BertPreTokenizer()


def _words(text: str) -> list[str]:
    """BERT's words."""
    return [word for word, _ in _PRE_TOKENIZER.pre_tokenize_str(_NORMALIZER.normalize_str(text))]


@functools.lru_cache(maxsize=1 << 17)
def _is_visible(character: str) -> bool:
    """Whether a word can hold it: white space and control characters cannot."""
    return character in "".join(_words(character))


def _continues(character: str) -> bool:
    """Whether it can stand inside a word: punctuation and ideographs are words of their own."""
    return len(_words(f"a{character}")) == 1


def _without_others(sentences: Iterable[str], alphabet: Collection[str]) -> Iterable[str]:
    """The sentences, with spaces for visible characters outside `alphabet`."""
    known = frozenset(alphabet)
    for sentence in sentences:
        others = {character for character in set(sentence) - known if _is_visible(character)}
        yield sentence.translate(dict.fromkeys(map(ord, others), " ")) if others else sentence
