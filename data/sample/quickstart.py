"""The whole job on the sample corpus: `python -m data.sample.quickstart --output DIR`.

Runs the `lealla` commands that a person would run on their own data, and prints each, so
that it can be repeated with other paths.  Started again, it goes on where it stopped.
"""

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from data.sample.outcome import summary, use
from lealla_tf.presets import preset
from lealla_tf.progress import duration


def main() -> None:
    """Generates, learns, trains, distils, evaluates, exports, uses, and sums up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("quickstart"), metavar="DIR")
    output = parser.parse_args().output
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as the `lealla` command does
    try:
        _do_all(output)
    except KeyboardInterrupt:
        sys.exit(130)


def _do_all(output: Path) -> None:
    """The whole job, but for what an earlier start has done of it."""
    started = time.monotonic()
    run("python", "-m", "data.sample.generate", "--output", f"{output}/corpus", makes=output / "corpus")
    languages = sorted(file.stem for file in (output / "corpus" / "train").glob("*.tsv"))
    corpus = [f"--corpus={language}={output}/corpus/train/{language}.tsv" for language in languages]
    vocabulary = f"--vocabulary={output}/vocabulary.txt"

    # Of several files, what a command makes is named by the one that it writes last.
    learned = output / "vocabulary.manifest.json"
    run("lealla", "vocabulary", *corpus, "--size=6000", f"--output={output}/vocabulary.txt", makes=learned)
    train("quickstart_teacher", output / "teacher", *corpus, vocabulary)
    # It tells by itself what is still to do.
    run("lealla", "prepare", *corpus, f"--teacher={output}/teacher", f"--output={output}/shards", makes=None)
    shards = f"--corpus={output}/shards"
    train("quickstart_student", output / "distilled", shards, vocabulary)
    without_teacher = ("--set=loss.feature=0", "--set=loss.logit=0")
    train("quickstart_student", output / "alone", shards, vocabulary, *without_teacher)
    models = ("teacher", "distilled", "alone")
    benchmark = ("--benchmark=tatoeba", f"--data={output}/corpus/heldout")
    for model in models:
        results = output / "results" / model
        run("lealla", "evaluate", *benchmark, f"--output={results}", f"{output}/{model}", makes=results / "tatoeba.png")
    evaluation = f"--evaluation={output}/results/distilled/tatoeba.json"
    exported = output / "exported"
    run("lealla", "export", f"{output}/distilled", evaluation, f"--output={exported}", makes=exported)
    use(output)
    print(summary(output, models))
    print(f"\nExported models: {exported}   Pictures: {output}/results/*/tatoeba.png")
    print(f"{duration(time.monotonic() - started)}; to start anew, remove {output}")


def train(config: str, directory: Path, *arguments: str) -> None:
    """Trains a preset to its end."""
    last = f"step_{preset(config).training.steps:08d}"
    run(
        "lealla",
        "train",
        f"--config={config}",
        *arguments,
        f"--output={directory}",
        makes=directory / "checkpoints" / last,
    )


def run(program: str, *arguments: str, makes: Path | None) -> None:
    """Shows a command, and runs it unless what it makes is there; ends this program if it fails."""
    print(f"\n{shown([program, *arguments])}", flush=True)
    # Whatever is there is whole: every command puts its results in place when they are complete.
    if makes and makes.exists():
        print(f"done before: {makes}")
        return
    with subprocess.Popen([Path(sys.executable).with_name(program), *arguments]) as process:
        code = None
        while code is None:
            # Ctrl-C reaches the command too, which then ends as it sees fit: training saves a checkpoint.
            with contextlib.suppress(KeyboardInterrupt):
                code = process.wait()
    if code:
        sys.exit(code)


def shown(command: Sequence[str]) -> str:
    """A command as a person would type it, over several lines if it is long."""
    lines = ["$"]
    for word in map(shlex.quote, command):
        if len(lines[-1]) + len(word) > 110:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


if __name__ == "__main__":
    main()
