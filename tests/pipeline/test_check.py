# ruff: noqa: E501 (a table of faults reads best with a fault per line)
"""Each thing that would go wrong later, and can be known before, has its sentence."""

import inspect
import json
from pathlib import Path

import pytest

import tiny
from haiga.errors import RecipeError
from haiga.objectives import OBJECTIVES
from haiga.pipeline.check import check
from haiga.pipeline.checking.stages import PAIR_COLUMNS, UNREAD
from haiga.recipe import toml
from haiga.recipe.bind import options
from haiga.recipe.load import load
from haiga.recipe.schema import Recipe, Stage
from haiga.training.forward import COLUMNS
from haiga.training.parts import PARTS

RECIPES = Path(__file__).parents[2] / "recipes"
SMOKE, FRESH, REAL = (
    RECIPES / f"{name}.toml" for name in ("smoke", "world-base", "ukiyoe-haiku-en")
)


def faults(path: Path, *overrides: str) -> list[str]:
    recipe = load(path, overrides)
    with pytest.raises(RecipeError) as caught:
        check(recipe)
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("source.name=floating", "source.name: there is no 'floating' (did you mean 'floating_world'?)"),
        ("source.print=3", "source.print: floating_world takes no such option (did you mean 'prints'?)"),
        ("teach.teacher.name=poett", "teach.teacher.name: there is no 'poett' (did you mean 'poet'?)"),
        ('teach.tasks=["haiku","limerick"]', "teach.tasks: No instruction is written for the task 'limerick' in 'en'."),
        ('source.languages=["en","fr"]', "source: No instruction is written for the task 'describe' in 'fr'."),
        ("curate.pictures.0.name=sid", "curate.pictures.0.name: there is no 'sid' (did you mean 'side'?)"),
        ("curate.captions.0.minimun=2", "curate.captions.0.minimun: words takes no such option"),
        ("curate.texts.haiku.0.name=from", "curate.texts.haiku.0.name: there is no 'from' (did you mean 'form'?)"),
        ("source.prints=32", "split: 24 held out and 8 for validation leave nothing to train on; the source gives 32 at most"),
        ("stage.sft.objective.name=sigli", "stage.sft.objective.name: there is no 'sigli' (did you mean 'siglip'?)"),
        ("stage.sft.objective.beta=1", "stage.sft.objective.beta: cross_entropy takes no such option"),
        ("stage.sft.objective.name=clip", "stage.sft.objective.name: clip does not train the part 'vlm'; the part 'tower' takes siglip, siglip_patches, clip"),
        ('evaluate.conditions=["ful"]', "evaluate.conditions: there is no condition 'ful' (did you mean 'full'?)"),
        ("model.tower=world:fresh", "model: 'world:fresh' makes both models"),
        ("model.tower=world:towr", "model.tower: The world has no 'world:towr' (did you mean 'world:tower'?)"),
        ("model.tower=world:language", "model: No vision family is known for model_type 'qwen2'"),
        ("model.language_model=world:tower", "model: A model of model_type 'siglip' is no causal language model"),
        ("model.image_token=<image>", "model: '<image>' is not one reserved token of"),
        ("stage.sft.trainable.1.0=.*projektor.*", "stage.sft: The rule '.*projektor.*' matches no parameter of the model"),
        ("stage.sft.adapter.targets=nothing", "stage.sft: No adapter fits on 'nothing'"),
        ("stage.align.max_tokens=64", "stage.align.max_tokens: a picture alone takes 64, so that no row would be left"),
        ("evaluate.max_new_tokens=960", "evaluate.max_new_tokens: 960 and a picture of 64 do not fit in the language model's 1024 positions"),
    ],
)  # fmt: skip
def test_a_fault_is_found_before_anything_runs(override, says):
    assert faults(SMOKE, override)[0].startswith(says)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("source.texts=0", "stage.language.part: a language model learns from texts without pictures, and source.texts is 0"),
        ("source.prints=0", "stage.patches: it learns from pictures, and source.prints is 0"),
        ("stage.language.objective.name=siglip", "stage.language.objective.name: siglip does not train the part 'language'"),
        ("stage.tower.objective.name=cross_entropy", "stage.tower.objective.name: cross_entropy does not train the part 'tower'"),
        ("stage.language.objective={name='mixed',parts=[{name='siglip',weight=1},{name='clip',weight=1}]}", "stage.language.objective.name: mixed does not train the part 'language'"),
        ("stage.language.augment.flip=true", "stage.language.augment: the part 'language' has no use for it; leave it out"),
        ("stage.tower.max_tokens=32", "stage.tower.max_tokens: the part 'tower' has no use for it"),
        ("stage.tower.sample_every=3", "stage.tower.sample_every: the part 'tower' has no use for it"),
        ("stage.tower.answers=1", "stage.tower.answers: the part 'tower' has no use for it"),
        ("stage.tower.pictures=false", "stage.tower.pictures: the part 'tower' has no use for it"),
        ("stage.tower.trainable.0.0=.*vision_model.haed.*", "stage.tower.trainable: The rule '.*vision_model.haed.*' matches no parameter"),
    ],
)  # fmt: skip
def test_a_fault_of_a_fresh_part_is_found_too(override, says):
    assert faults(FRESH, override)[0].startswith(says)


