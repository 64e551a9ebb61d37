"""A pen that draws in the unit square: x to the right, y down, both from -1 to 1.

A motif never sees pixels: the pen carries its size, tilt, mirror, inks and the width of its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin
from typing import TypeAlias

from PIL import ImageDraw

RGB: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]
Points: TypeAlias = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Pen:
    """Fills areas and cuts their dark outlines (the keyblock) through an affine map to pixels."""

    draw: ImageDraw.ImageDraw
    matrix: tuple[float, float, float, float, float, float]
    """(a, b, e, c, d, f): pixel x = a x + b y + e, pixel y = c x + d y + f."""
    inks: Mapping[str, RGB]
    stroke: int
    """Width of an outline, in pixels."""

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        a, b, e, c, d, f = self.matrix
        return [(a * x + b * y + e, c * x + d * y + f) for x, y in points]

    def area(self, points: Sequence[Point], ink: str, outline: bool = True) -> None:
        """A flat area, outlined by the keyblock unless `outline` is false."""
        pixels = self._pixels(points)
        self.draw.polygon(pixels, fill=self.inks[ink])
        if outline:
            pixels.extend(pixels[:2])  # one side twice, so that the joint closes
            self.draw.line(pixels, fill=self.inks["key"], width=self.stroke)

    def line(self, points: Sequence[Point], ink: str = "key", width: float = 1.0) -> None:
        """A line of `width` outlines."""
        pixels = max(1, round(width * self.stroke))
        self.draw.line(
            self._pixels(points),
            fill=self.inks[ink],
            width=pixels,
            joint="curve" if pixels > 6 else None,
        )

    def oval(
        self, x: float, y: float, rx: float, ry: float, ink: str, outline: bool = True
    ) -> None:
        """A filled ellipse around (x, y)."""
        self.area(arc(x, y, rx, ry, n=16 if max(rx, ry) < 0.2 else 36), ink, outline)


@lru_cache(maxsize=4096)
def arc(
    x: float, y: float, rx: float, ry: float, start: float = 0, stop: float = 360, n: int = 24
) -> Points:
    """Points of an elliptical arc, from `start` to `stop` degrees, clockwise from the right."""
    steps = [(start + (stop - start) * i / n) * pi / 180 for i in range(n + 1)]
    return tuple((x + rx * cos(t), y + ry * sin(t)) for t in steps)


@lru_cache(maxsize=4096)
def curve(points: Points, closed: bool = True, n: int = 5) -> Points:
    """A Catmull-Rom spline through `points`, `n` steps from each to the next."""
    if closed:
        chain = (points[-1], *points, points[0], points[1])
    else:
        chain = (points[0], *points, points[-1])
    out: list[Point] = []
    for p, q, r, s in zip(chain, chain[1:], chain[2:], chain[3:], strict=False):
        for i in range(n):
            t = i / n
            w = (
                -t + 2 * t**2 - t**3,
                2 - 5 * t**2 + 3 * t**3,
                t + 4 * t**2 - 3 * t**3,
                t**3 - t**2,
            )
            out.append(
                (
                    (w[0] * p[0] + w[1] * q[0] + w[2] * r[0] + w[3] * s[0]) / 2,
                    (w[0] * p[1] + w[1] * q[1] + w[2] * r[1] + w[3] * s[1]) / 2,
                )
            )
    return tuple(out) if closed else (*out, points[-1])
