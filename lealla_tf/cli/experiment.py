"""`lealla experiment`: a set of runs with seeds, gone through, judged and compared."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lealla_tf.cli import evaluate
from lealla_tf.cli.arguments import (
    add_corpus_argument,
    add_teacher_arguments,
    blaming_model,
    import_tensorflow,
    log,
    read_config,
)
from lealla_tf.cli.benchmarks import BENCHMARKS, Evaluate
from lealla_tf.config import Config
from lealla_tf.corpus.specification import parse_corpus
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import MANIFEST, atomic_file, check_writable, read_json

if TYPE_CHECKING:
    from lealla_tf.experiments.conduct import Evaluate as Judge
    from lealla_tf.experiments.plan import Experiment, Trial
    from lealla_tf.text.vocabulary import Vocabulary

HELP = "go through a set of runs with seeds, and compare them in a table and pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lealla experiment`."""
    parser.add_argument("experiment", metavar="FILE", help="the experiment, in JSON; see docs/experiments.md")
    add_corpus_argument(parser)
    parser.add_argument("--vocabulary", required=True, metavar="FILE", help="the vocabulary of all runs")
    add_teacher_arguments(parser)
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="a setting of all runs; their own come after"
    )
    parser.add_argument("--seeds", metavar="N,...", help="other seeds than the experiment's")
    parser.add_argument("--only", metavar="RUN,...", help="some of the runs")
    parser.add_argument(
        "--benchmark",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help=f"judge each run on it, too ({', '.join(BENCHMARKS)}); may be repeated",
    )
    parser.add_argument("--languages", metavar="CODES", help="those of the benchmark, where there is one")
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="the experiment's directory; the same command on the same directory goes on where it was stopped",
    )


def run(arguments: argparse.Namespace) -> int:
    """Carries out what is not finished, then writes and prints the table, and draws the pictures."""
    from lealla_tf.experiments.plan import read_experiment, select, trials

    output = Path(arguments.output)
    check_writable(output / "table.md")
    whole = read_experiment(arguments.experiment)
    experiment = select(whole, (arguments.only or "").split(",") if arguments.only else [], _seeds(arguments.seeds))
    if not parse_corpus(arguments.corpus):
        raise DataError("No corpus is given; name one with --corpus.")

    import_tensorflow()
    from lealla_tf.experiments.conduct import conduct
    from lealla_tf.inference.packed_encoder import share_memory
    from lealla_tf.text.vocabulary import Vocabulary

    share_memory()
    vocabulary = Vocabulary.from_file(arguments.vocabulary)
    settings = [*arguments.set, f"encoder.vocabulary_size={len(vocabulary)}"]
    place = Path(arguments.experiment).parent
    planned = list(trials(experiment, output, lambda name: _read_base(name, place), arguments.teacher, settings))
    corpus = _SharedCorpus(arguments, output, planned)
    planned = [replace(trial, config=corpus.configure(trial.config)) for trial in planned]
    judge = _judge(arguments)

    def train(trial: "Trial") -> Path | None:
        corpus.prepare()
        return _train(trial, vocabulary)

    ended = conduct(planned, output, train, judge, log)
    _report(select(whole, [], _seeds(arguments.seeds)), output)
    if not ended:
        log("Stopped. The same command goes on from there.")
    return 0 if ended else 130


