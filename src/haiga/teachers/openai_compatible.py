"""Whatever speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, LM Studio, a gateway, …."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address
from math import ceil
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from haiga.errors import TeacherError
from haiga.teachers import http
from haiga.teachers.bulk.openai import desk
from haiga.teachers.client import Pace, Remote, Request, Response
from haiga.teachers.prices import price_of
from haiga.teachers.views import MEDIA_TYPE, sizes, view

_OPENAI: Final = "api.openai.com"
_STOPS: Final = {"stop": "end", "length": "length", "content_filter": "refusal"}


def openai_compatible(
    *,
    model: str,
    base_url: str,
    key: str = "OPENAI_API_KEY",
    max_dollars: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,
    max_tokens: Annotated[int, Field(ge=1)] = 1024,
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None,
    side: Annotated[int, Field(ge=28, le=2048)] = 896,
    pace: Pace | None = None,
) -> Remote:
    """A model behind `base_url`.

    Args:
        model: as the server calls it.
        base_url: "http://localhost:8000/v1" (vLLM), "http://localhost:11434/v1" (Ollama),
            "http://localhost:8080/v1" (llama.cpp), "https://api.openai.com/v1".
        key: the environment variable that holds the key; a server on this machine may need none.
        max_dollars: for all its calls in a run; needed where the model has a price.
        max_tokens: of one answer, reasoning included.
        temperature: the server's own where none is given.
        side: of a picture as it is shown, the longer one, in pixels.
        pace: how fast it may be asked, or in batches, where the server takes them.
    """
    # OpenAI's newer models refuse the old name, and other servers do not know the new one.
    limit = "max_completion_tokens" if _host(base_url) == _OPENAI else "max_tokens"
    settings = {
        "model": model,
        limit: max_tokens,
        **({} if temperature is None else {"temperature": temperature}),
        **(kept_nothing(model) if _host(base_url) == _OPENAI else {}),
    }
    return Remote(
        name=model,
        model=model,
        tokens_in=partial(_tokens, model=model, side=side),
        max_tokens=max_tokens,
        url=base_url,
        key=key,
        local=_is_local(_host(base_url)),
        pace=pace or Pace(),
        max_dollars=max_dollars,
        **by_chat(http.Server(base_url.rstrip("/"), key), settings, side),
    )


def by_chat(server: http.Server, settings: dict[str, Any], side: int) -> dict[str, Any]:
    """How a `Remote` is asked by chat completions, directly and in batches.

    Args:
        server: the API, with /v1.
        settings: of every question: the model and how it answers.
        side: of a picture as it is shown, the longer one, in pixels.
    """

    def body(request: Request) -> dict[str, Any]:
        return _body(request, settings, side)

    def ask(request: Request) -> Response:
        return _response(server.post("/chat/completions", body(request)))

    return {"ask": ask, "desk": desk(server, body, _response)}


def kept_nothing(model: str) -> dict[str, Any]:
    """What tells OpenAI to keep nothing of a question for the next time, where keeping is dearer.

    It keeps by itself, and asks a quarter more for it from GPT-5.6 on; models before know no such
    option.
    """
    price = price_of(model, {})
    dearer = price is not None and (price.written or 0.0) > price.input
    return {"prompt_cache_options": {"mode": "explicit"}} if dearer else {}


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _tokens(request: Request, model: str, side: int) -> int:
    """Of the pictures: GPT-6 counts 1.2 for each 32 x 32 pixels, begun ones too.

    Of other models it is an estimate, by the 28 x 28 of Qwen's: each counts in its own way.
    """
    shown = sizes(request.pictures, side)
    if model.startswith("gpt-"):
        # In whole numbers: 1.2 times a multiple of 5 is not always one in floating point.
        return sum(ceil(ceil(w / 32) * ceil(h / 32) * 6 / 5) for w, h in shown)
    return sum(ceil(w / 28) * ceil(h / 28) for w, h in shown)


def _body(request: Request, settings: dict[str, Any], side: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = [
        {
            "type": "image_url",
            "image_url": {"url": f"data:{MEDIA_TYPE};base64,{view(data, side)}"},
        }
        for data in request.pictures
    ]
    content.append({"type": "text", "text": request.prompt})
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if request.system:
        messages.insert(0, {"role": "system", "content": request.system})
    body = {**settings, "messages": messages, "seed": request.seed}
    if request.schema is not None:
        name = request.task.replace(".", "_")  # OpenAI takes no dot in it
        wanted = {"name": name, "schema": request.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return body


def _response(answer: dict[str, Any]) -> Response:
    """What an answer says and was counted as."""
    try:
        usage = answer.get("usage") or {}
        choice = answer["choices"][0]
        message, stop = choice["message"], str(choice.get("finish_reason"))
        refused = message.get("refusal")
        details = usage.get("prompt_tokens_details") or {}
        return Response(
            text=_said(_text(message.get("content"))),
            model=str(answer.get("model")),
            tokens_in=usage.get("prompt_tokens") or 0,
            tokens_out=usage.get("completion_tokens") or 0,
            tokens_cached=details.get("cached_tokens") or 0,
            tokens_written=details.get("cache_write_tokens") or 0,
            stop="refusal" if refused else _STOPS.get(stop, stop),
        )
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise TeacherError(
            f"An answer of another form than chat completions came back: {error!r}."
        ) from None


def _text(content: Any) -> str:
    """A message's text; some servers give it in parts, and none at all beside a refusal."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part["text"] for part in content if part["type"] == "text")


def _said(text: str) -> str:
    """Without what was thought before it, which a server with no parser for it leaves in the text.

    Some templates open the thought in the prompt, so that its end alone may stand there.
    """
    said = text.rpartition("</think>")[2].lstrip()
    return "" if said.startswith("<think>") else said
