"""Drawing plausible meanings: which verb takes which object, and what a negation or a habit rules out."""

import random
from collections.abc import Iterator

from data.sample.lexicon import Concepts
from data.sample.meaning import Action, Existence, Location, Meaning, Mood, NounPhrase, Quality, Tense
from data.sample.noun_phrases import PhraseSampler

KINDS = {"action": 50, "modal": 15, "motion": 10, "quality": 11, "location": 8, "existence": 6}
"""How often each kind of sentence is drawn, of a hundred."""


def meanings(concepts: Concepts, seed: str) -> Iterator[Meaning]:
    """An endless stream of meanings, the same for the same seed; a meaning may come again."""
    sampler = Sampler(concepts, random.Random(seed))
    draws = {kind: getattr(sampler, kind) for kind in KINDS}
    while True:
        yield draws[sampler.random.choices(list(KINDS), list(KINDS.values()))[0]]()


class Sampler(PhraseSampler):
    """One draw per kind of meaning; the restrictions keep every language to one plain translation."""

    def action(self) -> Action:
        """Somebody does, did or will do something; or who did it, or when."""
        verb = self.random.choice([*self.concepts.verbs])
        entry = self.concepts.verbs[verb]
        tense: Tense = self.random.choice(entry["tenses"])
        # "not every day" would leave open what is negated.
        mood = self.mood() if tense != "habit" else self.random.choice(("statement", "question"))
        time = (
            "" if tense == "present" and self.random.random() < 0.5 else self.random.choice(self.concepts.times[tense])
        )
        subject = self.subject()
        if mood == "question" and self.random.random() < 0.2:
            subject = "who"
        elif mood == "question" and tense == "future" and self.random.random() < 0.3:
            time = "when"
        if mood == "negation" and time == "soon":
            time = "tomorrow"
        thing = self.object(verb, subject, tense, mood)
        place = self.random.choice(["", "", *entry["places"]]) if mood != "negation" and time != "when" else ""
        fronted = mood != "question" and time not in {"", "soon"} and self.random.random() < 0.4
        return Action(verb, subject, thing, tense=tense, mood=mood, time=time, place=place, fronted=fronted)

    def modal(self) -> Action:
        """Somebody wants, is able or is obliged to do something."""
        modal = self.random.choice(self.concepts.modals)
        # English "must not" forbids; the words next to it in other languages do not.
        mood = self.mood() if modal != "must" else self.random.choice(("statement", "question"))
        subject = self.subject()
        time = self.random.choice(["", *self.concepts.times["future"]])
        time = "" if time == "soon" else time
        if self.random.random() < 0.15:
            return Action("go", subject, None, self.destination(), modal=modal, mood=mood, time=time)
        verb = self.random.choice(self.concepts.modal_verbs)
        return Action(verb, subject, self.object(verb, subject, "future", mood), modal=modal, mood=mood, time=time)

    def motion(self) -> Action:
        """Somebody goes somewhere."""
        tense: Tense = self.random.choice(("habit", "past", "future"))
        mood = self.mood() if tense != "habit" else self.random.choice(("statement", "question"))
        time = self.random.choice([time for time in self.concepts.times[tense] if time != "soon"])
        if mood == "question" and tense == "future" and self.random.random() < 0.3:
            time = "when"
        fronted = mood != "question" and self.random.random() < 0.4
        return Action("go", self.subject(), None, self.destination(), tense, mood=mood, time=time, fronted=fronted)

    def quality(self) -> Quality:
        """Something has a property, or somebody is in a state."""
        if self.random.random() < 0.15:
            return Quality(self.subject(adjectives=False), self.random.choice(self.concepts.states), self.mood())
        adjective = self.random.choice([name for name, nouns in self.concepts.adjectives.items() if nouns])
        return Quality(self.known(self.random.choice(self.concepts.adjectives[adjective])), adjective, self.mood())

    def location(self) -> Location:
        """Something or somebody is somewhere, or the question where."""
        place = self.random.choice([*self.concepts.places])
        noun = self.random.choice(self.concepts.places[place])
        living = noun in (*self.concepts.public, *self.concepts.own)
        subject = self.subject(adjectives=False) if living else self.known(noun, adjective=0.3)
        if isinstance(subject, NounPhrase) and self.random.random() < 0.15:
            return Location(subject, mood="question")
        return Location(subject, place, self.mood())

    def existence(self) -> Existence:
        """There is something somewhere."""
        place = self.random.choice([*self.concepts.places])
        people = {*self.concepts.public, *self.concepts.own}
        nouns = [noun for noun in self.concepts.places[place] if noun not in self.concepts.mass | people]
        if not nouns:
            return self.existence()
        thing = self.new(self.random.choice(nouns), number=0.6)
        return Existence(thing, place, self.random.choice(("statement", "statement", "question")))

    def mood(self) -> Mood:
        """Statement, negation or question: two, one and one of four."""
        return self.random.choice(("statement", "statement", "negation", "question"))
