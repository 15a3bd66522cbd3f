"""The whole job on the sample corpus: `python -m data.sample.quickstart --output DIR`.

Runs the `lealla` commands that a person would run on their own data, and prints each, so
that it can be repeated with other paths.  Started again, it goes on where it stopped.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from lealla_tf.cli.arguments import import_tensorflow
from lealla_tf.files import read_json

EXAMPLE = """\
import tensorflow_hub as hub
import tensorflow_text  # registers the operators of the tokenizer

encoder = hub.load({model!r})
query, *candidates = {sentences!r}
scores = (encoder([query]) @ encoder(candidates).numpy().T)[0].numpy()
print(f"{{query!r}} is translated by {{candidates[scores.argmax()]!r}} (cosine {{scores.max():.2f}})")
"""


def main() -> None:
    """Generates, learns, trains, distils, evaluates, exports, uses, and sums up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("quickstart"), metavar="DIR")
    output = parser.parse_args().output
    started = time.monotonic()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as the `lealla` command does
    python(["-m", "data.sample.generate", "--output", f"{output}/corpus"])
    languages = sorted(file.stem for file in (output / "corpus" / "train").glob("*.tsv"))
    corpus = [f"--corpus={language}={output}/corpus/train/{language}.tsv" for language in languages]
    vocabulary = f"--vocabulary={output}/vocabulary.txt"

    lealla("vocabulary", *corpus, "--size=6000", f"--output={output}/vocabulary.txt")
    lealla("train", "--config=quickstart_teacher", *corpus, vocabulary, f"--output={output}/teacher")
    lealla("prepare", *corpus, f"--teacher={output}/teacher", f"--output={output}/shards")
    student = ["train", "--config=quickstart_student", f"--corpus={output}/shards", vocabulary]
    lealla(*student, f"--output={output}/distilled")
    lealla(*student, "--set=loss.feature=0", "--set=loss.logit=0", f"--output={output}/alone")
    models = ("teacher", "distilled", "alone")
    for model in models:
        results = f"--output={output}/results/{model}"
        lealla("evaluate", "--benchmark=tatoeba", f"--data={output}/corpus/heldout", results, f"{output}/{model}")
    evaluation = f"--evaluation={output}/results/distilled/tatoeba.json"
    lealla("export", f"{output}/distilled", evaluation, f"--output={output}/exported")
    use(output)
    print(summary(output, models))
    print(f"\nExported models: {output}/exported   Pictures: {output}/results/*/tatoeba.png")
    print(f"{time.monotonic() - started:.0f} s")


def lealla(*arguments: str) -> None:
    """Shows and runs a `lealla` command; ends the program if it fails."""
    print(f"\n$ lealla {shlex.join(arguments)}", flush=True)
    run([str(Path(sys.executable).with_name("lealla")), *arguments])


def python(arguments: list[str]) -> None:
    """Shows and runs a Python program of this project."""
    print(f"\n$ python {shlex.join(arguments)}", flush=True)
    run([sys.executable, *arguments])


def run(command: list[str]) -> None:
    """Runs a command; ends the program with its exit code if it fails."""
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(code)


def use(output: Path) -> None:
    """Finds the translation of a held-out sentence with the exported model alone."""
    held_out = output / "corpus" / "heldout"
    english, foreign = (
        (held_out / f"tatoeba.deu-eng.{side}").read_text("utf-8").splitlines() for side in ("eng", "deu")
    )
    program = EXAMPLE.format(model=f"{output}/exported/sentence_encoder", sentences=[english[0], *foreign[:50]])
    print(f"\nUsing the exported model, without this project:\n\n{program}", flush=True)
    # TensorFlow's lines about the processor and missing GPUs are not the example's.
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    print(result.stdout if result.returncode == 0 else result.stderr)
    if result.returncode:
        sys.exit(result.returncode)


def summary(output: Path, models: tuple[str, ...]) -> str:
    """A table of one row a model: its shape, size, quality and speed."""
    import_tensorflow()
    from lealla_tf.checkpoints import load_checkpoint
    from lealla_tf.inference.loading import load_sentence_encoder

    held_out = sorted((output / "corpus" / "heldout").glob("*-eng.*"))
    sentences = [line for file in held_out for line in file.read_text(encoding="utf-8").splitlines()]
    header = f"{'model':<10} {'layers x width':>14} {'parameters':>11} {'on disk':>9} {'P@1':>6} {'sentences/s':>12}"
    rows = [header, "-" * len(header)]
    for model in models:
        checkpoint = load_checkpoint(output / model)
        encoder = load_sentence_encoder(str(output / model))
        encoder.embed(sentences[:1000])
        started = time.monotonic()
        encoder.embed(sentences)
        rate = len(sentences) / (time.monotonic() - started)
        metrics = read_json(output / "results" / model / "tatoeba.json")["metrics"]
        precision = metrics["tatoeba/group_evaluated/mean/precision_at_1"]
        config = checkpoint.config.encoder
        size = sum((checkpoint.directory / name).stat().st_size for name in ("encoder.npz", "vocabulary.txt")) / 1e6
        rows.append(
            f"{model:<10} {f'{config.num_layers} x {config.hidden_dim}':>14} {encoder.num_parameters:>11,} "
            f"{size:>6.1f} MB {100 * precision:>6.1f} {rate:>12,.0f}"
        )
    rows.append(
        "P@1: the translation is the nearest of 500 held-out sentences; mean of both directions and all languages."
    )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
