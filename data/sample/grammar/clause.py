"""What the linearizers share: dispatch over the kinds of meaning, and the last step to a written sentence."""

import abc
from collections.abc import Mapping

from data.sample.lexicon import Table
from data.sample.meaning import Action, Existence, Location, Meaning, Quality


class Grammar(abc.ABC):
    """One language: orders and inflects the listed forms of its lexicon.

    A subclass writes four kinds of clause as lists of words, empty ones allowed; what is common to all
    its sentences (capital, contractions, final mark) it leaves to `spell`.
    """

    def __init__(self, lexicon: Mapping[str, Table]):
        self.noun, self.verb, self.modal = lexicon["noun"], lexicon["verb"], lexicon["modal"]
        self.adjective, self.state, self.number = lexicon["adjective"], lexicon["state"], lexicon["number"]
        self.times, self.places, self.destinations = lexicon["time"], lexicon["place"], lexicon["destination"]

    def sentence(self, meaning: Meaning) -> str:
        """The sentence that says `meaning`."""
        if isinstance(meaning, Action):
            words = self.action(meaning)
        elif isinstance(meaning, Quality):
            words = self.quality(meaning)
        elif isinstance(meaning, Location):
            words = self.location(meaning)
        else:
            words = self.existence(meaning)
        return self.spell(words, meaning.mood == "question")

    @abc.abstractmethod
    def action(self, meaning: Action) -> list[str]:
        """The words of "My brother did not buy the red car yesterday."""

    @abc.abstractmethod
    def quality(self, meaning: Quality) -> list[str]:
        """The words of "My car is not new."""

    @abc.abstractmethod
    def location(self, meaning: Location) -> list[str]:
        """The words of "Where is the book?" and "The book is on the table."""

    @abc.abstractmethod
    def existence(self, meaning: Existence) -> list[str]:
        """The words of "There are three red apples on the table."""

    def spell(self, words: list[str], question: bool) -> str:
        """Words to a written sentence: single spaces, a capital, the final mark."""
        text = " ".join(" ".join(words).split())
        return text[0].upper() + text[1:] + ("?" if question else ".")

    def time(self, name: str) -> str:
        """The adverbial of a time, or nothing."""
        return self.times[name]["phrase"] if name else ""

    def place(self, name: str) -> str:
        """The adverbial of a place, or nothing."""
        return self.places[name]["phrase"] if name else ""

    def destination(self, name: str) -> str:
        """The adverbial of a direction, or nothing."""
        return self.destinations[name]["phrase"] if name else ""

    def tail(self, meaning: Action, object_words: list[str]) -> list[str]:
        """What follows the verb where the order is object, direction, place, time."""
        time = "" if meaning.fronted or meaning.time == "when" else self.time(meaning.time)
        return [*object_words, self.destination(meaning.destination), self.place(meaning.place), time]
