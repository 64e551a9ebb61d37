"""The floating world's poet as a teacher: offline, free, and always true to the scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from haiga.errors import TeacherError
from haiga.teachers.client import Request, Response
from haiga.world.poets import LANGUAGES, POETS
from haiga.world.scenes import Scene


@dataclass(frozen=True, slots=True)
class Poet:
    """Writes from the truth that the floating world left in a picture's meta."""

    name: str = "poet"
    at_once: int = 1

    def ask(self, request: Request) -> Response:
        if request.task not in POETS:
            raise TeacherError(
                f"teach.tasks: the poet does not write {request.task!r}; it writes: "
                f"{', '.join(sorted(POETS))}."
            )
        if request.language not in LANGUAGES:
            raise TeacherError(
                f"language: the poet does not write in {request.language!r}; it writes in: "
                f"{', '.join(LANGUAGES)}."
            )
        if "scene" not in request.meta:
            raise TeacherError(
                "The poet writes only about the floating world's own prints, and this picture is "
                "not one of them. Name another teacher in [teach] for other sources."
            )
        scene = Scene.from_dict(request.meta["scene"])
        # The scene's own id enters the seed, so that two prints never get one poem by rank alone.
        words = [request.seed, *scene.id.encode()]
        rng = np.random.default_rng(words)
        return Response(POETS[request.task](scene, request.language, rng), model=self.name)


def poet() -> Poet:
    """The floating world's poet; it takes no options."""
    return Poet()
