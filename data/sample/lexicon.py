"""Reading what was written by hand: the concepts, the forms that each language lists for them, the phrasebook."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lealla_tf.errors import DataError
from lealla_tf.files import read_json

HERE = Path(__file__).parent
COLUMNS = "columns"
NONE = "-"
"""How a lexicon says that a form does not exist; an empty string would look forgotten."""

Table = Mapping[str, Mapping[str, str]]
"""Concept -> column -> form."""


class Concepts:
    """What there is to talk about, the same for all languages: `concepts.json`."""

    def __init__(self, path: Path = HERE / "concepts.json"):
        content: dict[str, Any] = read_json(path)
        self.groups: dict[str, list[str]] = content["groups"]
        self.verbs: dict[str, dict[str, Any]] = content["verbs"]
        self.times: dict[str, list[str]] = content["times"]
        self.places: dict[str, list[str]] = {place: self.members(nouns) for place, nouns in content["places"].items()}
        self.adjectives: dict[str, list[str]] = {
            adjective: self.members(nouns) for adjective, nouns in content["adjectives"].items()
        }
        self.states: list[str] = content["states"]
        self.numbers: list[str] = content["numbers"]
        self.modals: list[str] = content["modals"]
        self.modal_verbs: list[str] = content["modal_verbs"]
        self.destinations: list[str] = content["destinations"]
        self.mass = set(self.members(content["mass"]))
        self.uncounted: set[str] = set(content["uncounted"])
        self.public, self.own, self.young = (
            self.members(content["people"][kind]) for kind in ("public", "own", "young")
        )

    def members(self, names: list[str]) -> list[str]:
        """The nouns that a list of nouns and groups of nouns stands for, each once."""
        return list(dict.fromkeys(noun for name in names for noun in self.groups.get(name, [name])))

    def tables(self) -> dict[str, list[str]]:
        """What every lexicon has to list: table -> concepts."""
        return {
            "noun": self.members(list(self.groups)),
            "verb": [*self.verbs, "go"],
            "modal": self.modals,
            "adjective": list(self.adjectives),
            "state": self.states,
            "number": self.numbers,
            "time": [time for times in self.times.values() for time in times],
            "place": list(self.places),
            "destination": self.destinations,
        }


def read_lexicon(path: Path, concepts: Concepts) -> dict[str, Table]:
    """The words of one language: table -> concept -> column -> form.

    Raises:
        DataError: if a table, a concept or a form is missing, or a concept is unknown.
    """
    content = read_json(path)
    lexicon: dict[str, Table] = {}
    for table, expected in concepts.tables().items():
        rows = dict(content.get(table, {}))
        columns = rows.pop(COLUMNS, [])
        for problem in _problems(rows, columns, expected):
            raise DataError(f"{path}: table {table!r}: {problem}.")
        lexicon[table] = {
            concept: {column: "" if form == NONE else form for column, form in zip(columns, forms, strict=True)}
            for concept, forms in rows.items()
        }
    return lexicon


def _problems(rows: dict[str, list[str]], columns: list[str], expected: list[str]) -> Iterator[str]:
    if not columns:
        yield f"is missing, or has no {COLUMNS!r}; add it"
    for concept in expected:
        if concept not in rows:
            yield f"{concept!r} is missing; add its forms {columns}"
    for concept, forms in rows.items():
        if concept not in expected:
            yield f"{concept!r} is no concept of concepts.json; add it there or remove it here"
        if len(forms) != len(columns) or not all(forms):
            yield f"{concept!r} must have a form for each of {columns} ({NONE!r} for none). Received: {forms}"


def read_phrasebook(path: Path, languages: Sequence[str]) -> list[dict[str, str]]:
    """The phrases of a table with a column per language, as language -> sentence.

    Raises:
        DataError: if a column, a cell or the file is missing, or a sentence stands there twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    header = lines[0].split("\t") if lines else []
    if sorted(header) != sorted(languages):
        raise DataError(f"{path}:1: the columns must be {sorted(languages)}. Received: {header}.")
    phrases: list[dict[str, str]] = []
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(header) or not all(cells):
            raise DataError(
                f"{path}:{number}: must have {len(header)} cells between tabs, none empty. Received: {line!r}."
            )
        phrase = dict(zip(header, cells, strict=True))
        if repeated := seen & set(phrase.items()):
            raise DataError(f"{path}:{number}: stands in the table already; remove it. Received: {min(repeated)}.")
        seen.update(phrase.items())
        phrases.append(phrase)
    return phrases