class _SharedCorpus:
    """The corpus of all runs: prepared once, with the targets of their teacher, unless it has been before.

    Args:
        arguments: Of the command.
        output: The experiment's directory.
        planned: The runs.

    Raises:
        UsageError: if runs need a teacher and there is none, or differ in what they need.
    """

    def __init__(self, arguments: argparse.Namespace, output: Path, planned: "Sequence[Trial]") -> None:
        self._arguments, self._planned = arguments, planned
        shards = [file.path for file in parse_corpus(arguments.corpus) if file.format == "shards"]
        self._directory = None if shards else output / "corpus"
        self._is_prepared = bool(shards)
        distilled = [trial for trial in planned if trial.config.loss.needs_teacher]
        self._with_teacher = bool(distilled) or any(trial.config.training.trained == "reduction" for trial in planned)
        stored = bool(shards) and read_json(Path(shards[0]) / MANIFEST).get("teacher") is not None
        if distilled and not stored and not arguments.teacher:
            raise UsageError(f"The run {distilled[0].run.name} needs a teacher; name one with --teacher.")
        # Where the corpus was prepared without its embeddings, the teacher embeds on the fly.
        self._on_the_fly = bool(shards) and not stored
        for name in ("filter", "on_error"):
            values = {getattr(trial.config.corpus, name) for trial in planned}
            if not shards and len(values) > 1:
                raise UsageError(f"The runs share a corpus, and so corpus.{name} must be the same for all of them.")

    def configure(self, config: Config) -> Config:
        """The configuration of a run on this corpus."""
        files = self._arguments.corpus if self._directory is None else [str(self._directory)]
        config = replace(config, corpus=replace(config.corpus, files=tuple(files)))
        if not (self._on_the_fly and config.loss.needs_teacher):
            return config
        named = {"model": self._arguments.teacher, "preprocessor": self._arguments.teacher_preprocessor}
        return replace(config, teacher=replace(config.teacher, **named))

    def prepare(self) -> None:
        """Makes the corpus, unless that has been done."""
        if self._is_prepared or self._directory is None:
            return
        from lealla_tf.corpus.filtering import report_table
        from lealla_tf.corpus.preparing import prepare_corpus
        from lealla_tf.inference.loading import load_sentence_encoder

        arguments = self._arguments
        teacher = None
        if self._with_teacher and arguments.teacher:
            teacher = load_sentence_encoder(arguments.teacher, arguments.teacher_preprocessor)
        prepared = prepare_corpus(
            replace(self._planned[0].config.corpus, files=tuple(arguments.corpus)),
            self._directory,
            teacher=teacher,
            teacher_name=arguments.teacher,
            validation_pairs=max(trial.config.validation.pairs for trial in self._planned),
            progress=log,
        )
        log(report_table(prepared.reports))
        self._is_prepared = True


def _train(trial: "Trial", vocabulary: "Vocabulary") -> Path | None:
    """Trains a run; gives its best checkpoint, or `None` if it was told to stop."""
    import keras

    from lealla_tf.cli.train import carry_out

    # What the run before has left of its graphs.
    keras.backend.clear_session()
    outcome = carry_out(trial.config, vocabulary, str(trial.directory))
    return None if outcome.interrupted else outcome.best


def _judge(arguments: argparse.Namespace) -> "Judge":
    """What gives the metrics of a checkpoint: those of all benchmarks."""
    from lealla_tf.inference.loading import load_sentence_encoder

    if arguments.languages and len(arguments.benchmark) != 1:
        raise UsageError("--languages needs one --benchmark, whose languages they are.")
    benchmarks = [_benchmark(argument, arguments.languages) for argument in arguments.benchmark]

    def judge(checkpoint: Path) -> Mapping[str, float]:
        metrics: dict[str, float] = {}
        if benchmarks:
            encoder = load_sentence_encoder(str(checkpoint))
            with blaming_model(str(checkpoint)):
                for measure in benchmarks:
                    metrics |= measure(encoder).metrics
        return metrics

    return judge


def _benchmark(argument: str, languages: str | None) -> Evaluate:
    """The benchmark of `NAME=DIR`, with the options that `lealla evaluate` has by default."""
    name, _, directory = argument.partition("=")
    if name not in BENCHMARKS or not directory:
        raise UsageError(f"--benchmark must be NAME=DIR, of {', '.join(BENCHMARKS)}. Received: {argument!r}.")
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    options = [f"--languages={languages}"] if languages else []
    return BENCHMARKS[name](parser.parse_args(["", f"--benchmark={name}", f"--data={directory}", *options]))


def _report(experiment: "Experiment", output: Path) -> None:
    """Writes the table and the pictures of what is finished."""
    from lealla_tf.experiments.pictures import draw
    from lealla_tf.experiments.results import read_results
    from lealla_tf.experiments.table import by_run, table

    results = by_run(read_results(output))
    text = table(experiment, results)
    print(text, end="")
    with atomic_file(output / "table.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    for path in draw(experiment, results, output):
        log(f"wrote {path}")


def _read_base(name: str, directory: Path) -> Config:
    """A preset, a JSON file beside the experiment or anywhere, or the shape of a checkpoint."""
    from lealla_tf.checkpoints import is_checkpoint, load_checkpoint

    if not name:
        return read_config("lealla_small")
    if is_checkpoint(name):
        origin = load_checkpoint(name).config
        return replace(Config(), encoder=origin.encoder, text=origin.text, batch=origin.batch)
    beside = directory / name
    return read_config(str(beside) if name.endswith(".json") and beside.is_file() else name)


def _seeds(text: str | None) -> list[int]:
    """The seeds of `--seeds`."""
    try:
        return [int(seed) for seed in text.split(",")] if text else []
    except ValueError as error:
        raise UsageError(f"--seeds must be numbers, such as 0,1,2. Received: {text!r}.") from error
