"""The clause of German and Dutch: the finite verb second, the rest of the verb last."""

import abc

from data.sample.grammar.clause import Grammar
from data.sample.meaning import Action, Existence, Location, NounPhrase, Quality, Subject, person


class VerbSecond(Grammar):
    """One place before the finite verb, then the subject if it is not there, the middle field and the verb's end."""

    not_word: str
    where: str
    pronouns: dict[str, str]
    be: dict[str, str]

    def action(self, meaning: Action) -> list[str]:
        """[subject | time | question word | nothing] finite verb, subject, middle field, rest of the verb."""
        inverted = meaning.subject != "who" and (meaning.fronted or meaning.mood == "question")
        finite, rest = self.verb_group(meaning, inverted)
        subject = self.subject(meaning.subject)
        field = [*self.middle(meaning), *rest]
        if not inverted:
            return [*subject, finite, *field]
        front = self.time(meaning.time) if meaning.fronted or meaning.time == "when" else ""
        return [front, finite, *subject, *field]

    def middle(self, meaning: Action) -> list[str]:
        """What is known comes before the time or the place, what is new after; "not" comes after the time."""
        time = "" if meaning.fronted or meaning.time == "when" else self.middle_time(meaning)
        place, destination = self.place(meaning.place), self.destination(meaning.destination)
        negated = meaning.mood == "negation"
        if meaning.object is None:
            return [time, self.not_word if negated else "", destination]
        words = self.phrase(meaning.object, "accusative", negated)
        if not meaning.object.definite:
            return [time, place, *words]
        return [*words, time, self.not_word] if negated else [time, *words, place]

    def middle_time(self, meaning: Action) -> str:
        """The time as the middle field has it."""
        return self.time(meaning.time)

    def quality(self, meaning: Quality) -> list[str]:
        """Subject, "is", "not", adjective in its one predicative form."""
        predicate = {**self.adjective, **self.state}[meaning.adjective]["predicate"]
        return self.copula(meaning.subject, meaning.mood, self.be, predicate)

    def location(self, meaning: Location) -> list[str]:
        """Subject, verb of position, "not", place."""
        verb = self.posture(meaning.subject, meaning.place)
        if not meaning.place:
            return [self.where, verb[person(meaning.subject)], *self.subject(meaning.subject)]
        return self.copula(meaning.subject, meaning.mood, verb, self.place(meaning.place))

    def copula(self, subject: Subject, mood: str, verb: dict[str, str], predicate: str) -> list[str]:
        """Subject, a listed verb and a predicate, in the order of the mood."""
        words = self.subject(subject)
        if mood == "question":
            return [self.inverted(verb, person(subject)), *words, predicate]
        return [*words, verb[person(subject)], self.not_word if mood == "negation" else "", predicate]

    def inverted(self, forms: dict[str, str], who: str) -> str:
        """The finite form before its subject."""
        return forms[who]

    def posture(self, subject: Subject, place: str) -> dict[str, str]:
        """The verb that says that something is somewhere."""
        return self.be

    def subject(self, subject: Subject) -> list[str]:
        """A subject: a pronoun or a noun phrase."""
        return [self.pronouns[subject]] if isinstance(subject, str) else self.phrase(subject)

    @abc.abstractmethod
    def verb_group(self, meaning: Action, inverted: bool) -> tuple[str, list[str]]:
        """The finite verb, and the words of the verb that end the clause."""

    @abc.abstractmethod
    def phrase(self, phrase: NounPhrase, case: str = "nominative", negated: bool = False) -> list[str]:
        """A noun phrase; `negated` gives an indefinite one the negative article."""

    @abc.abstractmethod
    def existence(self, meaning: Existence) -> list[str]:
        """The words of "There are three red apples on the table."""
