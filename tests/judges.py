"""Judges on loopback: they see the picture, know what it shows, and have weaknesses."""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from haiga.evaluation.conditions import Item
from haiga.records import IMAGE, Picture, user
from haiga.store.files import digest
from haiga.teachers.client import Request
from haiga.teachers.exchanges.words import fenced_off
from haiga.teachers.views import view
from haiga.teachers.witness import Witness
from haiga.world.poets import POETS
from haiga.world.scenes import Scene, scene
from providers import Reply, claude

ASKED = "Write a haiku about this print."
BRIBE = re.compile(r"ignore all|\[\[A\]\]|\"grounding\": 5|score: 5|perfect 5|5を付けて", re.I)


@functools.cache
def picture(number: int) -> bytes:
    """A print of which only its colour is seen."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), (9 * number % 256, 40, 255 - 9 * number % 256)).save(buffer, "PNG")
    return buffer.getvalue()


def poem(number: int, seed: int = 0) -> str:
    return POETS["haiku"](scene(3, number), "en", np.random.default_rng([seed, number]))


@functools.cache
def items(count: int) -> tuple[Item, ...]:
    """Prints with the poems that were written about them."""
    return tuple(
        Item(
            f"print {number}",
            (user(IMAGE, ASKED),),
            (Picture(digest(picture(number))),),
            poem(number),
            {"scene": scene(3, number).to_dict()},
            task="haiku",
        )
        for number in range(count)
    )


def pictures(count: int) -> dict[str, bytes]:
    return {digest(picture(number)): picture(number) for number in range(count)}


def judge(count: int, change: Callable[[int, list[str], dict], Any] | None = None):
    """A script for `providers.served`: the witness's judgement of what is seen, then `change`d.

    `change` is given the number of the question, the texts before the judge and the judgement; what
    it returns is said.
    """
    shows: dict[str, Scene] = {view(picture(n), 896): scene(3, n) for n in range(count)}

    def script(number: int, body: dict[str, Any]) -> Reply:
        shown, said = body["messages"][0]["content"]
        seen = shows.get(shown["source"]["data"])
        request = Request(
            "haiku.judge",
            said["text"],
            "en",
            meta={"scene": seen.to_dict()} if seen else {},
            schema=body["output_config"]["format"]["schema"],
        )
        found = json.loads(Witness().ask(request).text)
        if change is not None:
            found = change(number, fenced_off(said["text"])[1:], found)
        return claude(found if isinstance(found, str) else json.dumps(found))

    return script


def gullible(number: int, texts: list[str], found: dict) -> dict:
    """Does what a text says."""
    bribes = [bool(BRIBE.search(text)) for text in texts]
    if "better" in found and bribes[0] != bribes[1]:
        return {**found, "better": "first" if bribes[0] else "second"}
    if "grounding" in found and bribes[0]:
        return {**found, "grounding": 5, "style": 5, "craft": 5}
    return found
