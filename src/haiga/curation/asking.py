"""A row's questions to a teacher, and what came back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from haiga.errors import TeacherError
from haiga.teachers import Request, Response, Teacher
from haiga.teachers.tasks import draw_instruction

Spend = Callable[[Mapping[str, Any]], None]


def ask(
    teacher: Teacher,
    row: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    *,
    answers: Mapping[str, int],
    spend: Spend,
) -> tuple[list[dict[str, str]], list[str]]:
    """As many calls as `answers` asks of each task; the texts, equal ones once, and what failed.

    A text is {"task", "source", "text"}, a failure a sentence that begins with its task. `spend`
    is told of a call before its answer is looked at.
    """
    texts: dict[tuple[str, str], dict[str, str]] = {}
    failures = []
    meta = json.loads(row["meta"])
    data = tuple(pictures[id_] for id_ in row["pictures"])
    for task, calls in answers.items():
        prompt = draw_instruction(task, row["language"], lambda n: 0)
        for number in range(calls):
            try:
                response = teacher.ask(
                    Request(task, prompt, row["language"], data, seed=number, meta=meta)
                )
            except TeacherError as error:
                failures.append(f"{task}: {error}")
                continue
            if response.dollars or response.tokens_in or response.tokens_out:
                spend(_bill(response, row["id"], task))
            text = {"task": task, "source": teacher.name, "text": response.text}
            texts.setdefault((task, response.text), text)
    return list(texts.values()), failures


def _bill(response: Response, row: str, task: str) -> dict[str, Any]:
    return {
        "model": response.model,
        "dollars": response.dollars,
        "tokens_in": response.tokens_in,
        "tokens_out": response.tokens_out,
        "row": row,
        "task": task,
    }
