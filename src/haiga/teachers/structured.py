"""An answer as a record: asked for by a schema, and validated here whatever was promised."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from haiga.errors import TeacherError
from haiga.teachers.client import Request, Response, Teacher, text_of

_FENCED: Final = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL)


class Record(BaseModel):
    """What is asked for: every field is needed and no other is taken, as strict schemas want it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


R = TypeVar("R", bound=Record)


def ask_as(teacher: Teacher, request: Request, kind: type[R]) -> R:
    """The answer to `request` as a record. It is paid before it is read.

    Raises:
        TeacherError: no answer, or none of this kind; it is not asked again.
    """
    return read_as(teacher.ask(asking_for(request, kind)), kind)


def asking_for(request: Request, kind: type[Record]) -> Request:
    """`request`, to be answered with a record of this kind."""
    return replace(request, schema=kind.model_json_schema())


def read_as(response: Response, kind: type[R]) -> R:
    """What came back as a record.

    Raises:
        TeacherError: it is no answer, or none of this kind.
    """
    text = text_of(response)
    # Servers that do not know schemas are used to being asked by people.
    fenced = _FENCED.match(text)
    try:
        return kind.model_validate_json(fenced[1] if fenced else text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise TeacherError(
            f"{response.model} did not answer with a {kind.__name__}: {where}: {first['msg']}."
        ) from None
