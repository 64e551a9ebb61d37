"""A recipe's objective: a component, or the name "mixed" with parts that are components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from haiga.errors import RecipeError
from haiga.objectives import OBJECTIVES
from haiga.objectives.base import Objective
from haiga.objectives.mixed import counted, different, mixed
from haiga.recipe.bind import bind

MIXED = "mixed"


def bind_objective(component: Mapping[str, Any], path: str) -> Objective:
    """The objective that a component names, with the component's options filled in.

        { name = "dpo", beta = 0.2 }
        { name = "mixed", parts = [{ name = "dpo", weight = 0.8 }, { name = "nll", weight = 1 }] }

    Args:
        component: as read from a recipe.
        path: where it stands in the recipe, "stage.dpo.objective".

    Raises:
        RecipeError: all that is wrong with it, a line each.
    """
    if component.get("name") == MIXED:
        return _mixture(component, path)
    functions = {name: each.function for name, each in OBJECTIVES.items()}
    bound = bind({**functions, MIXED: _parts}, component, path)
    return replace(OBJECTIVES[component["name"]], function=bound)


def _mixture(component: Mapping[str, Any], path: str) -> Objective:
    parts = bind({MIXED: _parts}, component, path)()
    faults: list[str] = []
    made: dict[str, tuple[float, Objective]] = {}
    for at, part in enumerate(parts):
        place = f"{path}.parts.{at}"
        name, options = part.get("name"), {k: v for k, v in part.items() if k != "weight"}
        if name == MIXED or name in made:
            why = "a mixture has no mixture in it" if name == MIXED else "it is there already"
            faults.append(f"{place}.name: {name!r} cannot be a part: {why}")
            continue
        weight = part.get("weight")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
            faults.append(f"{place}.weight: must be a number above 0, not {weight!r}")
            continue
        try:
            made[str(name)] = (float(weight), bind_objective(options, place))
        except RecipeError as error:
            faults.append(str(error))
    if len(parts) < 2:
        faults.append(f"{path}.parts: a mixture has two parts or more, and this has {len(parts)}")
    if not faults:
        counts = {name: counted(part) for name, (_, part) in made.items()}
        faults += [f"{path}.parts: {fault}" for fault in (different(counts),) if fault]
    if faults:
        raise RecipeError("\n".join(faults))
    return mixed(made)


def _parts(*, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return parts
