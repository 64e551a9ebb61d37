"""docs/objectives.md names every objective with its options, and its examples can be written."""

import json
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from haiga.objectives import OBJECTIVES
from haiga.objectives.bind import bind_objective
from haiga.recipe.bind import bind, options
from haiga.recipe.schema import Rollout, Watch
from haiga.training.advantage import ADVANTAGES

PAGE = (Path(__file__).parents[2] / "docs" / "objectives.md").read_text(encoding="utf-8")
EXAMPLES = {
    name: stage
    for block in re.findall(r"(?:^    .*\n|^\n)+", PAGE, re.MULTILINE)
    if "[stage." in block
    for name, stage in tomllib.loads(textwrap.dedent(block))["stage"].items()
}
TRAINED = [name for name, each in OBJECTIVES.items() if each.additive or name == "kto"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_bind(name):
    stage = EXAMPLES[name]
    bind_objective(stage["objective"], f"stage.{name}.objective")
    if "rollout" in stage:
        rollout = Rollout.model_validate_json(json.dumps(stage["rollout"]))
        bind(ADVANTAGES, rollout.advantage, "advantage")


def test_every_objective_and_advantage_is_named_with_its_options():
    assert len(EXAMPLES) == 4
    for name in OBJECTIVES:
        assert f"`{name}`" in PAGE
    for name in TRAINED:
        assert all(f"`{option}" in PAGE for option in options(OBJECTIVES[name].function)), name
    for name, function in ADVANTAGES.items():
        assert f"`{name}`" in PAGE
        assert all(f"`{option}" in PAGE for option in options(function)), name


def test_defaults_are_those_of_the_functions():
    """As the table has them: `beta` 0.1, `label_smoothing` ε 0."""
    told = 0
    for line in PAGE.splitlines():
        cells = re.split(r"(?<!\\)\|", line)
        name = re.fullmatch(r"`(\w+)`", cells[1].strip()) if len(cells) == 6 else None
        if name:
            defaults = options(OBJECTIVES[name[1]].function)
            for option, value in re.findall(r"`(\w+)`(?: \w)? (\d+(?:\.\d+)?)", cells[3]):
                assert float(value) == defaults[option], (name[1], option)
                told += 1
    assert told >= 16


def test_what_watches_is_as_the_schema_has_it():
    assert all(f"{field} =" in PAGE.replace("\n", " ") for field in Watch.model_fields)
