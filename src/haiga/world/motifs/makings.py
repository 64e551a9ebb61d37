"""What people build, carry and hang up, and the moon that they look at."""

from __future__ import annotations

from math import cos, pi, sin

from haiga.world.motifs.pen import Pen, arc, curve


def boat(pen: Pen) -> None:
    """A brown hull under one tall, square, blue-striped sail."""
    pen.line(((0.05, -1.0), (0.05, 0.4)), "bark", 3)
    sail = curve(
        (
            (-0.5, -0.88),
            (0.05, -0.92),
            (0.6, -0.88),
            (0.7, -0.3),
            (0.62, 0.2),
            (0.05, 0.15),
            (-0.55, 0.2),
            (-0.42, -0.3),
        )
    )
    pen.area(sail, "white")
    pen.area(((-0.46, -0.5), (0.66, -0.5), (0.69, -0.22), (-0.43, -0.22)), "blue", False)
    for x in (-0.2, 0.08, 0.36):
        pen.line(((x, -0.86), (x + 0.03, 0.14)), width=0.7)
    pen.area(
        curve(
            (
                (-1.0, 0.3),
                (-0.7, 0.42),
                (0.6, 0.42),
                (1.0, 0.1),
                (0.85, 0.6),
                (0.6, 0.85),
                (-0.6, 0.85),
                (-0.85, 0.65),
            )
        ),
        "brown",
    )
    pen.line(((-0.8, 0.58), (0.8, 0.58)), "cream", 1.2)


def bridge(pen: Pen) -> None:
    """A high red arch on posts, with a railing."""
    for x in (-0.5, 0.0, 0.5):
        top = 0.15 + 0.9 * x * x
        pen.area(((x - 0.06, top), (x + 0.06, top), (x + 0.07, 0.85), (x - 0.07, 0.85)), "bark")
    deck = (*arc(0, 0.62, 1.0, 0.75, 180, 360), *arc(0, 0.72, 0.86, 0.52, 360, 180))
    for angle in (190, 212, 236, 260, 280, 304, 328, 350):
        x, y = cos(angle * pi / 180), 0.62 + 0.75 * sin(angle * pi / 180)
        pen.line(((x * 0.98, y + 0.1), (x * 0.98, y - 0.3)), "key", 3.4)
        pen.line(((x * 0.98, y + 0.1), (x * 0.98, y - 0.3)), "red", 2.2)
    pen.area(deck, "red")
    rail = (*arc(0, 0.35, 1.0, 0.78, 182, 358), *arc(0, 0.35, 0.95, 0.68, 358, 182))
    pen.area(rail, "red")


def moon(pen: Pen) -> None:
    """A great pale-yellow disc."""
    pen.oval(0, 0, 0.95, 0.95, "moon")
    pen.oval(0, 0, 0.74, 0.74, "moonlight", False)


def lantern(pen: Pen) -> None:
    """A long ribbed paper lantern, orange, between black rings."""
    pen.line(((0, -1.0), (0, -0.75)), width=1.5)
    pen.area(((-0.3, -0.86), (0.3, -0.86), (0.3, -0.68), (-0.3, -0.68)), "black")
    pen.area(((-0.3, 0.62), (0.3, 0.62), (0.3, 0.78), (-0.3, 0.78)), "black")
    body = curve(
        (
            (-0.3, -0.68),
            (-0.58, -0.4),
            (-0.64, 0.0),
            (-0.58, 0.38),
            (-0.3, 0.64),
            (0.3, 0.64),
            (0.58, 0.38),
            (0.64, 0),
            (0.58, -0.4),
            (0.3, -0.68),
        )
    )
    pen.area(body, "orange")
    pen.oval(0, 0, 0.34, 0.46, "glow", False)
    for y in (-0.45, -0.24, -0.02, 0.2, 0.42):
        pen.line(arc(0, y - 0.12, 0.62 - abs(y) * 0.28, 0.14, 170, 10, 10), width=0.8)
    for x in (-0.12, 0, 0.12):
        pen.line(((x, 0.78), (x, 1.0)), "red", 1.6)


def torii(pen: Pen) -> None:
    """A red gate: two posts, a tie beam, a curved black-capped lintel."""
    for s in (-1, 1):
        pen.area(
            ((s * 0.52, -0.6), (s * 0.7, -0.6), (s * 0.78, 0.86), (s * 0.58, 0.86)), "vermilion"
        )
        pen.area(((s * 0.53, 0.8), (s * 0.83, 0.8), (s * 0.83, 0.97), (s * 0.53, 0.97)), "black")
    pen.area(((-0.92, -0.3), (0.92, -0.3), (0.92, -0.14), (-0.92, -0.14)), "vermilion")
    pen.area(((-0.09, -0.62), (0.09, -0.62), (0.09, -0.28), (-0.09, -0.28)), "gold")
    pen.area(
        curve(((-0.97, -0.8), (0, -0.7), (0.97, -0.8), (0.92, -0.58), (0, -0.52), (-0.92, -0.58))),
        "vermilion",
    )
    pen.area(
        curve(((-1.0, -0.97), (0, -0.84), (1.0, -0.97), (0.97, -0.78), (0, -0.68), (-0.97, -0.78))),
        "black",
    )


