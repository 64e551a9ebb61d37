# ruff: noqa: E501 (a table of faults reads best with a fault per line)
"""Names of what a run makes, said by its rewards: what they mean, and what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest

from haiga.errors import RecipeError
from haiga.pipeline import learned
from haiga.pipeline.check import check
from haiga.pipeline.run import open_run
from haiga.recipe.load import load
from haiga.recipe.schema import Critic
from haiga.rewards import REWARDS
from haiga.rewards.critic import KINDS, fit, save
from haiga.world.poets import POETS
from haiga.world.scenes import scene

RECIPE = """
name = "names"
language = "en"

[source]
name = "floating_world"

[teach]
teacher = { name = "poet" }
tasks = ["haiku", "noir", "bare"]

[critic]
styles = ["haiku", "noir"]

[model]
tower = "world:tower"
language_model = "world:language"
image_token = "<|image_pad|>"

[stage.sft]
tasks = ["haiku", "noir"]
objective = { name = "cross_entropy" }
trainable = [[".*multi_modal_projector.*", 1e-3], [".*", "frozen"]]
steps = 1
batch = 2

[stage.rm]
starts_from = "sft"
tasks = ["haiku", "noir"]
objective = { name = "bradley_terry" }
rejected = "mismatched"
trainable = [[".*score.weight", 1e-2], [".*", "frozen"]]
steps = 1
batch = 2

[stage.rl]
tasks = ["haiku", "noir"]
objective = { name = "reinforce" }
trainable = [[".*multi_modal_projector.*", 1e-3], [".*", "frozen"]]
steps = 1
batch = 2

[stage.rl.rollout]
max_new_tokens = 32
rewards = [
  { name = "style", critic = "critic:rewarding" },
  { name = "reward_model", model = "stage:rm" },
  { name = "clip", model = "world:tower" },
]

[stage.late]
starts_from = "sft"
tasks = ["haiku"]
objective = { name = "bradley_terry" }
rejected = "mismatched"
trainable = [[".*score.weight", 1e-2], [".*", "frozen"]]
steps = 1
batch = 2

[evaluate]
tasks = ["haiku", "noir"]
conditions = ["full", "wrong_style", "no_style"]
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE, "utf-8")
    return path


def faults(path, *overrides):
    recipe = load(path, overrides)
    with pytest.raises(RecipeError) as caught:
        check(recipe)
    return str(caught.value).split("\n")


def notes(path, overrides=()):
    """What is told of a recipe, but that its texts have no rules."""
    return [note for note in check(load(path, overrides)) if not note.startswith("curate.texts.")]


def test_the_recipe_is_in_order(path):
    assert notes(path) == []


def test_a_rate_that_does_not_fall_is_told(path):
    (said,) = notes(path, ["stage.rm.min_lr=1e-2"])
    assert said.startswith("stage.rm.trainable: the rate 0.01 is not above min_lr = 0.01, so that")


def test_what_the_page_says_is_in_order(path):
    page = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text("utf-8")
    told = "\n".join(
        line[4:] if line else "" for line in page.split("\n") if line[:4].strip() == ""
    )
    rollout, critic, evaluate, model = (f"[{part}" for part in told.split("\n[")[1:])
    kept = RECIPE[: RECIPE.index("[stage.rm]")], RECIPE[RECIPE.index("[stage.rl]") :]
    before = kept[0].replace('[critic]\nstyles = ["haiku", "noir"]\n', critic)
    after = kept[1][: kept[1].index("[stage.rl.rollout]")]
    path.write_text("\n".join([before, model, after, rollout, evaluate]), "utf-8")
    assert notes(path) == []
    for name in REWARDS:
        assert f"`{name}`" in page


