"""A teacher that is asked the same question once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from haiga.store.files import digest, fingerprint, read_json, write_json
from haiga.teachers.client import Remote, Request, Response


def cached(teacher: Remote, folder: Path, made_of: Mapping[str, Any]) -> Remote:
    """`teacher`, its answers kept in `folder` by what they answer: refusals too, errors not.

    Args:
        teacher: asked where no answer is kept.
        folder: a file for each answer, in a folder of its key's first two digits.
        made_of: the teacher's name, model and parameters.
    """

    def ask(request: Request) -> Response:
        known = kept(folder, request, made_of)
        if known is not None:
            return known
        response = teacher.ask(request)
        keep(folder, key_of(request, made_of), request.task, request.row, response)
        return response

    return replace(teacher, ask=ask)


def kept(folder: Path, request: Request, made_of: Mapping[str, Any]) -> Response | None:
    """The answer to a question that is kept, or None."""
    return answer_to(folder, key_of(request, made_of))


def answer_to(folder: Path, key: str) -> Response | None:
    """The answer to the question of a key, or None."""
    found = read_json(_path(folder, key))
    return None if found is None else Response(**found["response"])


def is_cached(folder: Path, request: Request, made_of: Mapping[str, Any]) -> bool:
    """Whether the answer to a question is kept."""
    return _path(folder, key_of(request, made_of)).exists()


def keep(folder: Path, key: str, task: str, row: str, response: Response) -> None:
    """Keep an answer by the key of its question."""
    write_json(_path(folder, key), {"task": task, "row": row, "response": asdict(response)})


def key_of(request: Request, made_of: Mapping[str, Any]) -> str:
    """What a question is kept by, 32 hex digits: of everything that its answer depends on."""
    question = {
        "teacher": made_of,
        "system": request.system,
        "prompt": request.prompt,
        "schema": request.schema,
        "pictures": [digest(data) for data in request.pictures],
        "seed": request.seed,
    }
    return fingerprint(question)


def _path(folder: Path, key: str) -> Path:
    return folder / key[:2] / f"{key}.json"
