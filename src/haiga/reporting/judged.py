"""The section on what a judge said, and how far to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from haiga.evaluation.rating.profile import FORM
from haiga.evaluation.rating.rubric import AXES
from haiga.reporting.page import template

SHOWN: Final = (*AXES, FORM)


def section(found: Mapping[str, Any]) -> Markup:
    """The section as HTML; empty where there was no judge."""
    if not found:
        return Markup("")
    # Rendered by an escaping template, so that its markup may stand in another page.
    html = template("judged.html.j2").render(judge=found, opening=opening(found), axes=SHOWN)
    return Markup(html)


def opening(found: Mapping[str, Any]) -> str:
    """How far the figures of the section may be believed, in a sentence or three."""
    name = str(found["judge"].get("model", found["judge"]["name"]))
    asked = f"{found['asked']:,} questions about {found['items']:,} pictures"
    why = f"{'; '.join(found['why'])}." if found["why"] else ""
    match found["status"]:
        case "rehearsal":
            return (
                "No judge has read these texts. The floating world\u2019s witness stood in, to try "
                f"the way: it finds names in texts and counts words ({asked}). {why}"
            ).strip()
        case "invalid" | "unreliable":
            return (
                f"{name} was asked {asked} and is {found['status']}: {why} What it said stands "
                "below to be looked into, and is in no other table of this page."
            )
        case "measured":
            return f"{name} was asked {asked}. How far it agrees with people stands below."
    return (
        f"{name} was asked {asked}. It is uncalibrated: nobody has labelled, so these figures say "
        "what this model prefers and not what people would, least of all about what is cultural or "
        "local. `haiga label` asks people about the same pairs."
    )
