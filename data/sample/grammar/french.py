"""French: elision, contraction, adjectives before and after the noun, "ne ... pas", "est-ce que"."""

from data.sample.grammar.romance import Romance
from data.sample.meaning import Action, Existence, Location, NounPhrase, Quality, person

PRONOUNS = {"i": "je", "you": "tu", "he": "il", "she": "elle", "we": "nous", "they": "ils", "who": "qui"}
BE = {"i": "suis", "you": "es", "he": "est", "we": "sommes", "they": "sont"}
HAVE = {"i": "ai", "you": "as", "he": "a", "we": "avons", "they": "ont"}
ELIDING = {"je", "ne", "le", "la", "de", "que"}
PARTICIPLE_ENDINGS = {"m": "", "f": "e", "m_plural": "s", "f_plural": "es"}
DETERMINERS = {
    "the": {"m": "le", "f": "la", "m_plural": "les", "f_plural": "les"},
    "a": {"m": "un", "f": "une"},
    "this": {"m": "ce", "f": "cette", "m_plural": "ces", "f_plural": "ces"},
    "my": {"m": "mon", "f": "ma", "m_plural": "mes", "f_plural": "mes"},
    "your": {"m": "ton", "f": "ta", "m_plural": "tes", "f_plural": "tes"},
    "our": {"m": "notre", "f": "notre", "m_plural": "nos", "f_plural": "nos"},
    "bare": {"m": "de le", "f": "de la"},
}
BEFORE_VOWEL = {"ce": "cet", "ma": "mon", "ta": "ton"}


class French(Romance):
    """The past is the passé composé, whose participle agrees with the subject after être."""

    pronouns = PRONOUNS
    possessives = DETERMINERS

    def action(self, meaning: Action) -> list[str]:
        """Subject, "ne", finite verb, "pas", rest of the verb, object, place, time."""
        finite, rest = self.verb_group(meaning)
        negated = meaning.mood == "negation"
        tail = self.tail(meaning, self.phrase(meaning.object, negated))
        opening = f"{self.time(meaning.time)}," if meaning.fronted else ""
        if meaning.mood == "question" and meaning.subject != "who":
            opening = "quand est-ce que" if meaning.time == "when" else "est-ce que"
        return [opening, *self.subject(meaning.subject), *self.negate(finite, negated), rest, *tail]

    def verb_group(self, meaning: Action) -> tuple[str, str]:
        """The finite verb and the infinitive or participle after it."""
        verb, who = self.verb[meaning.verb], person(meaning.subject)
        if meaning.modal:
            return self.modal[meaning.modal][who], verb["infinitive"]
        if meaning.tense == "future":
            return verb[f"{who}_future"], ""
        if meaning.tense == "past" and verb["auxiliary"] == "have":
            return HAVE[who], verb["participle"]
        if meaning.tense == "past":
            return BE[who], verb["participle"] + PARTICIPLE_ENDINGS[self.agreement(meaning.subject)]
        if meaning.tense == "present" and not meaning.time:
            return BE[who], f"en train de {verb['infinitive']}"
        return verb[who], ""

    def quality(self, meaning: Quality) -> list[str]:
        """Subject, "est", adjective in agreement."""
        return self.copula(
            meaning, {**self.adjective, **self.state}[meaning.adjective][self.agreement(meaning.subject)]
        )

    def location(self, meaning: Location) -> list[str]:
        """Subject, "est", place."""
        if not meaning.place:
            return ["où", BE[person(meaning.subject)], *self.subject(meaning.subject)]
        return self.copula(meaning, self.place(meaning.place))

    def copula(self, meaning: Quality | Location, predicate: str) -> list[str]:
        """Subject, "est" and a predicate."""
        finite = self.negate(BE[person(meaning.subject)], meaning.mood == "negation")
        opening = "est-ce que" if meaning.mood == "question" else ""
        return [opening, *self.subject(meaning.subject), *finite, predicate]

    def existence(self, meaning: Existence) -> list[str]:
        """The words of: il y a, thing, place."""
        opening = "est-ce que il y a" if meaning.mood == "question" else "il y a"
        return [opening, *self.phrase(meaning.thing), self.place(meaning.place)]

    def negate(self, finite: str, negated: bool) -> list[str]:
        """The finite verb, inside "ne ... pas" if negated."""
        return ["ne", finite, "pas"] if negated else [finite]

    def phrase(self, phrase: NounPhrase | None, negated: bool = False) -> list[str]:
        """Determiner, noun and adjective, which stands before or after; "de" for a negated indefinite."""
        if phrase is None:
            return []
        noun = self.noun[phrase.noun]["plural" if phrase.plural else "singular"]
        entry, form = self.adjective[phrase.adjective] if phrase.adjective else {}, self.agreement(phrase)
        adjective = entry.get("m_vowel" if form == "m" and begins_with_vowel(noun) else form, "")
        words = [adjective, noun] if entry.get("position") == "before" else [noun, adjective]
        determiner = "de" if negated and not phrase.definite else self.determiner(phrase)
        if begins_with_vowel(words[0]):
            determiner = BEFORE_VOWEL.get(determiner, determiner)
        return [determiner, *words]

    def spell(self, words: list[str], question: bool) -> str:
        """Elides before a vowel (l'eau, j'ai), contracts what is left (du pain) and spaces the question mark."""
        tokens = " ".join(words).split()
        text = ""
        for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
            elided = token in ELIDING and begins_with_vowel(following)
            text += token[:-1] + "'" if elided else token + " "
        text = text.replace("de le ", "du ").strip()
        return text[0].upper() + text[1:] + (" ?" if question else ".")


def begins_with_vowel(word: str) -> bool:
    """Whether a word elides what precedes it; each h of this lexicon is mute."""
    return word.startswith(tuple("aàâeéèêiîoôœuûh"))
