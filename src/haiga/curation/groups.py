"""A curated row as groups: one prompt for each task, and its answers; one for each trace."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from haiga.curation.rows import answer_of, own_prompt, paired
from haiga.recipe.checks import CHAT
from haiga.records import IMAGE, Group, Message, Picture, messages_from, user
from haiga.teachers.tasks import draw_instruction


def groups_of(row: Mapping[str, Any], seed: int) -> list[Group]:
    """A row's groups: one for each task, with all its answers, and one for each trace."""
    meta = json.loads(row["meta"])
    measurements = json.loads(row["measurements"])
    shown = tuple(
        Picture(id_, measurements[id_]["width"], measurements[id_]["height"])
        for id_ in row["pictures"]
    )
    groups = []
    for id_, texts in _by_group(row):
        task = texts[0]["task"]
        if texts[0].get("prompt"):
            prompt = messages_from(json.loads(texts[0]["prompt"]))
        elif task == CHAT:
            prompt = own_prompt(row)
        else:
            rng = np.random.default_rng([seed, *id_.encode()])
            instruction = draw_instruction(task, row["language"], partial(_any_of, rng))
            prompt = (question(len(shown), instruction, meta.get("description", "")),)
        groups.append(
            Group(
                id=id_,
                prompt=prompt,
                answers=tuple(map(answer_of, texts)),
                pictures=shown,
                task=task,
                language=row["language"],
                cluster=row["cluster"],
                meta=meta,
            )
        )
    return groups


def _by_group(row: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """(id, texts) of each group: the texts of a task; one with a prompt of its own stands alone."""
    for task in dict.fromkeys(text["task"] for text in row["answers"]):
        id_ = f"{row['id']}/{task}"
        own = [text for text in row["answers"] if text["task"] == task]
        alone = [text for text in own if text.get("prompt")]
        yield from ((f"{id_}/{at}", [text]) for at, text in enumerate(alone))
        if together := paired([text for text in own if not text.get("prompt")]):
            yield id_, together


def _any_of(rng: np.random.Generator, count: int) -> int:
    return int(rng.integers(count))


def question(images: int, instruction: str, description: str = "") -> Message:
    """The user's turn: the pictures, or a description in their place, then the instruction."""
    if images:
        return user(*[IMAGE] * images, "\n" + instruction)
    return user(f"{description}\n{instruction}" if description else instruction)
