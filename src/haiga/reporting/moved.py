"""What a stage changed: each check's difference, and the pictures whose answers moved most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from haiga.evaluation.checks import CHECKS
from haiga.evaluation.compare import PRIMARY
from haiga.evaluation.conditions import Item
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
    """The pictures whose answers the last step made truer, and less true, than any other.

    Returns: "stage", "start", and "gains" and "losses", largest first, each a list of {"id",
        "picture", "before", "after"}; empty where no stage has a start, or no truth is known.
    """
    steps = [row for row in run.comparisons if row["kind"] == "stage"]
    if not steps:
        return {}
    stage, start = steps[-1]["stage"], steps[-1]["against"]
    after, before = (
        {row["id"]: row for row in run.answers.get(name, {}).get("full", ())}
        for name in (stage, start)
    )
    change = {
        each: truth[0] - truth[1]
        for each in after
        if each in before and each in run.pictures
        if (truth := [_share(rows[each]) for rows in (after, before)]) and None not in truth
    }
    ordered = sorted(change, key=lambda each: -change[each])
    chosen = {
        "gains": [each for each in ordered if change[each] > 0][:SHOWN],
        "losses": [each for each in reversed(ordered) if change[each] < 0][:SHOWN],
    }
    if not any(chosen.values()):
        return {}
    return {"stage": stage, "start": start} | {
        name: [
            {
                "id": each,
                "picture": thumbnail(run.pictures[each]),
                "language": after[each]["language"],
                "before": words.marked(before[each]),
                "after": words.marked(after[each]),
            }
            for each in ids
        ]
        for name, ids in chosen.items()
    }


def _share(row: Row) -> Any:
    """How true an answer is to its picture; None where nobody knows."""
    item = Item(row["id"], (), truth=row["truth"], task=row["task"], language=row["language"])
    (part,) = CHECKS[PRIMARY].score([item], [row["answer"]])
    return None if part is None else part.numerator / part.denominator
