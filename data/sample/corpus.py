"""Putting the corpus together: what is held out, and what may then be trained on."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

from data.sample.grammar import PIVOT
from data.sample.grammar.clause import Grammar
from data.sample.lexicon import Concepts
from data.sample.meaning import combinations
from data.sample.sampling import meanings
from lealla_tf.errors import UsageError

HELD_OUT = 500
HELD_OUT_PHRASES = 40
"""At most so many phrases are held out; the others have a word that occurs nowhere else."""

CANDIDATES = 9_000
"""Drawn for the held-out part; about one in twenty-five has a reserved combination."""

ENOUGH = 5
"""With so many partners a word keeps occurring, in most of its forms, when one of them is reserved."""

DRAWS_PER_PAIR = 30
"""Where so many draws do not give a new pair each, the grammar has not enough of them."""

Row = dict[str, str]
"""One meaning said in several languages: language -> sentence."""


@dataclass(frozen=True)
class Corpus:
    """Training pairs (English, foreign) per language, and held-out rows in all languages."""

    train: Mapping[str, list[tuple[str, str]]]
    held_out: list[Row]


def build(concepts: Concepts, grammars: Mapping[str, Grammar], phrases: list[Row], pairs: int, seed: int) -> Corpus:
    """A corpus of `pairs` training pairs per language; equal arguments give equal corpora.

    The held-out rows are chosen first and for all languages at once: some phrases, meanings that join words
    which no training sentence joins, and other meanings.  No held-out sentence is trained on in any language.
    """
    source = random.Random(f"{seed}/split")
    reserved = reserve_combinations(concepts, source)
    candidates = list(islice(_rows(concepts, grammars, f"{seed}/held-out", reserved), CANDIDATES))
    held_out = hold_out(candidates, phrases, source)
    forbidden = {sentence for row in held_out for sentence in row.values()}
    train: dict[str, list[tuple[str, str]]] = {}
    for code in sorted(set(grammars) - {PIVOT}):
        spoken = {PIVOT: grammars[PIVOT], code: grammars[code]}
        rows = (row for row, novel in _rows(concepts, spoken, f"{seed}/{code}", reserved) if not novel)
        offered = chain(phrases, islice(rows, DRAWS_PER_PAIR * pairs))
        train[code] = _distinct(((row[PIVOT], row[code]) for row in offered), forbidden, pairs)
        random.Random(f"{seed}/{code}/order").shuffle(train[code])
    return Corpus(train, held_out)


def reserve_combinations(concepts: Concepts, source: random.Random) -> set[tuple[str, str]]:
    """For each adjective and verb, one noun that training never shows with it, if both have enough other partners."""
    partners = dict(concepts.adjectives)
    partners.update({verb: concepts.members(entry["objects"]) for verb, entry in concepts.verbs.items()})
    company = Counter(noun for nouns in partners.values() for noun in nouns)
    common = {word: [noun for noun in nouns if company[noun] >= ENOUGH] for word, nouns in partners.items()}
    return {(word, source.choice(common[word])) for word in partners if len(common[word]) >= ENOUGH}


def hold_out(candidates: list[tuple[Row, bool]], phrases: list[Row], source: random.Random) -> list[Row]:
    """Some phrases, and then as many meanings with a reserved combination as without one."""
    chosen = hold_out_phrases(phrases, [row for row, _ in candidates], source)
    half = (len(chosen) + HELD_OUT) // 2
    chosen = _extend(chosen, (row for row, novel in candidates if novel), half)
    return _extend(chosen, (row for row, novel in candidates if not novel), HELD_OUT)


def hold_out_phrases(phrases: list[Row], generated: list[Row], source: random.Random) -> list[Row]:
    """Phrases all of whose words, in all languages, occur elsewhere too."""
    counts = Counter(token for row in phrases for token in tokens(row))
    known = {token for row in generated for token in tokens(row)}
    held_out: list[Row] = []
    for phrase in source.sample(phrases, len(phrases)):
        if len(held_out) < HELD_OUT_PHRASES and all(token in known or counts[token] > 1 for token in tokens(phrase)):
            counts.subtract(tokens(phrase))
            held_out.append(phrase)
    return held_out


def tokens(row: Row) -> set[tuple[str, str]]:
    """The words of a row with their languages; a character counts as a word where no spaces are written."""
    words: set[tuple[str, str]] = set()
    for code, sentence in row.items():
        parts = list(sentence) if code in {"ja", "zh"} else sentence.lower().rstrip(".!? ").split()
        words.update((code, part.strip(",¿¡")) for part in parts)
    return words


def _rows(
    concepts: Concepts, grammars: Mapping[str, Grammar], seed: str, reserved: set[tuple[str, str]]
) -> Iterator[tuple[Row, bool]]:
    """Drawn meanings as rows, with whether they hold a reserved combination."""
    for meaning in meanings(concepts, seed):
        row = {code: grammar.sentence(meaning) for code, grammar in grammars.items()}
        yield row, not reserved.isdisjoint(combinations(meaning))


def _extend(chosen: list[Row], candidates: Iterator[Row], count: int) -> list[Row]:
    """`chosen` and as many of the candidates as make it `count`, distinct in every language."""
    chosen = list(chosen)
    seen = {item for row in chosen for item in row.items()}
    for row in candidates:
        if len(chosen) == count:
            break
        if seen.isdisjoint(row.items()):
            seen.update(row.items())
            chosen.append(row)
    return chosen


def _distinct(candidates: Iterator[tuple[str, str]], forbidden: set[str], count: int) -> list[tuple[str, str]]:
    """The first `count` pairs of which neither side came before or is forbidden."""
    english: set[str] = set()
    foreign: set[str] = set()
    chosen = []
    for pair in candidates:
        if pair[0] in english or pair[1] in foreign or not forbidden.isdisjoint(pair):
            continue
        english.add(pair[0])
        foreign.add(pair[1])
        chosen.append(pair)
        if len(chosen) == count:
            return chosen
    raise UsageError(f"`--pairs` asks for more than the grammar gives easily; ask for less. Received: {count}.")
