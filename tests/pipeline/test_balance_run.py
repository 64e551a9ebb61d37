"""Concept balance in a run: the training split is thinned, what is held out stays as it came."""

import json

import pytest

from haiga.errors import RecipeError
from haiga.pipeline.check import check
from haiga.pipeline.data import make_data
from haiga.pipeline.run import Run
from haiga.recipe.load import load
from haiga.store import read_groups

RECIPE = """
name = "balance"
language = "en"

[source]
name = "floating_world"
prints = 30

[split]
held_out = 4
validation = 2

[model]
tower = "world:tower"
language_model = "world:language"
image_token = "<|image_pad|>"
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("balance") / "recipe.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def ids(run: Run, split: str) -> list[str]:
    return [group.id for group in read_groups(run.data("04_final").path, split)]


@pytest.mark.parametrize(
    "concepts",
    ['{ name = "list", names = ["boat", "moon", "crane"] }',
     '{ name = "clusters", tower = "world:tower", clusters = 4 }'],
)  # fmt: skip
def test_training_is_thinned_to_the_cap_and_nothing_held_out_is_touched(recipe, tmp_path, concepts):
    plain = Run(load(recipe), tmp_path, lambda event: None)
    make_data(plain)
    held, train = ids(plain, "held_out"), ids(plain, "train")
    changes = [f"curate.balance.concepts={concepts}", "curate.balance.cap=2"]
    changes += ["curate.balance.method=strict", "curate.balance.unmatched=drop"]
    run = Run(load(recipe, changes), tmp_path, lambda event: None, rebuild=True)
    make_data(run)
    assert ids(run, "held_out") == held
    thinned = ids(run, "train")
    assert set(thinned) < set(train)
    found = json.loads((tmp_path / "data" / "balance.json").read_text("utf-8"))
    assert found["worst"] <= 1
    assert found["kept"] == len(thinned) == len(train) - len(list(run.data("04_final").dropped()))
    (reasons,) = [set(run.data("04_final").manifest().reasons)]
    assert reasons <= {"over the cap of its concepts", "has no concept"}


@pytest.mark.parametrize(
    ("concepts", "says"),
    [
        ('{ name = "words" }', "curate.balance.concepts.name: there is no 'words'"),
        ('{ name = "clusters" }', "clusters needs this option"),
        ('{ name = "clusters", tower = "world:tree" }', "The world has no 'world:tree'"),
    ],
)
def test_concepts_that_cannot_be_are_named_beforehand(recipe, concepts, says):
    with pytest.raises(RecipeError, match=says):
        check(load(recipe, [f"curate.balance.concepts={concepts}", "curate.balance.cap=2"]))
