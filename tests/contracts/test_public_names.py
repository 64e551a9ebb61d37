"""Every public function and class says what it is, and what it returns."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "haiga"
FILES = sorted(SOURCE.rglob("*.py"))


def bare(tree: ast.Module) -> Iterator[str]:
    """Public names of a module without a docstring or, for functions, a return annotation."""
    if not ast.get_docstring(tree):
        yield "the module: no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield f"{node.name}: no docstring"
            inside = node.body if isinstance(node, ast.ClassDef) else [node]
            for function in inside:
                if isinstance(function, ast.FunctionDef) and function.returns is None:
                    yield f"{node.name}: {function.name} does not say what it returns"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_public_names_are_described(path):
    assert not list(bare(ast.parse(path.read_text(encoding="utf-8"))))


def test_the_check_can_fail():
    tree = ast.parse('class A:\n    def f(self): ...\ndef g() -> int:\n    "Doc."\ndef _h(): ...\n')
    assert list(bare(tree)) == [
        "the module: no docstring",
        "A: no docstring",
        "A: f does not say what it returns",
    ]
