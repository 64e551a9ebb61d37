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
SOURCE_TASK: Final = "describe"
"""A source's own captions are groups of this task."""
CHAT: Final = "chat"
"""A source's own questions and answers, where it has some, are groups of this one."""
OWN_ANSWERS: Final = ("given", "same", "mismatched")
"""Rejected answers that are no other task's."""
BASE: Final = "base"
"""The assembled model before its first stage."""
CRITIQUE: Final = "critique"
"""The exchange whose traces are groups of a task of their own."""
_ANY_NAME: Final = ("x", "model.layers.0.mlp.weight", "multi_modal_projector.linear_1.bias")
_LORA: Final = tuple(
    f"base_model.model.model.language_model.layers.0.self_attn.q_proj.{half}.default.weight"
    for half in ("lora_A", "lora_B")
)


def faults(recipe: Mapping[str, Any]) -> list[str]:
    """Faults between the sections of a recipe, each as "path: what", in the order of the file."""
    stages = _table(recipe.get("stage"))
    found = []
    for name in stages:
        stage = _table(stages[name])
        found += [f"stage.{name}{fault}" for fault in _stage_faults(stage)]
        found += _start_faults(name, stage, stages)
    found += _critic_faults(recipe)
    return [*found, *_split_faults(recipe), *_teach_faults(recipe), *_task_faults(recipe)]


def traces_of(task: str) -> str:
    """The task of the conversations in which texts of `task` were doubted and written again."""
    return f"{task}_{CRITIQUE}"


def _stage_faults(stage: Mapping[str, Any]) -> Iterator[str]:
    """Faults inside one stage, from behind its name on."""
    given = [key for key in ("epochs", "steps") if stage.get(key) is not None]
    if len(given) != 1:
        yield f": give exactly one of epochs and steps; it gives {' and '.join(given) or 'neither'}"
    batch, micro = stage.get("batch"), stage.get("micro_batch")
    if isinstance(batch, int) and isinstance(micro, int) and micro > batch:
        yield f".micro_batch: {micro} groups do not fit in a batch of {batch}"
    if stage.get("rejected") in (tasks := _array(stage.get("tasks"))):
        yield (
            f".rejected: {stage['rejected']!r} is among its tasks ({listed(map(str, tasks))}), so "
            'that every answer would be pulled both ways; name another, "mismatched" or "same"'
        )
    rules = [rule for rule in _array(stage.get("trainable")) if len(_array(rule)) == 2]
    if rules and not _catches_all(rules[-1][0]):
        yield (
            ".trainable: the last rule must match every parameter, so that none is forgotten; "
            'end with [".*", "frozen"] or [".*", a learning rate]'
        )
    if rules and all(rate == "frozen" for _, rate in rules):
        yield ".trainable: everything is frozen, so nothing would be learned; give one rule a rate"
    elif rules and stage.get("adapter") is not None and not _trains(rules, _LORA):
        yield (
            ".adapter: its weights are frozen by the rules of trainable, so it would change "
            'nothing; begin them with [".*lora_.*", a learning rate], or leave the adapter out'
        )


def _trains(rules: list[Any], names: tuple[str, ...]) -> bool:
    """Whether some of these parameters fall to a rule with a learning rate."""
    return any(
        next((rate for pattern, rate in rules if _matches(pattern, name)), "frozen") != "frozen"
        for name in names
    )


def _start_faults(name: str, stage: Mapping[str, Any], stages: Mapping[str, Any]) -> Iterator[str]:
    if name == BASE:
        yield f"stage.{BASE}: this name stands for the assembled model; choose another"
    start = stage.get("starts_from")
    path = f"stage.{name}.starts_from"
    earlier = list(stages)[: list(stages).index(name)]
    if not isinstance(start, str):
        return
    if start in earlier:
        yield from _parent_faults(path, stage, start, _table(stages[start]))
    elif start in stages:
        yield f"{path}: {start} comes later; write [stage.{start}] before [stage.{name}]"
    else:
        yield (
            f"{path}: there is no stage {start!r}{did_you_mean(start, earlier)}; earlier stages: "
            f"{listed(earlier)}; leave it out to start from the assembled base"
        )


def _parent_faults(
    path: str, stage: Mapping[str, Any], start: str, parent: Mapping[str, Any]
) -> Iterator[str]:
    parts = [each.get("part", "vlm") for each in (stage, parent)]
    if parts[0] != parts[1]:
        yield f"{path}: {start} trains the part {parts[1]!r}, and this stage {parts[0]!r}"
    elif parent.get("pictures") is False and stage.get("pictures") is not False:
        yield (
            f"{path}: {start} is a control that was trained without pictures; start from a stage "
            "that has seen some"
        )


