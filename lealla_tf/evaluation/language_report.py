"""Scores by language as a report: a line a language, averages over groups."""

import functools
from collections.abc import Iterator

from lealla_tf.evaluation.languages import language_name
from lealla_tf.evaluation.pictures import draw_scores
from lealla_tf.evaluation.report import Report
from lealla_tf.evaluation.scores import GroupScore, LanguageScore, Result

_WIDTH = 22  # of the language's name
_MISSING_SHOWN = 5


def language_report(result: Result) -> Report:
    """The report of a benchmark that scores languages with English.

    The table has a line a language, sorted by code, and a line a group.  Languages that the
    model was not trained on are marked by `*`.  A group that lacks languages has no average;
    the line says which are missing.
    """
    header = f"{'code':<5}  {'language':<{_WIDTH}} {'pairs':>5}  {'xxx->eng':>8}  {'eng->xxx':>8}  {'mean':>6}"
    languages = [_language_line(score) for score in result.scores]
    groups = [_group_line(group) for group in result.groups]
    return Report(
        benchmark=result.benchmark,
        title=f"{result.benchmark.capitalize()}, precision at 1 in per cent, nearest neighbour by cosine",
        lines=(header, *languages, "", "Averages over languages", *groups, "", *_legend(result)),
        data={"checksum": result.checksum, "pairs": {score.code: score.pairs for score in result.scores}},
        details={
            "absent_from_training": [score.code for score in result.scores if score.trained is False],
            "groups": {
                group.name: {"languages": list(group.languages), "missing": list(group.missing)}
                for group in result.groups
            },
            "labels": {
                **{f"{score.code}-eng": f"{language_name(score.code)} ({score.code})" for score in result.scores},
                **{
                    f"group_{group.name}": f"average of {group.label}"
                    for group in result.groups
                    if group.mean is not None
                },
            },
        },
        metrics=result.metrics,
        draw=functools.partial(draw_scores, result),
    )


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
