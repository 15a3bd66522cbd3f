"""Indonesian: no inflection, the noun before all that qualifies it, doubled plurals."""

from data.sample.grammar.clause import Grammar
from data.sample.meaning import Action, Existence, Location, NounPhrase, Quality, Subject

PRONOUNS = {"i": "saya", "you": "kamu", "he": "dia", "she": "dia", "we": "kami", "they": "mereka", "who": "siapa yang"}
QUALIFIERS = {"the": "itu", "this": "ini", "my": "saya", "our": "kami"}


class Indonesian(Grammar):
    """Words before the verb say when: sedang (going on), akan (will)."""

    def action(self, meaning: Action) -> list[str]:
        """Subject, "tidak", tense or modal, verb, object, place, time."""
        front = f"{self.time(meaning.time)}," if meaning.fronted else ""
        if meaning.mood == "question" and meaning.subject != "who":
            front = self.time("when") if meaning.time == "when" else "apakah"
        no = "tidak" if meaning.mood == "negation" else ""
        auxiliary = {"present": "sedang", "future": "akan"}.get(meaning.tense, "")
        if meaning.modal:
            auxiliary = self.modal[meaning.modal]["form"]
        tail = self.tail(meaning, self.phrase(meaning.object) if meaning.object else [])
        return [front, *self.subject(meaning.subject), no, auxiliary, self.verb[meaning.verb]["form"], *tail]

    def quality(self, meaning: Quality) -> list[str]:
        """Subject and adjective, without a verb."""
        entry = self.adjective.get(meaning.adjective) or self.state[meaning.adjective]
        return self.copula(meaning, entry.get("predicate") or entry["form"])

    def location(self, meaning: Location) -> list[str]:
        """Subject, "ada", place."""
        if not meaning.place:
            return ["di mana", *self.subject(meaning.subject)]
        return self.copula(meaning, f"ada {self.place(meaning.place)}")

    def copula(self, meaning: Quality | Location, predicate: str) -> list[str]:
        """Subject and predicate."""
        opening = "apakah" if meaning.mood == "question" else ""
        return [opening, *self.subject(meaning.subject), "tidak" if meaning.mood == "negation" else "", predicate]

    def existence(self, meaning: Existence) -> list[str]:
        """The words of: ada, thing, place."""
        opening = "apakah ada" if meaning.mood == "question" else "ada"
        return [opening, *self.phrase(meaning.thing), self.place(meaning.place)]

    def subject(self, subject: Subject) -> list[str]:
        """A subject: a pronoun or a noun phrase."""
        return [PRONOUNS[subject]] if isinstance(subject, str) else self.phrase(subject)

    def phrase(self, phrase: NounPhrase) -> list[str]:
        """Number, noun, adjective, owner or demonstrative; a number leaves the noun single."""
        noun, determiner = self.noun[phrase.noun], phrase.determiner
        adjective = self.adjective[phrase.adjective]["attribute"] if phrase.adjective else ""
        if determiner in self.number:
            return [self.number[determiner]["form"], noun["singular"], adjective]
        words = [noun["plural" if phrase.plural else "singular"], adjective]
        if determiner == "a":
            return [noun["one"], *words]
        if determiner == "your":
            return [" ".join(words).strip() + "mu"]
        return [*words, QUALIFIERS.get(determiner, "")]
