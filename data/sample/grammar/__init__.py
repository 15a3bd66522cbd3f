"""The languages of the sample corpus: one linearizer each, from a meaning to a sentence."""

from data.sample.grammar.chinese import Chinese
from data.sample.grammar.clause import Grammar
from data.sample.grammar.dutch import Dutch
from data.sample.grammar.english import English
from data.sample.grammar.french import French
from data.sample.grammar.german import German
from data.sample.grammar.indonesian import Indonesian
from data.sample.grammar.japanese import Japanese
from data.sample.grammar.portuguese import Portuguese
from data.sample.grammar.russian import Russian
from data.sample.grammar.spanish import Spanish
from data.sample.grammar.turkish import Turkish
from data.sample.lexicon import HERE, Concepts, read_lexicon

PIVOT = "en"

CLASSES: dict[str, type[Grammar]] = {
    "en": English,
    "de": German,
    "es": Spanish,
    "fr": French,
    "id": Indonesian,
    "ja": Japanese,
    "nl": Dutch,
    "pt": Portuguese,
    "ru": Russian,
    "tr": Turkish,
    "zh": Chinese,
}

ISO_639_3 = {
    "de": "deu",
    "es": "spa",
    "fr": "fra",
    "id": "ind",
    "ja": "jpn",
    "nl": "nld",
    "pt": "por",
    "ru": "rus",
    "tr": "tur",
    "zh": "cmn",
}
"""The foreign languages, with the code by which the Tatoeba benchmark calls them."""


def grammars(concepts: Concepts) -> dict[str, Grammar]:
    """The linearizer of every language with its lexicon, English among them."""
    return {code: build(read_lexicon(HERE / "lexicon" / f"{code}.json", concepts)) for code, build in CLASSES.items()}
