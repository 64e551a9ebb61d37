"""A curated row as groups: one prompt for each task, and its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from haiga.curation.rows import own_answer, own_prompt
from haiga.recipe.checks import CHAT
from haiga.records import IMAGE, Answer, Group, Message, Picture, assistant, user
from haiga.teachers.tasks import draw_instruction


def groups_of(row: Mapping[str, Any], seed: int) -> list[Group]:
    """A row's groups: one for each task, with all its answers."""
    meta = json.loads(row["meta"])
    measurements = json.loads(row["measurements"])
    shown = tuple(
        Picture(id_, measurements[id_]["width"], measurements[id_]["height"])
        for id_ in row["pictures"]
    )
    groups = []
    for task in dict.fromkeys(text["task"] for text in row["answers"]):
        id_ = f"{row['id']}/{task}"
        texts = [text for text in row["answers"] if text["task"] == task]
        if task == CHAT:
            prompt, answers = own_prompt(row), tuple(map(own_answer, texts))
        else:
            rng = np.random.default_rng([seed, *id_.encode()])
            instruction = draw_instruction(task, row["language"], partial(_any_of, rng))
            prompt = (question(len(shown), instruction, meta.get("description", "")),)
            answers = tuple(
                Answer((assistant(text["text"]),), source=text["source"]) for text in texts
            )
        groups.append(
            Group(
                id=id_,
                prompt=prompt,
                answers=answers,
                pictures=shown,
                task=task,
                language=row["language"],
                cluster=row["cluster"],
                meta=meta,
            )
        )
    return groups


def _any_of(rng: np.random.Generator, count: int) -> int:
    return int(rng.integers(count))


def question(images: int, instruction: str, description: str = "") -> Message:
    """The user's turn: the pictures, or a description in their place, then the instruction."""
    if images:
        return user(*[IMAGE] * images, "\n" + instruction)
    return user(f"{description}\n{instruction}" if description else instruction)
