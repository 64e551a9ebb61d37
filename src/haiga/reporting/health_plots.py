"""The figures of the health page, as SVG, in the style of the report's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from haiga.reporting.plots import ACCENT, FAINT, GREY, STYLE, panels_of, svg


def pictures(found: Mapping[str, Any]) -> bytes | None:
    """Pictures by their shorter side and by their aspect, those that stayed before all measured."""
    if not found["measured"]:
        return None
    with mpl.rc_context(STYLE):
        figure, (sides, aspects) = panels_of(1, 2, 2.6)
        _buckets(sides, found["shorter_side"], "shorter side, px")
        _buckets(aspects, found["aspect"], "longer by shorter side")
        sides.legend(frameon=False, fontsize=8)
        return svg(figure)


def _buckets(panel: Axes, buckets: Sequence[Mapping[str, Any]], label: str) -> None:
    at = range(len(buckets))
    panel.bar(at, [each["measured"] for each in buckets], color=FAINT, width=0.8, label="measured")
    panel.bar(at, [each["kept"] for each in buckets], color=ACCENT, width=0.5, label="stayed")
    names = [
        f"{each['from']:g}+" if each["to"] is None else f"{each['from']:g}–{each['to']:g}"
        for each in buckets
    ]
    panel.set_xticks(at, names, fontsize=7)
    panel.set(xlabel=label, ylabel="pictures")
    panel.tick_params(axis="x", length=0)
    panel.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def texts(found: Sequence[Mapping[str, Any]]) -> bytes | None:
    """The length of each task's texts: the median, and from where to where 90 % of them lie."""
    if not found:
        return None
    with mpl.rc_context(STYLE):
        figure, (panel,) = panels_of(1, 1, 0.8 + 0.34 * len(found))
        for row, each in enumerate(found):
            panel.plot([each["p5"], each["p95"]], [row, row], color=GREY, lw=2)
            panel.plot([each["median"]], [row], "o", color=ACCENT, ms=7)
            text = f"{each['p5']} – {each['median']} – {each['p95']} {each['unit']}"
            panel.annotate(
                text, (each["p95"], row), xytext=(8, 0), textcoords="offset points", va="center"
            )
        names = [f"{each['task']}, {each['language']}" for each in found]
        panel.set_yticks(range(len(found)), names)
        panel.set(ylim=(len(found) - 0.5, -0.5), xlabel="length")
        panel.set_xlim(0, max(each["p95"] for each in found) * 1.4)
        panel.tick_params(axis="y", length=0)
        return svg(figure)


def concepts(found: Mapping[str, Any]) -> bytes | None:
    """How many rows name the most frequent concept, the second, and so on."""
    if not found["by_rank"]:
        return None
    with mpl.rc_context(STYLE):
        figure, (panel,) = panels_of(1, 1, 2.4)
        ranks, counts = zip(*found["by_rank"], strict=True)
        panel.plot(ranks, counts, color=ACCENT, lw=1.4, marker="o", ms=2.5)
        panel.set(xscale="log", yscale="log", xlabel="rank of the concept", ylabel="rows")
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        panel.grid(color=FAINT, linewidth=0.5)
        panel.set_axisbelow(True)
        return svg(figure)
