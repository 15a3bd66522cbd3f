"""What French, Spanish and Portuguese share: gender and number, and who agrees with them."""

from data.sample.grammar.clause import Grammar
from data.sample.meaning import NounPhrase, Subject


class Romance(Grammar):
    """Nouns are masculine or feminine; articles, adjectives and participles agree."""

    pronouns: dict[str, str]
    possessives: dict[str, dict[str, str]]

    def agreement(self, subject: Subject) -> str:
        """The column of a subject's adjectives: `m`, `f`, `m_plural`, `f_plural`; who speaks is taken as a man."""
        if isinstance(subject, str):
            return {"she": "f", "we": "m_plural", "they": "m_plural"}.get(subject, "m")
        return self.noun[subject.noun]["gender"] + ("_plural" if subject.plural else "")

    def subject(self, subject: Subject) -> list[str]:
        """A subject: a pronoun (empty where the verb says it) or a noun phrase."""
        return [self.pronouns[subject]] if isinstance(subject, str) else self.phrase(subject)

    def phrase(self, phrase: NounPhrase | None, negated: bool = False) -> list[str]:
        """A noun phrase: determiner, noun, adjective."""
        if phrase is None:
            return []
        noun = self.noun[phrase.noun]["plural" if phrase.plural else "singular"]
        adjective = self.adjective[phrase.adjective][self.agreement(phrase)] if phrase.adjective else ""
        return [self.determiner(phrase), noun, adjective]

    def determiner(self, phrase: NounPhrase) -> str:
        """The article, demonstrative, possessive or number."""
        if phrase.determiner in self.number:
            number = self.number[phrase.determiner]
            return number.get("form") or number[self.noun[phrase.noun]["gender"]]
        return self.possessives[phrase.determiner][self.agreement(phrase)]
