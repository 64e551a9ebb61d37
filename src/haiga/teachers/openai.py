"""OpenAI's own models, which reason, by its chat completions."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from haiga.teachers import http
from haiga.teachers.client import Pace, Remote
from haiga.teachers.openai_compatible import by_chat, kept_nothing, openai_compatible

KEY = "OPENAI_API_KEY"
ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


def openai(
    *,
    model: str,
    max_dollars: Annotated[float, Field(gt=0, allow_inf_nan=False)],
    max_tokens: Annotated[int, Field(ge=1)] = 2048,
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None,
    reasoning_effort: ReasoningEffort | None = None,
    side: Annotated[int, Field(ge=28, le=2048)] = 896,
    base_url: str = "https://api.openai.com/v1",
    pace: Pace | None = None,
) -> Remote:
    """GPT. Its key is in the environment, as OPENAI_API_KEY.

    Args:
        model: "gpt-6-luna", ….
        max_dollars: for all its calls in a run, over all sessions; none is made that could pass it.
        max_tokens: of one answer, what it reasons included.
        temperature: the model's own where none is given; one that reasons refuses it.
        reasoning_effort: the model's own where none is given. Not every model knows every one.
        side: of a picture as it is shown, the longer one, in pixels.
        base_url: of the API, or of a gateway that speaks it.
        pace: how fast it may be asked, or in batches.
    """
    given = {"temperature": temperature, "reasoning_effort": reasoning_effort}
    settings = {
        "model": model,
        "max_completion_tokens": max_tokens,
        **{name: value for name, value in given.items() if value is not None},
        **kept_nothing(model),
    }
    reached = openai_compatible(
        model=model,
        base_url=base_url,
        key=KEY,
        max_dollars=max_dollars,
        max_tokens=max_tokens,
        side=side,
        pace=pace,
    )
    server = http.Server(base_url.rstrip("/"), KEY)
    return replace(reached, local=False, **by_chat(server, settings, side))
