"""What would go wrong, before anything is spent: every component is bound, and nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from haiga.curation import captions, pictures
from haiga.errors import HaigaError, RecipeError
from haiga.evaluation.conditions import CONDITIONS
from haiga.objectives import OBJECTIVES
from haiga.pipeline.run import FRESH, checkpoint
from haiga.recipe.bind import bind
from haiga.recipe.names import did_you_mean
from haiga.recipe.schema import Recipe, Stage
from haiga.sources import SOURCES
from haiga.teachers import TEACHERS
from haiga.teachers.tasks import instructions

_TOWER_OBJECTIVES = ("siglip", "siglip_patches", "clip")


def check(recipe: Recipe) -> list[str]:
    """Notes on a recipe that can be run.

    Raises:
        RecipeError: all faults together, each with its path.
    """
    faults = [fault for fault in _faults(recipe) if fault]
    if faults:
        raise RecipeError("\n".join(faults))
    return list(_notes(recipe))


def _faults(recipe: Recipe) -> Iterator[str | None]:
    functions: Mapping[str, Callable[..., Any]] = {
        name: objective.function for name, objective in OBJECTIVES.items()
    }
    if recipe.source is not None:
        yield _bound(SOURCES, recipe.source, "source")
    if recipe.teach is not None:
        yield _bound(TEACHERS, recipe.teach.teacher, "teach.teacher")
        for task in recipe.teach.tasks:
            yield _said(partial(instructions, task, recipe.language), "teach.tasks")
    for at, rule in enumerate(recipe.curate.pictures):
        yield _bound(pictures.RULES, rule, f"curate.pictures.{at}")
    texts = {"captions": recipe.curate.captions}
    texts |= {f"texts.{task}": rules for task, rules in recipe.curate.texts.items()}
    for path, rules in texts.items():
        for at, rule in enumerate(rules):
            yield _bound(captions.RULES, rule, f"curate.{path}.{at}")
    yield from _model_faults(recipe)
    for name, stage in recipe.stage.items():
        yield _bound(functions, stage.objective, f"stage.{name}.objective")
        yield from _part_faults(recipe, f"stage.{name}", stage)
    for condition in recipe.evaluate.conditions:
        if condition not in CONDITIONS:
            near = did_you_mean(condition, list(CONDITIONS))
            yield f"evaluate.conditions: there is no condition {condition!r}{near}"


def _model_faults(recipe: Recipe) -> Iterator[str | None]:
    section = recipe.model
    names = {"model.tower": section.tower, "model.language_model": section.language_model}
    if FRESH in names.values() and len(set(names.values())) > 1:
        yield f"model: {FRESH!r} makes both models; give it as tower and as language_model"
    for path, name in names.items():
        if name != FRESH:
            yield _said(partial(checkpoint, name), path)


def _part_faults(recipe: Recipe, path: str, stage: Stage) -> Iterator[str]:
    contrastive = stage.objective["name"] in _TOWER_OBJECTIVES
    if contrastive != (stage.part == "tower"):
        yield (
            f"{path}.objective.name: {stage.objective['name']} does not train the part "
            f"{stage.part!r}; a tower takes {' or '.join(_TOWER_OBJECTIVES)}, and nothing else does"
        )
    if (stage.part == "vlm") == (recipe.model.tower == FRESH):
        yield (
            f"{path}.part: the part 'vlm' is trained from two checkpoints that are there, 'tower' "
            f"and 'language' from {FRESH!r}; this is {stage.part!r} from {recipe.model.tower!r}"
        )
    if stage.starts_from in recipe.stage and recipe.stage[stage.starts_from].part != stage.part:
        yield f"{path}.starts_from: {stage.starts_from} is a stage of another part"
    if stage.part != "vlm" and stage.adapter is not None:
        yield f"{path}.adapter: only the part 'vlm' takes an adapter"


def _notes(recipe: Recipe) -> Iterator[str]:
    if recipe.source is None:
        yield "No [source]: data must lie in the run's data/04_final before training."
    if not recipe.model.tower.startswith("world:"):
        # Here, because it brings transformers with it, which takes seconds.
        from haiga.pipeline.plan import plan

        counted = plan(recipe)
        yield f"{counted.picture_tokens} positions a picture, {counted.total:,} parameters."
        for name in (recipe.model.tower, recipe.model.language_model):
            if isinstance(checkpoint(name), str):
                yield f"{name} will be read from the hub, or from its cache."


def _bound(
    table: Mapping[str, Callable[..., Any]], component: Mapping[str, Any], path: str
) -> str | None:
    return _said(lambda: bind(table, component, path), "")


def _said(attempt: Callable[[], object], path: str) -> str | None:
    try:
        attempt()
    except HaigaError as error:
        return f"{path}: {error}" if path else str(error)
    return None
