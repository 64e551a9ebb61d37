"""What is taken away from a model, so that a score can be read against its absence.

A condition changes the items (their pictures, their prompt) or the model. Item conditions are pure
functions of the list of items; model conditions are carried out by another answerer, which the
caller builds (`evaluation.run.Stage.controls`).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from PIL import Image

from haiga.errors import DataError
from haiga.models.pictures import open_picture
from haiga.records import Group, Message, Picture, text_only, user
from haiga.teachers.tasks import draw_instruction, instructions
from haiga.world.poets import POETS
from haiga.world.scenes import Scene

GREY = (128, 128, 128)
NO_STYLE = "any"
"""The task whose instructions ask for words about a picture, and for no manner."""
TAG = "tag_"
"""Before the name of a task, the task that asks for the same by a tag alone: "[STYLE: noir]"."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question to a model, with what is known about its right answer."""

    id: str
    prompt: tuple[Message, ...]
    pictures: tuple[Picture, ...] = ()
    reference: str = ""
    truth: Mapping[str, Any] = field(default_factory=dict)
    """The group's `meta`; `truth["scene"]` where the picture's content is known."""
    cluster: str = ""
    task: str = ""
    language: str = "en"
    grey: bool = False
    """The model is shown uniform grey of the pictures' own sizes."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A way to ask the same question with something removed."""

    kind: Literal["items", "model"]
    transform: Callable[[Sequence[Item], int], list[Item]]
    """(items, seed) -> the items as they are asked; never fewer, never in another order."""
    removes: str
    """What is removed, as the end of the sentence "this condition removes …"."""
    tells: Literal["picture", "style", "neither"] = "picture"
    """What a model has no use for that does as well under this condition. "neither" asks for the
    same in another way."""


def item_from(group: Group) -> Item:
    """A held-out group as an item; its first chosen answer is the reference."""
    reference = next((a.text for a in group.answers if a.kind == "chosen"), "")
    return Item(
        id=group.id,
        prompt=group.prompt,
        pictures=group.pictures,
        reference=reference,
        truth=dict(group.meta),
        cluster=group.cluster,
        task=group.task,
        language=group.language,
    )


def images(item: Item, pictures: Mapping[str, bytes]) -> list[Image.Image]:
    """The pictures that a model is shown for `item`, upright RGB, in the order of their places."""
    return [view(picture, item.grey, pictures) for picture in item.pictures]


def view(picture: Picture, grey: bool, pictures: Mapping[str, bytes]) -> Image.Image:
    """One picture, upright RGB; uniform grey of its size where it is shown so."""
    opened = open_picture(pictures[picture.id])
    return Image.new("RGB", opened.size, GREY) if grey else opened


def _as_is(items: Sequence[Item], seed: int) -> list[Item]:
    return list(items)


def _without_picture(items: Sequence[Item], seed: int) -> list[Item]:
    return [
        replace(item, prompt=tuple(_bare(m, item) for m in item.prompt), pictures=())
        for item in items
    ]


def _grey(items: Sequence[Item], seed: int) -> list[Item]:
    return [replace(item, grey=True) for item in items]


def in_words(items: Sequence[Item], seed: int) -> list[Item]:
    """Every item with a sentence in the place of its picture, that says all that is in it.

    Raises:
        DataError: the content of an item's picture is not known.
    """
    return [_told(item, seed) for item in items]


def _told(item: Item, seed: int) -> Item:
    scene = item.truth.get("scene")
    if not scene:
        raise DataError(
            f"Item {item.id}: what is in its picture is not known, so that no words can stand in "
            "its place. Leave the conditions 'in_words' and 'in_words_lm' out."
        )
    rng = np.random.default_rng([seed, *item.id.encode()])
    sentence = POETS["describe"](Scene.from_dict(scene), item.language, rng)
    (*before, last) = item.prompt
    text = sentence + last.text
    return replace(item, prompt=(*map(text_only, before), user(text)), pictures=())


def _bare(message: Message, item: Item) -> Message:
    """The message without its pictures, or without the description that stood in their place."""
    description = str(item.truth.get("description", ""))
    if description and message.text.startswith(description):
        return Message(message.role, (message.text.removeprefix(description).strip(),))
    return text_only(message)


def shuffle(items: Sequence[Item], seed: int) -> list[Item]:
    """Every item with another item's pictures, and never with its own.

    Items are laid out with equal pictures side by side inside their content clusters, both in
    random order, and each receives the pictures found as many places on as the largest cluster is
    long. No cluster then meets itself unless one holds more than half of the items, where only
    the pictures are sure to differ. Items trade with items of as many pictures; items without any
    stay as they are.

    Raises DataError where no such exchange exists (one picture on more than half of the items).
    """
    rng = random.Random(seed)
    by_count: dict[int, list[int]] = defaultdict(list)
    for position, item in enumerate(items):
        if item.pictures:
            by_count[len(item.pictures)].append(position)
    result = list(items)
    for count, positions in sorted(by_count.items()):
        shown = [tuple(p.id for p in items[i].pictures) for i in positions]
        largest = max(Counter(shown).values())
        if largest > len(positions) // 2:
            raise DataError(
                f"The pictures cannot be shuffled: {largest} of the {len(positions)} items with "
                f"{count} picture(s) show the same, so that some would keep their own. "
                "Evaluate on more pictures, or leave the condition 'shuffled' out."
            )
        for i, j in _exchange([items[i] for i in positions], rng):
            donor = items[positions[j]]
            result[positions[i]] = replace(items[positions[i]], pictures=donor.pictures)
    return result


