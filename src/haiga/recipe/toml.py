"""Plain values as TOML text; the standard library reads TOML and does not write it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

WIDTH: Final = 96


def write(value: Mapping[str, Any]) -> str:
    """A table as TOML 1.0; keys whose value is None are left out, since TOML has no null."""
    return "\n".join(_table(value, ())) + "\n"


def _table(value: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Lines of a table: its own values first, then the tables in it, down to two levels."""
    deeper = {k: v for k, v in value.items() if isinstance(v, Mapping) and _is_section(path, k)}
    own = {k: v for k, v in value.items() if k not in deeper and v is not None}
    if path and (own or not deeper):
        yield ""
        yield f"[{'.'.join(_key(step) for step in path)}]"
    for key, each in own.items():
        yield _pair(key, each)
    for key, each in deeper.items():
        yield from _table(each, (*path, key))


def _is_section(path: tuple[str, ...], key: str) -> bool:
    """Sections are tables of their own, and so are the stages; the rest stays in one line."""
    return not path or path == ("stage",)


def _pair(key: str, value: Any) -> str:
    line = f"{_key(key)} = {_value(value)}"
    if len(line) <= WIDTH or not isinstance(value, (list, tuple)):
        return line
    items = "".join(f"  {_value(each)},\n" for each in value)
    return f"{_key(key)} = [\n{items}]"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)  # Python's inf, nan and 1e-06 are TOML's
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, Mapping):
        pairs = [f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    raise TypeError(f"a {type(value).__name__} has no TOML form here")


def _text(value: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML does not take as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)
