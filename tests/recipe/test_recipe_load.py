# ruff: noqa: E501 (a table of faults reads best with a fault per line)
import json
import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from haiga.errors import RecipeError
from haiga.recipe import toml
from haiga.recipe.load import dump, load
from haiga.recipe.schema import Recipe

RECIPES = Path(__file__).parents[2] / "recipes"
EXAMPLE = RECIPES / "floating-world-en.toml"
RAW = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))


def faults(*overrides, path=EXAMPLE):
    """The lines of the fault that loading with these overrides must raise, without the first."""
    with pytest.raises(RecipeError) as caught:
        load(path, overrides)
    return [line.strip() for line in str(caught.value).split("\n")[1:]]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_loads_and_round_trips(path, tmp_path):
    recipe = load(path)
    (tmp_path / "again.toml").write_text(dump(recipe), encoding="utf-8")
    assert load(tmp_path / "again.toml") == recipe


def test_the_example_says_what_it_says():
    recipe = load(EXAMPLE)
    assert list(recipe.stage) == ["align", "sft", "sft_without_pictures"]
    assert recipe.stage["sft"].trainable[0] == (".*lora_.*", 3e-3)
    assert recipe.stage["sft_without_pictures"].pictures is False
    assert recipe.stage["align"].trainable[-1] == (".*", "frozen")
    assert recipe.curate.pictures[0] == {"name": "side", "minimum": 96}
    assert recipe.split.seed == recipe.seed == 42
    assert recipe.stage["align"].clip == 1.0
    json.dumps(recipe.model_dump(mode="json"), allow_nan=False)


def test_a_recipe_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        load(EXAMPLE).seed = 3


