"""Turkish: vowel harmony in the regular endings, the accusative of what is definite, the verb last."""

from data.sample.grammar.clause import Grammar
from data.sample.meaning import POSSESSIVES, Action, Existence, Location, NounPhrase, Quality, Subject, person

PRONOUNS = {"i": "", "you": "", "he": "o", "she": "o", "we": "", "they": "onlar", "who": "kim"}
HARMONY = {"a": "ı", "ı": "ı", "e": "i", "i": "i", "o": "u", "u": "u", "ö": "ü", "ü": "ü"}


def high(word: str) -> str:
    """The high vowel ı, i, u or ü that harmonizes with the last vowel of `word`."""
    return HARMONY[next(letter for letter in reversed(word) if letter in HARMONY)]


def low(word: str) -> str:
    """The low vowel that harmonizes with the last vowel of `word`."""
    return "a" if high(word) in "ıu" else "e"


def predicate_ending(word: str, who: str) -> str:
    """What makes `word` a predicate of a person: yorgun-um, hasta-yım, okuyacak-sın."""
    vowel, glide = high(word), "y" if word[-1] in HARMONY else ""
    endings = {
        "i": f"{glide}{vowel}m",
        "you": f"s{vowel}n",
        "he": "",
        "we": f"{glide}{vowel}z",
        "they": f"l{low(word)}r",
    }
    return endings[who]


def past_ending(word: str, who: str) -> str:
    """The personal ending of the past in -di: aldı-m, aldı-k."""
    return {"i": "m", "you": "n", "he": "", "we": "k", "they": f"l{low(word)}r"}[who]


def unable_ending(word: str, who: str) -> str:
    """The personal ending of what cannot be done: okuyama-m, okuyama-zsın."""
    vowel = high(word)
    return {"i": "m", "you": f"zs{vowel}n", "he": "z", "we": f"y{vowel}z", "they": f"zl{low(word)}r"}[who]


class Turkish(Grammar):
    """The listed stems carry tense and negation; person, case and possession follow the harmony."""

    def action(self, meaning: Action) -> list[str]:
        """Time and subject, place, object, verb; a question word stands before what is new."""
        # Before a noun phrase the pronoun "o" would be read as "that"; the verb says enough.
        subject = [] if meaning.subject in {"he", "she"} else self.subject(meaning.subject)
        time = "" if meaning.time == "when" else self.time(meaning.time)
        asking = self.time("when") if meaning.time == "when" else ""
        if meaning.subject == "who":
            subject, asking = [], PRONOUNS["who"]
        opening = [time, *subject] if meaning.fronted else [*subject, time]
        words = self.phrase(meaning.object, meaning.object.definite) if meaning.object else []
        # Only a definite object can be parted from its verb.
        known = meaning.object is None or meaning.object.definite
        field = [*words, asking] if known else [asking, *words]
        field = [self.place(meaning.place), self.destination(meaning.destination), *field]
        return [*opening, *field, self.predicate(meaning, meaning.mood == "question" and not asking)]

    def predicate(self, meaning: Action, asked: bool) -> str:
        """The verb with its personal ending, and the question particle if `asked`."""
        verb, who, negated = self.verb[meaning.verb], person(meaning.subject), meaning.mood == "negation"
        if meaning.modal == "can" and negated:
            return verb["can_negative"] + unable_ending(verb["can_negative"], who)
        if meaning.modal in {"can", "must"}:
            return finite(verb[meaning.modal], who, asked)
        tense = meaning.tense if meaning.tense in {"past", "future"} else "present"
        form = f"{tense}_negative" if negated else tense
        if meaning.modal == "want":
            return f"{verb['infinitive']} {finite(self.modal['want'][form], who, asked)}"
        if tense == "past":
            word = verb[form] + past_ending(verb[form], who)
            return f"{word} m{high(word)}" if asked else word
        return finite(verb[form], who, asked)

    def quality(self, meaning: Quality) -> list[str]:
        """Subject and adjective with a personal ending."""
        return self.copula(meaning, {**self.adjective, **self.state}[meaning.adjective]["form"])

    def location(self, meaning: Location) -> list[str]:
        """Subject and place with a personal ending."""
        if not meaning.place:
            return [*self.subject(meaning.subject), "nerede"]
        return self.copula(meaning, self.place(meaning.place))

    def copula(self, meaning: Quality | Location, predicate: str) -> list[str]:
        """Subject and predicate, with "değil" if negated; only pronouns leave an ending on the predicate."""
        who = person(meaning.subject) if isinstance(meaning.subject, str) else "he"
        who = "he" if who == "they" else who  # "Onlar mutlu": the plural is said once
        if meaning.mood == "negation":
            return [*self.subject(meaning.subject), predicate, "değil" + predicate_ending("değil", who)]
        return [*self.subject(meaning.subject), finite(predicate, who, meaning.mood == "question")]

    def existence(self, meaning: Existence) -> list[str]:
        """Place, thing, "var"."""
        asking = "mı" if meaning.mood == "question" else ""
        return [self.place(meaning.place), *self.phrase(meaning.thing, False), "var", asking]

    def subject(self, subject: Subject) -> list[str]:
        """A subject: a pronoun (empty where the verb says it) or a noun phrase."""
        return [PRONOUNS[subject]] if isinstance(subject, str) else self.phrase(subject, False)

    def phrase(self, phrase: NounPhrase, accusative: bool) -> list[str]:
        """Determiner, adjective, noun; "bir" stands after the adjective, a number before it and without a plural."""
        adjective = self.adjective[phrase.adjective]["form"] if phrase.adjective else ""
        noun = self.inflect(phrase, accusative)
        if phrase.determiner == "a":
            return [adjective, "bir", noun]
        number = self.number[phrase.determiner]["form"] if phrase.determiner in self.number else ""
        return [number or ("bu" if phrase.determiner == "this" else ""), adjective, noun]

    def inflect(self, phrase: NounPhrase, accusative: bool) -> str:
        """The noun with plural, possessor and case."""
        noun = self.noun[phrase.noun]
        plural = phrase.plural and phrase.determiner not in self.number
        if phrase.determiner not in POSSESSIVES:
            if plural:
                return noun["plural"] + (high(noun["plural"]) if accusative else "")
            return noun["accusative" if accusative else "nominative"]
        mine = noun["plural"] + high(noun["plural"]) + "m" if plural else noun["mine"]
        owned = {"my": mine, "your": mine[:-1] + "n", "our": f"{mine}{high(mine)}z"}[phrase.determiner]
        return owned + (high(owned) if accusative else "")

    def spell(self, words: list[str], question: bool) -> str:
        """The capital of i is İ."""
        text = " ".join(" ".join(words).split())
        return ("İ" if text[0] == "i" else text[0].upper()) + text[1:] + ("?" if question else ".")


def finite(word: str, who: str, asked: bool) -> str:
    """A predicate with its personal ending; in a question the particle mi takes it, but not -ler."""
    if not asked:
        ending = predicate_ending(word, who)
        return (word[:-1] + "ğ" if word.endswith(("acak", "ecek")) and ending[:1] in HARMONY else word) + ending
    if who == "they":
        word += predicate_ending(word, who)
        return f"{word} m{high(word)}"
    particle = f"m{high(word)}"
    return f"{word} {particle}{predicate_ending(particle, who)}"
