"""Who writes what the model shall learn. One file and one line in the table for each provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from haiga.teachers.anthropic import anthropic
from haiga.teachers.client import Request, Response, Teacher
from haiga.teachers.local import local
from haiga.teachers.openai import openai
from haiga.teachers.openai_compatible import openai_compatible
from haiga.teachers.poet import poet
from haiga.teachers.witness import WITNESS_VERSION, witness
from haiga.world import POETS_VERSION

TEACHERS: dict[str, Callable[..., Teacher]] = {
    "poet": poet,
    "anthropic": anthropic,
    "openai": openai,
    "openai_compatible": openai_compatible,
    "local": local,
    "witness": witness,
}

VERSIONS: dict[str, Mapping[str, int]] = {
    "poet": {"poets": POETS_VERSION},
    "witness": {"witness": WITNESS_VERSION},
}
"""Of what a teacher writes by itself; a folder of another version is not gone on with."""

__all__ = ["TEACHERS", "VERSIONS", "Request", "Response", "Teacher"]
