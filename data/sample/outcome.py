"""What the quickstart has come to: the exported model at work, and a table of the models."""

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
english = {english!r}
german = {german!r}
cosines = encoder([english]).numpy() @ encoder(german).numpy().T
print(f"{{english!r}} is translated by {{german[cosines.argmax()]!r}} (cosine {{cosines.max():.2f}})")
"""


def use(output: Path) -> None:
    """Finds the translation of a held-out sentence with the exported model alone."""
    held_out = output / "corpus" / "heldout"
    english, german = (
        (held_out / f"tatoeba.deu-eng.{side}").read_text("utf-8").splitlines() for side in ("eng", "deu")
    )
    program = EXAMPLE.format(model=f"{output}/exported/sentence_encoder", english=english[0], german=german[:5])
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