def test_parts_are_trained_from_nothing_and_the_whole_from_checkpoints():
    made = ["model.tower=world:tower", "model.language_model=world:language"]
    assert faults(FRESH, *made)[0].startswith("stage.patches.part: the part 'vlm' is trained from")
    fresh = [f"model.{name}=world:fresh" for name in ("tower", "language_model")]
    assert faults(SMOKE, *fresh)[0].startswith("stage.align.part: the part 'vlm' is trained from")


def test_all_faults_of_the_components_come_together():
    lines = faults(SMOKE, "source.print=3", "stage.sft.objective.beta=1", "model.tower=./nowhere")
    assert [line.split(":")[0] for line in lines] == [
        "source.print", "model.tower", "stage.sft.objective.beta"
    ]  # fmt: skip


def test_every_language_of_a_source_needs_an_instruction_for_every_task(tmp_path):
    lines = faults(SMOKE, 'source.languages=["fr","de"]')
    assert [line.split("There are")[0] for line in lines[:4]] == [
        f"{path}: No instruction is written for the task {task!r} in {language!r}. "
        for path, task in (("source", "describe"), ("teach.tasks", "haiku"))
        for language in ("fr", "de")
    ]
    assert lines[4].startswith("curate.texts.haiku.0: No haiku form is known for the language")


def test_a_control_has_no_pictures_to_vary():
    raw = {**load(SMOKE).model_dump(exclude_none=True)}
    raw["stage"] = {"sft": {**raw["stage"]["sft"], "pictures": False, "augment": {"flip": True}}}
    del raw["stage"]["sft"]["starts_from"]
    with pytest.raises(RecipeError, match=r"stage\.sft\.augment: a stage without pictures"):
        check(Recipe.model_validate(raw))


def recipe_of(home: Path, tower: str = "tower", language: str = "language") -> Recipe:
    raw = load(SMOKE).model_dump(exclude_none=True)
    raw["model"] |= {"tower": str(home / tower), "language_model": str(home / language)}
    (home / "recipe.toml").write_text(toml.write(raw), encoding="utf-8")
    return load(home / "recipe.toml")


def test_local_checkpoints_are_read_as_far_as_they_are_small(tmp_path):
    tiny.tiny_tower(tmp_path / "tower")
    tiny.tiny_language_model(tmp_path / "language")
    notes = check(recipe_of(tmp_path))
    assert notes[0].startswith("16 positions a picture, ")
    assert len(notes) == 1
    processor = tmp_path / "tower" / "preprocessor_config.json"
    processor.rename(tmp_path / "aside")
    with pytest.raises(RecipeError, match=r"model: .*/tower cannot be read as a checkpoint"):
        check(recipe_of(tmp_path))
    (tmp_path / "aside").rename(processor)
    config = tmp_path / "language" / "config.json"
    whole = json.loads(config.read_text("utf-8"))
    config.write_text(json.dumps({key: whole[key] for key in whole if key != "model_type"}))
    with pytest.raises(RecipeError, match=r"model: .*/language cannot be read as a checkpoint"):
        check(recipe_of(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match="is a folder without a config"):
        check(recipe_of(tmp_path, tower="empty"))


def test_a_model_that_is_not_known_here_is_a_note_and_no_fault():
    notes = check(load(REAL, ["model.tower=who/knows"]))
    assert notes[-3:] == [
        "who/knows will be read from the hub, or from its cache.",
        "Qwen/Qwen2.5-3B-Instruct will be read from the hub, or from its cache.",
        "The config of who/knows is not shipped with haiga: the run will tell if all fits.",
    ]


@pytest.mark.parametrize(
    ("source", "noted"),
    [
        ("{ name = 'met', data = 'nowhere/MetObjects.csv' }", ["source.data"]),
        ("{ name = 'folder', path = 'nowhere' }", ["source.path"]),
        ("{ name = 'llava', data = 'here/*.json[:5]', pictures = 'nowhere' }", ["source.pictures"]),
        ("{ name = 'webdataset', data = 'here/*.tar' }", ["source.data"]),
        ("{ name = 'rlaif_v', data = 'openbmb/RLAIF-V-Dataset:train[:30000]' }", []),
    ],
)
def test_what_a_source_reads_and_is_not_there_is_a_note(source, noted, tmp_path, monkeypatch):
    """No fault: whoever trains on another machine has the data already."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mix.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    notes = check(load(SMOKE, [f"source={source}"]))
    found = [note for note in notes if "there is nothing at" in note]
    assert [note.split(":")[0] for note in found] == noted


def test_words_that_only_writing_would_need_are_a_note():
    whole = load(REAL).model_dump(mode="json", exclude_none=True)
    stages = {"sft": {**whole["stage"]["sft"], "tasks": ["critique"], "starts_from": None}}
    elsewhere = {**whole, "source": None, "teach": None, "curate": {}, "stage": stages}
    notes = check(Recipe.model_validate(elsewhere))
    assert notes[0].startswith("No [source]")
    assert notes[1].startswith("stage.sft: `haiga write` will have no words to ask with.")
    assert "'critique' in 'en'" in notes[1]


def test_an_objective_is_of_pairs_or_it_is_not():
    assert set(COLUMNS) >= PAIR_COLUMNS
    for name, objective in OBJECTIVES.items():
        columns = set(inspect.signature(objective.function).parameters)
        columns -= set(options(objective.function))
        assert columns <= PAIR_COLUMNS or not columns & PAIR_COLUMNS, name


def test_every_part_says_what_it_does_not_read():
    assert set(UNREAD) == set(PARTS)
    assert {field for fields in UNREAD.values() for field in fields} <= set(Stage.model_fields)
