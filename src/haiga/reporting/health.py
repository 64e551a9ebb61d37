"""One self-contained page on a curated set: what it is like, what stayed, and what left and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from haiga.errors import PictureError
from haiga.reporting import health_plots, words
from haiga.reporting.page import style, template, thumbnail, uri
from haiga.store import write_atomically

THUMBNAIL: Final = 150
Gallery: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]


def write_page(found: Mapping[str, Any], gallery: Gallery, path: Path) -> None:
    """Write the page.

    Args:
        found: what health.json holds.
        gallery: "kept", and "stage: reason" -> examples, each with `id`, `picture` (a file's
            bytes; None where there is none that could be measured), `measured` (name -> value),
            `text` and `language`.
        path: of the HTML file.
    """
    write_atomically(path, render(found, gallery).encode())


def render(found: Mapping[str, Any], gallery: Gallery) -> str:
    """The page as HTML; see `write_page`."""
    figures = {
        "pictures": health_plots.pictures(found["pictures"]),
        "texts": health_plots.texts(found["texts"]),
        "concepts": health_plots.concepts(found["concepts"]),
    }
    return template("health.html.j2").render(
        found=found,
        style=style(),
        verdict=verdict(found),
        counted=_counts(found),
        figures={name: uri("image/svg+xml", svg) if svg else "" for name, svg in figures.items()},
        gallery={name: [_shown(each) for each in examples] for name, examples in gallery.items()},
    )


def verdict(found: Mapping[str, Any]) -> str:
    """How much stayed, what took most, and what somebody should look at."""
    gathered = found["stages"][0]["in"]
    if not gathered:
        return "Nothing was gathered."
    parts = [
        f"Of {gathered:,} rows gathered, {found['rows']:,} stayed "
        f"({words.percent(found['rows'] / gathered)})."
    ]
    reasons = {
        f"{reason} ({each['stage']})": count
        for each in found["stages"]
        for reason, count in each["reasons"].items()
    }
    if reasons:
        most = max(reasons, key=reasons.__getitem__)
        parts.append(f"Most left for one reason: {most}, {reasons[most]:,}.")
    for language, each in found["similarity"].items():
        check = each["retrieval"]
        if not check["enough"]:
            parts.append(
                f"Only {words.percent(check['share'])} of the pictures find their text in "
                f"{language!r} by {each['tower']}: look at the pairs before you train on them."
            )
    if found["review"]["waiting"]:
        parts.append(f"{found['review']['waiting']:,} lines of data/review.csv wait for a person.")
    return " ".join(parts)


def _counts(found: Mapping[str, Any]) -> dict[str, int]:
    """ "stage: reason" -> how many rows or texts."""
    rows = {
        f"{each['stage']}: {reason}": count
        for each in found["stages"]
        for reason, count in each["reasons"].items()
    }
    texts = {
        f"{stage}: {reason}": count
        for stage, reasons in found["set_aside"].items()
        for reason, count in reasons.items()
    }
    return {**texts, **rows}


def _shown(example: Mapping[str, Any]) -> dict[str, Any]:
    """An example as the template takes it: a thumbnail or what stands in its place, and numbers."""
    shown, instead = "", ""
    if example["picture"] is None:
        instead = "cannot be opened" if "error" in example["measured"] else "no picture"
    else:
        try:
            shown = thumbnail(example["picture"], THUMBNAIL)
        except PictureError:
            instead = "cannot be opened"
    measured = dict(example["measured"])
    size = [measured.pop(name) for name in ("width", "height") if name in measured]
    lines = [f"{size[0]:,} × {size[1]:,} px"] if len(size) == 2 else []
    lines += [f"{name.replace('_', ' ')} {_number(value)}" for name, value in measured.items()]
    return {**example, "picture": shown, "instead": instead, "measured": lines}


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
