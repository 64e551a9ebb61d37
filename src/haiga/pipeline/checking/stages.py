"""The stages of a recipe, each by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from haiga.errors import HaigaError
from haiga.objectives import OBJECTIVES, Objective, needs
from haiga.objectives.bind import bind_objective
from haiga.pipeline.run import FRESH
from haiga.recipe.names import listed
from haiga.recipe.schema import Recipe, Stage

PAIR_COLUMNS: Final = frozenset(
    {
        "image_embeds",
        "patch_embeds",
        "text_embeds",
        "logit_scale",
        "logit_bias",
        "picture_ids",
        "caption_ids",
        "true_captions",
    }
)
"""Columns of pictures beside captions: the part 'tower' computes these and no others."""
UNREAD: Final[Mapping[str, tuple[str, ...]]] = {
    "vlm": (),
    "tower": ("adapter", "answers", "max_tokens", "overflow", "pictures", "sample_every", "watch"),
    "language": ("adapter", "augment", "sample_every", "watch"),
}
"""The settings of a stage for which a part has no use."""


def faults(recipe: Recipe) -> Iterator[str]:
    """Objectives that do not fit, parts that cannot be trained, settings that nothing reads."""
    for name, stage in recipe.stage.items():
        yield from _objective_faults(f"stage.{name}", stage)
        yield from _part_faults(recipe, f"stage.{name}", stage)


def _objective_faults(path: str, stage: Stage) -> Iterator[str]:
    try:
        objective = bind_objective(stage.objective, f"{path}.objective")
    except HaigaError as error:
        yield str(error)
        return
    if _is_of_pairs(objective) != (stage.part == "tower"):
        takes = listed(name for name, each in OBJECTIVES.items() if _is_of_pairs(each))
        yield (
            f"{path}.objective.name: {stage.objective['name']} does not train the part "
            f"{stage.part!r}; the part 'tower' takes {takes}, and no other part does"
        )


def _is_of_pairs(objective: Objective) -> bool:
    return bool(PAIR_COLUMNS & set(needs(objective.function)))


def _part_faults(recipe: Recipe, path: str, stage: Stage) -> Iterator[str]:
    if (stage.part == "vlm") == (recipe.model.tower == FRESH):
        yield (
            f"{path}.part: the part 'vlm' is trained from two checkpoints that are there, 'tower' "
            f"and 'language' from {FRESH!r}; this is {stage.part!r} from {recipe.model.tower!r}"
        )
    for field in UNREAD[stage.part]:
        if getattr(stage, field) != Stage.model_fields[field].default:
            yield f"{path}.{field}: the part {stage.part!r} has no use for it; leave it out"
    if stage.part == "vlm" and stage.augment is not None and not stage.pictures:
        yield f"{path}.augment: a stage without pictures has none to change; leave it out"
