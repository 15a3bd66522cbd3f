"""Scores of a retrieval benchmark: by language pair, averaged over groups, keyed for records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

EVALUATED = "evaluated"


@dataclass(frozen=True, kw_only=True)
class LanguageScore:
    """Precision at 1 between a language (the source) and English (the target), in [0, 1].

    `trained` says whether the model has seen the language in training; None if unknown.
    """

    code: str
    pairs: int
    source_to_target: float
    target_to_source: float
    trained: bool | None = None

    @property
    def mean(self) -> float:
        """Mean of the two directions, the number that papers report."""
        return (self.source_to_target + self.target_to_source) / 2


@dataclass(frozen=True, kw_only=True)
class GroupScore:
    """Unweighted means over the languages of a group; None unless all of them were evaluated.

    A mean over the part that happens to be there would be read as the group's.
    """

    name: str
    languages: tuple[str, ...]
    missing: tuple[str, ...]
    source_to_target: float | None
    target_to_source: float | None
    mean: float | None

    @property
    def label(self) -> str:
        """The group in words, with its number of languages."""
        count = "1 language" if len(self.languages) == 1 else f"{len(self.languages)} languages"
        if self.name == str(len(self.languages)):
            return count
        return {"all": f"all {count}", EVALUATED: f"the {count} evaluated"}.get(self.name, f"{self.name} ({count})")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a model scored on a benchmark.

    `scores` are sorted by code.  `checksum` is of the benchmark's files, so that two results
    can be told to be of the same data.
    """

    benchmark: str
    scores: tuple[LanguageScore, ...]
    groups: tuple[GroupScore, ...]
    checksum: str

    @property
    def metrics(self) -> dict[str, float]:
        """Values by key, such as `tatoeba/deu-eng/source_to_target/precision_at_1`.

        In `deu-eng` German is the source and English the target, so `source_to_target` looks
        German sentences up among the English ones.  Groups have keys of the form
        `tatoeba/group_14/mean/precision_at_1`; one without an average has none.
        """
        rows: list[tuple[str, LanguageScore | GroupScore]] = [(f"{s.code}-eng", s) for s in self.scores]
        rows += [(f"group_{group.name}", group) for group in self.groups]
        return {
            f"{self.benchmark}/{name}/{direction}/precision_at_1": value
            for name, row in rows
            for direction, value in _directions(row)
            if value is not None
        }


def group_scores(scores: Sequence[LanguageScore], groups: Mapping[str, Sequence[str]]) -> tuple[GroupScore, ...]:
    """The averages of each of `groups`, name -> codes.

    If no group holds exactly the languages of `scores`, one called "evaluated" is added, so
    that a run over a part of a benchmark has an average that says what it is of.

    Raises:
        ValueError: if a group has no languages, or is called "evaluated".
    """
    evaluated = {score.code: score for score in scores}
    if EVALUATED in groups:
        raise ValueError(f"A group must not be called {EVALUATED!r}, which is the group of all languages evaluated.")
    if not any(set(codes) == set(evaluated) for codes in groups.values()):
        groups = {**groups, EVALUATED: tuple(evaluated)}
    return tuple(_group_score(name, tuple(codes), evaluated) for name, codes in groups.items())


def _group_score(name: str, languages: tuple[str, ...], evaluated: Mapping[str, LanguageScore]) -> GroupScore:
    """The average over `languages`, or the list of those that are missing for it."""
    if not languages:
        raise ValueError(f"A group must have languages. Received: none for {name!r}.")
    missing = tuple(code for code in languages if code not in evaluated)
    if missing:
        return GroupScore(
            name=name, languages=languages, missing=missing, source_to_target=None, target_to_source=None, mean=None
        )
    members = [evaluated[code] for code in languages]
    forward = sum(score.source_to_target for score in members) / len(members)
    backward = sum(score.target_to_source for score in members) / len(members)
    return GroupScore(
        name=name,
        languages=languages,
        missing=(),
        source_to_target=forward,
        target_to_source=backward,
        mean=(forward + backward) / 2,
    )


def _directions(row: LanguageScore | GroupScore) -> Iterator[tuple[str, float | None]]:
    """The three numbers of a row with the names they have in keys."""
    yield "source_to_target", row.source_to_target
    yield "target_to_source", row.target_to_source
    yield "mean", row.mean
