"""The benchmarks of `lealla evaluate`: from the command line to a report."""

import argparse
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lealla_tf.cli.clock import Clock, StageClock
from lealla_tf.cli.searching import embedding_files, make_search, margin_options, with_search
from lealla_tf.errors import UsageError
from lealla_tf.evaluation.languages import GROUPS, read_group
from lealla_tf.evaluation.scores import EVALUATED

if TYPE_CHECKING:
    from lealla_tf.evaluation.report import Report
    from lealla_tf.inference.sentence_encoder import SentenceEncoder

# Evaluates a model.
Evaluate = Callable[["SentenceEncoder"], "Report"]

# Which benchmarks an option belongs to; those that are not here belong to all.
_BENCHMARKS_OF = {
    "group": ("tatoeba",),
    "splits": ("bucc",),
    "margin": ("bucc", "xsim"),
    "neighbours": ("bucc", "xsim"),
    "direction": ("bucc",),
    "part": ("united_nations",),
    "pairs": ("united_nations",),
    "search": ("bucc", "united_nations"),
    "effort": ("bucc", "united_nations"),
    "cache": ("bucc", "united_nations"),
}


def check_options(arguments: argparse.Namespace) -> None:
    """Raises `UsageError` for an option that is not the benchmark's."""
    for option, benchmarks in _BENCHMARKS_OF.items():
        if getattr(arguments, option) is not None and arguments.benchmark not in benchmarks:
            raise UsageError(
                f"--{option} belongs to {' and '.join(benchmarks)}. Received: --benchmark {arguments.benchmark}."
            )


def _tatoeba(arguments: argparse.Namespace) -> Evaluate:
    """Precision at 1 between each language and English."""
    from lealla_tf.evaluation.language_report import language_report
    from lealla_tf.evaluation.tatoeba import evaluate_tatoeba, read_benchmark

    groups = _groups(arguments.group or [])
    languages = _codes(arguments.languages)
    read_benchmark(arguments.data, languages)

    def evaluate(encoder: "SentenceEncoder") -> "Report":
        clock = Clock("sentences")
        result = evaluate_tatoeba(
            encoder.embed,
            arguments.data,
            languages,
            groups=groups,
            trained_languages=encoder.trained_languages,
            progress=lambda score, done, total: clock.show(f"{score.code} {100 * score.mean:5.1f}", done, total),
        )
        return language_report(result)

    return evaluate


def _sts(arguments: argparse.Namespace) -> Evaluate:
    """Correlation of the cosine with what people say."""
    from lealla_tf.evaluation.sts import evaluate_sts, read_sts, sts_files

    languages = _codes(arguments.languages)
    for path in sts_files(arguments.data, languages).values():
        read_sts(path)
    return lambda encoder: evaluate_sts(encoder.embed, arguments.data, languages, Clock("pairs").show).report()


def _united_nations(arguments: argparse.Namespace) -> Evaluate:
    """Precision at 1 among millions."""
    from lealla_tf.evaluation.united_nations import evaluate_united_nations
    from lealla_tf.evaluation.united_nations_files import find_united_nations

    pairs = _codes(arguments.languages)
    search = make_search(arguments)
    # Files of gigabytes are read when their turn comes; that they are there shows now.
    find_united_nations(arguments.data, pairs, arguments.part)

    def evaluate(encoder: "SentenceEncoder") -> "Report":
        with embedding_files(arguments, encoder) as files:
            result = evaluate_united_nations(
                files, arguments.data, pairs, part=arguments.part, most=arguments.pairs, search=search
            )
        return with_search(result.report(), arguments)

    return evaluate


def _bucc(arguments: argparse.Namespace) -> Evaluate:
    """F1 of mining."""
    from lealla_tf.evaluation.bucc import evaluate_bucc
    from lealla_tf.evaluation.bucc_files import find_bucc, read_bucc

    pairs, options = _codes(arguments.languages), margin_options(arguments)
    splits = _splits(arguments.splits or "training,test")
    search = make_search(arguments)
    for found in find_bucc(arguments.data, pairs, splits).values():
        for paths in found.values():
            read_bucc(paths)

    def evaluate(encoder: "SentenceEncoder") -> "Report":
        with embedding_files(arguments, encoder) as files:
            result = evaluate_bucc(files, arguments.data, pairs, splits=splits, search=search, **options)
        return with_search(result.report(), arguments)

    return evaluate


def _xsim(arguments: argparse.Namespace) -> Evaluate:
    """Error rates between all languages."""
    from lealla_tf.evaluation.multiparallel import find_languages, read_languages
    from lealla_tf.evaluation.xsim import evaluate_xsim

    languages, options = _codes(arguments.languages), margin_options(arguments)
    read_languages(find_languages(arguments.data, languages))

    def evaluate(encoder: "SentenceEncoder") -> "Report":
        return evaluate_xsim(encoder.embed, arguments.data, languages, progress=StageClock().show, **options).report()

    return evaluate


BENCHMARKS: Mapping[str, Callable[[argparse.Namespace], Evaluate]] = {
    "tatoeba": _tatoeba,
    "united_nations": _united_nations,
    "bucc": _bucc,
    "xsim": _xsim,
    "sts": _sts,
}
"""By name: a function that reads the benchmark's data, and returns one that evaluates a model on it."""


def _codes(text: str | None) -> list[str] | None:
    """The codes of `--languages`."""
    if text is None:
        return None
    codes = [code.strip() for code in text.split(",")]
    if "" in codes:
        raise UsageError(f"--languages must be codes separated by commas, such as deu,fra. Received: {text!r}.")
    return codes


def _splits(text: str) -> tuple[str, str]:
    """The two splits of `--splits`."""
    first, _, second = text.partition(",")
    if not re.fullmatch(r"\w+,\w+", text) or first == second:
        raise UsageError(f"--splits must be two names, such as training,test. Received: {text!r}.")
    return first, second


def _groups(arguments: list[str]) -> dict[str, tuple[str, ...]]:
    """The groups of `--group name=file`."""
    groups: dict[str, tuple[str, ...]] = {}
    for argument in arguments:
        name, _, path = argument.partition("=")
        if not path or not re.fullmatch("[A-Za-z0-9_]+", name):
            raise UsageError(f"--group must be name=file, the name of letters, digits and _. Received: {argument!r}.")
        if name in (*GROUPS, EVALUATED) or name in groups:
            raise UsageError(f"--group must not use a name twice. Received: {name!r}, which is taken.")
        groups[name] = read_group(path)
    return groups
