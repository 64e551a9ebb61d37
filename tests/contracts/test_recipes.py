"""Every recipe that is shipped loads, is in order, and says the same when it is written out."""

from pathlib import Path

import pytest

from haiga.pipeline.check import check
from haiga.pipeline.plan import plan
from haiga.recipe.load import dump, load

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
]


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    """Where the voices are that a recipe brings along."""
    monkeypatch.chdir(RECIPES[0].parents[1])


def test_there_are_recipes():
    assert {"smoke", "ukiyoe-haiku-en", "ukiyoe-haiku-ja"} <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_in_order(path):
    recipe = load(path)
    assert recipe.name == path.stem
    assert all(isinstance(note, str) for note in check(recipe))


@pytest.mark.parametrize("name", ["ukiyoe-haiku-en", "ukiyoe-haiku-ja", "own-pictures"])
def test_a_gate_that_is_commented_out_is_in_order(name, tmp_path):
    lines = (RECIPES[0].parent / f"{name}.toml").read_text("utf-8").split("\n")
    first = lines.index("# [curate.similarity]")
    last = lines.index("", first)
    lines[first:last] = [line.removeprefix("# ") for line in lines[first:last]]
    (tmp_path / f"{name}.toml").write_text("\n".join(lines), "utf-8")
    recipe = load(tmp_path / f"{name}.toml")
    assert recipe.curate.similarity.enter == {"false_accepts": 0.01}
    tower = recipe.curate.similarity.tower
    assert f"curate.similarity.tower: {tower} will be read from the hub" in str(check(recipe))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_survives_being_written_out(path, tmp_path):
    recipe = load(path)
    (tmp_path / "again.toml").write_text(dump(recipe), encoding="utf-8")
    assert load(tmp_path / "again.toml") == recipe


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_founding_experiment_has_its_published_counts(language):
    counted = plan(load(RECIPES[0].parent / f"ukiyoe-haiku-{language}.toml"))
    align, sft, orpo, kto = counted.stages
    assert counted.picture_tokens == 196
    assert (align.name, align.trainable) == ("align", 5_771_264)
    assert (sft.name, sft.trainable) == ("sft", 35_704_832)
    assert sft.total + counted.unused_head == 3_214_527_744
    # The projector stands still, so that the reference is SFT's model.
    assert orpo.trainable == kto.trainable == 35_704_832 - 5_771_264


def test_the_two_founding_recipes_differ_in_language_and_in_who_writes_what_is_chosen():
    en, ja = (
        load(RECIPES[0].parent / f"ukiyoe-haiku-{language}.toml") for language in ["en", "ja"]
    )
    assert en.teach.teachers == {}
    assert ja.teach.teachers["haiku"]["model"] == "claude-sonnet-5-5"
    # A sentence of five words has more characters than that, where words are not told apart.
    texts = {**en.curate.texts, "describe": ja.curate.texts["describe"]}
    change = {
        "name": ja.name,
        "language": "ja",
        "teach": en.teach.model_copy(update={"teachers": ja.teach.teachers}),
        "curate": en.curate.model_copy(update={"texts": texts}),
    }
    assert en.model_copy(update=change) == ja


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_founding_recipes_hold_out_what_the_experiment_held_out(language):
    recipe = load(RECIPES[0].parent / f"ukiyoe-haiku-{language}.toml")
    assert (recipe.split.held_out, recipe.split.seed, recipe.source["name"]) == (200, 42, "met")
