"""A model on this machine as a teacher: a checkpoint that transformers loads, or a haiga stage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field

from haiga.errors import ModelError, PictureError, TeacherError
from haiga.teachers.client import Request, Response

Write: TypeAlias = Callable[[Request], tuple[str, bool]]
"""The text of an answer, and whether it was cut off."""
_TOLD: Final = "Answer with one JSON object of this schema and with nothing else:\n{schema}"


@dataclass(frozen=True, slots=True)
class Local:
    """Answers one question at a time. The model is read when it is first asked."""

    name: str
    write: Callable[[], Write]
    at_once: int = 1

    def ask(self, request: Request) -> Response:
        if request.schema is not None:
            # It is not held to the schema, only told; whoever reads the answer validates it.
            told = _TOLD.format(schema=json.dumps(request.schema, ensure_ascii=False))
            request = replace(request, prompt=f"{request.prompt}\n\n{told}", schema=None)
        try:
            text, cut = self.write()(request)
        except PictureError as error:
            raise TeacherError(f"A picture cannot be shown to the teacher. {error}") from error
        return Response(text, self.name, stop="length" if cut else "end")


def local(
    *,
    model: str,
    max_tokens: Annotated[int, Field(ge=1)] = 256,
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0,
) -> Local:
    """A vision-language model on this machine; its answers are free.

    Args:
        model: a stage's folder ("runs/NAME/stages/sft"), a checkpoint's folder, or a name on the
            hub, which must load as AutoModelForImageTextToText.
        max_tokens: of one answer.
        temperature: 0 takes the likeliest token, so that asking twice gives one text.
    """
    return Local(model, cache(lambda: _opened(model, max_tokens, temperature)))


def _opened(model: str, max_tokens: int, temperature: float) -> Write:
    """The model, read, as a function of a question."""
    # Here, because they bring transformers with them, which takes seconds.
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from haiga.models.device import device

    folder = Path(model) / "model" if (Path(model) / "model").is_dir() else Path(model)
    if (folder / "base.json").exists():
        return _stage(folder, max_tokens, temperature)
    try:
        loaded: Any = AutoModelForImageTextToText.from_pretrained(model, dtype="auto")
        processor = AutoProcessor.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"teach.teacher.model: {model} cannot be read as a vision-language model: {error}"
        ) from error
    return _whole(loaded.to(device()).eval(), processor, max_tokens, temperature)


def _stage(folder: Path, max_tokens: int, temperature: float) -> Write:
    """A haiga stage: asked as it was trained, without a system's words."""
    from haiga.models.adapters import load_stage
    from haiga.models.device import device
    from haiga.models.generate import generate
    from haiga.models.pictures import open_picture
    from haiga.records import IMAGE, user

    vlm = load_stage(folder)
    vlm.model.to(device())

    def write(request: Request) -> tuple[str, bool]:
        shown = [open_picture(data) for data in request.pictures]
        words = f"\n{request.prompt}" if shown else request.prompt
        prompt = (user(*[IMAGE] * len(shown), words),)
        (text,) = generate(
            vlm,
            [prompt],
            [shown],
            max_new_tokens=max_tokens,
            temperature=temperature,
            seed=request.seed,
        )
        length = len(vlm.tokenizer(text, add_special_tokens=False)["input_ids"])
        return text, length >= max_tokens

    return write


def _whole(model: Any, processor: Any, max_tokens: int, temperature: float) -> Write:
    """Any checkpoint, by its own chat template."""
    import torch

    from haiga.models.pictures import open_picture

    drawn = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}

    def write(request: Request) -> tuple[str, bool]:
        content: list[dict[str, Any]] = [
            {"type": "image", "image": open_picture(data)} for data in request.pictures
        ]
        content.append({"type": "text", "text": request.prompt})
        messages = [{"role": "user", "content": content}]
        if request.system:
            said = [{"type": "text", "text": request.system}]
            messages.insert(0, {"role": "system", "content": said})
        inputs = processor.apply_chat_template(
            messages,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(model.device, model.dtype)
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            torch.manual_seed(request.seed)
            ids = model.generate(**inputs, max_new_tokens=max_tokens, **drawn)
        new = ids[0, inputs["input_ids"].shape[1] :]
        return processor.decode(new, skip_special_tokens=True), len(new) >= max_tokens

    return write
