"""Dutch: de and het, inflected adjectives, "aan het" for what is going on, verbs of position."""

from data.sample.grammar.verb_second import VerbSecond
from data.sample.meaning import Action, Existence, NounPhrase, Subject, person

PRONOUNS = {"i": "ik", "you": "jij", "he": "hij", "she": "zij", "we": "wij", "they": "zij", "who": "wie"}
BE = {"i": "ben", "you": "bent", "he": "is", "we": "zijn", "they": "zijn"}
HAVE = {"i": "heb", "you": "hebt", "he": "heeft", "we": "hebben", "they": "hebben"}
POSTURES = {
    "be": BE,
    "lie": {"he": "ligt", "they": "liggen"},
    "stand": {"he": "staat", "they": "staan"},
    "sit": {"he": "zit", "they": "zitten"},
}
DETERMINERS = {
    "the": {"de": "de", "het": "het", "plural": "de"},
    "this": {"de": "deze", "het": "dit", "plural": "deze"},
    "a": {"de": "een", "het": "een"},
    "my": {"de": "mijn", "het": "mijn", "plural": "mijn"},
    "your": {"de": "jouw", "het": "jouw", "plural": "jouw"},
    "our": {"de": "onze", "het": "ons", "plural": "onze"},
    "bare": {"de": "", "het": ""},
    "no": {"de": "geen", "het": "geen"},
}


class Dutch(VerbSecond):
    """The past is the perfect; things lie, stand or sit somewhere rather than being there."""

    not_word = "niet"
    where = "waar"
    be = BE
    pronouns = PRONOUNS

    def verb_group(self, meaning: Action, inverted: bool) -> tuple[str, list[str]]:
        """The finite verb, and the infinitive or participle at the end."""
        verb = self.verb[meaning.verb]
        finite = dict(verb)
        rest = [verb["particle"]]
        if meaning.modal:
            finite, rest = dict(self.modal[meaning.modal]), [verb["infinitive"]]
        elif meaning.tense == "future" and meaning.verb != "go":  # never "gaat gaan": the present does
            finite, rest = dict(self.verb["go"]), [verb["infinitive"]]
        elif meaning.tense == "past":
            finite, rest = (HAVE if verb["auxiliary"] == "have" else BE), [verb["participle"]]
        elif meaning.tense == "present":
            finite, rest = BE, ["aan het", verb["infinitive"]]
        who = person(meaning.subject)
        return self.inverted(finite, who) if inverted else finite[who], rest

    def inverted(self, forms: dict[str, str], who: str) -> str:
        """Before "jij" the verb has the form of "ik": "jij koopt", "koop jij"."""
        return forms["i" if who == "you" else who]

    def posture(self, subject: Subject, place: str) -> dict[str, str]:
        """The verb listed with the place, or else with the noun."""
        if isinstance(subject, str):
            return BE
        noun, inside = self.noun[subject.noun]["posture"], self.places[place]["posture"] if place else ""
        return POSTURES[inside or noun]

    def existence(self, meaning: Existence) -> list[str]:
        """The words of: er, verb of position, thing, place."""
        finite = self.posture(meaning.thing, meaning.place)[person(meaning.thing)]
        opening = [finite, "er"] if meaning.mood == "question" else ["er", finite]
        return [*opening, *self.phrase(meaning.thing), self.place(meaning.place)]

    def phrase(self, phrase: NounPhrase, case: str = "nominative", negated: bool = False) -> list[str]:
        """Determiner, adjective (bare only before an indefinite het-word), noun."""
        noun = self.noun[phrase.noun]
        gender = "plural" if phrase.plural else noun["article"]
        determiner = "no" if negated and not phrase.definite else phrase.determiner
        word = self.number[determiner]["form"] if determiner in self.number else DETERMINERS[determiner][gender]
        plain = gender == "het" and not phrase.definite
        adjective = self.adjective[phrase.adjective]["predicate" if plain else "inflected"] if phrase.adjective else ""
        return [word, adjective, noun["plural" if phrase.plural else "singular"]]
