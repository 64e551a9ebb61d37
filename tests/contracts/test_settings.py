"""No setting is accepted in silence: each field of a recipe is read by some room.

Expressions are followed by what they are (`run.recipe.evaluate` is an `Evaluate`), so that a field
does not pass because another thing has an attribute of its name.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from haiga.recipe import schema

SOURCE = Path(__file__).parents[2] / "src" / "haiga"
SECTIONS = {
    name: thing
    for name, thing in vars(schema).items()
    if isinstance(thing, type) and issubclass(thing, BaseModel) and not name.startswith("_")
}
FIELDS = [(name, field) for name, section in SECTIONS.items() for field in section.model_fields]
PASSED_ON = ("items", "values", "model_dump")
"""Methods that give a section's values, or the sections of a table."""


def named(annotation: str) -> str | None:
    """The section that an annotation speaks of: "Stage" for "dict[Word, Stage] | None"."""
    words = annotation.replace("[", " ").replace("]", " ").replace(",", " ").split()
    return next((word for word in words if word in SECTIONS), None)


HOLDS = {
    (name, field): named(str(section.__annotations__[field]))
    for name, section in SECTIONS.items()
    for field in section.model_fields
}
"""What section a field holds, if any."""


METHODS: dict[tuple[str, str], set[tuple[str, str]]] = {}


class Reads(ast.NodeVisitor):
    """The (section, field) that a module reads."""

    def __init__(self) -> None:
        self.found: set[tuple[str, str]] = set()
        self.known: dict[str, str | None] = {}

    def kind(self, node: ast.expr | None) -> str | None:
        """The section that an expression is, or holds the values of."""
        match node:
            case ast.Name(id=name):
                return self.known.get(name)
            case ast.Attribute(value=value, attr=name):
                inside = self.kind(value)
                if inside is None:
                    return name.capitalize() if name in ("recipe", "stage") else None
                return inside if name in PASSED_ON else HOLDS.get((inside, name))
            case ast.Call(func=ast.Attribute() as method):
                return self.kind(method) if method.attr in PASSED_ON else None
            case ast.Subscript(value=value):
                return self.kind(value)
            case ast.IfExp(body=body):
                return self.kind(body)
        return None

    def bind(self, target: ast.expr, value: ast.expr | None) -> None:
        for name in ast.walk(target):
            if isinstance(name, ast.Name):
                self.known[name.id] = self.kind(value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for argument in (*node.args.args, *node.args.kwonlyargs):
            said = ast.unparse(argument.annotation) if argument.annotation else ""
            self.known[argument.arg] = named(said)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if not isinstance(target, ast.Attribute | ast.Subscript):
                self.bind(target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.comprehension) -> None:
        self.bind(node.target, node.iter)
        self.generic_visit(node)

    visit_comprehension = visit_For

    def generic_visit(self, node: ast.AST) -> None:
        # The loops of a comprehension come after its element, which they give names to.
        for loop in getattr(node, "generators", ()):
            self.visit(loop)
        super().generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.read(self.kind(node.value), [node.attr])
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.slice, ast.Constant):
            self.read(self.kind(node.value), [node.slice.value])
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg is None and (section := self.kind(node.value)):
            self.read(section, SECTIONS[section].model_fields)
        self.generic_visit(node)

    def read(self, section: str | None, names: Iterable[str]) -> None:
        for name in names:
            self.found |= METHODS.get((section, name), {(section, name)} & set(HOLDS))


def reads(text: str) -> set[tuple[str, str]]:
    visitor = Reads()
    visitor.visit(ast.parse(text))
    return visitor.found


def methods() -> Iterator[tuple[tuple[str, str], set[tuple[str, str]]]]:
    """What the sections' own public methods read of them."""
    tree = ast.parse(Path(schema.__file__).read_text("utf-8"))
    for section in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for method in (node for node in section.body if isinstance(node, ast.FunctionDef)):
            if not method.name.startswith("_"):
                text = ast.unparse(method).replace("(self", f"(self: {section.name}", 1)
                yield (section.name, method.name), reads(text)


def modules() -> Iterator[Path]:
    """Those that act on a recipe. What is only checked there, or written down, has no effect."""
    passive = ("check", "standing")
    for path in SOURCE.rglob("*.py"):
        if path.parent.name != "recipe" and path.stem not in passive:
            yield path


METHODS |= dict(methods())
READ = set().union(*(reads(path.read_text("utf-8")) for path in modules()))


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_a_setting_is_read(section, field):
    assert (section, field) in READ


def test_the_check_can_fail():
    assert reads("def f(run):\n    return run.recipe.report") == {("Recipe", "report")}
    assert reads("def f(stage: Stage, other):\n    return stage.batch, other.clip") == {
        ("Stage", "batch")
    }
    assert reads("def f(x):\n    report = x.report\n    return report.pictures") == set()


def test_sections_are_followed():
    text = """
def f(run):
    section = run.recipe.teach
    options = section.model_dump(mode="json")
    rates = [stage.clip for name, stage in run.recipe.stage.items()]
    attach(**run.recipe.stage[name].adapter.model_dump())
    return options["answers"]
"""
    assert {field for _, field in reads(text)} == {
        "teach", "answers", "stage", "clip", "adapter", "r", "alpha", "dropout", "targets"
    }  # fmt: skip
