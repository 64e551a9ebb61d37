"""A page on which somebody gives a picture and reads what a model writes to it.

Answers are those of `haiga write`, and no picture and no answer is kept. A program of this machine
may ask as the page does:

    POST /answer?task=haiku&language=en    the picture's bytes -> {"text": "…"}
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from haiga.errors import PictureError, RecipeError
from haiga.models.generate import generate
from haiga.models.pictures import open_picture
from haiga.records import Message
from haiga.serving.answer import prompt_for
from haiga.serving.loopback import Local, listening
from haiga.serving.opened import About, Opened, about, open_model
from haiga.teachers.views import MEDIA_TYPE, jpeg

LARGEST: Final = 64 * 2**20
"""Bytes of a picture that is taken."""
SIDE: Final = 1600
"""Pixels of the longer side of a picture that a browser cannot show by itself."""
TEMPERATURE: Final = 0.7
"""Of every answer but the first. At 1, the model's own distribution, small models lose the form."""
DRAWS: Final = 2**31


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be asked for."""

    model: str
    task: str
    language: str


@dataclass(frozen=True)
class Desk:
    """Models that are open, and what they can be asked for; one answer is written at a time."""

    models: Mapping[str, Opened]
    abouts: Mapping[str, About]
    prompts: Mapping[Choice, tuple[Message, ...]]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def offered(self) -> dict[str, Any]:
        """What the page needs to know."""
        told = {
            name: {**asdict(self.abouts[name]), "control": opened.control}
            for name, opened in self.models.items()
        }
        choices = [asdict(choice) for choice in self.prompts]
        return {"choices": choices, "models": told, "largest": LARGEST}

    def choice(self, asked: Mapping[str, str]) -> Choice:
        """The first choice that is as asked; what is not named may be any.

        Raises:
            RecipeError: there is none.
        """
        for choice in self.prompts:
            if asked.items() <= asdict(choice).items():
                return choice
        there = "; ".join(
            ", ".join(f"{name}={said}" for name, said in asdict(choice).items())
            for choice in self.prompts
        )
        wanted = ", ".join(f"{name}={said}" for name, said in asked.items())
        raise RecipeError(f"Nothing here answers to {wanted}. There are: {there}; and draw=N.")

    def answer(self, data: bytes, asked: Mapping[str, str]) -> str:
        """What a model writes to a picture: the likeliest, or what is drawn from the seed `draw`.

        Raises:
            RecipeError: nothing is as asked.
            PictureError: the data are no picture that can be read.
        """
        named = {name: said for name, said in asked.items() if name != "draw"}
        choice, seed = self.choice(named), _draw(asked.get("draw", "0"))
        opened = self.models[choice.model]
        with self.lock:
            (text,) = generate(
                opened.vlm,
                [self.prompts[choice]],
                [[open_picture(data)]],
                max_new_tokens=opened.max_new_tokens,
                temperature=TEMPERATURE if seed else 0.0,
                seed=seed,
            )
        return text


def open_desk(places: Sequence[Path]) -> Desk:
    """The models of these places, each opened once, as `haiga write` opens it.

    Raises:
        ModelError: a place holds no model.
        RecipeError: nobody has written words to ask a model with.
    """
    models = {str(place): open_model(place) for place in places}
    prompts = dict(pair for name, opened in models.items() for pair in _prompts(name, opened))
    return Desk(models, {str(place): about(place) for place in places}, prompts)


def serve(
    desk: Desk, *, port: int = 0, ready: Callable[[str], None] = lambda address: None
) -> None:
    """Serve a desk until Ctrl-C; `port` and what is raised are those of `listening`.

    `ready` is told the address once it answers.
    """
    with listening(handler(desk), port) as address, suppress(KeyboardInterrupt):
        ready(address)
        threading.Event().wait()
    # What is being written is waited for, since torch is not to be left in the middle of it.
    desk.lock.acquire()


def handler(desk: Desk) -> type[Local]:
    """What answers requests for a desk."""
    return type("Own", (_Handler,), {"desk": desk})


class _Handler(Local):
    desk: Desk
    """Set for each server."""

    def get(self, path: str, asked: dict[str, str]) -> None:
        if path == "/":
            self.page("demo.html")
        elif path == "/choices":
            self.reply(self.desk.offered)
        else:
            self.refuse(404, "There is no such page.")

    def post(self, path: str, asked: dict[str, str]) -> None:
        if path not in ("/answer", "/picture"):
            self.refuse(404, "There is no such page.")
        elif self.size > LARGEST:
            self.refuse(413, f"The picture is too large: at most {LARGEST >> 20} MiB are taken.")
            self._leave(self.size)
        elif path == "/picture":
            self._show(self.rfile.read(self.size))
        else:
            data = self.rfile.read(self.size)
            self.reply(lambda: {"text": self.desk.answer(data, asked)})

    def _show(self, data: bytes) -> None:
        """The picture in a form that any browser shows."""
        try:
            with self.desk.lock:
                body = jpeg(data, SIDE)
        except PictureError as error:
            self.refuse(400, str(error))
        else:
            self.send(200, body, MEDIA_TYPE)

    def _leave(self, size: int) -> None:
        """Take a body and leave it: a browser that is cut off while it sends hears no sentence."""
        while size > 0 and (piece := self.rfile.read(min(size, 2**16))):
            size -= len(piece)


def _prompts(name: str, opened: Opened) -> Iterator[tuple[Choice, tuple[Message, ...]]]:
    """What a model was trained to write, without what nobody has written words for.

    Raises:
        RecipeError: that leaves nothing.
    """
    faults, tasks = [], opened.tasks or (opened.task,)
    for task in tasks:
        try:
            prompt = prompt_for(task, opened.language)
        except RecipeError as error:
            faults.append(error)
        else:
            yield Choice(name, task, opened.language), prompt
    if len(faults) == len(tasks):
        raise faults[0]


def _draw(said: str) -> int:
    if not (said.isascii() and said.isdecimal() and int(said) < DRAWS):
        raise ValueError(f"draw={said}: give a whole number below {DRAWS:,}; 0 is the likeliest.")
    return int(said)
