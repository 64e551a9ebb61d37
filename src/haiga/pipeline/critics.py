"""The critics of style of a run: one that may reward, and its twin that evaluates.

critics/rewarding.safetensors     fitted on one half of the training texts' pictures
critics/evaluating.safetensors    fitted on the other half
critics/reliability.json          what each is worth on held-out texts
critics/manifest.json             written last
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from haiga import store
from haiga.pipeline.learned import EVALUATING, REWARDING, TWINS
from haiga.pipeline.run import Run
from haiga.pipeline.standing import of_critics
from haiga.store.files import read_json, write_json


def make_critics(run: Run) -> None:
    """Fit the twins and measure them, where the recipe wants them and they are not there.

    Raises:
        DataError: a style with texts on too few pictures, or none that is held out.
    """
    section = run.recipe.critic
    if section is None:
        return
    from haiga.rewards.critic import fit, save, twins  # scikit-learn, which other runs do not need
    from haiga.rewards.reliability import reliability

    plan = of_critics(run)
    if store.is_complete(*plan, rebuild=run.rebuild):
        return
    began, seed = time.monotonic() - store.begin(*plan), run.recipe.seed
    train, held_out = _texts(run, "train"), _texts(run, "held_out")
    hears = {REWARDING: section.rewarding, EVALUATING: section.evaluating}
    found = {}
    for name, places in zip(TWINS, twins(train.clusters, seed=seed), strict=True):
        own = (_at(column, places) for column in train)
        critic = fit(*own, kinds=hears[name], seed=seed)
        save(critic, run.critic(name))
        found[name] = asdict(reliability(critic, *held_out, seed=seed))
        f1 = found[name]["f1"]["mean"]
        run.emit({"kind": "note", "stage": f"critic:{name}", "text": f"F1 {f1:.3f} held out"})
    write_json(plan.folder / "reliability.json", found)
    store.complete(*plan, seconds=time.monotonic() - began)


def trusted(run: Run) -> dict[str, Any]:
    """What each critic is worth, as it was measured; nothing where the run has none."""
    return (read_json(run.critics / "reliability.json") or {}) if run.recipe.critic else {}


class _Texts(NamedTuple):
    texts: list[str]
    styles: list[str]
    clusters: list[str]


def _texts(run: Run, split: str) -> _Texts:
    """Every chosen text of the critics' styles in a split, in the recipe's language."""
    section, language = run.recipe.critic, run.recipe.language
    assert section is not None, "asked for where the recipe has critics only"
    found = _Texts([], [], [])
    for group in store.read_groups(run.data("04_final").path, split, section.styles):
        if group.language != language:
            continue
        pictures = "/".join(picture.id for picture in group.pictures)
        for answer in (each for each in group.answers if each.kind == "chosen"):
            found.texts.append(answer.text)
            found.styles.append(group.task)
            found.clusters.append(group.cluster or pictures or group.id)
    return found


def _at(column: Sequence[str], places: Sequence[int]) -> list[str]:
    return [column[at] for at in places]
