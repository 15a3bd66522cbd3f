"""The layers of the package: who may import whom."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lealla_tf"

# A name imports only what stands on rows of a lower number, and itself.
ROWS = {
    "config": 0,
    "presets": 0,
    "settings": 0,
    "errors": 0,
    "files": 0,
    "processor": 0,
    "progress": 0,
    "layers": 1,
    "losses": 1,
    "text": 1,
    "retrieval": 1,
    "models": 2,
    "corpus": 2,
    "saved_model": 3,
    "checkpoints": 3,
    "inference": 4,
    "training": 4,
    "evaluation": 5,
    "compression": 6,
    # Sets of runs as data, what they came to, and how they compare; training and judging are handed in.
    "experiments": 6,
    "cli": 7,
}

# The one exception: row 0 builds on itself, in this order.
FOUNDATION = {("presets", "config"), ("presets", "errors"), ("settings", "errors"), ("files", "errors")}

# These run on every backend of Keras.
BACKEND_FREE = {"layers", "losses", "models"}

PROGRAMS = {"data", "export", "tests"}


def imported_modules(source: str, package: str) -> Iterator[str]:
    """Dotted names of all modules that `source` imports, anywhere in it; `package` is where it lies."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                origin = ".".join([*parents, *([origin] if origin else [])])
            # `from lealla_tf import config` imports a module, `from lealla_tf.config import Config` does not.
            names = [f"{origin}.{alias.name}" for alias in node.names] if origin == "lealla_tf" else [origin]
            yield from names


def violations(member: str, source: str, package: str) -> list[str]:
    """What is wrong with the imports of a file that belongs to `member` of `lealla_tf`."""
    faults = []
    for module in imported_modules(source, package):
        top, _, rest = module.partition(".")
        other = rest.split(".")[0]
        if top in PROGRAMS:
            faults.append(f"{member} imports the program {module}")
        elif top == "lealla_tf":
            if other not in ROWS or other == member or (member, other) in FOUNDATION:
                continue
            if ROWS[other] >= ROWS[member]:
                faults.append(f"{member} (row {ROWS[member]}) imports {module} (row {ROWS[other]})")
        elif ROWS[member] == 0 and top not in sys.stdlib_module_names:
            faults.append(f"{member} imports {module}, which is not of the standard library")
        elif member in BACKEND_FREE and top.startswith(("tensorflow", "tf_keras", "jax", "torch")):
            faults.append(f"{member} imports {module}, which binds it to one backend")
    return faults


def sources() -> dict[str, Path]:
    return {str(path.relative_to(ROOT)): path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE} | {
        str(path.relative_to(ROOT)): path for path in sorted(PACKAGE.glob("*.py")) if path.name != "__init__.py"
    }


@pytest.mark.parametrize("name", sources())
def test_imports_point_down(name: str) -> None:
    path = sources()[name]
    member = Path(name).parts[1].removesuffix(".py")
    assert member in ROWS, f"{member} has no row: give it one in the design and here"
    package = ".".join(Path(name).parent.parts)
    assert violations(member, path.read_text(encoding="utf-8"), package) == []


@pytest.mark.parametrize(
    ("member", "source", "package", "fault"),
    [
        ("losses", "from lealla_tf.models.encoder import Encoder", "lealla_tf.losses", "losses (row 1) imports"),
        ("losses", "import lealla_tf.layers.dropout", "lealla_tf.losses", "losses (row 1) imports lealla_tf.layers"),
        ("training", "def run():\n    from lealla_tf import evaluation", "lealla_tf.training", "training (row 4)"),
        ("training", "from ..inference import loading", "lealla_tf.training", "training (row 4) imports"),
        ("training", "from .. import inference", "lealla_tf.training", "training (row 4) imports lealla_tf.inference"),
        ("errors", "from lealla_tf.files import MANIFEST", "lealla_tf", "errors (row 0) imports lealla_tf.files"),
        ("config", "import numpy as np", "lealla_tf", "config imports numpy"),
        ("models", "if True:\n    import tensorflow as tf", "lealla_tf.models", "models imports tensorflow"),
        ("layers", "from tensorflow_text import BertTokenizer", "lealla_tf.layers", "layers imports tensorflow_text"),
        ("corpus", "from data.sample import phrases", "lealla_tf.corpus", "corpus imports the program data.sample"),
    ],
)
def test_a_violation_is_found(member: str, source: str, package: str, fault: str) -> None:
    """Without this, a walk that finds nothing would pass for a package without faults."""
    assert [found for found in violations(member, source, package) if found.startswith(fault)]


@pytest.mark.parametrize(
    ("member", "source", "package"),
    [
        ("presets", "from lealla_tf.config import Config\nimport json", "lealla_tf"),
        ("losses", "from .additive_margin import similarities\nimport keras", "lealla_tf.losses"),
        ("cli", "from lealla_tf import __version__\nfrom ..training import run", "lealla_tf.cli"),
    ],
)
def test_what_is_allowed_is_not_a_violation(member: str, source: str, package: str) -> None:
    assert violations(member, source, package) == []


HEAVY = {"tensorflow", "tensorflow_text", "tensorflow_hub", "tensorflow_datasets", "keras", "tf_keras", "jax", "torch"}


@pytest.mark.parametrize("module", ["lealla_tf", "lealla_tf.cli.main", "lealla_tf.retrieval"])
def test_importing_is_light(module: str) -> None:
    """`lealla --help` answers at once, and no backend is chosen before its user has chosen."""
    program = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert HEAVY & set(run.stdout.split()) == set()


def test_a_heavy_import_would_be_found() -> None:
    program = "import sys, lealla_tf.losses.combined; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}  # the quickest to import
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert "keras" in HEAVY & set(run.stdout.split()), run.stderr
