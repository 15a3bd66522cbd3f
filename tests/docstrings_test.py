"""Everything public is documented, and every example in the documentation holds."""

import ast
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "lealla_tf").rglob("*.py"))}

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(node: ast.AST, name: str) -> Iterator[tuple[str, Documented]]:
    """`node` and what is public inside it, with dotted names; not what is local to a function."""
    if isinstance(node, Documented):
        yield name, node
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and child.name[0] != "_":
                yield from public(child, f"{name}.{child.name}")


def undocumented(source: str) -> list[str]:
    return [name for name, node in public(ast.parse(source), "module") if not ast.get_docstring(node)]


def has_example(source: str) -> bool:
    # The private ones' examples are executed too.
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, Documented)]
    return any(">>>" in (ast.get_docstring(node) or "") for node in nodes)


WITH_EXAMPLES = [name for name, path in FILES.items() if has_example(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("name", FILES)
def test_everything_public_is_documented(name: str) -> None:
    assert undocumented(FILES[name].read_text(encoding="utf-8")) == []


def test_what_is_not_documented_is_found() -> None:
    source = '"""Module."""\nclass Shape:\n    """Shape."""\n    def area(self): ...\n    def _hidden(self): ...\n'
    assert undocumented(source) == ["module.Shape.area"]
    assert undocumented("def run():\n    def local(): ...\n") == ["module", "module.run"]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name.removesuffix("/__init__.py").removesuffix(".py").replace("/", "."))
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).attempted > 0
    assert not report, "".join(report)


def test_there_are_examples() -> None:
    assert {"lealla_tf/models/encoder.py", "lealla_tf/losses/additive_margin.py"} <= set(WITH_EXAMPLES)
