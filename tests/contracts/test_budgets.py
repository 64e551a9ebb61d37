"""Size budgets: the tail of long functions and files is where code turns ugly."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "haiga"
FILES = sorted(SOURCE.rglob("*.py"))
FILE_LINES, FUNCTION_LINES, PARAMETERS = 300, 50, 8


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_has_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_functions_are_short_and_take_few_parameters(path: Path) -> None:
    over = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = node.args
        taken = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs)
        taken -= bool(arguments.args and arguments.args[0].arg in ("self", "cls"))
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES or taken > PARAMETERS:
            over.append(f"{node.name}: {lines} lines, {taken} parameters")
    assert not over, over


def test_no_two_test_files_share_a_name() -> None:
    """pytest collects them by their names alone, and takes the second for the first."""
    names = [path.name for path in (SOURCE.parents[1] / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_the_budgets_look_at_something() -> None:
    assert len(FILES) > 30
