"""Drawing plausible subjects and objects: who acts, on what, and said how."""

import random

from data.sample.lexicon import Concepts
from data.sample.meaning import Mood, NounPhrase, Subject, Tense

PRONOUNS = ("i", "you", "he", "she", "we", "they")

ONE, MANY = False, True
DEFINITE = (("the", ONE), ("the", MANY), ("this", ONE), ("this", MANY), ("my", ONE), ("your", ONE), ("our", ONE))
"""Determiners with the number of their noun; a plural after a possessive would be one with its singular in Chinese."""


class PhraseSampler:
    """Noun phrases in which the words fit each other, and that a verb, a tense and a mood leave plausible."""

    def __init__(self, concepts: Concepts, source: random.Random):
        self.concepts, self.random = concepts, source

    def destination(self) -> str:
        """Where one may go."""
        return self.random.choice(self.concepts.destinations)

    def subject(self, adjectives: bool = True) -> Subject:
        """A pronoun, a relative or a friend, or somebody known by what they are."""
        kind = self.random.random()
        if kind < 0.4:
            return self.random.choice(PRONOUNS)
        if kind < 0.7:
            return NounPhrase(self.random.choice(self.concepts.own), self.random.choice(("my", "your", "our")))
        noun, plural = self.random.choice(self.concepts.public), self.random.random() < 0.3
        young = adjectives and noun in self.concepts.young and self.random.random() < 0.4
        return NounPhrase(noun, "the", plural, "young" if young else "")

    def object(self, verb: str, subject: Subject, tense: Tense, mood: Mood) -> NounPhrase:
        """An object that the verb selects, and that the tense and the mood leave plausible."""
        entry = self.concepts.verbs[verb]
        noun = self.random.choice(self.concepts.members(entry["habit" if tense == "habit" else "objects"]))
        if noun in self.concepts.own or noun in self.concepts.public:
            if isinstance(subject, NounPhrase) and subject.noun == noun:
                return self.object(verb, subject, tense, mood)
            owner = self.random.choice(("my", "your", "our"))
            return NounPhrase(noun, owner if noun in self.concepts.own else "the")
        if noun in self.concepts.mass:
            once = tense != "habit" and self.random.random() < 0.5
            return self.known(noun, 0.25) if once else NounPhrase(noun, "bare", False, self.choose_adjective(noun, 0.3))
        if mood == "negation" or (tense == "habit" and not entry["uses_up"]):
            return self.known(noun, 0.35)
        if tense == "habit" or self.random.random() < 0.5:
            return self.new(noun, number=0.0 if tense == "present" else 0.5)
        return self.known(noun, 0.35)

    def known(self, noun: str, adjective: float = 0.0) -> NounPhrase:
        """A definite phrase: the, this, these, my, your, our."""
        determiner, plural = self.random.choice(DEFINITE)
        plural = plural and noun not in self.concepts.mass | self.concepts.uncounted
        return NounPhrase(noun, determiner, plural, self.choose_adjective(noun, adjective))

    def new(self, noun: str, number: float) -> NounPhrase:
        """An indefinite phrase: a, or a number."""
        counted = noun not in self.concepts.uncounted and self.random.random() < number
        determiner = self.random.choice(self.concepts.numbers) if counted else "a"
        return NounPhrase(noun, determiner, counted, self.choose_adjective(noun, 0.45))

    def choose_adjective(self, noun: str, probability: float) -> str:
        """With a probability, one of the adjectives that fit a noun."""
        fitting = [name for name, nouns in self.concepts.adjectives.items() if noun in nouns]
        return self.random.choice(fitting) if fitting and self.random.random() < probability else ""
