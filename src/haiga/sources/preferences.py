"""Preference sets in the forms in which they are published."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from statistics import fmean
from typing import Any, Final

from haiga.records import Answer, assistant
from haiga.sources.conversations import (
    RowFault,
    Shape,
    Talk,
    ask,
    checked,
    pair,
    pictures_of,
    shared,
    text_of,
    turn_of,
    turns_of,
)

_BLIND: Final = re.compile(
    r"\b(?:can't|can’t|cannot|can not|unable to|not able to)\s+(?:\w+\s+){0,2}"
    r"(?:see|view|access|display)\b[^.]*\b(?:image|picture|photo)",
    re.IGNORECASE,
)


def rlaif_v(row: Mapping[str, Any]) -> Talk:
    """RLAIF-V (Yu et al. 2024): `image`, `question`, `chosen`, `rejected`.

    https://huggingface.co/datasets/openbmb/RLAIF-V-Dataset
    """
    sides = [text_of(row, column) for column in ("chosen", "rejected")]
    return pair(ask(text_of(row, "question")), sides[0], sides[1], pictures_of(row))


def rlhf_v(row: Mapping[str, Any]) -> Talk:
    """RLHF-V (Yu et al. 2023): `image`, and in `text` a JSON object with the question and answers.

    https://huggingface.co/datasets/openbmb/RLHF-V-Dataset
    """
    text = row.get("text")
    try:
        inside = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        inside = None
    if not isinstance(inside, dict):
        raise RowFault("its text is no JSON object")
    return rlaif_v({**inside, "image": row.get("image")})


def vlfeedback(row: Mapping[str, Any]) -> Talk:
    """VLFeedback (Li et al. 2023): four `completions`, each rated in three aspects.

    The best by its mean rating is chosen, every one that is worse is rejected; one without a rating
    is left out. https://huggingface.co/datasets/MMInstruction/VLFeedback
    """
    rated = [
        (rating, completion)
        for completion in _completions(row.get("completions"))
        if (rating := _rating(completion.get("annotations"))) is not None
        and isinstance(completion.get("response"), str)
    ]
    if not rated:
        raise RowFault("no rated answer")
    best = max(rating for rating, _ in rated)
    winner = next(each for rating, each in rated if rating == best)
    losers = [each for rating, each in rated if rating < best]
    if not losers:
        raise RowFault("no answer is better than another")
    answers = [_completion(winner, "chosen"), *(_completion(each, "rejected") for each in losers)]
    place = row.get("img_path")
    return checked(Talk(ask(text_of(row, "prompt")), tuple(answers), (place,) if place else ()))


def _completions(value: Any) -> list[dict[str, Any]]:
    """A list of dicts, also where `datasets` has made a dict of lists of it."""
    if isinstance(value, dict):
        keys = list(value)
        value = [dict(zip(keys, each, strict=True)) for each in zip(*value.values(), strict=True)]
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise RowFault("no completions")
    return value


def _rating(annotations: Any) -> float | None:
    """The mean of the ratings, which are texts; "N/A" is none."""
    values = annotations.values() if isinstance(annotations, dict) else ()
    texts = [str(each.get("Rating")) for each in values if isinstance(each, dict)]
    numbers = [float(text) for text in texts if text.strip().isdecimal()]
    return fmean(numbers) if numbers else None


def _completion(completion: Mapping[str, Any], kind: str) -> Answer:
    model = completion.get("model")
    return Answer((assistant(completion["response"]),), kind, str(model or "source"))


def povid(row: Mapping[str, Any]) -> Talk:
    """POVID (Zhou et al. 2024): `conversations` are chosen over `rejected_conversations`.

    https://huggingface.co/datasets/YiyangAiLab/POVID_preference_data_for_VLLMs
    """
    prompt, chosen, rejected = shared(
        turns_of(row, "conversations"), turns_of(row, "rejected_conversations")
    )
    answers = (Answer(chosen, "chosen", "source"), Answer(rejected, "rejected", "source"))
    return checked(Talk(prompt, answers, pictures_of(row)))


def llava_rlhf(row: Mapping[str, Any]) -> Talk:
    """LLaVA-RLHF (Sun et al. 2023): `output_1` or `output_2`, by `preference`, in place of the
    last answer in `conversations`.

    https://huggingface.co/datasets/zhiqings/LLaVA-Human-Preference-10K
    """
    turns = turns_of(row, "conversations")
    prompt = turns[:-1] if turns[-1].role == "assistant" else turns
    outputs = [turn_of(row.get(key)).text for key in ("output_1", "output_2")]
    if row.get("preference") not in (1, 2):
        raise RowFault("no preference")
    chosen, rejected = outputs if row["preference"] == 1 else reversed(outputs)
    return pair(prompt, chosen, rejected, pictures_of(row))


def mmpr(row: Mapping[str, Any]) -> Talk:
    """MMPR (Wang et al. 2024): `image`, one or several, `question`, `chosen`, `rejected`.

    A chosen answer that says it cannot see the picture is refused.
    https://huggingface.co/datasets/OpenGVLab/MMPR-v1.2
    """
    if _BLIND.search(text_of(row, "chosen")):
        raise RowFault("the chosen answer sees no picture")
    return rlaif_v(row)


_PAIR: Final = ("question", "chosen", "rejected", "image", "images")
RLAIF_V: Final = Shape(rlaif_v, _PAIR)
RLHF_V: Final = Shape(rlhf_v, ("text", "image"))
VLFEEDBACK: Final = Shape(vlfeedback, ("prompt", "completions", "models", "img_path"))
POVID: Final = Shape(povid, ("conversations", "rejected_conversations", "image", "images"))
LLAVA_RLHF: Final = Shape(
    llava_rlhf, ("conversations", "output_1", "output_2", "preference", "image", "images")
)
MMPR: Final = Shape(mmpr, _PAIR)
