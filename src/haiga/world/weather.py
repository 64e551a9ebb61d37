"""What falls, drifts and grows over a setting: one table for weathers, one for seasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import cos, pi, sin
from typing import Final

from haiga.world.colours import lit, mix
from haiga.world.motifs.pen import RGB, Point
from haiga.world.settings import Sheet

_NIGHTLY = (0.8, 0.82, 0.95)


def _colour(sheet: Sheet, colour: RGB) -> RGB:
    return lit(colour, _NIGHTLY) if sheet.scene.hour == "night" else colour


def clear(sheet: Sheet) -> None:
    """Nothing at all."""


def rain(sheet: Sheet) -> None:
    """Long slanting lines over the whole sheet."""
    rng, u = sheet.rng, sheet.unit
    pale = sheet.scene.hour == "night"
    ink = (176, 190, 222) if pale else (70, 80, 112)
    slant = rng.choice((-1, 1)) * rng.uniform(0.2, 0.35)
    for _ in range(int(sheet.width * sheet.height / (u * u) / 70)):
        x, y = rng.uniform(-0.1, 1.1) * sheet.width, rng.uniform(-0.1, 1) * sheet.height
        long = rng.uniform(9, 18) * u
        sheet.draw.line((x, y, x + slant * long, y + long), fill=ink, width=max(1, round(0.45 * u)))


def mist(sheet: Sheet) -> None:
    """Suyari-gasumi: pale bands with round ends that enter from either side."""
    rng, u, c = sheet.rng, sheet.unit, sheet.colours
    y = sheet.height * rng.uniform(0.04, 0.1)
    while y < sheet.height * 0.95:
        thick = rng.uniform(5, 7.5) * u
        left = rng.random() < 0.5
        reach = sheet.width * rng.uniform(0.5, 0.85)
        for dy, share in ((0.0, 1.0), (0.85 * thick, rng.uniform(0.45, 0.7))):
            end = reach * share if left else sheet.width - reach * share
            box = (
                (-thick, y + dy, end, y + dy + thick)
                if left
                else (end, y + dy, sheet.width + thick, y + dy + thick)
            )
            sheet.draw.rounded_rectangle(
                box,
                radius=thick / 2,
                fill=c.mist,
                outline=mix(c.mist, c.key, 0.45),
                width=sheet.stroke,
            )
        y += max(0.2 * sheet.height, 3.2 * thick) * rng.uniform(0.95, 1.2)


def wind(sheet: Sheet) -> None:
    """Long curved strokes that end in a curl, and leaves blown along them."""
    rng, u = sheet.rng, sheet.unit
    pale, dark = (222, 228, 242), (84, 96, 126)
    late, green = sheet.scene.hour in ("night", "dusk"), sheet.scene.season == "summer"
    way = rng.choice((-1, 1))
    for _ in range(max(5, int(sheet.width * sheet.height / (u * u) / 1500))):
        x, y = rng.uniform(0.1, 0.9) * sheet.width, rng.uniform(0.05, 0.92) * sheet.height
        ink = pale if late or (green and y > sheet.horizon) else dark
        long, r = rng.uniform(22, 36) * u, rng.uniform(3, 4.5) * u
        for k, share in enumerate((1.0, 0.6)):
            yy = y + k * 2.4 * u
            stroke = [
                (x - way * long * share * (1 - i / 10), yy + 1.4 * u * sin(i * 0.6))
                for i in range(11)
            ]
            if k == 0:
                cx, cy = stroke[-1][0], stroke[-1][1] - r
                stroke += [
                    (
                        cx + way * r * (1 - a / 16) * sin(a * pi / 6),
                        cy + r * (1 - a / 16) * cos(a * pi / 6),
                    )
                    for a in range(1, 11)
                ]
            sheet.draw.line(stroke, fill=ink, width=max(2, round(0.75 * u)))
    for _ in range(12):
        _petal(
            sheet,
            rng.random() * sheet.width,
            rng.random() * sheet.height,
            1.8 * u,
            _colour(sheet, (112, 150, 70)),
        )


def _petal(sheet: Sheet, x: float, y: float, size: float, fill: RGB) -> None:
    """One small leaf or petal, turned at random."""
    turn = sheet.rng.uniform(0, pi)
    a, b = size * cos(turn), size * sin(turn)
    sheet.draw.polygon(
        [(x - a, y - b), (x - b * 0.5, y + a * 0.5), (x + a, y + b), (x + b * 0.5, y - a * 0.5)],
        fill=fill,
    )


def _branch(sheet: Sheet, wood: RGB) -> list[Point]:
    """A branch from an upper corner; returns where its twigs end."""
    rng, u = sheet.rng, sheet.unit
    side = sheet.branch
    x0, y0 = (0.0 if side > 0 else float(sheet.width)), rng.uniform(2, 9) * u
    tips: list[Point] = []
    main = [(x0 + side * i * 7 * u, y0 + (1.6 * i + 1.5 * sin(i * 2.1)) * u) for i in range(6)]
    for i, (x, y) in enumerate(main[1:], start=1):
        for k in (-1, 1):
            tip = (x + side * 4.5 * u, y + k * (7.5 - 0.6 * i) * u)
            sheet.draw.line((x, y, *tip), fill=wood, width=max(1, round(0.7 * u)))
            tips += [tip, ((x + tip[0]) / 2, (y + tip[1]) / 2)]
    for i, (a, b) in enumerate(pairwise(main)):
        sheet.draw.line((*a, *b), fill=wood, width=max(2, round((2.6 - 0.35 * i) * u)))
    return [*tips, *main[1:]]


def _scatter(sheet: Sheet, count: int, size: float, inks: tuple[RGB, ...]) -> None:
    for _ in range(count):
        x, y = sheet.rng.random() * sheet.width, sheet.rng.random() * sheet.height
        _petal(
            sheet, x, y, size * sheet.rng.uniform(0.8, 1.2), _colour(sheet, sheet.rng.choice(inks))
        )


def spring(sheet: Sheet) -> None:
    """A branch of cherry in flower, and petals in the air."""
    pinks = ((250, 190, 204), (244, 160, 182), (252, 214, 220))
    for x, y in _branch(sheet, sheet.colours.wood):
        r = sheet.unit * sheet.rng.uniform(1.9, 2.7)
        fill = _colour(sheet, sheet.rng.choice(pinks))
        for k in range(5):
            t = k * 2 * pi / 5
            px, py = x + r * 0.7 * cos(t), y + r * 0.7 * sin(t)
            sheet.draw.ellipse(
                (px - r * 0.55, py - r * 0.55, px + r * 0.55, py + r * 0.55), fill=fill
            )
        sheet.draw.ellipse(
            (x - r * 0.3, y - r * 0.3, x + r * 0.3, y + r * 0.3),
            fill=_colour(sheet, (206, 70, 110)),
        )
    _scatter(sheet, 34, 1.3 * sheet.unit, pinks)


def summer(sheet: Sheet) -> None:
    """Irises along the lower edge."""
    rng, u, c = sheet.rng, sheet.unit, sheet.colours
    x = rng.uniform(2, 8) * u
    while x < sheet.width:
        foot, tall = sheet.height + u, rng.uniform(11, 17) * u
        for lean in (-4, -1.5, 1.5, 4):
            tip = (x + lean * u, foot - tall * rng.uniform(0.7, 1.0))
            sheet.draw.polygon([(x - 1.2 * u, foot), tip, (x + 1.2 * u, foot)], fill=c.leaf)
        y, ink = foot - tall, _colour(sheet, (106, 72, 176))
        for dx, dy in ((-1.9, 0.6), (1.9, 0.6), (0, -1.6), (0, 1.4)):
            sheet.draw.ellipse(
                (x + (dx - 1.5) * u, y + (dy - 1.7) * u, x + (dx + 1.5) * u, y + (dy + 1.7) * u),
                fill=ink,
            )
        sheet.draw.ellipse(
            (x - 0.7 * u, y - 0.5 * u, x + 0.7 * u, y + 0.9 * u),
            fill=_colour(sheet, (248, 214, 84)),
        )
        x += rng.uniform(9, 15) * u


def autumn(sheet: Sheet) -> None:
    """A branch of red maple, and leaves in the air."""
    reds = ((206, 48, 34), (228, 96, 36), (240, 150, 44))
    for x, y in _branch(sheet, sheet.colours.wood):
        r, fill = sheet.unit * sheet.rng.uniform(2.6, 3.6), _colour(sheet, sheet.rng.choice(reds))
        turn = sheet.rng.uniform(0, pi)
        star = [
            (
                x + r * (1 if k % 2 else 0.42) * cos(turn + k * pi / 5),
                y + r * (1 if k % 2 else 0.42) * sin(turn + k * pi / 5),
            )
            for k in range(10)
        ]
        sheet.draw.polygon(star, fill=fill)
    _scatter(sheet, 34, 1.8 * sheet.unit, reds)


def winter(sheet: Sheet) -> None:
    """A bare branch under snow, and flakes in the air."""
    snow, u = sheet.colours.snow, sheet.unit
    for x, y in _branch(sheet, sheet.colours.wood):
        sheet.draw.ellipse((x - 2.4 * u, y - 1.6 * u, x + 2.4 * u, y + 0.3 * u), fill=snow)
    for _ in range(70):
        x, y = sheet.rng.random() * sheet.width, sheet.rng.random() * sheet.height
        r = u * sheet.rng.uniform(0.5, 1.1)
        sheet.draw.ellipse((x - r, y - r, x + r, y + r), fill=snow)


WEATHERS: Final[Mapping[str, Callable[[Sheet], None]]] = {
    "clear": clear,
    "rain": rain,
    "mist": mist,
    "wind": wind,
}
SEASONS: Final[Mapping[str, Callable[[Sheet], None]]] = {
    "spring": spring,
    "summer": summer,
    "autumn": autumn,
    "winter": winter,
}
