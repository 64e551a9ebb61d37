import pytest

from haiga.pipeline.learning import columns, faults
from haiga.recipe.schema import Stage

GAE = {"name": "gae"}
MOVING = {"name": "moving_baseline"}
REWARDED = {"rewards": ({"name": "form"},)}


def stage(objective, **changed):
    given = {
        "tasks": ("haiku",),
        "objective": objective if isinstance(objective, dict) else {"name": objective},
        "trainable": ((".*", 1e-3),),
        "steps": 1,
        "batch": 2,
    }
    return Stage.model_validate(given | changed)


PPO = {
    "name": "mixed",
    "parts": [{"name": "ppo", "weight": 1.0}, {"name": "value", "weight": 0.1}],
}


@pytest.mark.parametrize(
    ("objective", "changed"),
    [
        ("cross_entropy", {}),
        ("dpo", {"rejected": "bare"}),
        ("orpo", {"rejected": "same"}),
        ("kto", {"rejected": "bare", "mismatched": True}),
        ({"name": "kto", "reference_point": "batch"}, {"rejected": "bare"}),
        ("bradley_terry", {"rejected": "mismatched"}),
        ("grpo", {"rollout": REWARDED | {"advantage": {"name": "group_relative"}}}),
        (
            "reinforce",
            {"rollout": REWARDED | {"samples": 1, "advantage": MOVING}},
        ),
        (PPO, {"rollout": REWARDED | {"advantage": GAE}}),
        ("rloo", {"rollout": REWARDED | {"epochs": 2, "minibatches": 2}}),
    ],
)
def test_a_stage_that_has_what_it_needs_is_in_order(objective, changed):
    assert list(faults("s", stage(objective, **changed))) == []


@pytest.mark.parametrize(
    ("objective", "changed", "path", "words"),
    [
        ("dpo", {}, "rejected", "come from"),
        ("cross_entropy", {"rejected": "bare"}, "rejected", "no use"),
        ("grpo", {"mismatched": True, "rollout": REWARDED}, "mismatched", "no use"),
        ("kto", {"rejected": "bare"}, "mismatched", "reference point"),
        ("dpo", {"rejected": "bare", "augment": {"flip": True}}, "augment", "once"),
        ("grpo", {}, "rollout", "own answers"),
        ("dpo", {"rejected": "bare", "rollout": REWARDED}, "rollout", "leave it out"),
        ("grpo", {"rollout": {"rewards": ()}}, "rollout.rewards", "nothing is rewarded"),
        ("grpo", {"rollout": {"rewards": ({"name": "fom"},)}}, "rollout.rewards.0", "form"),
        ("grpo", {"rollout": REWARDED | {"samples": 1}}, "rollout.samples", "two or more"),
        ("grpo", {"rollout": REWARDED | {"minibatches": 3}}, "rollout.minibatches", "cannot share"),
        (
            "ppo",
            {"rollout": REWARDED | {"advantage": GAE}},
            "rollout.advantage",
            "critic",
        ),
        (PPO, {"rollout": REWARDED}, "rollout.advantage", "critic"),
        ("kl", {}, "rollout", "own answers"),
        ("reinforce", {"rollout": REWARDED | {"epochs": 2}}, "rollout.epochs", "take rloo"),
        ("reinforce", {"rollout": REWARDED | {"minibatches": 2}}, "rollout.minibatches", "first"),
        ("grpo", {"part": "language", "rollout": REWARDED}, "part", "rolls out"),
        ("bradley_terry", {"rejected": "bare", "watch": {"every": 9}}, "watch", "leave it out"),
    ],
)
def test_what_is_lacking_or_too_much_is_named(objective, changed, path, words):
    (fault,) = faults("s", stage(objective, **changed))
    assert fault.startswith(f"stage.s.{path}")
    assert words in fault


def test_columns_go_down_to_what_they_are_computed_from():
    assert {"pairs", "answer_logps", "token_logps", "ref_answer_logps"} <= columns(
        "s", stage("dpo")
    )
