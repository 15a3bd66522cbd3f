"""Spanish: dropped pronouns, ser and estar, the personal "a", inverted questions."""

from data.sample.grammar.romance import Romance
from data.sample.meaning import Action, Existence, Location, NounPhrase, Quality, person

PRONOUNS = {"i": "", "you": "", "he": "él", "she": "ella", "we": "", "they": "ellos", "who": "quién"}
COPULAS = {
    "ser": {"i": "soy", "you": "eres", "he": "es", "we": "somos", "they": "son"},
    "estar": {"i": "estoy", "you": "estás", "he": "está", "we": "estamos", "they": "están"},
}
DETERMINERS = {
    "the": {"m": "el", "f": "la", "m_plural": "los", "f_plural": "las"},
    "a": {"m": "un", "f": "una"},
    "this": {"m": "este", "f": "esta", "m_plural": "estos", "f_plural": "estas"},
    "my": {"m": "mi", "f": "mi", "m_plural": "mis", "f_plural": "mis"},
    "your": {"m": "tu", "f": "tu", "m_plural": "tus", "f_plural": "tus"},
    "our": {"m": "nuestro", "f": "nuestra", "m_plural": "nuestros", "f_plural": "nuestras"},
    "bare": {"m": "", "f": ""},
}


class Spanish(Romance):
    """The verb says who acts, so that only the third person keeps its pronoun."""

    pronouns = PRONOUNS
    possessives = DETERMINERS

    def action(self, meaning: Action) -> list[str]:
        """Subject, "no", verb, object, place, time; a question puts the subject after the finite verb."""
        finite, rest = self.verb_group(meaning)
        subject = self.subject(meaning.subject)
        tail = [rest, *self.tail(meaning, self.object(meaning))]
        if meaning.mood == "question" and meaning.subject != "who":
            return [self.time("when") if meaning.time == "when" else "", finite, *subject, *tail]
        front = self.time(meaning.time) if meaning.fronted else ""
        return [front, *subject, "no" if meaning.mood == "negation" else "", finite, *tail]

    def verb_group(self, meaning: Action) -> tuple[str, str]:
        """The finite verb and the infinitive or gerund after it."""
        verb, who = self.verb[meaning.verb], person(meaning.subject)
        if meaning.modal:
            return self.modal[meaning.modal][who], verb["infinitive"]
        if meaning.tense in {"past", "future"}:
            return verb[f"{who}_{meaning.tense}"], ""
        if meaning.tense == "present":
            return COPULAS["estar"][who], verb["gerund"]
        return verb[who], ""

    def quality(self, meaning: Quality) -> list[str]:
        """Subject, the copula listed with the adjective, adjective in agreement; a question ends in the subject."""
        entry = self.adjective.get(meaning.adjective) or self.state[meaning.adjective]
        copula, predicate = entry.get("copula", "estar"), entry[self.agreement(meaning.subject)]
        if meaning.mood == "question":
            return [COPULAS[copula][person(meaning.subject)], predicate, *self.subject(meaning.subject)]
        return self.copula(meaning, copula, predicate)

    def location(self, meaning: Location) -> list[str]:
        """Subject, "está", place."""
        if not meaning.place:
            return ["dónde", COPULAS["estar"][person(meaning.subject)], *self.subject(meaning.subject)]
        return self.copula(meaning, "estar", self.place(meaning.place))

    def copula(self, meaning: Quality | Location, copula: str, predicate: str) -> list[str]:
        """Subject, copula and predicate, in the order of the mood."""
        finite, subject = COPULAS[copula][person(meaning.subject)], self.subject(meaning.subject)
        if meaning.mood == "question":
            return [finite, *subject, predicate]
        return [*subject, "no" if meaning.mood == "negation" else "", finite, predicate]

    def existence(self, meaning: Existence) -> list[str]:
        """The words of: hay, thing, place."""
        return ["hay", *self.phrase(meaning.thing), self.place(meaning.place)]

    def object(self, meaning: Action) -> list[str]:
        """The object, after "a" if it is a person, as `being` lists."""
        if meaning.object is None:
            return []
        human = self.noun[meaning.object.noun]["being"] == "person"
        return ["a" if human else "", *self.phrase(meaning.object)]

    def determiner(self, phrase: NounPhrase) -> str:
        """As listed with the noun for "the" in the singular: el agua, though agua is feminine."""
        if phrase.determiner == "the" and not phrase.plural:
            return self.noun[phrase.noun]["article"]
        return super().determiner(phrase)

    def spell(self, words: list[str], question: bool) -> str:
        """Contracts "a el" and opens a question with its mark."""
        text = super().spell(words, question).replace(" a el ", " al ")
        return f"¿{text}" if question else text
