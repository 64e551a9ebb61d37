"""What every page needs: a template that escapes, a style sheet, pictures inside."""

from __future__ import annotations

import base64
import io
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined, Template
from PIL import Image

from haiga.models.pictures import open_picture
from haiga.reporting import words

SIDE: Final = 280
"""The longest side of a thumbnail, in pixels."""


def template(name: str) -> Template:
    """A template of this room; whatever is put into it is escaped."""
    # Not select_autoescape: it goes by file names, and no template may be trusted to one.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    filters: dict[str, Any] = {
        "percent": words.percent,
        "duration": words.duration,
        "interval": words.interval,
    }
    environment.filters |= filters
    return environment.from_string(_read(name))


def style() -> str:
    """The style sheet of all pages."""
    return _read("report.css")


def _read(name: str) -> str:
    return (files("haiga.reporting") / name).read_text(encoding="utf-8")


def thumbnail(data: bytes, side: int = SIDE) -> str:
    """A picture's file as a data URI: JPEG, upright, `side` pixels at most.

    Raises:
        PictureError: it cannot be opened.
    """
    picture = open_picture(data)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80, optimize=True)
    return uri("image/jpeg", buffer.getvalue())


def uri(kind: str, data: bytes) -> str:
    """A file as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
