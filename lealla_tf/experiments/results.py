"""What a run came to, as small JSON: all that the table and the pictures are made of."""

import fnmatch
import hashlib
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lealla_tf.config import Config
from lealla_tf.errors import DataError, UsageError
from lealla_tf.experiments.plan import Trial
from lealla_tf.files import read_json, write_json
from lealla_tf.settings import to_dict

RESULT_KIND = "lealla-result"
HELD_OUT = "validation/precision_at_1"

# Points of a curve that a picture can show.
_MOST_POINTS = 60

# Settings that say where something is, or how a run is carried out, and not what it computes.
_INCIDENTAL = {
    "corpus": ("files",),
    "teacher": ("model", "preprocessor", "reduction"),
    "training": ("init_from", "strategy", "steps_per_execution", "worker_timeout"),
}


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """One run with one seed.

    `settings` are those that differ from the experiment's base, for people; `checksum` is of
    the whole configuration but for the places of files.  `seconds` are those of the steps,
    without reading, validation and evaluation.  `curve` holds lists of equal lengths: `step`
    and `loss`, and `held_out` those of `step` and precision at 1.
    """

    kind: str = RESULT_KIND
    run: str
    seed: int
    settings: tuple[str, ...] = ()
    checksum: str
    steps: int
    num_parameters: int
    encoder_parameters: int
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Mapping[str, Any] = field(default_factory=dict)


def config_checksum(config: Config) -> str:
    """What changes with what a run computes, and not with where its files are and what carries it out."""
    values = {
        group: {name: value for name, value in fields.items() if name not in _INCIDENTAL.get(group, ())}
        for group, fields in to_dict(config).items()
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def result_path(directory: Path, run: str, seed: int) -> Path:
    """Where the result of a run with a seed is."""
    return directory / "results" / run / f"seed_{seed}.json"


def find_result(directory: Path, trial: Trial) -> TrialResult | None:
    """The result of a finished run; `None` if it is not finished.

    Raises:
        UsageError: if there is one of the same name with other settings.
        DataError: if the file is something else.
    """
    path = result_path(directory, trial.run.name, trial.seed)
    if not path.is_file():
        return None
    result = read_result(path)
    if result.checksum != config_checksum(trial.config):
        raise UsageError(f"{path} is of a run with other settings; name another --output, or remove the run.")
    return result


def read_result(path: Path) -> TrialResult:
    """The result in a file; `DataError` if it holds something else."""
    values = read_json(path)
    if not isinstance(values, dict) or values.get("kind") != RESULT_KIND:
        raise DataError(f"{path}: is not the result of a run; remove it.")
    try:
        return TrialResult(**values)
    except TypeError as error:
        raise DataError(f"{path}: is of another version ({error}); remove it, and run the experiment again.") from error


def read_results(directory: Path) -> list[TrialResult]:
    """All results of an experiment, in the order of their names."""
    return [read_result(path) for path in sorted((directory / "results").glob("*/seed_*.json"))]


def write_result(directory: Path, result: TrialResult) -> None:
    """Writes the result of a run, which is finished by that."""
    write_json(result_path(directory, result.run, result.seed), {**result.__dict__, "settings": list(result.settings)})


def summarise(trial: Trial, facts: Mapping[str, Any], metrics: Mapping[str, float]) -> TrialResult:
    """The result of a run that has ended.

    Args:
        trial: The run.
        facts: `num_parameters` and `encoder_parameters` (those outside of the tables) of its model.
        metrics: Of its evaluation.
    """
    entries = _read_log(trial.directory / "metrics.jsonl")
    losses = [entry for entry in entries if "loss" in entry]
    held_out = [entry for entry in entries if HELD_OUT in entry]
    best = max(held_out, key=lambda entry: float(entry[HELD_OUT]), default={})
    seconds, before = 0.0, 0
    for entry in losses:
        seconds += (entry["step"] - before) * trial.config.batch.size / max(entry["pairs_per_second"], 1e-9)
        before = entry["step"]
    shown = losses[:: max(1, len(losses) // _MOST_POINTS)]
    if losses and shown[-1] is not losses[-1]:
        shown.append(losses[-1])
    return TrialResult(
        run=trial.run.name,
        seed=trial.seed,
        settings=trial.run.set,
        checksum=config_checksum(trial.config),
        steps=trial.config.training.steps,
        num_parameters=facts["num_parameters"],
        encoder_parameters=facts["encoder_parameters"],
        seconds=round(seconds, 1),
        metrics={name: best[name] for name in (HELD_OUT,) if name in best} | dict(metrics),
        curve={
            "step": [entry["step"] for entry in shown],
            "loss": [round(entry["loss"], 4) for entry in shown],
            "held_out": [[entry["step"] for entry in held_out], [entry[HELD_OUT] for entry in held_out]],
        },
    )


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of some numbers; `None` for that of one number."""

    mean: float
    deviation: float | None
    count: int


def score(result: TrialResult, pattern: str) -> float | None:
    """The mean of the metrics whose keys fit the pattern; `None` if none does."""
    found = [value for key, value in result.metrics.items() if fnmatch.fnmatchcase(key, pattern)]
    return statistics.fmean(found) if found else None


def spread(results: Iterable[TrialResult], pattern: str) -> Spread | None:
    """Mean and spread over the seeds of a run; `None` if no seed has the score."""
    found = [value for result in results if (value := score(result, pattern)) is not None]
    if not found:
        return None
    return Spread(statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None, len(found))


def selected(results: Mapping[str, Sequence[TrialResult]], candidates: Sequence[str]) -> str | None:
    """Of the candidates, the run with the best mean on the held-out part of the training corpus."""
    means = {name: found.mean for name in candidates if (found := spread(results.get(name, ()), HELD_OUT))}
    return max(means, key=lambda name: means[name]) if means else None


def _read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a run."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is not the log of a run ({error}); remove the run's directory.") from error
