"""English, the pivot: do-support, inversion in questions, "a" and "an"."""

from data.sample.grammar.clause import Grammar
from data.sample.meaning import Action, Existence, Location, NounPhrase, Quality, Subject, person

PRONOUNS = {"i": "I"}
BE = {"i": "am", "you": "are", "he": "is", "we": "are", "they": "are"}


class English(Grammar):
    """Subject, verb, object, place, time; the auxiliary moves before the subject in a question."""

    def action(self, meaning: Action) -> list[str]:
        """Subject, auxiliary, "not", verb, object, place, time."""
        subject, tail = self.subject(meaning.subject), self.tail(meaning, self.phrase(meaning.object))
        auxiliary, verb = self.verb_group(meaning)
        if meaning.mood == "negation":
            auxiliary = "cannot" if auxiliary == "can" else f"{auxiliary} not"
        if meaning.mood == "question" and meaning.subject != "who":
            when = self.time("when") if meaning.time == "when" else ""
            return [when, auxiliary, *subject, verb, *tail]
        front = f"{self.time(meaning.time)}," if meaning.fronted else ""
        return [front, *subject, auxiliary, verb, *tail]

    def verb_group(self, meaning: Action) -> tuple[str, str]:
        """The auxiliary, empty where English needs none, and the verb form after it."""
        verb, third = self.verb[meaning.verb], person(meaning.subject) == "he"
        if meaning.modal in {"can", "must"}:
            return self.modal[meaning.modal]["base"], verb["base"]
        if meaning.tense == "future":
            return "will", verb["base"]
        if meaning.tense == "present" and not meaning.modal:
            return BE[person(meaning.subject)], verb["ing"]
        do = "did" if meaning.tense == "past" else "does" if third else "do"
        wish, infinitive = (self.modal[meaning.modal], verb["base"]) if meaning.modal else (verb, "")
        finite = verb["past"] if meaning.tense == "past" else wish["third"] if third else wish["base"]
        supported = meaning.mood == "negation" or (meaning.mood == "question" and meaning.subject != "who")
        return (do, f"{wish['base']} {infinitive}") if supported else ("", f"{finite} {infinitive}")

    def quality(self, meaning: Quality) -> list[str]:
        """Subject, "is", adjective."""
        return self.copula(meaning.subject, meaning.mood, {**self.adjective, **self.state}[meaning.adjective]["form"])

    def location(self, meaning: Location) -> list[str]:
        """Subject, "is", place."""
        if not meaning.place:
            return ["where", BE[person(meaning.subject)], *self.subject(meaning.subject)]
        return self.copula(meaning.subject, meaning.mood, self.place(meaning.place))

    def existence(self, meaning: Existence) -> list[str]:
        """There is, thing, place."""
        finite = BE[person(meaning.thing)]
        opening = [finite, "there"] if meaning.mood == "question" else ["there", finite]
        return [*opening, *self.phrase(meaning.thing), self.place(meaning.place)]

    def copula(self, subject: Subject, mood: str, predicate: str) -> list[str]:
        """Subject, "is" and a predicate, in the order of the mood."""
        finite, words = BE[person(subject)], self.subject(subject)
        if mood == "question":
            return [finite, *words, predicate]
        return [*words, finite, "not" if mood == "negation" else "", predicate]

    def subject(self, subject: Subject) -> list[str]:
        """A subject: a pronoun or a noun phrase."""
        return [PRONOUNS.get(subject, subject)] if isinstance(subject, str) else self.phrase(subject)

    def phrase(self, phrase: NounPhrase | None) -> list[str]:
        """A noun phrase: determiner, adjective, noun."""
        if phrase is None:
            return []
        adjective = self.adjective[phrase.adjective]["form"] if phrase.adjective else ""
        noun = self.noun[phrase.noun]["plural" if phrase.plural else "singular"]
        determiner = "" if phrase.determiner == "bare" else phrase.determiner
        if determiner == "this" and phrase.plural:
            determiner = "these"
        elif determiner == "a" and (adjective or noun)[0] in "aeiou":
            determiner = "an"
        elif determiner in self.number:
            determiner = self.number[determiner]["form"]
        return [determiner, adjective, noun]
