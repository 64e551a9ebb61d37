"""The hand-written tables: a key can be written in a recipe, an entry is described and typed."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from haiga.curation import captions, pictures
from haiga.curation.balance import METHODS
from haiga.curation.concepts import CONCEPTS
from haiga.curation.engines import ENGINES
from haiga.curation.safety import SAFETY
from haiga.evaluation.benchmarks import BENCHMARKS
from haiga.evaluation.checks import CHECKS
from haiga.evaluation.conditions import CONDITIONS
from haiga.models.designs import DESIGNS
from haiga.models.families import FAMILIES
from haiga.objectives import OBJECTIVES
from haiga.recipe.bind import options
from haiga.rewards import REWARDS
from haiga.sources import SOURCES
from haiga.teachers import TEACHERS
from haiga.teachers.exchanges import EXCHANGES
from haiga.training.forward import COLUMNS, GIVENS, needs
from haiga.training.parts import PARTS
from haiga.world.poets import POETS

FUNCTIONS: dict[str, Mapping[str, Callable[..., Any]]] = {
    "SOURCES": SOURCES,
    "TEACHERS": TEACHERS,
    "EXCHANGES": {name: each.hold for name, each in EXCHANGES.items()},
    "OBJECTIVES": {name: each.function for name, each in OBJECTIVES.items()},
    "pictures.RULES": pictures.RULES,
    "captions.RULES": captions.RULES,
    "CONCEPTS": CONCEPTS,
    "SAFETY": SAFETY,
    "REWARDS": REWARDS,
    "COLUMNS": COLUMNS,
    "PARTS": PARTS,
    "ENGINES": ENGINES,
    "BENCHMARKS": {name: each.open for name, each in BENCHMARKS.items()},
}
TABLES: dict[str, Mapping[str, Any]] = {
    **FUNCTIONS,
    "CONDITIONS": CONDITIONS,
    "balance.METHODS": METHODS,
    "CHECKS": CHECKS,
    "DESIGNS": DESIGNS,
    "FAMILIES": FAMILIES,
    "POETS": POETS,
}
ENTRIES = [(table, name) for table, entries in FUNCTIONS.items() for name in entries]


@pytest.mark.parametrize("table", TABLES)
def test_keys_can_be_written_in_a_recipe(table):
    assert TABLES[table]
    for name in TABLES[table]:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_functions_are_described_and_their_options_typed(table, name):
    function = FUNCTIONS[table][name]
    while isinstance(function, functools.partial):
        function = function.func
    assert inspect.getdoc(function)
    annotated = inspect.get_annotations(function)
    assert "return" in annotated or inspect.isclass(function)
    assert set(options(function)) <= set(annotated), name


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_say_what_they_take_away(name):
    condition = CONDITIONS[name]
    assert condition.kind in ("items", "model")
    assert any(isinstance(v, str) and len(v) > 5 and v != "items" for v in _values(condition))


@pytest.mark.parametrize("name", CHECKS)
def test_checks_say_what_they_count(name):
    assert any(isinstance(value, str) and value for value in _values(CHECKS[name]))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_lead_with_a_check_that_they_have(name):
    assert BENCHMARKS[name].primary in BENCHMARKS[name].checks
    assert BENCHMARKS[name].rules
    assert BENCHMARKS[name].sentence


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_need_columns_that_there_are(name):
    assert set(needs(OBJECTIVES[name].function)) <= set(COLUMNS)


def test_columns_need_what_there_is():
    for name, column in COLUMNS.items():
        assert set(inspect.signature(column).parameters) <= {*COLUMNS, *GIVENS}, name


def _values(entry: Any) -> list[Any]:
    return [getattr(entry, name) for name in type(entry).__dataclass_fields__]