WORD = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(lambda w: w != "base")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUE = st.recursive(
    TEXT | st.integers() | st.booleans() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
COMPONENT = st.builds(
    lambda name, rest: {**rest, "name": name}, TEXT, st.dictionaries(TEXT, VALUE, max_size=3)
)
WORDS = st.lists(WORD.filter(lambda word: word != "haiku"), min_size=1, max_size=3)
RATE = st.floats(1e-9, 1.0)
STAGE = st.fixed_dictionaries(
    {
        "tasks": WORDS,
        "objective": COMPONENT,
        "trainable": st.lists(st.tuples(st.just(".*tower"), RATE | st.just("frozen")), max_size=6)
        .map(lambda rules: [*map(list, rules), [".*", 1e-3]]),
        "batch": st.integers(1, 64),
        "epochs": st.floats(0.1, 9),
    },
    optional={
        "adapter": st.fixed_dictionaries({"r": st.integers(1, 9), "alpha": st.floats(1, 9)}),
        "augment": st.fixed_dictionaries({"flip": st.booleans()}),
        "warmup": st.floats(0, 0.2),
        "save_every": st.integers(1, 9),
        "dtype": st.sampled_from(["float32", "bfloat16"]),
    },
)  # fmt: skip


def _made_here(raw):
    """With a source, stages want what it makes, and evaluation some pictures."""
    if "source" in raw:
        stages = {name: {**stage, "tasks": ["describe"]} for name, stage in raw["stage"].items()}
        return {**raw, "stage": stages, "split": {"held_out": 2}, "curate": {}}
    return raw


RECIPE = st.fixed_dictionaries(
    {
        "name": WORD,
        "language": st.sampled_from(["en", "ja", "fr"]),
        "seed": st.integers(0, 2**63 - 1),
        "curate": st.fixed_dictionaries(
            {
                "pictures": st.lists(COMPONENT, max_size=4),
                "texts": st.dictionaries(WORD, st.lists(COMPONENT, max_size=2), max_size=2),
            }
        ),
        "model": st.fixed_dictionaries(
            {"tower": TEXT, "language_model": TEXT, "image_token": TEXT.filter(bool)}
        ),
        "stage": st.dictionaries(WORD, STAGE, max_size=3),
    },
    optional={"source": COMPONENT, "split": st.just({"held_out": 0, "seed": 7})},
).map(_made_here)


@settings(max_examples=60, deadline=None)
@given(RECIPE)
def test_load_of_dump_is_the_same_recipe(raw):
    recipe = Recipe.model_validate(raw)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "recipe.toml"
        path.write_text(dump(recipe), encoding="utf-8")
        again = load(path)
    assert again == recipe
    assert list(again.stage) == list(recipe.stage)
    assert again.model_dump(mode="json") == recipe.model_dump(mode="json")


@given(st.dictionaries(TEXT, VALUE, max_size=5))
def test_any_table_round_trips_through_toml(table):
    # A table under `stage` would be a section of its own; both forms must read back the same.
    for value in (table, {"stage": {"x": table}}):
        assert tomllib.loads(toml.write(value)) == value


def test_long_arrays_have_a_line_per_item():
    text = toml.write({"rules": [["a" * 60, 1e-3], ["b" * 60, "frozen"]]})
    assert text.count("\n") == 4
    assert tomllib.loads(text) == {"rules": [["a" * 60, 1e-3], ["b" * 60, "frozen"]]}


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("stage.sft.batch=16", lambda r: r.stage["sft"].batch, 16),
        ("stage.sft.adapter.r = 4", lambda r: r.stage["sft"].adapter.r, 4),
        ("curate.pictures.0.minimum=64", lambda r: r.curate.pictures[0]["minimum"], 64),
        ("stage.sft.trainable.0.1=1e-5", lambda r: r.stage["sft"].trainable[0][1], 1e-5),
        ("model.tower=google/siglip2-base-patch16-224", lambda r: r.model.tower[:14], "google/siglip2"),
        ("model.image_token=<image>", lambda r: r.model.image_token, "<image>"),
        ('model.tower="3"', lambda r: r.model.tower, "3"),
        ("model.tower=a=b", lambda r: r.model.tower, "a=b"),
        ("stage.align.augment.flip=true", lambda r: r.stage["align"].augment.flip, True),
        ("report.pictures=3", lambda r: r.report.pictures, 3),
        ('evaluate.conditions=["full"]', lambda r: r.evaluate.conditions, ("full",)),
        ("seed=7", lambda r: r.split.seed, 7),
        ("source.prints=20", lambda r: r.source["prints"], 20),
    ],
)  # fmt: skip
def test_overrides(override, read, value):
    assert read(load(EXAMPLE, [override])) == value


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("stage.sft.bach=3", "stage.sft.bach: there is no such field (did you mean 'batch'?)"),
        ("stage.stf.batch=3", "stage.stf: there is no such stage (did you mean 'sft'?)"),
        ("modle.fit=pad", "modle: there is no such field (did you mean 'model'?)"),
        ("model.fit.x=pad", "model.fit.x: model.fit is a single value"),
        ("curate.pictures.3.minimum=1", "curate.pictures.3: there is no such item; curate.pictures has 3"),
        ("curate.pictures.-1.minimum=1", "curate.pictures.-1: there is no such item"),
        ("seed", "seed: write an override as path=value"),
        ("a..b=3", "a..b=3: write an override as path=value"),
        ("evaluate.tasks=[haiku]", "evaluate.tasks: [haiku] is not a TOML value"),
        ("seed=", "seed:  is not a TOML value"),
        ("seed=1\nname=\"x\"", "seed: must be a valid integer"),
    ],
)  # fmt: skip
def test_overrides_that_lead_nowhere(override, says):
    assert faults(override)[0].startswith(says)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seed=true", "seed: must be a valid integer, not True"),
        ("seed=-1", "seed: must be greater than or equal to 0, not -1"),
        ("split.seed=-1", "split.seed: must be greater than or equal to 0, not -1"),
        ("split.held_out=1", "split.held_out: hold out at least 2, so that the condition 'shuffled' can exchange"),
        ("teach.answers={hiaku=2}", "teach.answers.hiaku: no such task is in teach.tasks (did you mean 'haiku'?): haiku"),
        ("curate.texts.hiaku=[]", "curate.texts.hiaku: nothing makes groups of the task 'hiaku' (did you mean 'haiku'?)"),
        ("stage.sft.rejected=bear", "stage.sft.rejected: nothing makes groups of the task 'bear'"),
        ("stage.sft.rejected=haiku", "stage.sft.rejected: 'haiku' is among its tasks (haiku), so that every answer"),
        ("stage.sft.trainable.0.1=frozen", "stage.sft.adapter: its weights are frozen by the rules of trainable"),
        ("stage.sft.starts_from=sft_without_pictures", "stage.sft.starts_from: sft_without_pictures comes later"),
        ("stage.align.pictures=false", "stage.sft.starts_from: align is a control that was trained without pictures"),
        ("stage.align.part=language", "stage.sft.starts_from: align trains the part 'language', and this stage 'vlm'"),
        ('stage.sft.batch="3"', "stage.sft.batch: must be a valid integer, not '3'"),
        ("stage.sft.batch=0", "stage.sft.batch: must be greater than or equal to 1, not 0"),
        ("stage.sft.warmup=0.3", "stage.sft.warmup: must be less than or equal to 0.2, not 0.3"),
        ("model.fit=padd", "model.fit: must be 'pad', 'crop' or 'squash', not 'padd' (did you mean 'pad'?)"),
        ("name=a/b", "name: 'a/b' cannot stand here; it must be of the form"),
        ("model=3", "model: must be a valid dictionary, not 3"),
        ("curate.texts.haiku=[{}]", 'curate.texts.haiku.0: must have a name'),
        ("curate.hammin=3", "curate.hammin: there is no such field (did you mean 'hamming'?)"),
        ("model={}", "model.tower: this is needed and is not there"),
        ("teach.teacher={}", 'teach.teacher: must have a name: { name = "…" }'),
        ("source.made=2026-01-01", "source: holds a value that is neither text nor a number"),
        ("stage.sft.trainable=[]", "stage.sft.trainable: Tuple should have at least 1 item"),
        ("stage.sft.trainable.0.0='('", "stage.sft.trainable.0.0: '(' is not a regular expression: missing )"),
        ("stage.sft.trainable.0.1=frozn", 'stage.sft.trainable.0.1: must be a learning rate above 0, or "frozen", not \'frozn\''),
        ("stage.sft.trainable.0.1=-1", "stage.sft.trainable.0.1: must be a learning rate above 0"),
        ("stage.sft.trainable=[['lora', 1.0]]", "stage.sft.trainable: the last rule must match every parameter"),
        ("stage.sft.trainable=[['.*', 'frozen']]", "stage.sft.trainable: everything is frozen"),
        ("stage.sft.steps=3", "stage.sft: give exactly one of epochs and steps; it gives epochs and steps"),
        ("stage.sft.micro_batch=33", "stage.sft.micro_batch: 33 groups do not fit in a batch of 32"),
        ("stage.sft.starts_from=allign", "stage.sft.starts_from: there is no stage 'allign' (did you mean 'align'?)"),
        ("stage.align.starts_from=sft", "stage.align.starts_from: sft comes later"),
        ("stage.sft.starts_from=sft", "stage.sft.starts_from: sft comes later"),
        ('stage.sft.tasks=["hiaku"]', "stage.sft.tasks: nothing makes groups of the task 'hiaku' (did you mean 'haiku'?)"),
        ('evaluate.tasks=["noir"]', "evaluate.tasks: nothing makes groups of the task 'noir'"),
        ("language=fr", "teach.tasks: a haiku's form can be counted in en and ja only"),
    ],
)  # fmt: skip
def test_faults_name_their_path_and_the_nearest_name(override, says):
    assert faults(override)[0].startswith(says)


