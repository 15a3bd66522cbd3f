"""Meanings: what a sentence says, before any language says it."""

from dataclasses import dataclass
from typing import Literal

Mood = Literal["statement", "negation", "question"]
Tense = Literal["present", "habit", "past", "future"]

PERSONS = ("i", "you", "he", "we", "they")
"""The columns under which a lexicon lists a conjugation; `you` is one person, a friend."""

POSSESSIVES = {"my": "i", "your": "you", "our": "we"}


@dataclass(frozen=True)
class NounPhrase:
    """A noun with what stands around it: "three red apples", "my brother", "cold milk".

    The determiner is `the`, `a`, `this`, `my`, `your`, `our`, `bare` (only before a mass noun) or a number.
    """

    noun: str
    determiner: str
    plural: bool = False
    adjective: str = ""

    @property
    def definite(self) -> bool:
        """Whether it names something that the listener can identify."""
        return self.determiner in {"the", "this", *POSSESSIVES}


Subject = str | NounPhrase
"""A noun phrase, or one of the pronouns `i you he she we they who`."""


@dataclass(frozen=True)
class Action:
    """Somebody does something or does not, as in "My brother did not buy the red car yesterday".

    The object is missing only with the verb `go`, which has a destination.  The time `when` and the subject
    `who` make the question an open one.
    """

    verb: str
    subject: Subject
    object: NounPhrase | None = None
    destination: str = ""
    tense: Tense = "present"
    modal: str = ""
    mood: Mood = "statement"
    time: str = ""
    place: str = ""
    fronted: bool = False
    """Whether the time opens the sentence: "Yesterday my brother bought a car."""


@dataclass(frozen=True)
class Quality:
    """Something has a property: "Is your car new?"; its adjective may be a state: "My sister is tired."""

    subject: Subject
    adjective: str
    mood: Mood = "statement"


@dataclass(frozen=True)
class Location:
    """Something is somewhere: "The book is on the table."; without a place it is the question where."""

    subject: Subject
    place: str = ""
    mood: Mood = "statement"


@dataclass(frozen=True)
class Existence:
    """Somewhere there is something: "There are three red apples on the table."""

    thing: NounPhrase
    place: str
    mood: Mood = "statement"


Meaning = Action | Quality | Location | Existence


def person(subject: Subject) -> str:
    """The member of `PERSONS` with which a verb agrees."""
    if isinstance(subject, NounPhrase):
        return "they" if subject.plural else "he"
    return {"she": "he", "who": "he"}.get(subject, subject)


def combinations(meaning: Meaning) -> set[tuple[str, str]]:
    """The pairs of content words a meaning joins: verb with object, adjective with noun."""
    pairs = set()
    phrases: list[Subject | None] = []
    if isinstance(meaning, Action):
        phrases = [meaning.subject, meaning.object]
        if meaning.object:
            pairs.add((meaning.verb, meaning.object.noun))
    elif isinstance(meaning, Existence):
        phrases = [meaning.thing]
    else:
        phrases = [meaning.subject]
        if isinstance(meaning, Quality) and isinstance(meaning.subject, NounPhrase):
            pairs.add((meaning.adjective, meaning.subject.noun))
    pairs.update(
        (phrase.adjective, phrase.noun) for phrase in phrases if isinstance(phrase, NounPhrase) and phrase.adjective
    )
    return pairs
