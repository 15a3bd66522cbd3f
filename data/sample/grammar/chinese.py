"""Chinese (Mandarin, simplified): measure words, aspect, time and place before the verb."""

from data.sample.grammar.clause import Grammar
from data.sample.meaning import Action, Existence, Location, NounPhrase, Quality, Subject

PRONOUNS = {"i": "我", "you": "你", "he": "他", "she": "她", "we": "我们", "they": "他们", "who": "谁"}
OWNERS = {"my": "我", "your": "你", "our": "我们"}


class Chinese(Grammar):
    """Subject, time, place, verb, object, without a space; 吗 asks."""

    def action(self, meaning: Action) -> list[str]:
        """Subject and time, negation, aspect or modal, place, verb, object."""
        subject, time = self.subject(meaning.subject), self.time(meaning.time)
        opening = [time, *subject] if meaning.fronted else [*subject, time]
        words = self.phrase(meaning.object) if meaning.object else []
        open_question = meaning.subject == "who" or meaning.time == "when"
        asking = "吗" if meaning.mood == "question" and not open_question else ""
        return [*opening, *self.verb_group(meaning), *words, self.destination(meaning.destination), asking]

    def verb_group(self, meaning: Action) -> list[str]:
        """Negation, aspect, place and verb."""
        verb, negated = self.verb[meaning.verb], meaning.mood == "negation"
        place = f"在{self.place(meaning.place)}" if meaning.place else ""
        if meaning.modal:
            return [self.modal[meaning.modal]["negative" if negated else "positive"], place, verb["base"]]
        if meaning.tense == "past":
            return [place, "没" if negated else "", verb["base" if negated else "past"]]
        if meaning.tense == "future":
            return ["不会" if negated else "会", place, verb["base"]]
        if meaning.tense == "habit":
            return ["都", place, verb["base"]]
        return ["没在" if negated else "正在", self.place(meaning.place), verb["ongoing"]]

    def quality(self, meaning: Quality) -> list[str]:
        """Subject and predicate."""
        entry = self.adjective.get(meaning.adjective) or self.state[meaning.adjective]
        column = {"statement": "predicate", "negation": "negative", "question": "question"}[meaning.mood]
        return [*self.subject(meaning.subject), entry[column], "吗" if meaning.mood == "question" else ""]

    def location(self, meaning: Location) -> list[str]:
        """Subject, 在, place."""
        if not meaning.place:
            return [*self.subject(meaning.subject), "在哪里"]
        verb = "不在" if meaning.mood == "negation" else "在"
        return [
            *self.subject(meaning.subject),
            verb,
            self.place(meaning.place),
            "吗" if meaning.mood == "question" else "",
        ]

    def existence(self, meaning: Existence) -> list[str]:
        """Place, 有, thing."""
        return [
            self.place(meaning.place),
            "有",
            *self.phrase(meaning.thing),
            "吗" if meaning.mood == "question" else "",
        ]

    def subject(self, subject: Subject) -> list[str]:
        """A subject: a pronoun or a noun phrase."""
        return [PRONOUNS[subject]] if isinstance(subject, str) else self.phrase(subject)

    def phrase(self, phrase: NounPhrase) -> list[str]:
        """Demonstrative or number with the noun's measure word, or an owner; adjective; noun."""
        noun, determiner = self.noun[phrase.noun], phrase.determiner
        adjective = self.adjective[phrase.adjective]["attribute"] if phrase.adjective else ""
        if determiner in OWNERS:
            linker = "的" if determiner == "our" else noun["linker"]
            # One 的 is enough: 我的新车, 我红色的车.
            return [OWNERS[determiner], "" if adjective.endswith("的") else linker, adjective, noun["word"]]
        measure = "些" if phrase.plural and determiner not in self.number else noun["measure"]
        if determiner in self.number:
            determiner = self.number[determiner]["form"]
        elif determiner == "the":
            determiner = "那" if phrase.plural else noun["definite"]
        else:
            determiner = {"a": "一", "this": "这", "bare": ""}[determiner]
        return [determiner, measure if determiner else "", adjective, noun["word"]]

    def spell(self, words: list[str], question: bool) -> str:
        """No spaces, and the full-width marks."""
        return "".join(words) + ("？" if question else "。")
