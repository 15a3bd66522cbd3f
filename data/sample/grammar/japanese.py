"""Japanese, in the polite style: particles, counters, the verb last."""

from data.sample.grammar.clause import Grammar
from data.sample.meaning import POSSESSIVES, Action, Existence, Location, NounPhrase, Quality, Subject

PRONOUNS = {"i": "私", "you": "あなた", "he": "彼", "she": "彼女", "we": "私たち", "they": "彼ら", "who": "誰"}
OWNERS = {"my": "私の", "your": "あなたの", "our": "私たちの"}
SELF = "自分の"


class Japanese(Grammar):
    """Topic, time, place, object, verb, without a space; か asks."""

    def action(self, meaning: Action) -> list[str]:
        """Topic and time, place で, object を, direction に, verb."""
        particle = "が" if meaning.subject == "who" else "は"
        subject, time = [*self.subject(meaning.subject), particle], self.time(meaning.time)
        opening = [time, "、", *subject] if meaning.fronted else [*subject, time]
        place = [self.place(meaning.place), "で"] if meaning.place else []
        target = [self.destination(meaning.destination), "に"] if meaning.destination else []
        words = self.phrase(meaning.object, "を", meaning.subject) if meaning.object else []
        return [*opening, *place, *words, *target, self.predicate(meaning)]

    def predicate(self, meaning: Action) -> str:
        """The verb's listed form with the ending of tense, modal and polarity."""
        verb, negated = self.verb[meaning.verb], meaning.mood == "negation"
        if meaning.modal:
            modal = self.modal[meaning.modal]
            # What another person wants can only be seen, not felt: 買いたがっています.
            own = meaning.subject in {"i", "you", "we"}
            column = ("negative" if own else "third_negative") if negated else ("ending" if own else "third")
            return verb[modal["verb_form"]] + modal[column]
        if meaning.tense == "present":
            return verb["te"] + ("いません" if negated else "います")
        if meaning.tense == "past":
            return verb["stem"] + ("ませんでした" if negated else "ました")
        return verb["stem"] + ("ません" if negated else "ます")

    def quality(self, meaning: Quality) -> list[str]:
        """Topic and predicate."""
        entry = self.adjective.get(meaning.adjective) or self.state[meaning.adjective]
        return [*self.subject(meaning.subject), "は", entry["negative" if meaning.mood == "negation" else "predicate"]]

    def location(self, meaning: Location) -> list[str]:
        """Topic, place に, and the verb for what lives or for what does not."""
        subject = meaning.subject
        place = self.place(meaning.place) if meaning.place else "どこ"
        living = isinstance(subject, str) or self.noun[subject.noun]["being"] != "thing"
        verb = ("い" if living else "あり") + ("ません" if meaning.mood == "negation" else "ます")
        return [*self.subject(subject), "は", place, "に", verb]

    def existence(self, meaning: Existence) -> list[str]:
        """Place に, thing が, verb."""
        verb = "あります" if self.noun[meaning.thing.noun]["being"] == "thing" else "います"
        return [self.place(meaning.place), "に", *self.phrase(meaning.thing, "が"), verb]

    def subject(self, subject: Subject) -> list[str]:
        """A subject: a pronoun or a noun phrase."""
        return [PRONOUNS[subject]] if isinstance(subject, str) else self.phrase(subject)

    def phrase(self, phrase: NounPhrase, particle: str = "", owner: Subject = "") -> list[str]:
        """Owner or demonstrative, adjective, noun, particle; a number follows with the noun's counter."""
        noun, determiner = self.noun[phrase.noun], phrase.determiner
        adjective = self.adjective[phrase.adjective]["attribute"] if phrase.adjective else ""
        if determiner in self.number:
            return [adjective, noun["word"], particle, self.number[determiner]["form"], noun["counter"]]
        word = noun["polite"] if determiner == "your" else noun["plural" if phrase.plural else "word"]
        if determiner in OWNERS:
            determiner = SELF if POSSESSIVES[determiner] == owner else OWNERS[determiner]
        elif determiner == "the":
            determiner = "" if noun["being"] == "person" else "その"
        else:
            determiner = "この" if determiner == "this" else ""
        return [determiner, adjective, word, particle]

    def spell(self, words: list[str], question: bool) -> str:
        """No spaces, and か before the full stop of a question."""
        return "".join(words) + ("か。" if question else "。")
