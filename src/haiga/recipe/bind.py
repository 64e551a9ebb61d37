"""A component bound to a function: the function's keyword-only signature is its schema."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from haiga.errors import RecipeError
from haiga.recipe.names import did_you_mean, listed

REQUIRED: Final = inspect.Parameter.empty
"""Stands for the default of an option that has none."""


def options(function: Callable[..., Any]) -> dict[str, Any]:
    """The options of a function, its keyword-only parameters, with their defaults or `REQUIRED`."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def bind(
    table: Mapping[str, Callable[..., Any]], component: Mapping[str, Any], path: str
) -> functools.partial[Any]:
    """The function that a component names, with the component's options filled in.

    Args:
        table: name -> function; everything a component can be.
        component: {"name": …, option: value, …}, as read from a recipe.
        path: where it stands in the recipe, "stage.dpo.objective".

    Returns:
        A partial that waits for the function's positional arguments.

    Raises:
        RecipeError: all that is wrong with it, a line each.
    """
    name = component.get("name")
    if not isinstance(name, str) or name not in table:
        near = did_you_mean(str(name), table)
        raise RecipeError(f"{path}.name: there is no {name!r}{near}; there are: {listed(table)}")
    function = table[name]
    given = {key: value for key, value in component.items() if key != "name"}
    hints = _hints(function)
    known = options(function)
    faults = [f"{path}.{fault}" for fault in _name_faults(name, known, hints, given)]
    values = {}
    for key in (key for key in given if key in known):
        try:
            values[key] = _typed(hints.get(key, Any), given[key])
        except ValidationError as error:
            faults += [f"{path}.{line}" for line in _type_faults(key, error)]
    if faults:
        raise RecipeError("\n".join(faults))
    return functools.partial(function, **values)


def _name_faults(
    name: str, known: Mapping[str, Any], hints: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[str]:
    for key in given:
        if key not in known:
            near = did_you_mean(key, known)
            yield f"{key}: {name} takes no such option{near}; it takes: {listed(known)}"
    for key, default in known.items():
        if default is REQUIRED and key not in given:
            kind = _plain(hints[key]) if key in hints else "any value"
            yield f"{key}: {name} needs this option ({kind})"


def _plain(annotation: Any) -> str:
    """A type as a person would say it, without its bounds: those are said when they are passed."""
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return inspect.formatannotation(bare)


def _typed(annotation: Any, value: Any) -> Any:
    """`value` as the annotation wants it.

    Checked as JSON: there, strictness is that of a text file (an array may be a tuple and 1 a
    float, while "1" is not a number and true is not 1).
    """
    return TypeAdapter(annotation).validate_json(
        to_json(value, inf_nan_mode="constants"), strict=True
    )


def _type_faults(key: str, error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        # Where several kinds are allowed, pydantic names the kind it tried; a place is a number.
        place = ".".join([key, *(str(step) for step in each["loc"] if isinstance(step, int))])
        yield f"{place}: {each['msg'].replace('Input should be', 'must be')}, not {each['input']!r}"


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of the options alone: those of tensors need not be evaluated here."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    names = options(function)
    annotations = {
        name: kind for name, kind in inspect.get_annotations(function).items() if name in names
    }
    holder = types.SimpleNamespace(__annotations__=annotations)
    names_of = getattr(function, "__globals__", {})
    return typing.get_type_hints(holder, globalns=names_of, include_extras=True)
