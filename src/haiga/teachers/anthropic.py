"""Claude, by Anthropic's Messages API (version 2026-10-21)."""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field

from haiga.errors import TeacherError
from haiga.teachers import http
from haiga.teachers.bulk.anthropic import desk
from haiga.teachers.client import Pace, Remote, Request, Response
from haiga.teachers.views import MEDIA_TYPE, sizes, view

KEY: Final = "ANTHROPIC_API_KEY"
VERSION: Final = "2026-10-21"
_STOPS: Final = {
    "end_turn": "end",
    "stop_sequence": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}
Effort: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]


def anthropic(
    *,
    model: str,
    max_dollars: Annotated[float, Field(gt=0, allow_inf_nan=False)],
    max_tokens: Annotated[int, Field(ge=1)] = 1024,
    effort: Effort | None = None,
    side: Annotated[int, Field(ge=28, le=1568)] = 896,
    base_url: str = "https://api.anthropic.com",
    pace: Pace | None = None,
) -> Remote:
    """Claude. Its key is in the environment, as ANTHROPIC_API_KEY.

    Args:
        model: "claude-haiku-5-5", ….
        max_dollars: for all its calls in a run, over all sessions; none is made that could pass it.
        max_tokens: of one answer, thinking included.
        effort: the model's own where none is given. Newer models take no temperature.
        side: of a picture as it is shown, the longer one, in pixels. 896 x 896 are 1,024 tokens.
        base_url: of the API, or of a gateway that speaks it.
        pace: how fast it may be asked, or in batches.
    """
    config: dict[str, Any] = {"effort": effort} if effort else {}
    settings = {"model": model, "max_tokens": max_tokens}
    server = http.Server(base_url.rstrip("/"), KEY, {"anthropic-version": VERSION})

    def body(request: Request) -> dict[str, Any]:
        return _body(request, settings, config, side)

    return Remote(
        name=model,
        model=model,
        ask=lambda request: _response(server.post("/v1/messages", body(request))),
        tokens_in=partial(_tokens, side=side),
        max_tokens=max_tokens,
        url=base_url,
        key=KEY,
        local=False,
        pace=pace or Pace(),
        max_dollars=max_dollars,
        desk=desk(server, body, _response),
    )


def _tokens(request: Request, side: int) -> int:
    """Of the pictures: one for each 28 x 28 pixels, begun ones too."""
    return sum(ceil(w / 28) * ceil(h / 28) for w, h in sizes(request.pictures, side))


def _body(
    request: Request, settings: dict[str, Any], config: dict[str, Any], side: int
) -> dict[str, Any]:
    content: list[dict[str, Any]] = [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": MEDIA_TYPE, "data": view(data, side)},
            # Otherwise a picture too large for a model is made smaller there, and nobody told.
            "transformations": {"oversized_image": "error"},
        }
        for data in request.pictures
    ]
    content.append({"type": "text", "text": request.prompt})
    if request.schema is not None:
        config = {**config, "format": {"type": "json_schema", "schema": request.schema}}
    return {
        **settings,
        "messages": [{"role": "user", "content": content}],
        **({"system": request.system} if request.system else {}),
        **({"output_config": config} if config else {}),
    }


def _response(answer: dict[str, Any]) -> Response:
    """What an answer says and was counted as; text in any other block is not an answer."""
    try:
        usage = answer.get("usage") or {}
        again = usage.get("cache_read_input_tokens") or 0
        written = usage.get("cache_creation_input_tokens") or 0
        stop = str(answer.get("stop_reason"))
        blocks = answer.get("content") or []
        return Response(
            text="".join(each["text"] for each in blocks if each["type"] == "text"),
            model=str(answer.get("model")),
            tokens_in=usage.get("input_tokens", 0) + again + written,
            tokens_out=usage.get("output_tokens", 0),
            tokens_cached=again,
            tokens_written=written,
            stop=_STOPS.get(stop, stop),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise TeacherError(
            f"An answer of another form than Anthropic's came back: {error}."
        ) from None
