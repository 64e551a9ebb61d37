"""No setting is accepted in silence: each field of a recipe is read by some room.

Expressions are followed by what they are (`run.recipe.evaluate` is an `Evaluate`), so that a field
does not pass because another thing has an attribute of its name.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from haiga.recipe import curating, schema

SOURCE = Path(__file__).parents[2] / "src" / "haiga"
SECTIONS = {
    name: thing
    for module in (schema, curating)
    for name, thing in vars(module).items()
    if isinstance(thing, type) and issubclass(thing, BaseModel) and thing.model_fields
}
HOMES = (schema.__name__, curating.__name__)
FIELDS = [(name, field) for name, section in SECTIONS.items() for field in section.model_fields]
PASSED_ON = ("items", "values", "model_dump")
"""Methods that give a section's values, or the sections of a table."""
PASSIVE = ("check", "learning", "plan", "standing")
"""Modules in which a setting has no effect: there it is checked, counted or written down."""


def modules() -> Iterator[ast.Module]:
    for path in sorted(SOURCE.rglob("*.py")):
        if path.parent.name not in ("recipe", "checking") and path.stem not in PASSIVE:
            yield ast.parse(path.read_text("utf-8"))


def named(annotation: str, names: Collection[str]) -> str | None:
    """The one of `names` that an annotation speaks of: "Stage" for "dict[Word, Stage] | None"."""
    return next((word for word in re.findall(r"\w+", annotation) if word in names), None)


def imported(module: ast.Module) -> set[str]:
    """The sections that a module knows; another room may have a class of the same name."""
    lines = [node for node in ast.walk(module) if isinstance(node, ast.ImportFrom)]
    return {each.name for line in lines if line.module in HOMES for each in line.names}


def holders(module: ast.Module) -> Iterator[tuple[tuple[str, str], str]]:
    """(class, field) -> the section in it: ("Run", "recipe") -> "Recipe"."""
    for node in module.body:
        for field in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                section = named(ast.unparse(field.annotation), imported(module))
                if section:
                    yield (node.name, field.target.id), section


HOLDS: dict[tuple[str, str], str | None] = {
    (name, field): named(str(SECTIONS[name].__annotations__[field]), SECTIONS)
    for name, field in FIELDS
}
"""(section or class, field) -> the section that it holds, if any."""
for each in modules():
    HOLDS |= dict(holders(each))
CLASSES = {name for name, _ in HOLDS} - set(SECTIONS)
METHODS: dict[tuple[str, str], set[tuple[str, str]]] = {}
"""(section, its own public method) -> what that reads of it."""


class Reads(ast.NodeVisitor):
    """The (section, field) that a module reads."""

    def __init__(self, module: ast.Module) -> None:
        self.found: set[tuple[str, str]] = set()
        self.names = imported(module) | CLASSES
        self.known: dict[str, str | None] = {}
        self.visit(module)

    def kind(self, node: ast.expr | None) -> str | None:
        """The section or class that an expression is, or holds the values of."""
        match node:
            case ast.Name(id=name):
                return self.known.get(name)
            case ast.Attribute(value=value, attr=name):
                inside = self.kind(value)
                return inside if name in PASSED_ON else HOLDS.get((str(inside), name))
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
            self.known[argument.arg] = named(said, self.names)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        pairs = [(target, node.value) for target in node.targets]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
        for target, value in pairs:
            if not isinstance(target, ast.Attribute | ast.Subscript):
                self.bind(target, value)
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
        section = self.kind(node.value)
        if node.arg is None and section in SECTIONS:
            self.read(section, SECTIONS[section].model_fields)
        self.generic_visit(node)

    def read(self, section: str | None, names: Iterable[str]) -> None:
        for name in names:
            self.found |= METHODS.get((section, name), {(section, name)} & set(FIELDS))


def reads(text: str) -> set[tuple[str, str]]:
    known = f"from {schema.__name__} import {', '.join(SECTIONS)}\n"
    return Reads(ast.parse(known + text)).found


for section in ast.parse(Path(schema.__file__).read_text("utf-8")).body:
    for method in section.body if isinstance(section, ast.ClassDef) else ():
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
            text = ast.unparse(method).replace("(self", f"(self: {section.name}", 1)
            METHODS[section.name, method.name] = reads(text)
READ = set().union(*(Reads(module).found for module in modules()))


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_a_setting_is_read(section, field):
    assert (section, field) in READ


def test_the_check_can_fail():
    assert reads("def f(run: Run): return run.recipe.report") == {("Recipe", "report")}
    assert reads("def f(stage: Stage, other): return stage.batch, other.clip") == {
        ("Stage", "batch")
    }
    assert reads("def f(x: Other):\n    report = x.report\n    return report.pictures") == set()
    strange = ast.parse("def f(stage: Stage): return stage.batch")  # a Stage of its own
    assert Reads(strange).found == set()


def test_sections_are_followed():
    text = """
def f(run: Run, policy: Policy):
    section = run.recipe.teach
    options = section.model_dump(mode="json")
    rates = [stage.clip for name, stage in run.recipe.stage.items()]
    attach(**run.recipe.stage[name].adapter.model_dump())
    other, how = policy, policy.settings
    return options["answers"], how.top_p
"""
    assert {field for _, field in reads(text)} == {
        "teach", "answers", "stage", "clip", "adapter", "r", "alpha", "dropout", "targets",
        "quantised", "top_p",
    }  # fmt: skip
