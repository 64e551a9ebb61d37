"""The table of objectives says of each what it is asked for, and not more."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from haiga.store.files import write_json

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import objectives

    return objectives


def difference(driver, *deltas):
    return driver.paired.difference([0.0] * len(deltas), deltas, seed=0)


def row(driver, stage, moved, written=()):
    return driver.Row(stage, "margin, nats", moved, (0.5,), "", written)


def test_what_rises_improves_and_what_falls_too_far_is_inferior(driver):
    up = difference(driver, *[1.0, 1.2] * 20)
    none = difference(driver, *[1.0, -1.0] * 20)
    fallen = difference(driver, *[-0.1, 0.0] * 20)  # by 5 points
    dpo, rm = row(driver, "dpo", up, (fallen, none)), row(driver, "rm", none)
    head, _, first, second = driver.table([dpo, rm], 0.04)
    names = [cell.strip() for cell in head.strip("|").split("|")]
    told = [dict(zip(names, map(str.strip, each.strip("|").split("|")), strict=True))
            for each in (first, second)]  # fmt: skip
    assert (told[0]["improves"], told[0]["not inferior"]) == ("yes", "no")
    assert told[0]["named precision"].startswith("-5.0")
    assert told[0]["held out, from SFT"].startswith("+1.10")
    assert (told[1]["improves"], told[1]["not inferior"]) == ("no", "")


def test_a_reward_model_is_held_against_a_coin_and_margins_against_nothing(driver, tmp_path):
    rows = [{"cluster": f"p{at}", "margin": m} for at, m in enumerate((2.0, 0.0, None, -1.0))]
    write_json(tmp_path / "evaluation/pairs/rm.json", {"rows": rows})
    run = SimpleNamespace(folder=tmp_path)
    found = driver.decided(run, "rm")
    assert (found.before, found.after) == ([0.5] * 4, [1.0, 0.0, 0.0, 0.0])
    side = {"before": -4.0, "now": -3.0, "tokens": 2}
    pair = {"cluster": "p", "chosen": side, "rejected": {**side, "now": -6.0, "tokens": 4}}
    write_json(tmp_path / "evaluation/preferences/dpo.json", {"rows": [pair]})
    assert driver.apart(run, "dpo", False).after == [3.0]
    assert driver.apart(run, "dpo", True).after == [1.0]
    assert driver.told([run], "dpo").startswith("100 ")
    assert driver.told([run], "orpo") == ""


def test_every_objective_of_post_training_has_its_stage(driver):
    from haiga.objectives import OBJECTIVES
    from haiga.recipe.load import load

    components = [
        stage.objective
        for name in driver.RECIPES
        for stage in load(driver.FOLDER / f"{name}.toml").stage.values()
    ]
    used = {each["name"] for each in components}
    used |= {part["name"] for each in components for part in each.get("parts", ())}
    of_bases = {"siglip", "siglip_patches", "clip"}
    assert used == {*OBJECTIVES, "mixed"} - of_bases
