"""Portuguese, as in Brazil: "você", "vou comprar", questions by intonation alone."""

from data.sample.grammar.romance import Romance
from data.sample.meaning import Action, Existence, Location, Quality, person

PRONOUNS = {"i": "eu", "you": "você", "he": "ele", "she": "ela", "we": "nós", "they": "eles", "who": "quem"}
COPULAS = {
    "ser": {"i": "sou", "you": "é", "he": "é", "we": "somos", "they": "são"},
    "estar": {"i": "estou", "you": "está", "he": "está", "we": "estamos", "they": "estão"},
}
DETERMINERS = {
    "the": {"m": "o", "f": "a", "m_plural": "os", "f_plural": "as"},
    "a": {"m": "um", "f": "uma"},
    "this": {"m": "este", "f": "esta", "m_plural": "estes", "f_plural": "estas"},
    "my": {"m": "meu", "f": "minha", "m_plural": "meus", "f_plural": "minhas"},
    "your": {"m": "seu", "f": "sua", "m_plural": "seus", "f_plural": "suas"},
    "our": {"m": "nosso", "f": "nossa", "m_plural": "nossos", "f_plural": "nossas"},
    "bare": {"m": "", "f": ""},
}


class Portuguese(Romance):
    """The order never changes; only the final mark makes a question."""

    pronouns = PRONOUNS
    possessives = DETERMINERS

    def action(self, meaning: Action) -> list[str]:
        """Subject, "não", verb, object, place, time."""
        front = self.time(meaning.time) if meaning.time == "when" else ""
        if meaning.fronted:
            front = f"{self.time(meaning.time)},"
        no = "não" if meaning.mood == "negation" else ""
        tail = self.tail(meaning, self.phrase(meaning.object))
        return [front, *self.subject(meaning.subject), no, *self.verb_group(meaning), *tail]

    def verb_group(self, meaning: Action) -> list[str]:
        """The finite verb and the infinitive or gerund after it."""
        verb, who = self.verb[meaning.verb], person(meaning.subject)
        if meaning.modal:
            return [self.modal[meaning.modal][who], verb["infinitive"]]
        if meaning.tense == "past":
            return [verb[f"{who}_past"]]
        if meaning.tense == "future" and meaning.verb != "go":  # the future of ir is its present: never "vou ir"
            return [self.verb["go"][who], verb["infinitive"]]
        if meaning.tense == "present":
            return [COPULAS["estar"][who], verb["gerund"]]
        return [verb[who]]

    def quality(self, meaning: Quality) -> list[str]:
        """Subject, the copula listed with the adjective, adjective in agreement."""
        entry = self.adjective.get(meaning.adjective) or self.state[meaning.adjective]
        return self.copula(meaning, entry.get("copula", "estar"), entry[self.agreement(meaning.subject)])

    def location(self, meaning: Location) -> list[str]:
        """Subject, "está", place."""
        if not meaning.place:
            return ["onde", COPULAS["estar"][person(meaning.subject)], *self.subject(meaning.subject)]
        return self.copula(meaning, "estar", self.place(meaning.place))

    def copula(self, meaning: Quality | Location, copula: str, predicate: str) -> list[str]:
        """Subject, copula and predicate."""
        no = "não" if meaning.mood == "negation" else ""
        return [*self.subject(meaning.subject), no, COPULAS[copula][person(meaning.subject)], predicate]

    def existence(self, meaning: Existence) -> list[str]:
        """The words of: há, thing, place."""
        return ["há", *self.phrase(meaning.thing), self.place(meaning.place)]
