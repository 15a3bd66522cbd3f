"""Russian: aspect, animate accusatives, numbers that govern the genitive, no present of "to be"."""

from data.sample.grammar.clause import Grammar
from data.sample.meaning import POSSESSIVES, Action, Existence, Location, NounPhrase, Quality, Subject, person

PRONOUNS = {"i": "я", "you": "ты", "he": "он", "she": "она", "we": "мы", "they": "они", "who": "кто"}

# The columns of an adjective.
DETERMINERS = {
    "this": ("этот", "эта", "это", "эти", "эту", "этого", "этих"),
    "my": ("мой", "моя", "моё", "мои", "мою", "моего", "моих"),
    "your": ("твой", "твоя", "твоё", "твои", "твою", "твоего", "твоих"),
    "our": ("наш", "наша", "наше", "наши", "нашу", "нашего", "наших"),
    "own": ("свой", "своя", "своё", "свои", "свою", "своего", "своих"),
}
COLUMNS = ("m", "f", "n", "plural", "f_accusative", "m_genitive", "plural_genitive")
PAUCAL = {"two", "three", "four"}
"""The numbers that take a genitive singular; the others take a genitive plural."""


class Russian(Grammar):
    """What is done once is perfective, what is going on, repeated or not wanted is imperfective."""

    def action(self, meaning: Action) -> list[str]:
        """Time, subject, verb, object, place; the time stands first or before the verb that it dates."""
        subject, time = self.subject(meaning.subject), self.time(meaning.time)
        no, verb = "не" if meaning.mood == "negation" else "", self.verb_group(meaning)
        words = self.phrase(meaning.object, meaning.subject, accusative=True) if meaning.object else []
        tail = [*words, self.destination(meaning.destination), self.place(meaning.place)]
        if meaning.fronted or meaning.time == "when":
            return [time, *subject, no, *verb, *tail]
        if meaning.modal:
            return [*subject, no, verb[0], time, verb[1], *tail]
        return [*subject, time, no, *verb, *tail]

    def verb_group(self, meaning: Action) -> list[str]:
        """The verb in the aspect, tense, person and gender that it needs."""
        verb, who, gender = self.verb[meaning.verb], person(meaning.subject), self.gender(meaning.subject)
        # To eat or drink of something, without a measure, is a process.
        process = bool(verb["ongoing_m"]) and meaning.object is not None and meaning.object.determiner == "bare"
        if meaning.modal:
            unwanted = meaning.modal == "want" and meaning.mood == "negation"
            agent = "she" if gender == "f" else who
            return [self.modal[meaning.modal][agent], verb["imperfective" if unwanted or process else "perfective"]]
        if meaning.tense == "past":
            return [verb[f"{'ongoing' if process else 'past'}_{gender}"]]
        if meaning.tense == "future" and process:
            return [self.verb["look_for"][f"{who}_future"].split()[0], verb["imperfective"]]
        return [verb[f"{who}_future" if meaning.tense == "future" else who]]

    def quality(self, meaning: Quality) -> list[str]:
        """Subject and adjective, without a verb."""
        if meaning.adjective in self.state:
            predicate = self.state[meaning.adjective][self.gender(meaning.subject)]
        else:
            phrase = meaning.subject
            plural = isinstance(phrase, NounPhrase) and phrase.plural
            gender = self.noun[phrase.noun]["gender"] if isinstance(phrase, NounPhrase) else self.gender(phrase)
            predicate = self.adjective[meaning.adjective]["plural" if plural else gender]
        return [*self.subject(meaning.subject), "не" if meaning.mood == "negation" else "", predicate]

    def location(self, meaning: Location) -> list[str]:
        """Subject and place, without a verb."""
        if not meaning.place:
            return ["где", *self.subject(meaning.subject)]
        return [*self.subject(meaning.subject), "не" if meaning.mood == "negation" else "", self.place(meaning.place)]

    def existence(self, meaning: Existence) -> list[str]:
        """Place and thing; a question needs "есть"."""
        return [self.place(meaning.place), "есть" if meaning.mood == "question" else "", *self.phrase(meaning.thing)]

    def gender(self, subject: Subject) -> str:
        """The column of a past tense: `m`, `f`, `plural`; who speaks is taken as a man."""
        if person(subject) in {"we", "they"}:
            return "plural"
        if isinstance(subject, str):
            return "f" if subject == "she" else "m"
        return self.noun[subject.noun]["gender"]

    def subject(self, subject: Subject) -> list[str]:
        """A subject: a pronoun or a noun phrase."""
        return [PRONOUNS[subject]] if isinstance(subject, str) else self.phrase(subject)

    def phrase(self, phrase: NounPhrase, owner: Subject = "", accusative: bool = False) -> list[str]:
        """Determiner, adjective, noun; what belongs to the subject (`owner`) is "свой"."""
        noun, animate = self.noun[phrase.noun], self.noun[phrase.noun]["animate"] == "yes"
        if phrase.determiner in self.number:
            return self.counted(phrase, animate and accusative)
        if phrase.plural:
            case = "plural_genitive" if accusative and animate else "plural"
            column = case
        else:
            case = "accusative" if accusative else "singular"
            column = {"f": "f_accusative", "m": "m_genitive" if animate else "m"}.get(noun["gender"], "n")
            column = column if accusative else noun["gender"]
        own = owner and POSSESSIVES.get(phrase.determiner) == owner
        determiners = DETERMINERS.get("own" if own else phrase.determiner)
        determiner = determiners[COLUMNS.index(column)] if determiners else ""
        return [determiner, self.adjective[phrase.adjective][column] if phrase.adjective else "", noun[case]]

    def counted(self, phrase: NounPhrase, animate_object: bool) -> list[str]:
        """Number, adjective, noun: два красных яблока, две красные книги, пять собак; вижу двух собак."""
        noun, number = self.noun[phrase.noun], self.number[phrase.determiner]
        paucal = phrase.determiner in PAUCAL and not animate_object
        column = "plural" if paucal and noun["gender"] == "f" else "plural_genitive"
        adjective = self.adjective[phrase.adjective][column] if phrase.adjective else ""
        return [
            number["animate" if animate_object else noun["gender"]],
            adjective,
            noun["genitive" if paucal else "plural_genitive"],
        ]
