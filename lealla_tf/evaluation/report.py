"""A benchmark's result for the terminal, as a text table, and for programs, as JSON."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lealla_tf
from lealla_tf.evaluation.languages import language_name
from lealla_tf.evaluation.scores import GroupScore, LanguageScore, Result

_WIDTH = 22  # of the language's name
_MISSING_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel:
    """What a report says of the model; `fingerprint` tells two models of one name apart."""

    name: str
    fingerprint: str
    dim: int
    num_parameters: int | None = None
    preprocessor: str = ""
    trained_languages: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line: name, number of parameters if known, width of the embedding."""
        parameters = "" if self.num_parameters is None else f", {self.num_parameters / 1e6:,.1f}M parameters"
        return f"{self.name}{parameters}, {self.dim} dimensions"


def table(result: Result, model: EvaluatedModel) -> str:
    """The result as text: a line a language, sorted by code, and a line a group.

    Languages that the model was not trained on are marked by `*`.  A group that lacks
    languages has no average; the line says which are missing.
    """
    lines = [
        f"{result.benchmark.capitalize()}, precision at 1 in per cent, nearest neighbour by cosine",
        f"Model: {model.summary}",
        f"       fingerprint {model.fingerprint}",
        "",
        f"{'code':<5}  {'language':<{_WIDTH}} {'pairs':>5}  {'xxx->eng':>8}  {'eng->xxx':>8}  {'mean':>6}",
    ]
    lines += [_language_line(score) for score in result.scores]
    lines += ["", "Averages over languages"]
    lines += [_group_line(group) for group in result.groups]
    return "\n".join([*lines, "", *_legend(result)]) + "\n"


def report(result: Result, model: EvaluatedModel) -> dict[str, Any]:
    """The result as JSON values; the same model and data give the same values, so no date.

    `metrics` holds fractions by key.  `data` and `model` say what they were measured with.
    """
    return {
        "benchmark": result.benchmark,
        "lealla_tf": lealla_tf.__version__,
        "model": {**dataclasses.asdict(model), "trained_languages": sorted(model.trained_languages)},
        "data": {
            "checksum": result.checksum,
            "pairs": {score.code: score.pairs for score in result.scores},
        },
        "absent_from_training": [score.code for score in result.scores if score.trained is False],
        "groups": {
            group.name: {"languages": list(group.languages), "missing": list(group.missing)} for group in result.groups
        },
        "metrics": result.metrics,
    }


def _language_line(score: LanguageScore) -> str:
    """A language's line."""
    mark = "*" if score.trained is False else " "
    values = _percentages(score.source_to_target, score.target_to_source, score.mean)
    return f"{score.code:<3} {mark}  {language_name(score.code):<{_WIDTH}} {score.pairs:>5}  {values}"


def _group_line(group: GroupScore) -> str:
    """A group's line: its averages, or what is missing for them."""
    count = len(group.languages)
    if group.source_to_target is None or group.target_to_source is None or group.mean is None:
        shown = " ".join(group.missing[:_MISSING_SHOWN]) + (" ..." if len(group.missing) > _MISSING_SHOWN else "")
        present = count - len(group.missing)
        return f"{group.label:<{_WIDTH + 5}} {f'{present}/{count}':>7}  no average; missing {shown}"
    values = _percentages(group.source_to_target, group.target_to_source, group.mean)
    return f"{group.label:<{_WIDTH + 7}} {count:>5}  {values}"


def _percentages(source_to_target: float, target_to_source: float, mean: float) -> str:
    """The three numbers of a line, aligned under the header."""
    return f"{100 * source_to_target:>8.1f}  {100 * target_to_source:>8.1f}  {100 * mean:>6.1f}"


def _legend(result: Result) -> Iterator[str]:
    """What the marks mean."""
    yield "xxx->eng looks the language's sentences up among the English ones, eng->xxx the reverse."
    trained = [score.trained for score in result.scores]
    if False in trained:
        yield f"* absent from the model's training data ({trained.count(False)} of {len(trained)} languages)"
    if None in trained:
        yield f"Whether the model was trained on a language is not known for {trained.count(None)} of {len(trained)}."
