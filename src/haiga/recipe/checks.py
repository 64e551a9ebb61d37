"""What no single field of a recipe can know: how its sections fit together.

The checks read plain values, and pass over what has the wrong shape, so that they can speak beside
the faults of single fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from haiga.recipe.names import did_you_mean, listed

HAIKU_LANGUAGES: Final = ("en", "ja")
"""Those whose syllables or morae `haiga.text` can count."""
SOURCE_TASKS: Final = ("describe",)
"""A source's own captions are groups of this task, unless its option `tasks` names others."""
BASE: Final = "base"
"""The assembled model before its first stage."""
_ANY_NAME: Final = ("x", "model.layers.0.mlp.weight", "multi_modal_projector.linear_1.bias")


def faults(recipe: Mapping[str, Any]) -> list[str]:
    """Faults between the sections of a recipe, each as "path: what", in the order of the file."""
    stages = _table(recipe.get("stage"))
    found = []
    for name in stages:
        stage = _table(stages[name])
        found += [f"stage.{name}{fault}" for fault in _stage_faults(stage)]
        found += _start_faults(name, stage, list(stages))
    return [*found, *_task_faults(recipe)]


def _stage_faults(stage: Mapping[str, Any]) -> Iterator[str]:
    """Faults inside one stage, from behind its name on."""
    given = [key for key in ("epochs", "steps") if stage.get(key) is not None]
    if len(given) != 1:
        yield f": give exactly one of epochs and steps; it gives {' and '.join(given) or 'neither'}"
    batch, micro = stage.get("batch"), stage.get("micro_batch")
    if isinstance(batch, int) and isinstance(micro, int) and micro > batch:
        yield f".micro_batch: {micro} groups do not fit in a batch of {batch}"
    rules = [rule for rule in _array(stage.get("trainable")) if len(_array(rule)) == 2]
    if rules and not _catches_all(rules[-1][0]):
        yield (
            ".trainable: the last rule must match every parameter, so that none is forgotten; "
            'end with [".*", "frozen"] or [".*", a learning rate]'
        )
    if rules and all(rate == "frozen" for _, rate in rules):
        yield ".trainable: everything is frozen, so nothing would be learned; give one rule a rate"


def _start_faults(name: str, stage: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    if name == BASE:
        yield f"stage.{BASE}: this name stands for the assembled model; choose another"
    start = stage.get("starts_from")
    path = f"stage.{name}.starts_from"
    earlier = names[: names.index(name)]
    if not isinstance(start, str) or start in earlier:
        return
    if start in names:
        yield f"{path}: {start} comes later; write [stage.{start}] before [stage.{name}]"
    else:
        yield (
            f"{path}: there is no stage {start!r}{did_you_mean(start, earlier)}; earlier stages: "
            f"{listed(earlier)}; leave it out to start from the assembled base"
        )


def _task_faults(recipe: Mapping[str, Any]) -> Iterator[str]:
    source, teach = _table(recipe.get("source")), _table(recipe.get("teach"))
    made = [*_array(source.get("tasks", SOURCE_TASKS)), *_array(teach.get("tasks"))]
    language = recipe.get("language")
    for path, task in _asked(recipe):
        if task == "haiku" and isinstance(language, str) and language not in HAIKU_LANGUAGES:
            yield (
                f"{path}: a haiku's form can be counted in {' and '.join(HAIKU_LANGUAGES)} only, "
                f"and the recipe's language is {language!r}"
            )
        # Without a source or a teacher the data comes from elsewhere, with any tasks.
        if source and teach and not path.startswith("teach") and task not in made:
            yield (
                f"{path}: nothing makes groups of the task {task!r}{did_you_mean(task, made)}; "
                f"the source and the teacher make: {listed(made)}"
            )


def _asked(recipe: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and name of every task that some section asks for."""
    sections = {"teach": recipe.get("teach"), "evaluate": recipe.get("evaluate")}
    for name, stage in _table(recipe.get("stage")).items():
        sections[f"stage.{name}"] = stage
    for path, section in sections.items():
        for task in _array(_table(section).get("tasks")):
            if isinstance(task, str):
                yield f"{path}.tasks", task


def _catches_all(pattern: Any) -> bool:
    try:
        return all(re.fullmatch(pattern, name) for name in _ANY_NAME)
    except (re.error, TypeError):
        return True  # its own fault says what is wrong with it


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _array(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []
