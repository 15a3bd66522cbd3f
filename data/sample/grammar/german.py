"""German: gender, case, three patterns of adjective endings, the perfect, separable verbs."""

from data.sample.grammar.verb_second import VerbSecond
from data.sample.meaning import Action, Existence, NounPhrase, person

PRONOUNS = {"i": "ich", "you": "du", "he": "er", "she": "sie", "we": "wir", "they": "sie", "who": "wer"}
HAVE = {"i": "habe", "you": "hast", "he": "hat", "we": "haben", "they": "haben"}
BE = {"i": "bin", "you": "bist", "he": "ist", "we": "sind", "they": "sind"}
WILL = {"i": "werde", "you": "wirst", "he": "wird", "we": "werden", "they": "werden"}

# By case, then gender, with "p" for the plural.
ARTICLE = {
    "nominative": {"m": "der", "f": "die", "n": "das", "p": "die"},
    "accusative": {"m": "den", "f": "die", "n": "das", "p": "die"},
}
THIS = {
    "nominative": {"m": "dieser", "f": "diese", "n": "dieses", "p": "diese"},
    "accusative": {"m": "diesen", "f": "diese", "n": "dieses", "p": "diese"},
}
EIN = {
    "nominative": {"m": "", "f": "e", "n": "", "p": "e"},
    "accusative": {"m": "en", "f": "e", "n": "", "p": "e"},
}
EIN_WORDS = {"a": "ein", "my": "mein", "your": "dein", "our": "unser", "no": "kein"}
WEAK = {
    "nominative": {"m": "e", "f": "e", "n": "e", "p": "en"},
    "accusative": {"m": "en", "f": "e", "n": "e", "p": "en"},
}
MIXED = {
    "nominative": {"m": "er", "f": "e", "n": "es", "p": "en"},
    "accusative": {"m": "en", "f": "e", "n": "es", "p": "en"},
}
STRONG = {
    "nominative": {"m": "er", "f": "e", "n": "es", "p": "e"},
    "accusative": {"m": "en", "f": "e", "n": "es", "p": "e"},
}


class German(VerbSecond):
    """The past is the perfect, as in speech; a present that is going on gets "gerade"."""

    not_word = "nicht"
    where = "wo"
    be = BE
    pronouns = PRONOUNS

    def verb_group(self, meaning: Action, inverted: bool) -> tuple[str, list[str]]:
        """The finite verb, and the infinitive, participle or particle at the end."""
        verb, who = self.verb[meaning.verb], person(meaning.subject)
        if meaning.modal:
            return self.modal[meaning.modal][who], [verb["infinitive"]]
        if meaning.tense == "future":
            return WILL[who], [verb["infinitive"]]
        if meaning.tense == "past":
            return (HAVE if verb["auxiliary"] == "have" else BE)[who], [verb["participle"]]
        return verb[who], [verb["particle"]]

    def middle_time(self, meaning: Action) -> str:
        """The listed time; without one, "gerade" makes a present one that is going on."""
        ongoing = meaning.tense == "present" and not meaning.modal and not meaning.time
        return "gerade" if ongoing else self.time(meaning.time)

    def existence(self, meaning: Existence) -> list[str]:
        """The place first: "Auf dem Tisch sind drei Äpfel."; in a question the verb."""
        finite, thing, place = BE[person(meaning.thing)], self.phrase(meaning.thing), self.place(meaning.place)
        return [finite, *thing, place] if meaning.mood == "question" else [place, finite, *thing]

    def phrase(self, phrase: NounPhrase, case: str = "nominative", negated: bool = False) -> list[str]:
        """Determiner, adjective with the ending that the determiner leaves to it, noun."""
        noun = self.noun[phrase.noun]
        gender = "p" if phrase.plural else noun["gender"]
        determiner = "no" if negated and not phrase.definite else phrase.determiner
        if determiner in {"the", "this"}:
            word, endings = (ARTICLE if determiner == "the" else THIS)[case][gender], WEAK
        elif determiner in EIN_WORDS:
            word, endings = EIN_WORDS[determiner] + EIN[case][gender], MIXED
        else:
            word, endings = self.number[determiner]["form"] if determiner in self.number else "", STRONG
        adjective = self.adjective[phrase.adjective]["stem"] + endings[case][gender] if phrase.adjective else ""
        return [word, adjective, noun["plural" if phrase.plural else case]]
