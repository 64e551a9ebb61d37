"""What a stage changed: each check's difference, and the pictures whose answers moved most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from haiga.evaluation.compare import primary
from haiga.evaluation.scores import Scores
from haiga.reporting import words
from haiga.reporting.facts import RunFacts
from haiga.reporting.page import thumbnail
from haiga.reporting.plots import ACCENT, FAINT, GREY, INK, STYLE, panels_of, svg

SHOWN: Final = 4
"""Pictures of the largest gains, and as many of the largest losses."""
Row = Mapping[str, Any]


def differences(comparisons: Sequence[Row]) -> bytes | None:
    """A panel for each stage that is held against its start: a row for each check, in points.

    None where no stage is.
    """
    steps: dict[str, list[Row]] = {}
    for row in comparisons:
        if row["kind"] == "stage":
            steps.setdefault(f"{row['against']} to {row['stage']}", []).append(row)
    if not steps:
        return None
    with mpl.rc_context(STYLE):
        columns = min(3, len(steps))
        height = 0.9 + 0.26 * max(len(rows) for rows in steps.values())
        figure, panels = panels_of(-(-len(steps) // columns), columns, height)
        for panel, (name, rows) in zip(panels, steps.items(), strict=False):
            _panel(panel, name, rows)
        for panel in panels[len(steps) :]:
            panel.set_visible(False)
        return svg(figure)


def _panel(panel: Axes, name: str, rows: Sequence[Row]) -> None:
    for y, row in enumerate(rows):
        colour = ACCENT if row["moved"] else GREY
        panel.plot([row["low"], row["high"]], [y, y], color=colour, lw=2.2 if row["moved"] else 1.2)
        face = colour if row["moved"] else "white"
        panel.plot([row["difference"]], [y], "o", color=colour, mfc=face, ms=6)
    panel.axvline(0, color=INK, linewidth=0.8)
    reach = max(0.05, *(abs(row[side]) for row in rows for side in ("low", "high")))
    panel.set(title=name, ylim=(len(rows) - 0.5, -0.5), xlim=(-1.08 * reach, 1.08 * reach))
    panel.set_yticks(range(len(rows)), [row["check"].replace("_", " ") for row in rows])
    panel.tick_params(axis="y", length=0)
    panel.xaxis.set_major_locator(MaxNLocator(4, symmetric=True))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:+.0f}"))
    panel.set_xlabel("points")
    panel.grid(axis="x", color=FAINT, linewidth=0.5)
    panel.set_axisbelow(True)


def largest(run: RunFacts) -> dict[str, Any]:
    """The pictures whose answers the last step moved most, by the check that decides.

    Returns: "stage", "start", "check", and "gains" and "losses", largest first, each a list of
        {"id", "picture", "was", "now", "before", "after", "unread" (the stages whose answer cannot
        be read)}; empty where no stage has a start, or no
        such check was made.
    """
    steps = [row for row in run.comparisons if row["kind"] == "stage"]
    check = primary([row["check"] for row in steps])
    if check is None:
        return {}
    stage, start = steps[-1]["stage"], steps[-1]["against"]
    now, was = (_shares(run.scores.get(name, {}), check) for name in (stage, start))
    change = {each: now[each] - was[each] for each in now if each in was and each in run.pictures}
    ordered = sorted(change, key=lambda each: -change[each])
    chosen = {
        "gains": [each for each in ordered if change[each] > 0][:SHOWN],
        "losses": [each for each in reversed(ordered) if change[each] < 0][:SHOWN],
    }
    if not any(chosen.values()):
        return {}
    after, before = (
        {row["id"]: row for row in run.answers[name]["full"]} for name in (stage, start)
    )
    return {"stage": stage, "start": start, "check": check} | {
        name: [
            {
                "id": each,
                "picture": thumbnail(run.pictures[each]),
                "language": after[each]["language"],
                "was": was[each],
                "now": now[each],
                "before": words.marked(before[each]),
                "after": words.marked(after[each]),
                "unread": [own for own in (start, stage) if _unread(run.scores[own], each)],
            }
            for each in ids
        ]
        for name, ids in chosen.items()
    }


def _unread(scores: Scores, item: str) -> bool:
    part = scores[item].get("parsed")
    return part is not None and part.numerator == 0


def _shares(scores: Scores, check: str) -> dict[str, float]:
    """Item -> how its answer does by a check, where that applies."""
    parts = {each: by_check.get(check) for each, by_check in scores.items()}
    return {each: part.numerator / part.denominator for each, part in parts.items() if part}
