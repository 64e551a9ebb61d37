import math

import pytest
from reward_samples import POEM, sample

from haiga.errors import DataError, RecipeError
from haiga.recipe.bind import REQUIRED, options
from haiga.rewards import LEARNED, REWARDS, Scored
from haiga.rewards.base import per_sample
from haiga.rewards.combine import (
    Part,
    combine,
    judging_itself,
    metrics,
    parts,
    require_scores,
)


@per_sample
def words(each, *, per=1.0):
    """How many words; it cannot bear a cat."""
    if "cat" in each.text:
        raise ValueError("a cat")
    return len(each.text.split()) / per


def always(number):
    return lambda samples: [Scored(number)] * len(samples)


def test_totals_are_sums_by_weight():
    rewarded = combine(
        [sample("a b"), sample("a b c d")],
        [Part("words", words, weight=0.5), Part("one", always(1.0), weight=-2.0)],
    )
    assert [each.value for each in rewarded.totals] == [-1, 0]
    assert [each.value for each in rewarded.parts["words"]] == [2, 4]


def test_a_sample_that_cannot_be_scored_is_left_out_and_named_and_the_others_are_not():
    samples = [sample("a b"), sample("a cat"), sample("a")]
    rewarded = combine(samples, [Part("words", words), Part("one", always(1.0))])
    assert [each.value for each in rewarded.totals] == [3, None, 2]
    assert rewarded.totals[1].why == "words: ValueError: a cat"
    assert metrics(rewarded) == {
        "reward": 2.5, "unscored": 1,
        "reward/words": 1.5, "unscored/words": 1,
        "reward/one": 1, "unscored/one": 0,
    }  # fmt: skip
    require_scores(rewarded)


def test_a_reward_that_scores_nothing_at_all_stops_the_training():
    rewarded = combine([sample("cat"), sample("cats")], [Part("words", words)])
    with pytest.raises(
        DataError, match=r"'words' could not score .* 2 samples\. ValueError: a cat"
    ):
        require_scores(rewarded)
    assert "reward" not in metrics(rewarded)
    assert metrics(rewarded)["unscored"] == 2


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_none(odd):
    rewarded = combine([sample()], [Part("odd", always(odd))])
    assert rewarded.totals[0].value is None
    assert str(odd) in rewarded.totals[0].why


def test_a_part_of_no_weight_is_measured_and_costs_nothing():
    rewarded = combine([sample("cat"), sample("a b")], [
        Part("words", words, weight=0.0), Part("one", always(1.0)),
    ])  # fmt: skip
    assert [each.value for each in rewarded.totals] == [1, 1]
    assert metrics(rewarded)["reward/words"] == 2


def test_a_part_is_for_its_tasks():
    samples = [sample("a", task="haiku"), sample("a b", task="noir"), sample("a", task="title")]
    rewarded = combine(samples, [
        Part("words", words, tasks=frozenset({"haiku", "noir"})),
        Part("one", always(1.0), tasks=frozenset({"noir"})),
    ])  # fmt: skip
    assert [each.value for each in rewarded.totals] == [1, 3, None]
    assert rewarded.totals[2].why == "No reward is for its task."
    assert rewarded.parts["one"] == (None, Scored(1.0), None)
    assert metrics(rewarded)["unscored/one"] == 0


def test_a_reward_must_answer_for_every_sample():
    with pytest.raises(ValueError, match="zip"):
        combine([sample(), sample()], [Part("short", lambda samples: [Scored(1.0)])])


def test_no_sample_is_worth_nothing():
    rewarded = combine([], [Part("words", words)])
    assert (rewarded.totals, rewarded.parts) == ((), {"words": ()})


def test_parts_as_a_recipe_lists_them():
    found = parts(
        [
            {"name": "form", "partial": 0.5, "weight": 2, "tasks": ["haiku"]},
            {"name": "true_to_picture", "kinds": ["things", "seasons"]},
        ],
        "stage.rl.rewards",
    )
    assert [(part.name, part.weight, part.tasks) for part in found] == [
        ("form", 2.0, frozenset({"haiku"})), ("true_to_picture", 1.0, frozenset()),
    ]  # fmt: skip
    rewarded = combine([sample(POEM), sample(POEM.replace("old", "older"))], found)
    assert [each.value for each in rewarded.totals] == pytest.approx([3, 2 * 0.5 * 16 / 17 + 1])


@pytest.mark.parametrize(
    ("component", "fault"),
    [
        ({"name": "from"}, r"r\.0\.name: there is no 'from' \(did you mean 'form'\?\)"),
        ({"name": "form", "part": 1}, r"r\.0\.part: form takes no such option"),
        ({"name": "form", "weight": "1"}, r"r\.0\.weight: must be a valid number, not '1'"),
        ({"name": "form", "weight": True}, r"r\.0\.weight"),
        ({"name": "form", "weight": math.nan}, r"r\.0\.weight: must be finite"),
        ({"name": "form", "tasks": "haiku"}, r"r\.0\.tasks"),
        ({"name": "length", "minimum": 3}, r"r\.0\.maximum: length needs this option"),
        ({"name": "true_to_picture", "kinds": ["birds"]}, r"r\.0\.kinds\.0"),
        ({"name": "true_to_picture", "recall": 1.5}, r"r\.0\.recall: must be less than or equal"),
        ({"name": "form", "partial": -1}, r"r\.0\.partial: must be greater than or equal to 0"),
        ({"name": "variety", "n": 0}, r"r\.0\.n: must be greater than or equal to 1"),
    ],
)
def test_faults_of_a_component(component, fault):
    with pytest.raises(RecipeError, match=fault):
        parts([component], "r")


def test_a_reward_is_given_once():
    with pytest.raises(RecipeError, match="r: form is given twice"):
        parts([{"name": "form"}, {"name": "form", "partial": 0.5}], "r")


def test_a_judge_that_also_rewards_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    components = [
        {"name": "form"},
        {"name": "style", "critic": "critics/one"},
        {"name": "clip", "model": "openai/clip-vit-base-patch32"},
    ]
    path = "stage.rl.rewards"
    other = {"evaluate.critic": "critics/other", "evaluate.tower": "google/siglip-base"}
    assert judging_itself(components, other, path) == []
    same = {"evaluate.critic": str(tmp_path / "critics" / "one")}
    assert judging_itself(components, same, path) == [
        "stage.rl.rewards.1.critic: critics/one is also the judge in evaluate.critic; "
        "evaluate by one that no reward has asked"
    ]
    assert judging_itself([{"name": "style"}], same, path) == []
    same = {"evaluate.tower": "openai/clip-vit-base-patch32"}
    assert judging_itself(components, same, path)[0].startswith("stage.rl.rewards.2.model:")


def test_what_has_learned_says_where_it_stands():
    for name, option in LEARNED.items():
        assert options(REWARDS[name])[option] is REQUIRED
