"""The driver of the filters: a variant has its own filters and no others."""

from argparse import Namespace
from pathlib import Path

import pytest

from haiga.recipe.load import load

ROOT = Path(__file__).parents[2]
OPTIONS = Namespace(recipe=ROOT / "recipes" / "filters.toml", workdir=Path("runs"))


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import filters

    return filters


def curate(driver, variant: str) -> dict:
    return load(OPTIONS.recipe, driver.overrides(OPTIONS, variant, 7)).curate.model_dump()


def test_all_is_the_recipe_and_raw_has_nothing(driver):
    assert curate(driver, "all") == load(OPTIONS.recipe).curate.model_dump()
    raw = curate(driver, "raw")
    assert (raw["pictures"], raw["captions"], raw["hamming"]) == ((), (), -1)
    assert (raw["similarity"]["enter"], raw["similarity"]["reject"]) == (-1, -1)


def test_a_variant_differs_from_raw_in_its_own_filter_alone(driver):
    fields = {"duplicates": "hamming"}
    for name in driver.FILTERS:
        raw, own, everything = (curate(driver, each) for each in ("raw", name, "all"))
        changed = {field for field in raw if raw[field] != own[field]}
        assert changed == {fields.get(name, name)}
        assert all(own[field] == everything[field] for field in changed)


def test_variants_are_runs_of_their_own_on_the_same_seed(driver):
    recipes = [load(OPTIONS.recipe, driver.overrides(OPTIONS, name, 7)) for name in driver.VARIANTS]
    assert len({recipe.name for recipe in recipes}) == 6
    assert {(recipe.seed, recipe.split.seed) for recipe in recipes} == {(7, 7)}
    assert len({str(recipe.stage) for recipe in recipes}) == 1
