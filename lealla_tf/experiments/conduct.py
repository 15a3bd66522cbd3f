"""Going through the runs of an experiment: each is trained and judged once, whatever happens in between."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lealla_tf.errors import DataError, UsageError, UserError
from lealla_tf.experiments.plan import Trial
from lealla_tf.experiments.results import find_result, summarise, write_result
from lealla_tf.models.encoder import count_parameters
from lealla_tf.progress import Progress

Train = Callable[[Trial], Path | None]
"""Trains a run, or goes on with it; gives the checkpoint to judge, or `None` if it was told to stop."""

Evaluate = Callable[[Path], Mapping[str, float]]
"""The metrics of a checkpoint."""


def conduct(
    trials: Iterable[Trial],
    directory: Path,
    train: Train,
    evaluate: Evaluate,
    progress: Progress = lambda line: None,
) -> bool:
    """Trains and judges the runs that are not finished, one after the other.

    A run is finished when its result is written; before that, the next call goes on with it
    from its last checkpoint.  A run that fails for a reason of its own, such as a loss that is
    not finite, is passed over; the next call tries it again.

    Args:
        trials: The runs.
        directory: Of the experiment.
        train: Trains one.
        evaluate: Judges a checkpoint.
        progress: Called with a line to show at the start of each run.

    Returns:
        Whether the end was reached; false if a run was told to stop.

    Raises:
        UsageError, DataError: for what would go wrong with the other runs, too.
    """
    trials = list(trials)
    # Before anything is trained for hours: a result in the place of another run's is a mistake.
    finished = [find_result(directory, trial) is not None for trial in trials]
    for number, trial in enumerate(trials, start=1):
        if finished[number - 1]:
            continue
        progress(f"run {number} of {len(trials)}: {trial.name}")
        try:
            checkpoint = train(trial)
        except (UsageError, DataError):
            raise
        except UserError as error:
            progress(f"{trial.name} failed: {error}")
            continue
        if checkpoint is None:
            return False
        counts = count_parameters(trial.config.encoder)
        facts = {"num_parameters": counts["total"], "encoder_parameters": counts["total"] - counts["embeddings"]}
        write_result(directory, summarise(trial, facts, evaluate(checkpoint)))
    return True