def test_nothing_can_be_judged_by_no_picture():
    lines = faults("split.held_out=0", 'evaluate.conditions=["full"]')
    assert lines == ["split.held_out: hold out at least 1, to judge by; it is 0"]


def test_all_faults_are_reported_together():
    lines = faults("seed=x", "stage.sft.bach=3", "stage.sft.starts_from=nowhere", "model.fi=pad")
    paths = [line.split(":")[0] for line in lines]
    assert paths == ["stage.sft.bach", "model.fi", "seed", "stage.sft.starts_from"]


def test_tasks_are_free_without_a_source(tmp_path):
    raw = {key: value for key, value in RAW.items() if key not in ("source", "teach")}
    path = tmp_path / "real.toml"
    path.write_text(toml.write(raw), encoding="utf-8")
    assert load(path, ['stage.sft.tasks=["critique"]']).stage["sft"].tasks == ("critique",)


def test_a_source_alone_makes_descriptions(tmp_path):
    raw = {key: value for key, value in RAW.items() if key not in ("teach", "curate")}
    path = tmp_path / "real.toml"
    path.write_text(toml.write(raw), encoding="utf-8")
    says = "stage.sft.tasks: nothing makes groups of the task 'haiku'"
    assert faults(path=path)[0].startswith(says)
    load(path, ['stage.sft.tasks=["describe"]', 'stage.sft_without_pictures.tasks=["describe"]'])


def test_a_source_may_bring_questions_and_answers_of_its_own():
    assert load(EXAMPLE, ['stage.sft.tasks=["chat"]']).stage["sft"].tasks == ("chat",)


def test_a_teacher_without_a_source_has_nothing_to_write_about(tmp_path):
    raw = {key: value for key, value in RAW.items() if key != "source"}
    (tmp_path / "r.toml").write_text(toml.write(raw), encoding="utf-8")
    assert faults(path=tmp_path / "r.toml") == [
        "teach: there are no pictures to write about; name a [source], or leave [teach] out"
    ]


def test_the_name_base_is_taken(tmp_path):
    raw = {**RAW, "stage": {"base": RAW["stage"]["align"]}}
    (tmp_path / "r.toml").write_text(toml.write(raw), encoding="utf-8")
    assert faults(path=tmp_path / "r.toml")[0].startswith("stage.base: this name stands for")


def test_a_stage_that_cannot_be_a_folder_is_refused(tmp_path):
    raw = {**RAW, "stage": {"../x": RAW["stage"]["align"]}}
    (tmp_path / "r.toml").write_text(toml.write(raw), encoding="utf-8")
    assert "'../x' cannot stand here" in faults(path=tmp_path / "r.toml")[0]


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "sunrise.toml").write_text("")
    with pytest.raises(RecipeError, match=r"did you mean 'sunrise\.toml'"):
        load(tmp_path / "sunrse.toml")
    with pytest.raises(RecipeError, match="has: nothing"):
        load(tmp_path / "nowhere" / "x.toml")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'name = "a"\nseed = = 3\n', r"is not TOML: .*line 2"),
        (b'name = "\xff"\n', "cannot be read as a recipe"),
        (b"a = 1\na = 2\n", r"is not TOML: Cannot overwrite a value \(at line 2"),
    ],
)
def test_what_is_not_toml_names_its_line(tmp_path, data, says):
    (tmp_path / "r.toml").write_bytes(data)
    with pytest.raises(RecipeError, match=says):
        load(tmp_path / "r.toml")


def test_a_recipe_made_in_python_is_checked_like_a_file():
    stage = {**RAW["stage"]["align"], "starts_from": "nowhere"}
    with pytest.raises(ValidationError, match="there is no stage 'nowhere'"):
        Recipe(**{**RAW, "stage": {"align": stage}})