def umbrella(pen: Pen) -> None:
    """An open purple umbrella of oiled paper, with ribs and a bamboo handle."""
    pen.line(((0, -0.5), (0, 0.95)), "key", 4.2)
    pen.line(((0, -0.5), (0, 0.93)), "gold", 2.4)
    pen.area(((-0.06, -1.0), (0.06, -1.0), (0.1, -0.7), (-0.1, -0.7)), "black")
    dome = (*arc(0, 0.12, 1.0, 0.95, 180, 360), *arc(0.0, 0.12, 1.0, 0.14, 0, 180))
    pen.area(dome, "purple")
    band = (*arc(0, 0.12, 0.86, 0.8, 183, 357), *arc(0, 0.12, 0.66, 0.6, 357, 183))
    pen.area(band, "cream", False)
    for x in (-0.98, -0.62, -0.22, 0.22, 0.62, 0.98):
        pen.line(
            curve(((0, -0.83), (x * 0.66, -0.5), (x, 0.14 + 0.1 * (1 - abs(x)))), False, 4),
            width=0.8,
        )


def kite(pen: Pen) -> None:
    """A six-sided paper kite, red over blue with a white roundel, and two streamers."""
    for s in (-1, 1):
        tail = curve(((s * 0.25, 0.4), (s * 0.45, 0.6), (s * 0.2, 0.78), (s * 0.42, 0.98)), False)
        pen.line(tail, "key", 3.2)
        pen.line(tail, "pink", 2.0)
    pen.area(((0, -1.0), (0.68, -0.65), (0.68, -0.2), (-0.68, -0.2), (-0.68, -0.65)), "red")
    pen.area(((-0.68, -0.2), (0.68, -0.2), (0.68, 0.2), (0, 0.55), (-0.68, 0.2)), "blue")
    pen.oval(0, -0.22, 0.36, 0.36, "white")
    pen.oval(0, -0.22, 0.16, 0.16, "black", False)
    pen.line(((0, -1.0), (0, 0.55)), width=0.7)


def pagoda(pen: Pen) -> None:
    """Three blue-grey roofs, one above another, on red walls, with a spire."""
    pen.line(((0, -1.0), (0, -0.7)), "gold", 2.4)
    pen.area(((-0.75, 0.85), (0.75, 0.85), (0.82, 0.98), (-0.82, 0.98)), "stone")
    for y, w in ((0.2, 0.95), (-0.22, 0.78), (-0.62, 0.62)):
        wall = w * 0.56
        foot = min(y + 0.65 if w > 0.9 else y + 0.42, 0.86)
        pen.area(((-wall, y + 0.18), (wall, y + 0.18), (wall, foot), (-wall, foot)), "red")
        for x in (-0.5, 0.0, 0.5):
            pen.line(((x * wall, y + 0.22), (x * wall, foot)), "cream", 1.5)
    for y, w in ((0.2, 0.95), (-0.22, 0.78), (-0.62, 0.62)):
        roof = curve(
            (
                (-w, y + 0.16),
                (-w * 0.6, y + 0.08),
                (-w * 0.3, y - 0.16),
                (w * 0.3, y - 0.16),
                (w * 0.6, y + 0.08),
                (w, y + 0.16),
                (w * 0.6, y + 0.24),
                (-w * 0.6, y + 0.24),
            )
        )
        pen.area(roof, "tile")


def fan(pen: Pen) -> None:
    """An open folding fan: a turquoise leaf with a gold edge and a red sun, dark ribs."""
    pivot = (0.0, 0.8)
    for angle in range(209, 335, 13):
        end = (1.02 * cos(angle * pi / 180), pivot[1] + 1.5 * sin(angle * pi / 180))
        pen.line((pivot, end), "bark", 2)
    leaf = (*arc(0, 0.8, 1.08, 1.6, 205, 335), *arc(0, 0.8, 0.5, 0.75, 335, 205))
    pen.area(leaf, "turquoise")
    pen.area((*arc(0, 0.8, 1.08, 1.6, 205, 335), *arc(0, 0.8, 0.98, 1.44, 335, 205)), "gold")
    pen.oval(0.1, -0.25, 0.26, 0.26, "red")
    for angle in range(220, 330, 15):
        t = angle * pi / 180
        pen.line(
            ((0.5 * cos(t), 0.8 + 0.75 * sin(t)), (0.98 * cos(t), 0.8 + 1.44 * sin(t))), width=0.5
        )
    pen.oval(0, 0.8, 0.09, 0.09, "black")


def drum(pen: Pen) -> None:
    """A great drum on its stand: a studded brown ring, a pale skin, three black commas."""
    for s in (-1, 1):
        pen.line(((s * 0.35, 0.4), (s * 0.72, 0.95)), "key", 5.0)
        pen.line(((s * 0.35, 0.4), (s * 0.72, 0.95)), "bark", 3.6)
    pen.area(((-0.92, 0.84), (0.92, 0.84), (0.92, 0.98), (-0.92, 0.98)), "bark")
    pen.oval(0, -0.12, 0.85, 0.85, "brown")
    pen.oval(0, -0.12, 0.64, 0.64, "cream")
    for i in range(14):
        t = i * pi / 7
        pen.oval(0.745 * cos(t), -0.12 + 0.745 * sin(t), 0.055, 0.055, "black", False)
    for i in range(3):
        t = i * 2 * pi / 3
        x, y = 0.24 * cos(t), -0.12 + 0.24 * sin(t)
        pen.oval(x, y, 0.17, 0.17, "black", False)
        pen.line(arc(0, -0.12, 0.4, 0.4, i * 120.0 - 15, i * 120.0 + 75, 6), "black", 3)
