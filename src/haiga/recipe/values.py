"""What a single value of a recipe may be; `schema` puts them together."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError


def _component(value: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(value.get("name"), str):
        raise PydanticCustomError("component", 'must have a name: { name = "…" }')
    return _options(value)


def _options(value: dict[str, Any]) -> dict[str, Any]:
    if not _is_toml(value):
        raise PydanticCustomError("component", "holds a value that is neither text nor a number")
    return value


def _is_toml(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_toml(each) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_toml(each) for each in value)
    return isinstance(value, (str, bool, int, float))


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise PydanticCustomError(
            "pattern", "{value} is not a regular expression: {why}",
            {"value": repr(value), "why": str(error)},
        ) from error  # fmt: skip
    return value


def _rate(value: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value != "frozen" and not (number and 0 < value < float("inf")):
        raise PydanticCustomError(
            "rate", 'must be a learning rate above 0, or "frozen", not {value}',
            {"value": repr(value)},
        )  # fmt: skip
    return float(value) if number else value


def _bound(value: Any) -> Any:
    rate = isinstance(value, dict) and list(value) == ["false_accepts"]
    number = value["false_accepts"] if rate else value
    if (
        not isinstance(number, (int, float))
        or isinstance(number, bool)
        or not (0 < number < 1 if rate else -1 <= number <= 1)
    ):
        raise PydanticCustomError(
            "bound", "must be a cosine from -1 to 1, or {form} with a share between 0 and 1, "
            "not {value}", {"form": "{ false_accepts = 0.01 }", "value": repr(value)},
        )  # fmt: skip
    return {"false_accepts": float(number)} if rate else float(number)


Word: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Component: TypeAlias = Annotated[dict[str, Any], AfterValidator(_component)]
Options: TypeAlias = Annotated[dict[str, Any], AfterValidator(_options)]
Components: TypeAlias = Annotated[tuple[Component, ...], Field(strict=False)]
SomeWords: TypeAlias = Annotated[tuple[Word, ...], Field(strict=False, min_length=1)]
Hearing: TypeAlias = Annotated[
    tuple[Literal["words", "characters"], ...], Field(strict=False, min_length=1)
]
Lighter: TypeAlias = Annotated[
    tuple[Literal["bfloat16", "int8_tower", "int4_language_model"], ...], Field(strict=False)
]
Pattern: TypeAlias = Annotated[str, AfterValidator(_pattern)]
Rule: TypeAlias = Annotated[
    tuple[Pattern, Annotated[Any, AfterValidator(_rate)]], Field(strict=False)
]
Bound: TypeAlias = Annotated[Any, AfterValidator(_bound)]
Rules: TypeAlias = Annotated[tuple[Rule, ...], Field(strict=False, min_length=1)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Seed: TypeAlias = Annotated[int, Field(ge=0)]
Amount: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