def _exchange(items: Sequence[Item], rng: random.Random) -> list[tuple[int, int]]:
    """Pairs (receiver, donor) of positions in `items`, each once on either side."""
    cluster_of: dict[tuple[str, ...], str] = {}
    keys = []
    for item in items:
        shown = tuple(p.id for p in item.pictures)
        # One picture has one cluster, whatever the rows say: else its block could be torn apart.
        keys.append((cluster_of.setdefault(shown, item.cluster or "/".join(shown)), shown))
    places = {key: rng.random() for key in sorted({c for c, _ in keys})}
    order = sorted(range(len(items)), key=lambda i: (places[keys[i][0]], keys[i], rng.random()))
    largest = max(Counter(c for c, _ in keys).values())
    step = min(largest, len(items) // 2)
    return [(order[k], order[(k + step) % len(order)]) for k in range(len(order))]


def wrong_style(items: Sequence[Item], seed: int) -> list[Item]:
    """Every item is asked for another of the items' tasks, in that task's words.

    Raises:
        DataError: no item is asked for anything else, or a prompt is not asked in known words.
    """
    rng = random.Random(seed)
    tasks = sorted({item.task for item in items})
    return [_asking(item, rng.choice(_others(item, tasks)), rng) for item in items]


def no_style(items: Sequence[Item], seed: int) -> list[Item]:
    """Every item is asked for words about its picture, and for no manner; raises likewise."""
    rng = random.Random(seed)
    return [_asking(item, NO_STYLE, rng) for item in items]


def tag(items: Sequence[Item], seed: int) -> list[Item]:
    """Every item is asked for its style by a tag, without a word; raises as `wrong_style` does."""
    rng = random.Random(seed)
    return [_asking(item, TAG + item.task, rng) for item in items]


def wrong_tag(items: Sequence[Item], seed: int) -> list[Item]:
    """Every item is asked for another of the items' tasks by that task's tag; raises likewise."""
    rng = random.Random(seed)
    tasks = sorted({item.task for item in items})
    return [_asking(item, TAG + rng.choice(_others(item, tasks)), rng) for item in items]


def _others(item: Item, tasks: Sequence[str]) -> list[str]:
    """The tasks that are asked for in other words than the item's own."""
    own = set(instructions(item.task, item.language))
    others = [task for task in tasks if own.isdisjoint(instructions(task, item.language))]
    if not others:
        raise DataError(
            f"No item is asked for another style than {item.task!r} in {item.language!r}, so that "
            "none can be asked for the wrong one. Evaluate two tasks or more, or leave the "
            "condition 'wrong_style' out."
        )
    return others


def _asking(item: Item, task: str, rng: random.Random) -> Item:
    """The item with the words of another task in the place of its own."""
    *before, last = item.prompt
    said = str(last.parts[-1])
    own = [each for each in instructions(item.task, item.language) if said.endswith(each)]
    if not own:
        raise DataError(
            f"Item {item.id}: its prompt does not end with words that ask for {item.task!r} in "
            f"{item.language!r}, so that no others can stand in their place. Leave the conditions "
            "'wrong_style' and 'no_style' out."
        )
    other = draw_instruction(task, item.language, rng.randrange)
    parts = (*last.parts[:-1], said.removesuffix(max(own, key=len)) + other)
    return replace(item, prompt=(*before, replace(last, parts=parts)))


CONDITIONS: dict[str, Condition] = {
    "full": Condition("items", _as_is, "nothing"),
    "blind": Condition("items", _without_picture, "the picture, from the trained model's prompt"),
    "blind_lm": Condition(
        "model", _without_picture, "the picture and all training: the raw language model answers"
    ),
    "shuffled": Condition("items", shuffle, "the right picture: another one is shown"),
    "grey": Condition("items", _grey, "the picture's content: uniform grey of its size is shown"),
    "random_projector": Condition(
        "model", _as_is, "what training taught: adapter off, projector drawn anew at equal norm"
    ),
    "wrong_style": Condition(
        "items", wrong_style, "the right style from the prompt: another one is asked for", "style"
    ),
    "no_style": Condition("items", no_style, "the style from the prompt", "style"),
    "tag": Condition("items", tag, "the words that ask for the style: a tag names it", "style"),
    "wrong_tag": Condition(
        "items", wrong_tag, "the right style from the prompt: another one's tag is shown", "style"
    ),
    "best_of": Condition(
        "model", _as_is, "nothing: the best of several drawn answers is taken", "neither"
    ),
    "in_words": Condition(
        "items", in_words, "the picture: a sentence says what is in it", "neither"
    ),
    "in_words_lm": Condition(
        "model",
        in_words,
        "picture and training: the raw language model is told in words",
        "neither",
    ),
    "bfloat16": Condition("model", _as_is, "digits: weights of 16 bits", "neither"),
    "int8_tower": Condition("model", _as_is, "digits: a tower of 8 bits", "neither"),
    "int4_language_model": Condition(
        "model", _as_is, "digits: a language model of 4 bits", "neither"
    ),
}
USUAL = tuple(name for name, condition in CONDITIONS.items() if condition.tells == "picture")
"""Those that any held-out items can be put under."""
