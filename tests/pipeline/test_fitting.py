"""What `haiga plan` says of memory."""

from dataclasses import replace
from pathlib import Path

import pytest

from haiga.pipeline import fitting, tables
from haiga.pipeline.plan import plan
from haiga.planning.stages import most_groups
from haiga.recipe.load import load

ROOT = Path(__file__).parents[2]
FOUNDING = ROOT / "recipes" / "ukiyoe-haiku-en.toml"


def needs(path, *sets):
    recipe = load(path, list(sets))
    return {need.name: need for need in fitting.needs(recipe, plan(recipe))}


@pytest.fixture(scope="module")
def founding():
    return needs(FOUNDING)


def test_parameters_by_what_they_are_kept_in(founding):
    """The projector is in float32 where it rests, the tower and the language model in bfloat16."""
    tower, projector, words, adapter = 85_797_120, 5_771_264, 3_085_938_688, 29_933_568
    align = founding["align"].step.parameters
    assert (align.trained, align.frozen, align.whole) == (projector, tower + words, 0)
    orpo = founding["orpo"].step.parameters
    assert (orpo.trained, orpo.frozen, orpo.whole) == (adapter, tower + words, projector)
    assert founding["orpo"].held.weights == 4 * (adapter + projector) + 2 * (tower + words)


def test_what_learns_decides_what_is_kept(founding):
    assert founding["align"].step.body.learns == "nothing"
    assert founding["sft"].step.body.learns == "adapter"
    assert founding["align"].step.projector
    assert not founding["orpo"].step.projector
    assert founding["align"].step.tower is None
    assert [each.step.body.checkpointing for each in founding.values()] == [False, True, True, True]


def test_answers_of_a_group(founding):
    """haiku and bare have two answers each; KTO's mismatched one hangs beside them."""
    found = {name: need.step.answers for name, need in founding.items()}
    assert found == {"align": 1, "sft": 2, "orpo": 4, "kto": 5}
    limited = needs(FOUNDING, "stage.orpo.answers=1", "stage.kto.answers=1")
    assert [limited[name].step.answers for name in ("orpo", "kto")] == [2, 3]


def test_rows_as_taken_and_as_long_as_they_may_be(founding):
    orpo = founding["orpo"]
    assert orpo.positions == 196 + 40 + 4 * 64
    # The prompt and one answer are 512 tokens at most, and there are four of these answers.
    assert orpo.longest == 512 - 196 - 40
    assert orpo.at_most > orpo.held.total


def test_four_bits(founding):
    cut = needs(FOUNDING, "stage.sft.adapter.quantised={}", "stage.sft.optimiser=paged_adamw")[
        "sft"
    ]
    # q and o, k and v, gate, up and down, in 36 layers.
    linear = 36 * (2 * 2048 * 2048 + 2 * 2048 * 256 + 3 * 2048 * 11008)
    assert cut.step.parameters.quantised == linear
    assert cut.step.parameters.half == 85_797_120
    assert cut.held.optimiser == 0
    saved = founding["sft"].held.weights - cut.held.weights
    assert saved == pytest.approx(linear * (2 - 0.5159), rel=1e-4)


def test_a_tower_that_learns_keeps_what_it_went_through(founding):
    opened = needs(FOUNDING, 'stage.align.trainable=[[".*vision_tower.*", 1e-5], [".*", "frozen"]]')
    align = opened["align"].step
    assert align.tower.learns == "all"
    assert align.tower.layers.count == 12
    assert align.parameters.whole == 5_771_264
    assert opened["align"].held.activations > founding["align"].held.activations


def test_the_largest_stage_and_the_cards_that_take_it(founding, capsys):
    said = list(fitting.sentences(list(founding.values())))
    align = founding["align"]
    assert f"The largest stage is align with about {align.held.total / 1e9:.1f} GB" in said[1]
    many = most_groups(align.step, align.groups, align.answer, 0.9 * 24e9)
    assert 0 < many < align.groups
    assert f"one of 24 GB with micro_batch = {many}" in said[1]
    smaller = replace(align, groups=many).held.total
    assert smaller <= 0.9 * 24e9 < replace(align, groups=many + 1).held.total
    assert "haiga's ranks are replicas" in said[2]
    tables.memory(list(founding.values()))
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[0][-1] == "with rows of max_tokens"
    assert rows[1][:3] == ["align", "32", "300"]


def test_layers_of_another_kind_are_not_counted(capsys):
    found = list(needs(ROOT / "recipes" / "cross-attention.toml").values())
    tables.memory(found)
    assert "not counted" in capsys.readouterr().out
    assert "Activations are counted for a llava" in list(fitting.sentences(found))[-1]
