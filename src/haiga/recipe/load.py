"""Recipes in and out: TOML text, overrides from the command line, and all faults at once."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from haiga.errors import RecipeError
from haiga.recipe import toml
from haiga.recipe.checks import faults as cross_faults
from haiga.recipe.names import did_you_mean, listed
from haiga.recipe.schema import Recipe


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a TOML file, with some of its values replaced.

    Args:
        path: the file.
        overrides: "a.b=c" each; c is a TOML value, or a bare word for text; numbers in the path
            count the items of an array from 0 ("curate.pictures.0.minimum=64").

    Raises:
        RecipeError: everything that is wrong with it, one line per fault as "path: what".
    """
    path = Path(path)
    raw = _read(path)
    found = [fault for text in overrides if (fault := _override(raw, text))]
    recipe = None
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        found += _field_faults(error, raw)
    if recipe is not None and not found:
        return recipe
    unique = list(dict.fromkeys(found))
    count = "1 fault" if len(unique) == 1 else f"{len(unique)} faults"
    raise RecipeError("\n".join([f"{path} has {count}:", *(f"  {each}" for each in unique)]))


def settings(texts: Sequence[str]) -> dict[str, Any]:
    """Options that stand in no recipe, "name=value" each; values are read as overrides are.

    Raises:
        RecipeError: one of them cannot be read.
    """
    found = {}
    for text in texts:
        name, equals, value = (each.strip() for each in text.partition("="))
        if not name or not equals:
            raise RecipeError(f"{text}: write an option as name=value, such as path=rows.parquet")
        try:
            found[name] = _parse(value)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"{name}: {value} is not a TOML value: {error}") from error
    return found


def dump(recipe: Recipe) -> str:
    """A recipe with all its defaults as TOML text; `load` of it gives the same recipe."""
    return toml.write(recipe.model_dump())


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        names = [each.name for each in sorted(path.parent.glob("*.toml"))]
        raise RecipeError(
            f"There is no recipe {path}{did_you_mean(path.name, names)}; {path.parent} has: "
            f"{listed(names)}."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as a recipe: {error}.") from error


def _override(raw: dict[str, Any], text: str) -> str | None:
    """Put one override into `raw`; returns the fault where it cannot be."""
    left, equals, right = text.partition("=")
    keys = left.strip().split(".")
    if not equals or not all(keys):
        return f"{text}: write an override as path=value, such as stage.sft.batch=16"
    here: Any = raw
    for depth, key in enumerate(keys):
        fault = _step_fault(here, tuple(keys[:depth]), key, last=depth == len(keys) - 1)
        if fault:
            return f"{'.'.join(keys[: depth + 1])}: {fault}"
        step: Any = int(key) if isinstance(here, list) else key
        if depth == len(keys) - 1:
            try:
                here[step] = _parse(right.strip())
            except tomllib.TOMLDecodeError as error:
                return f"{left.strip()}: {right.strip()} is not a TOML value: {error}"
        elif isinstance(here, dict):
            here = here.setdefault(step, {})
        else:
            here = here[step]
    return None


def _step_fault(here: Any, path: tuple[str, ...], key: str, *, last: bool) -> str | None:
    """What is wrong with going from `here`, which stands at `path`, to `key`."""
    if isinstance(here, list):
        if not key.isdecimal() or int(key) >= len(here):
            return f"there is no such item; {'.'.join(path)} has {len(here)}, counted from 0"
        return None
    if not isinstance(here, dict):
        return f"{'.'.join(path)} is a single value and has nothing inside"
    names = list(here) if path == ("stage",) and not last else _fields(path)
    if names is not None and key not in names:
        what = "stage" if path == ("stage",) else "field"
        return f"there is no such {what}{did_you_mean(key, names)}; there are: {listed(names)}"
    return None


def _parse(text: str) -> Any:
    """A TOML value; text that cannot be one is taken as it is."""
    try:
        parsed = tomllib.loads(f"value = {text}")
        if list(parsed) == ["value"]:
            return parsed["value"]
    except tomllib.TOMLDecodeError:
        if text[:1] in ("[", "{", '"', "'", ""):
            raise
    return text


def _field_faults(error: ValidationError, raw: Mapping[str, Any]) -> Iterator[str]:
    """A line per fault; those between sections are found here if pydantic did not."""
    for each in error.errors(include_url=False):
        if each["type"] == "recipe":
            yield from each["ctx"]["lines"].split("\n")
            return
        # Pydantic counts items after validation: none are left where each has its own fault.
        if each["type"] != "too_short" or not each["input"]:
            yield _field_fault(each)
    yield from cross_faults(raw)


def _field_fault(error: Mapping[str, Any]) -> str:
    steps = tuple(str(step) for step in error["loc"] if step != "[key]")
    path, kind, value = ".".join(steps), error["type"], error["input"]
    if kind == "extra_forbidden":
        names = _fields(steps[:-1]) or []
        near = did_you_mean(steps[-1], names)
        return f"{path}: there is no such field{near}; there are: {listed(names)}"
    if kind == "missing":
        return f"{path}: this is needed and is not there"
    if kind == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return f"{path}: {value!r} cannot stand here; it must be of the form {pattern}"
    if kind in ("component", "pattern", "rate", "bound"):
        return f"{path}: {error['msg']}"
    near = ""
    if kind == "literal_error":
        near = did_you_mean(str(value), re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    message = error["msg"].replace("Input should be", "must be")
    return f"{path}: {message.split(' or instance of')[0]}, not {value!r}{near}"


def _fields(path: Sequence[str]) -> list[str] | None:
    """The names that a recipe can have at `path`, or None where that is open."""
    here: Any = Recipe
    for step in path:
        here = _bare(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(step)
            here = None if field is None else field.annotation
        elif typing.get_origin(here) is dict:
            here = typing.get_args(here)[1]
        elif typing.get_origin(here) is tuple:
            here = typing.get_args(here)[0]
        else:
            return None
    here = _bare(here)
    is_section = isinstance(here, type) and issubclass(here, BaseModel)
    return list(here.model_fields) if is_section else None


def _bare(annotation: Any) -> Any:
    """A type without what is said about it and without `| None`."""
    while hasattr(annotation, "__metadata__") or type(None) in typing.get_args(annotation):
        annotation = typing.get_args(annotation)[0]
    return annotation
