"""A model answers pictures: the same words, the same preparation of pictures as in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from haiga.errors import PictureError
from haiga.evaluation.conditions import Item
from haiga.evaluation.grounded import Best, Candidate, best_of
from haiga.models.generate import generate
from haiga.models.pictures import open_picture
from haiga.records import IMAGE, Message, Picture, user
from haiga.serving.opened import Opened, open_model
from haiga.store.files import digest
from haiga.teachers.tasks import instructions

BATCH = 16
"""Pictures opened and answered together, so that memory stays bounded however many are given."""


def answer(
    place: Path,
    pictures: Sequence[Path],
    *,
    task: str | None = None,
    language: str | None = None,
) -> Iterator[tuple[str, str, PictureError | None]]:
    """(name, text, None) for each picture in order, or (name, "", why it cannot be read).

    One picture that cannot be read does not keep the others from their answers.

    Raises:
        ModelError: `place` holds no model.
        RecipeError: no instruction is written for this task in this language.
    """
    opened = open_model(place)
    prompt = prompt_for(task or opened.task, language or opened.language)
    for start in range(0, len(pictures), BATCH):
        yield from _answers(opened, prompt, pictures[start : start + BATCH])


def prompt_for(task: str, language: str) -> tuple[Message, ...]:
    """What a model is asked about one picture.

    Raises:
        RecipeError: no instruction is written for this task in this language.
    """
    return (user(IMAGE, "\n" + instructions(task, language)[0]),)


def _answers(
    opened: Opened, prompt: tuple[Message, ...], pictures: Sequence[Path]
) -> Iterator[tuple[str, str, PictureError | None]]:
    seen = [_view(path) for path in pictures]
    views = [[view] for view in seen if isinstance(view, Image.Image)]
    length = opened.max_new_tokens
    texts = iter(generate(opened.vlm, [prompt] * len(views), views, max_new_tokens=length))
    for path, view in zip(pictures, seen, strict=True):
        if isinstance(view, PictureError):
            yield str(path), "", view
        else:
            yield str(path), next(texts), None


def answer_best(
    place: Path,
    pictures: Sequence[Path],
    best: Best,
    *,
    task: str | None = None,
    language: str | None = None,
) -> Iterator[tuple[str, list[Candidate], PictureError | None]]:
    """(name, candidates, None) for each picture, the best one first; otherwise as `answer`.

    Raises:
        ModelError: `place` holds no model, or a candidate could not be scored.
        RecipeError: no instruction is written for this task, or `best` lacks something.
    """
    opened = open_model(place)
    best = replace(best, max_new_tokens=opened.max_new_tokens)
    prompt = prompt_for(task or opened.task, language or opened.language)
    for path in pictures:
        view = _view(path)
        if isinstance(view, PictureError):
            yield str(path), [], view
            continue
        data = path.read_bytes()
        item = Item(str(path), prompt, (Picture(digest(data)),))
        (found,) = best_of(opened.vlm, [item], {item.pictures[0].id: data}, best)
        yield str(path), found, None


def _view(path: Path) -> Image.Image | PictureError:
    try:
        return open_picture(path, name=str(path))
    except PictureError as error:
        return error
