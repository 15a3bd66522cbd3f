"""The table of an experiment, in Markdown: a row for each run, mean and spread over its seeds."""

import statistics
from collections.abc import Mapping, Sequence

from lealla_tf.experiments.plan import Experiment
from lealla_tf.experiments.results import HELD_OUT, Spread, TrialResult, selected, spread

Results = Mapping[str, Sequence[TrialResult]]
"""Results by the name of the run."""


def by_run(results: Sequence[TrialResult]) -> dict[str, list[TrialResult]]:
    """Results by the name of the run."""
    found: dict[str, list[TrialResult]] = {}
    for result in results:
        found.setdefault(result.run, []).append(result)
    return found


def table(experiment: Experiment, results: Results) -> str:
    """The question, the table and what was selected, in Markdown.

    Runs without a result are listed as such.  Scores are in per cent, with the sample standard
    deviation over the seeds; columns that no run has are left out.
    """
    scores = [pattern for pattern in experiment.scores if any(spread(found, pattern) for found in results.values())]
    with_paper = [place for place, pattern in enumerate(experiment.scores) if pattern in scores]
    papers = [place for place in with_paper if any(len(run.paper) > place for run in experiment.all_runs)]
    header = ["run", "seeds", "parameters", "without tables", "steps", "seconds", "held-out pairs"]
    header += [name_of(pattern) for pattern in scores]
    header += [f"{name_of(experiment.scores[place])} (paper)" for place in papers]
    rows = [header, ["---"] * len(header)]
    for run in experiment.all_runs:
        found = results.get(run.name, ())
        cells = [run.name, *(_facts(found) if found else ["not run", *["-"] * 4])]
        cells += [percent(spread(found, pattern)) for pattern in (HELD_OUT, *scores)]
        cells += [f"{run.paper[place]:g}" if len(run.paper) > place else "-" for place in papers]
        rows.append(cells)
    lines = [experiment.question, "", *(f"| {' | '.join(row)} |" for row in rows)]
    if best := selected(results, [run.name for run in experiment.grid_runs]):
        lines += ["", f"Selected of the grid, by the held-out pairs of the training corpus: {best}."]
    return "\n".join(lines) + "\n"


def name_of(pattern: str) -> str:
    """The benchmark that a score is of."""
    return pattern.partition("/")[0]


def percent(value: Spread | None) -> str:
    """`61.2 ± 0.4`; without a spread where there is one seed."""
    if value is None:
        return "-"
    deviation = "" if value.deviation is None else f" ± {100 * value.deviation:.1f}"
    return f"{100 * value.mean:.1f}{deviation}"


def _facts(results: Sequence[TrialResult]) -> list[str]:
    """Seeds, sizes, steps and time."""
    first = results[0]
    seconds = statistics.fmean(result.seconds for result in results)
    sizes = [f"{count / 1e6:.2f}M" for count in (first.num_parameters, first.encoder_parameters)]
    return [str(len(results)), *sizes, f"{first.steps:,}", f"{seconds:,.0f}"]
