"""The trees and the bamboo."""

from __future__ import annotations

from haiga.world.motifs.pen import Pen, Points, curve


def _pad(x: float, y: float, rx: float, ry: float) -> Points:
    """A cloud of needles: flat below, three bumps above."""
    outline = ((-1, 0.5), (-0.95, -0.1), (-0.5, -0.45), (-0.1, -0.95), (0.35, -0.5), (0.9, -0.2),
               (1, 0.45), (0.3, 0.6), (-0.4, 0.55))  # fmt: skip
    return curve(tuple((x + rx * u, y + ry * v) for u, v in outline))


def pine(pen: Pen) -> None:
    """A twisted red-brown trunk under dark clouds of needles."""
    trunk = curve(
        ((-0.15, 0.98), (-0.1, 0.6), (-0.3, 0.2), (0.02, -0.2), (-0.1, -0.6), (0.05, -0.65),
         (0.2, -0.15), (-0.02, 0.2), (0.2, 0.6), (0.32, 0.98))
    )  # fmt: skip
    pen.line(((-0.1, 0.3), (-0.6, 0.1)), "bark", 3.5)
    pen.line(((0.1, 0.1), (0.62, -0.1)), "bark", 3.5)
    pen.area(trunk, "bark")
    for x, y, rx, ry in (
        (-0.58, 0.12, 0.4, 0.24),
        (0.58, -0.08, 0.42, 0.25),
        (-0.35, -0.35, 0.42, 0.26),
        (0.1, -0.7, 0.5, 0.28),
    ):
        pen.area(_pad(x, y, rx, ry), "pine")
        for dx in (-0.4, 0.0, 0.4):
            pen.line(
                ((x + dx * rx, y + 0.25 * ry), (x + dx * rx * 1.2, y - 0.25 * ry)), "moss", 0.9
            )


def willow(pen: Pen) -> None:
    """A pale-green fountain of hanging strands over a slim trunk."""
    trunk = curve(
        ((-0.12, 0.98), (-0.08, 0.4), (-0.12, -0.4), (0.12, -0.4), (0.1, 0.4), (0.2, 0.98))
    )
    pen.area(trunk, "bark")
    for x, foot, ink in (
        (-0.82, 0.45, "sprout"), (0.82, 0.5, "sprout"), (-0.3, 0.3, "jade"), (0.3, 0.25, "jade"),
        (-0.56, 0.7, "sprout"), (0.58, 0.72, "sprout"), (0.0, -0.05, "jade"),
    ):  # fmt: skip
        lobe = curve(
            ((x * 0.3, -0.85), (x - 0.19, -0.3), (x - 0.12, foot - 0.25), (x, foot),
             (x + 0.12, foot - 0.25), (x + 0.19, -0.3))
        )  # fmt: skip
        pen.area(lobe, ink)
        pen.line(((x * 0.8, -0.35), (x, foot - 0.2)), "pine", 0.7)
    crown = curve(((-0.62, -0.4), (-0.45, -0.8), (0, -0.97), (0.45, -0.8), (0.62, -0.4), (0, -0.5)))
    pen.area(crown, "sprout")


def bamboo(pen: Pen) -> None:
    """Three upright stalks with nodes, and pointed leaves."""
    for x, top, ink in ((-0.48, -0.8, "jade"), (0.0, -1.0, "leaf"), (0.45, -0.65, "jade")):
        height = (0.98 - top) / 4
        for i in range(4):
            y = 0.98 - i * height
            pen.area(
                ((x - 0.11, y), (x - 0.09, y - height), (x + 0.09, y - height), (x + 0.11, y)), ink
            )
            pen.line(((x - 0.14, y - height), (x + 0.14, y - height)), "key", 1.3)
    for x, y, s in (
        (-0.4, -0.35, -1),
        (-0.4, 0.25, -1),
        (0.1, -0.6, 1),
        (0.52, -0.2, 1),
        (0.52, 0.35, 1),
        (-0.05, -0.05, 1),
    ):
        for dx, dy in ((0.45, -0.12), (0.46, 0.12), (0.25, 0.3)):
            leaf = (
                (x, y),
                (x + s * dx * 0.5 - 0.03 * s, y + dy * 0.3 - 0.08),
                (x + s * dx, y + dy),
                (x + s * dx * 0.45, y + dy * 0.7 + 0.06),
            )
            pen.area(leaf, "pine")
