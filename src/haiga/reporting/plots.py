"""The report's figures, as SVG.

One accent (Prussian blue) for what matters, greys for the rest. No meaning hangs on colour alone:
markers differ by shape, series carry their names.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from haiga.events import Event
from haiga.store import Manifest

ACCENT, INK, GREY, FAINT = "#1d4e7a", "#2b2926", "#8a857c", "#d9d4ca"
STYLE: Any = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.hashsalt": "haiga",
}
MARKERS = "osD^vPX*<>"
WRITTEN = {
    "parsed": "can be read",
    "form": "5-7-5",
    "named": "named truly",
    "variety": "not repeated",
    "distinct": "distinct-2",
}
LIKELY = {"desirable": "desirable", "gap": "lead over the others", "kl": "from the start"}
WIDTH = 9.0
"""Inches; 900 px where the page is wide enough."""


def loss_curves(events: Mapping[str, Sequence[Event]]) -> bytes | None:
    """Training and validation loss by step, one panel per stage; the learning rate behind them.

    None where no stage has a step to show.
    """
    stages = {s: e for s, e in events.items() if any(x["kind"] == "step" for x in e)}
    if not stages:
        return None
    with mpl.rc_context(STYLE):
        columns = min(3, len(stages))
        rows = -(-len(stages) // columns)
        figure, panels = panels_of(rows, columns, 2.5)
        for panel, (stage, seen) in zip(panels, stages.items(), strict=False):
            _loss_panel(panel, stage, seen)
        for panel in panels[len(stages) :]:
            panel.set_visible(False)
        return svg(figure)


def _loss_panel(panel: Axes, stage: str, seen: Sequence[Event]) -> None:
    steps = [(e["step"], e["loss"], e.get("lr", 0.0)) for e in seen if e["kind"] == "step"]
    held = [(e["step"], e["loss"]) for e in seen if e["kind"] == "validation"]
    at, loss, rate = (np.array(column, dtype=float) for column in zip(*steps, strict=True))
    behind = panel.twinx()
    behind.fill_between(at, rate, color=FAINT, alpha=0.45, linewidth=0)
    behind.set_ylim(0, max(rate.max() * 1.02, 1e-12))
    behind.axis("off")
    panel.set_zorder(behind.get_zorder() + 1)
    panel.plot(at, loss, color=GREY, linewidth=0.6, alpha=0.6)
    panel.plot(at, _smooth(loss), color=INK, linewidth=1.2, label="training")
    if held:
        panel.plot(*zip(*held, strict=True), "o-", color=ACCENT, ms=4, lw=1.2, label="validation")
    panel.set(title=stage, xlabel="step", ylabel="loss")
    panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if panel.get_legend_handles_labels()[0]:
        panel.plot([], [], color=FAINT, linewidth=5, label=f"rate, to {rate.max():.0e}")
        panel.legend(frameon=False, fontsize=8, loc="upper right")


def looks(events: Mapping[str, Sequence[Event]]) -> bytes | None:
    """What each watched stage wrote while it was trained, beside its loss: a row per stage.

    None where no stage was watched.
    """
    stages = {s: e for s, e in events.items() if any(x["kind"] == "look" for x in e)}
    if not stages:
        return None
    with mpl.rc_context(STYLE):
        figure, panels = panels_of(len(stages), 3, 3.0)
        for at, (stage, seen) in enumerate(stages.items()):
            loss, shares, nats = panels[3 * at : 3 * at + 3]
            if any(event["kind"] == "step" for event in seen):
                _loss_panel(loss, stage, seen)
            _look_panel(shares, seen, WRITTEN)
            shares.set(title="what it writes", ylim=(-0.03, 1.03))
            shares.yaxis.set_major_formatter(PercentFormatter(1))
            _look_panel(nats, seen, LIKELY)
            nats.set(title="nats an answer")
        return svg(figure)


def _look_panel(panel: Axes, seen: Sequence[Event], names: Mapping[str, str]) -> None:
    """Curves of looks, the first in the accent; a line where the kept weights are from."""
    found = [event for event in seen if event["kind"] == "look"]
    for at, (name, label) in enumerate(names.items()):
        points = [(event["step"], event[name]) for event in found if name in event]
        if points:
            colour, face, width = (GREY, "white", 0.9) if at else (ACCENT, ACCENT, 1.4)
            (line,) = panel.plot(*zip(*points, strict=True), f"{MARKERS[at]}-", label=label)
            line.set(color=colour, markerfacecolor=face, linewidth=width, markersize=4)
    for event in seen:
        if event["kind"] in ("stopped", "kept"):
            panel.axvline(event["kept"], color=INK, lw=0.8, ls=":", label="kept")
    panel.set(xlabel="step")
    panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    panel.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def _smooth(values: np.ndarray, share: float = 0.05) -> np.ndarray:
    """A running mean over `share` of the steps, over fewer at the ends."""
    width = max(1, int(len(values) * share) // 2 * 2 + 1)
    window = np.ones(width)
    counts = np.convolve(np.ones(len(values)), window, "same")
    return np.convolve(values, window, "same")[: len(values)] / counts[: len(values)]


def forest(summary: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> bytes | None:
    """Every check with its 95 % intervals: a panel per check, a row per stage and condition."""
    checks = list(
        dict.fromkeys(c for conditions in summary.values() for s in conditions.values() for c in s)
    )
    if not checks:
        return None
    conditions = list(dict.fromkeys(name for each in summary.values() for name in each))
    with mpl.rc_context(STYLE):
        height = max(1.6, 0.6 + len(summary) * (0.14 * len(conditions) + 0.14))
        columns = min(4, len(checks))
        figure, panels = panels_of(-(-len(checks) // columns), columns, height)
        for at, panel in enumerate(panels):
            if at < len(checks):
                _forest_panel(panel, summary, checks[at], conditions, labels=at % columns == 0)
            else:
                panel.set_visible(False)
        handles, names = panels[0].get_legend_handles_labels()
        unique = dict(zip(names, handles, strict=True))
        figure.legend(
            list(unique.values()),
            list(unique),
            loc="outside upper left",
            ncols=len(unique),
            frameon=False,
        )
        return svg(figure)


def _forest_panel(
    panel: Axes,
    summary: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]],
    check: str,
    conditions: Sequence[str],
    *,
    labels: bool,
) -> None:
    pitch = 1 / (len(conditions) + 1)
    for row, cells in enumerate(summary.values()):
        for at, condition in enumerate(conditions):
            cell = cells.get(condition, {}).get(check)
            if cell is None:
                continue
            full = condition == "full"
            colour = ACCENT if full else GREY
            y = row + (at - (len(conditions) - 1) / 2) * pitch
            panel.plot([cell["low"], cell["high"]], [y, y], color=colour, lw=2.2 if full else 1)
            panel.plot(
                [cell["mean"]],
                [y],
                MARKERS[at % len(MARKERS)],
                color=colour,
                ms=6 if full else 4,
                mfc=colour if full else "white",
                linestyle="none",
                label=condition.replace("_", " "),
            )
        if row:
            panel.axhline(row - 0.5, color=FAINT, linewidth=0.6)
    panel.set(title=check.replace("_", " "), xlim=(-0.03, 1.03), ylim=(len(summary) - 0.5, -0.5))
    panel.set_yticks(range(len(summary)), list(summary) if labels else [""] * len(summary))
    panel.tick_params(axis="y", length=0)
    panel.xaxis.set_major_formatter(PercentFormatter(1))
    panel.set_xticks([0, 0.5, 1])
    panel.set_xticks([0.25, 0.75], minor=True)
    panel.grid(axis="x", which="both", color=FAINT, linewidth=0.5)
    panel.tick_params(axis="x", which="minor", length=0)
    panel.set_axisbelow(True)


def funnel(manifests: Sequence[Manifest]) -> bytes | None:
    """How many rows each data stage kept, and the reasons for which it dropped the others."""
    if not manifests:
        return None
    with mpl.rc_context(STYLE):
        figure, (panel,) = panels_of(1, 1, 0.7 + 0.42 * len(manifests))
        most = max(max(m.counts["in"], m.counts["kept"]) for m in manifests)
        for row, manifest in enumerate(manifests):
            kept, dropped = manifest.counts["kept"], manifest.counts["dropped"]
            panel.barh(row, kept, color=ACCENT, height=0.62)
            left = kept
            for at, count in enumerate(sorted(manifest.reasons.values(), reverse=True)):
                shade = FAINT if at % 2 else "#b9b3a8"
                panel.barh(row, count, left=left, color=shade, height=0.62)
                left += count
            words = f"{kept:,} kept" + (f", {dropped:,} dropped" if dropped else "")
            panel.text(max(left, kept) + most * 0.012, row, words, va="center", color=INK)
        panel.set_yticks(range(len(manifests)), [m.stage for m in manifests])
        panel.set(xlabel="rows", xlim=(0, most * 1.25), ylim=(len(manifests) - 0.5, -0.5))
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
        panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        return svg(figure)


def reliability(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes | None:
    """How often a judge is right against how sure it is: a panel per judge, a point per bin.

    A bin has "confidence", "accuracy" and "n"; a point's area is its share of the texts or pairs.
    """
    if not curves:
        return None
    with mpl.rc_context(STYLE):
        columns = max(3, min(4, len(curves)))
        figure, panels = panels_of(-(-len(curves) // columns), columns, 2.8)
        for panel, (name, curve) in zip(panels, curves.items(), strict=False):
            _reliability_panel(panel, name, curve)
        for panel in panels[len(curves) :]:
            panel.set_visible(False)
        return svg(figure)


def _reliability_panel(panel: Axes, name: str, curve: Sequence[Mapping[str, Any]]) -> None:
    sure, right, counts = ([each[key] for each in curve] for key in ("confidence", "accuracy", "n"))
    areas = [12 + 160 * count / sum(counts) for count in counts]
    panel.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
    panel.plot(sure, right, color=ACCENT, linewidth=1.2)
    panel.scatter(sure, right, s=areas, color=ACCENT, zorder=3, clip_on=False)
    panel.set(title=name, xlabel="how sure", ylabel="how often right", xlim=(0, 1), ylim=(0, 1))
    panel.set_aspect("equal")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(PercentFormatter(1))
    panel.grid(color=FAINT, linewidth=0.5)
    panel.set_axisbelow(True)


def panels_of(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of panels, each `height` inches high, in the order of reading."""
    """A figure of so many panels, each `height` inches high, and the panels row by row."""
    # A Figure of its own, never pyplot's: no window system, no global state, nothing to close.
    figure = Figure(figsize=(WIDTH, rows * height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, [panel for row in axes for panel in row]


def svg(figure: Figure) -> bytes:
    """A figure as SVG, equal bytes for equal figures."""
    """The figure as SVG: the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
