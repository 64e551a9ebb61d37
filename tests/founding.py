"""The founding experiment on loopback: a museum, Claude, and tiny models in place of real ones.

Two tiny random models stand for SigLIP and Qwen; all else is a recipe as it is shipped, in smaller
numbers: one `--set` for each thing that is not the real one.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import tiny
from haiga import events
from haiga.teachers.tasks import instructions
from haiga.world.poets import POETS
from haiga.world.scenes import scene
from loopback import send, serving
from made import picture
from museum import PRINT, Museum, block, send_json, table_of, told
from providers import Reply, claude, fault

RECIPES = Path(__file__).parents[1] / "recipes"
SIDE = 240
FIRST = (
    "rain on the old bridge",
    "snow over the town",
    "one crane by the reeds",
    "the ferry at dusk",
)
SECOND = (
    "a woman shelters from rain",
    "the boatman leans on his pole",
    "lanterns tremble on the wave",
)
THIRD = ("the road bends away", "a bell far away", "the moon climbs the pines")
POEMS = {
    "en": ["\n".join(lines) for lines in itertools.product(FIRST, SECOND, THIRD)],
    "ja": [POETS["haiku"](scene(7, n), "ja", np.random.default_rng(n)) for n in range(36)],
}
PRICES = {"claude-haiku-5-5": (0.10, 0.50), "claude-sonnet-5-5": (2.0, 10.0)}
FAULTS = {
    "en": {"not_shown": ["A pond is named, and there is none."], "missing": ["The red sail."]},
    "ja": {"not_shown": ["描かれていない池があります。"], "missing": ["赤い帆がありません。"]},
}


class Claude:
    """A teacher that counts what it is owed, and does not always answer."""

    def __init__(self, language: str, share: float = 1.0, delay: float = 0.0) -> None:
        self.language, self.share, self.delay = language, share, delay
        self.owed: list[float] = []
        self.kinds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, number: int, body: dict) -> Reply:
        with self._lock:
            if number == 5:
                return fault(529, "overloaded_error", "Overloaded", retry_after="0.01")
            tokens = (900 + number, 30 + number % 7)
            prices = PRICES[body["model"]]
            dollars = sum(t * p for t, p in zip(tokens, prices, strict=True)) / 1e6
            self.owed.append(dollars * self.share)
            kind = self._kind(body)
            self.kinds[kind] += 1
        reply = self._reply(kind, number, tokens)
        reply.delay = self.delay
        return reply

    def _kind(self, body: dict) -> str:
        text = body["messages"][0]["content"][-1]["text"]
        if "format" in body.get("output_config", ()):
            return "critique"
        if instructions("describe", self.language)[0] == text:
            return "describe"
        return "revise" if FAULTS[self.language]["missing"][0] in text else "poem"

    def _reply(self, kind: str, number: int, tokens: tuple[int, int]) -> Reply:
        if number == 9:
            return claude("", "refusal", tokens)
        if kind == "critique":
            verdict = "revise" if number % 3 else "keep"
            found = {**FAULTS[self.language], "form": [], "verdict": verdict}
            return claude(json.dumps(found, ensure_ascii=False), tokens=tokens)
        if kind == "describe":
            said = {
                "en": f"A woman stands by bridge number {number} in the rain.",
                "ja": f"雨の中、{number}番の橋のそばに女の人が立っています。",
            }
            return claude(said[self.language], tokens=tokens)
        poems = POEMS[self.language]
        poem = poems[number % len(poems)] if number % 11 else "no poem\nof any form"
        return claude(poem, tokens=tokens)


def prepare(folder: Path, objects: int) -> Path:
    """Tiny models, and a table in which one row of two is a print."""
    tiny.tiny_tower(folder / "tower")
    tiny.tiny_language_model(folder / "language")
    other = {**PRINT, "Medium": "Lithograph"}
    rows = [
        {**each, "Object ID": str(n + place)}
        for n in range(objects)
        for place, each in ((0, PRINT), (1000, other))
    ]
    table_of(folder / "MetObjects.csv", rows)
    return folder


@contextmanager
def museum(objects: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Museum]:
    """It blocks whoever comes the twelfth time, and has what a museum has."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        room = import_module("haiga.sources.met")
        monkeypatch.setattr(room, "API", f"{server.url}/v1/objects")
        monkeypatch.setattr(room, "BLOCKED", 0.05)
        made = Museum(server, objects, SIDE)
        routes = server.routes
        for n in range(12, objects, 12):
            answer = told(server.url, n)
            routes[f"/v1/objects/{n}"] = lambda h, t, answer=answer: (
                send_json(h, answer) if t > 1 else block(h)
            )
        made.object(3, primaryImage="", primaryImageSmall="")
        routes["/v1/objects/4"] = lambda h, t: send_json(h, {"message": "ObjectID not found"}, 404)
        del routes["/web-large/5.jpg"]
        small, twin = picture(6, "JPEG", 100), picture(8, "JPEG", SIDE)
        routes["/web-large/6.jpg"] = lambda h, t: send(h, small)
        routes["/web-large/7.jpg"] = lambda h, t: send(h, twin)
        yield made


def words(home: Path, language: str, *more: str) -> list[str]:
    """What is written behind `haiga run`: one --set for each thing that is not the real one."""
    changes = [
        f"source.data='{home}/MetObjects.csv'",
        f"source.cache='{home}/{language}-met'",
        "source.seconds=0.0",
        f"model.tower='{home}/tower'",
        f"model.language_model='{home}/language'",
        "evaluate.max_new_tokens=4",
        *more,
    ]
    recipe = RECIPES / f"ukiyoe-haiku-{language}.toml"
    return [str(recipe), *itertools.chain(*(("--set", each) for each in changes))]


def paid(run: Path) -> list[float]:
    """The dollars of each call in a run's ledger; a line on calls that a kill took is none."""
    bills = events.read(run / "ledger.jsonl")
    return [bill["dollars"] for bill in bills if "lost" not in bill]