REWARD = "stage.rl.rollout.rewards"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (f"{REWARD}.1.model=stage:rmm", f"{REWARD}.1.model: there is no stage 'rmm' (did you mean 'rm'?); reward models before it: stage:rm"),
        (f"{REWARD}.1.model=stage:late", f"{REWARD}.1.model: late is not trained before rl; write [stage.late] above it"),
        (f"{REWARD}.1.model=stage:rl", f"{REWARD}.1.model: rl is not trained before rl"),
        (f"{REWARD}.1.model=stage:sft", f"{REWARD}.1.model: sft is no reward model, its objective is cross_entropy; reward models before it: stage:rm"),
        (f"{REWARD}.1.model=./nowhere", f"{REWARD}.1.model: there is no folder ./nowhere; name a reward model's"),
        (f"{REWARD}.1.model=world:tower", f"{REWARD}.1.model: there is no folder world:tower"),
        ("stage.rm.pictures=false", f"{REWARD}.1.model: rm has learned without pictures, and rl shows it some"),
        ('stage.rm.tasks=["haiku"]', f"{REWARD}.1.model: rm has learned from haiku and is asked about noir"),
        (f"{REWARD}.0.critic=critic:evaluating", f"{REWARD}.0.critic: critic:evaluating is also the judge in the check 'style'; evaluate by one that no reward has asked"),
        (f"{REWARD}.0.critic=critic:rewardin", f"{REWARD}.0.critic: there is no critic 'rewardin'; the run makes critic:rewarding"),
        (f"{REWARD}.0.critic=stage:rm", f"{REWARD}.0.critic: there is no file stage:rm; name a critic's, or 'critic:rewarding'"),
        (f"{REWARD}.0.style=bare", f"{REWARD}.0.critic: critic:rewarding has learned from haiku, noir and is asked about bare"),
        ("stage.rm.sample_every=5", "stage.rm.sample_every: bradley_terry does not change what the model writes"),
        ("stage.rl.augment={crop=0.2}", "stage.rl.augment: a policy answers pictures as they are; leave it out"),
        (f"{REWARD}.2.model=stage:rm", f"{REWARD}.2.model: stage:rm is no dual encoder"),
        (f"{REWARD}.2.model=world:towr", f"{REWARD}.2.model: The world has no 'world:towr' (did you mean 'world:tower'?)"),
        ('evaluate.tasks=["haiku"]', "evaluate.conditions: No item is asked for another style than 'haiku' in 'en'"),
        ('evaluate.tasks=["haiku", "bare"]', "evaluate.conditions: No item is asked for another style than 'haiku' in 'en'"),
    ],
)  # fmt: skip
def test_a_name_that_means_nothing_has_its_sentence(path, override, says):
    lines = faults(path, override)
    assert lines[0].startswith(says)
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ('critic.styles=["haiku"]', "critic.styles: a critic tells styles apart; name two or more"),
        ('critic.styles=["haiku", "haiku"]', "critic.styles: a critic tells styles apart"),
        ('critic.evaluating=["letters"]', "critic.evaluating.0: must be 'words' or 'characters'"),
        ('critic.styles=["haiku", "museum"]', "critic.styles: nothing makes groups of the task 'museum'"),
    ],
)  # fmt: skip
def test_critics_are_of_styles_that_there_are(path, override, says):
    with pytest.raises(RecipeError) as caught:
        load(path, [override])
    assert str(caught.value).split("\n")[1].strip().startswith(says)


def test_critics_hear_what_there_is():
    assert Critic.model_fields["rewarding"].default == tuple(KINDS)
    assert Critic.model_fields["evaluating"].default == tuple(KINDS)


def test_a_reward_for_some_tasks_is_asked_about_these(path):
    only = [f'{REWARD}.1.tasks=["haiku"]', 'stage.rm.tasks=["haiku"]']
    assert notes(path, only) == []


def test_without_critics_there_is_none_to_ask(path):
    path.write_text(RECIPE.replace('[critic]\nstyles = ["haiku", "noir"]\n', ""), "utf-8")
    (line,) = faults(path)
    assert line == (
        f"{REWARD}.0.critic: critic:rewarding is made by the section [critic], which this recipe "
        "has not; write it"
    )


def test_names_become_paths_for_training_alone(path, tmp_path):
    run = open_run(load(path), tmp_path / "runs")
    stage = learned.resolved(run, "rl")
    places = [reward[option] for reward, option in zip(
        stage.rollout.rewards, ("critic", "model", "model"), strict=True
    )]  # fmt: skip
    own = tmp_path / "runs/names"
    assert places[:2] == [
        str(own / "critics/rewarding.safetensors"), str(own / "stages/rm/model"),
    ]  # fmt: skip
    assert (Path(places[2]) / "config.json").exists()
    assert run.recipe.stage["rl"].rollout.rewards[1]["model"] == "stage:rm"
    assert learned.needed(run.recipe.stage["rl"]) == {"critics": "critics", "stage:rm": "stages/rm"}
    assert learned.resolved(run, "sft") is run.recipe.stage["sft"]


def critic(pictures):
    styles = ("haiku", "noir")
    rows = [
        (POETS[name](scene(3, at), "en", np.random.default_rng((at, name == "noir"))), name, str(at))
        for at in pictures for name in styles
    ]  # fmt: skip
    return fit(*(list(column) for column in zip(*rows, strict=True)))


def test_a_critic_from_elsewhere_must_be_no_kin_of_the_one_that_evaluates(path, tmp_path):
    own = tmp_path / "runs/names/critics/evaluating.safetensors"
    save(critic(range(10)), own)
    for name, pictures in (("kin", range(7, 17)), ("stranger", range(10, 20))):
        save(critic(pictures), tmp_path / name)
    runs = {
        name: open_run(load(path, [f"{REWARD}.0.critic={tmp_path / name}"]), tmp_path / "runs")
        for name in ("kin", "stranger")
    }
    assert learned.resolved(runs["stranger"], "rl").rollout.rewards[0]["critic"].endswith("ger")
    with pytest.raises(RecipeError, match="kin was fitted on texts of 3 pictures that the critic"):
        learned.resolved(runs["kin"], "rl")