def _critic_faults(recipe: Mapping[str, Any]) -> Iterator[str]:
    styles = _array(_table(recipe.get("critic")).get("styles"))
    if len(styles) == 1 or len(set(map(str, styles))) < len(styles):
        yield "critic.styles: a critic tells styles apart; name two or more, each once"


def _split_faults(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Faults that would show when all is trained and the pictures held out are asked for."""
    held_out = _table(recipe.get("split")).get("held_out")
    if not (recipe.get("source") and recipe.get("stage") and isinstance(held_out, int)):
        return
    shuffled = "shuffled" in _array(_table(recipe.get("evaluate")).get("conditions"))
    if held_out < 1 + shuffled:
        why = "so that the condition 'shuffled' can exchange them" if shuffled else "to judge by"
        yield f"split.held_out: hold out at least {1 + shuffled}, {why}; it is {held_out}"


def _teach_faults(recipe: Mapping[str, Any]) -> Iterator[str]:
    teach = _table(recipe.get("teach"))
    if teach and not recipe.get("source"):
        yield "teach: there are no pictures to write about; name a [source], or leave [teach] out"
    tasks = [task for task in _array(teach.get("tasks")) if isinstance(task, str)]
    for field in ("teachers", "answers", "exchanges"):
        for task in _table(teach.get(field)):
            if task not in tasks:
                near = did_you_mean(task, tasks)
                yield f"teach.{field}.{task}: no such task is in teach.tasks{near}: {listed(tasks)}"
    if tasks and set(tasks) <= set(_table(teach.get("teachers"))):
        yield "teach.teachers: each task has a teacher of its own; leave one to teach.teacher"


def _task_faults(recipe: Mapping[str, Any]) -> Iterator[str]:
    source, made = _table(recipe.get("source")), _made(recipe)
    language = recipe.get("language")
    for path, task in _asked(recipe):
        if task == "haiku" and isinstance(language, str) and language not in HAIKU_LANGUAGES:
            yield (
                f"{path}: a haiku's form can be counted in {' and '.join(HAIKU_LANGUAGES)} only, "
                f"and the recipe's language is {language!r}"
            )
        # Without a source the data comes from elsewhere, with any tasks.
        if source and task not in (*made, CHAT):
            yield (
                f"{path}: nothing makes groups of the task {task!r}{did_you_mean(task, made)}; "
                f"the source and the teacher make: {listed(made)}"
            )


def _made(recipe: Mapping[str, Any]) -> list[str]:
    """The tasks of the groups that the source and the teacher make."""
    teach = _table(recipe.get("teach"))
    tasks = [task for task in _array(teach.get("tasks")) if isinstance(task, str)]
    traces = [
        traces_of(task)
        for task, exchanges in _table(teach.get("exchanges")).items()
        if any(_table(each).get("name") == CRITIQUE for each in _array(exchanges))
    ]
    return list(dict.fromkeys([SOURCE_TASK, *tasks, *traces]))


def _asked(recipe: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and name of every task that some section asks for, or has rules for."""
    sections = {"teach": recipe.get("teach"), "evaluate": recipe.get("evaluate")}
    for name in ("similarity", "balance"):
        sections[f"curate.{name}"] = _table(recipe.get("curate")).get(name)
    for name, stage in _table(recipe.get("stage")).items():
        sections[f"stage.{name}"] = stage
    for path, section in sections.items():
        for task in _array(_table(section).get("tasks")):
            if isinstance(task, str):
                yield f"{path}.tasks", task
        rejected = _table(section).get("rejected")
        if isinstance(rejected, str) and rejected not in OWN_ANSWERS:
            yield f"{path}.rejected", rejected
    for task in _table(_table(recipe.get("curate")).get("texts")):
        yield f"curate.texts.{task}", task
    for task in _table(_table(recipe.get("curate")).get("rank")):
        yield f"curate.rank.{task}", task
    for task in _array(_table(recipe.get("critic")).get("styles")):
        if isinstance(task, str):
            yield "critic.styles", task


def _catches_all(pattern: Any) -> bool:
    return all(_matches(pattern, name) for name in _ANY_NAME)


def _matches(pattern: Any, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except (re.error, TypeError):
        return True  # its own fault says what is wrong with it


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _array(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []
