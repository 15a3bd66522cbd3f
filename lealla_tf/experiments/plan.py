"""What an experiment consists of: named runs, each a configuration, with several seeds; read from JSON."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lealla_tf.config import Config
from lealla_tf.errors import UsageError
from lealla_tf.files import read_json
from lealla_tf.settings import from_dict, with_settings

TEACHER = "teacher"
"""What `{teacher}` stands for in a setting or as a base: the model of `--teacher`."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_PLACE = re.compile(r"\{(.*?)\}")


def _require(condition: bool, rule: str) -> None:
    """Raises `ValueError` with the rule, unless `condition`."""
    if not condition:
        raise ValueError(rule)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A configuration with a name.

    `base` is a preset, a JSON file, or `{teacher}`: the shape, the text and the batches of
    that checkpoint; where it is empty the experiment's counts.  `set` are settings as those of
    `lealla train --set`, in which `{teacher}` is the teacher and `{name}` the directory of an
    earlier run with the same seed.  `paper` are the numbers that the paper gives, in per cent,
    one for each of the experiment's `scores`, as far as it has them.
    """

    name: str
    base: str = ""
    set: tuple[str, ...] = ()
    paper: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require(
            bool(_NAME.fullmatch(self.name)) and self.name != TEACHER,
            "A run's `name` must be of letters, digits and _ . + -, begin with one of the first two, and not be "
            f"`teacher`. Received: {self.name!r}.",
        )


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Some runs, what they have in common, and how they are judged.

    `runs` are gone through in their order, and `grid` adds a run for each combination: it is a
    list of axes, each of which is a list of settings to choose from.  Of the grid, the run with
    the best mean over the seeds of precision on the held-out part of the training corpus is
    selected.  `scores` are keys of metrics, with `*` for any part; of several that fit, the
    mean counts.
    """

    question: str
    base: str = ""
    set: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    runs: tuple[Run, ...] = ()
    grid: tuple[tuple[str, ...], ...] = ()
    scores: tuple[str, ...] = (
        "tatoeba/*-eng/mean/precision_at_1",
        "united_nations/mean/mean/precision_at_1",
        "bucc/mean/f1",
    )

    def __post_init__(self) -> None:
        _require(bool(self.seeds), "`seeds` must name at least one seed.")
        _require(len(set(self.seeds)) == len(self.seeds), f"`seeds` must differ. Received: {self.seeds}.")
        _require(all(self.grid), "Each axis of `grid` must have at least one setting.")
        names = [run.name for run in self.all_runs]
        _require(bool(names), "An experiment needs `runs` or a `grid`.")
        repeated = sorted({name for name in names if names.count(name) > 1})
        _require(not repeated, f"Two runs must not have one name. Received: {', '.join(repeated)}.")
        for number, run in enumerate(self.all_runs):
            for place in _PLACE.findall(" ".join((*self.set, *run.set))):
                _require(
                    place == TEACHER or place in names[:number],
                    f"In a setting, `{{...}}` must be `{{teacher}}` or an earlier run. Received: {{{place}}}, in the "
                    f"run {run.name}.",
                )

    @property
    def grid_runs(self) -> tuple[Run, ...]:
        """A run for each combination of the grid, named for what differs."""
        if not self.grid:
            return ()
        return tuple(Run(name=_combined_name(settings), set=settings) for settings in itertools.product(*self.grid))

    @property
    def all_runs(self) -> tuple[Run, ...]:
        """The named runs, then those of the grid."""
        return (*self.runs, *self.grid_runs)


@dataclass(frozen=True)
class Trial:
    """One run with one seed, resolved; `directory` is where `lealla train` has it."""

    run: Run
    seed: int
    config: Config
    directory: Path

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.run.name}, seed {self.seed}"


def read_experiment(path: str | Path) -> Experiment:
    """The experiment in a JSON file.

    Raises:
        DataError: if the file is not JSON.
        UsageError: for unknown fields and values that do not fit; names the file.
    """
    try:
        return from_dict(Experiment, read_json(path))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def select(experiment: Experiment, names: Sequence[str], seeds: Sequence[int]) -> Experiment:
    """The experiment with some of its runs and what these need, and with other seeds, where either is given.

    Raises:
        UsageError: if there is no run of a name.
    """
    runs = experiment.all_runs
    if unknown := [name for name in names if name not in {run.name for run in runs}]:
        raise UsageError(f"There is no run {unknown[0]!r}. Runs: {', '.join(run.name for run in runs)}.")
    grid = experiment.grid
    if names:
        wanted = set(names)
        for run in reversed(runs):
            wanted |= set(_PLACE.findall(" ".join(run.set))) if run.name in wanted else set()
        # A grid of which but some are wanted is a list of runs.
        runs, grid = tuple(run for run in runs if run.name in wanted), ()
    else:
        runs = experiment.runs
    try:
        return replace(experiment, runs=runs, grid=grid, seeds=tuple(seeds) or experiment.seeds)
    except ValueError as error:
        raise UsageError(str(error)) from error


def trials(
    experiment: Experiment,
    directory: Path,
    read_base: Callable[[str], Config],
    teacher: str = "",
    settings: Sequence[str] = (),
) -> Iterator[Trial]:
    """All runs with all seeds, resolved: each run with all its seeds, in the order of the runs.

    Args:
        experiment: The plan.
        directory: Of the experiment; runs are at `runs/NAME/seed_N` in it.
        read_base: Gives the configuration that a `base` names.
        teacher: What `{teacher}` stands for.
        settings: Further ones for all runs; a run's own come after them.

    Raises:
        UsageError: if a run has no valid configuration, or needs a teacher and none is given;
            names the run.
    """
    for run in experiment.all_runs:
        for seed in experiment.seeds:
            base = run.base or experiment.base
            written = (*experiment.set, *settings, *run.set, f"training.seed={seed}")
            places = {other.name: str(run_directory(directory, other, seed)) for other in experiment.all_runs}
            try:
                values = [_filled(setting, {**places, TEACHER: teacher}) for setting in written]
                config = with_settings(read_base(_filled(base, {TEACHER: teacher})), values)
            except UsageError as error:
                raise UsageError(f"Run {run.name}: {error}") from error
            yield Trial(run, seed, config, run_directory(directory, run, seed))


def run_directory(directory: Path, run: Run, seed: int) -> Path:
    """Where a run with a seed is."""
    return directory / "runs" / run.name / f"seed_{seed}"


def _filled(text: str, places: Mapping[str, str]) -> str:
    """The text with its `{...}` replaced."""
    found = [place for place in _PLACE.findall(text) if not places.get(place)]
    if TEACHER in found:
        raise UsageError(f"{text!r} needs a teacher; name one with --teacher.")
    return _PLACE.sub(lambda match: places.get(match[1], match[0]), text)


def _combined_name(settings: Sequence[str]) -> str:
    """`feature_100-logit_0.1` of `loss.feature=100` and `loss.logit=0.1`."""
    parts = []
    for setting in settings:
        path, _, value = setting.partition("=")
        parts.append(f"{path.rpartition('.')[2]}_{value}")
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", "-".join(parts))
