"""The animals, each by its silhouette and its own colours."""

from __future__ import annotations

from haiga.world.motifs.pen import Pen, arc, curve


def crane(pen: Pen) -> None:
    """A white bird on long legs: black tail, black neck, red crown."""
    pen.line(((-0.05, 0.3), (-0.1, 0.98)), "key", 1.6)
    pen.line(((0.12, 0.3), (0.2, 0.62), (0.12, 0.98)), "key", 1.6)
    neck = curve(
        ((0.3, 0.1), (0.62, -0.3), (0.42, -0.68), (0.5, -0.9), (0.68, -0.92), (0.7, -0.72),
         (0.6, -0.62), (0.8, -0.25), (0.5, 0.2))
    )  # fmt: skip
    pen.area(neck, "white")
    pen.area(curve(((0.55, -0.62), (0.6, -0.45), (0.76, -0.3), (0.68, -0.5))), "black", False)
    tail = curve(((-0.45, 0.02), (-0.9, 0.12), (-1.0, 0.5), (-0.75, 0.42), (-0.45, 0.4)))
    pen.area(tail, "black")
    body = curve(((-0.75, 0.0), (-0.2, -0.25), (0.4, -0.1), (0.55, 0.12), (0.1, 0.42), (-0.5, 0.3)))
    pen.area(body, "white")
    pen.line(curve(((-0.6, 0.1), (-0.1, 0.02), (0.3, 0.12)), False))
    pen.line(curve(((-0.5, 0.22), (-0.1, 0.18), (0.2, 0.24)), False))
    pen.area(((0.68, -0.86), (1.0, -0.68), (0.68, -0.74)), "gold")
    pen.oval(0.56, -0.92, 0.13, 0.08, "red")


def cat(pen: Pen) -> None:
    """A ginger cat, sitting, seen from the front: two ears, a white belly, a curled tail."""
    tail = curve(
        ((0.4, 0.6), (0.85, 0.5), (0.8, 0.0), (0.6, -0.1), (0.75, -0.28), (1.0, 0.0), (1.0, 0.65),
         (0.5, 0.95))
    )  # fmt: skip
    pen.area(tail, "ginger")
    body = curve(
        ((-0.35, -0.15), (-0.68, 0.55), (-0.55, 0.95), (0.55, 0.95), (0.62, 0.5), (0.3, -0.15))
    )
    pen.area(body, "ginger")
    pen.oval(-0.02, 0.5, 0.28, 0.4, "white", False)
    pen.area(((-0.62, -0.45), (-0.6, -1.0), (-0.18, -0.75)), "ginger")
    pen.area(((0.55, -0.45), (0.55, -1.0), (0.12, -0.75)), "ginger")
    pen.oval(-0.03, -0.42, 0.6, 0.42, "ginger")
    pen.oval(-0.03, -0.25, 0.28, 0.2, "white", False)
    for x in (-0.28, 0.22):
        pen.oval(x, -0.5, 0.1, 0.12, "gold")
        pen.oval(x, -0.5, 0.04, 0.1, "key", False)
    pen.area(((-0.1, -0.32), (0.04, -0.32), (-0.03, -0.22)), "red")
    for x, y in ((-0.95, -0.35), (-0.95, -0.15), (0.85, -0.35), (0.85, -0.15)):
        pen.line(((x * 0.3, -0.25), (x, y)), width=0.6)
    pen.line(((-0.2, 0.55), (-0.2, 0.95)))
    pen.line(((0.16, 0.55), (0.16, 0.95)))


def carp(pen: Pen) -> None:
    """A leaping red and white carp with a forked tail."""
    pen.area(
        curve(
            ((-0.45, 0.1), (-0.9, -0.15), (-1.0, -0.6), (-0.72, -0.5), (-0.5, -0.35), (-0.3, -0.1))
        ),
        "vermilion",
    )
    pen.area(
        curve(
            ((-0.45, 0.2), (-0.8, 0.3), (-0.98, 0.75), (-0.6, 0.65), (-0.35, 0.45), (-0.25, 0.25))
        ),
        "vermilion",
    )
    pen.area(((-0.1, -0.3), (0.05, -0.72), (0.4, -0.62), (0.5, -0.35)), "vermilion")
    pen.area(((0.1, 0.4), (-0.05, 0.8), (0.35, 0.75), (0.45, 0.4)), "vermilion")
    body = curve(
        (
            (-0.6, 0.05),
            (-0.2, -0.35),
            (0.4, -0.45),
            (0.85, -0.2),
            (1.0, 0.12),
            (0.75, 0.38),
            (0.2, 0.48),
            (-0.3, 0.4),
        )
    )
    pen.area(body, "white")
    pen.area(
        curve(((-0.55, 0.05), (-0.2, -0.33), (0.1, -0.4), (0.0, 0.1), (-0.25, 0.2))),
        "vermilion",
        False,
    )
    pen.area(
        curve(((0.3, -0.43), (0.62, -0.36), (0.66, -0.05), (0.4, 0.1), (0.22, -0.1))),
        "vermilion",
        False,
    )
    for x in (-0.25, 0.0, 0.25):
        pen.line(arc(x - 0.12, 0.05, 0.16, 0.34, -70, 70, 8), width=0.8)
    pen.line(arc(0.5, 0.0, 0.16, 0.38, -70, 70, 8))
    pen.oval(0.8, -0.05, 0.09, 0.09, "gold")
    pen.oval(0.82, -0.05, 0.04, 0.04, "key", False)
    pen.line(curve(((0.95, 0.2), (0.98, 0.4), (0.88, 0.5)), False))


def horse(pen: Pen) -> None:
    """A brown horse, standing: four legs, black mane and tail, a blue saddle cloth."""
    pen.area(
        curve(((-0.6, -0.25), (-0.95, 0.0), (-0.95, 0.55), (-0.78, 0.3), (-0.62, 0.0))), "black"
    )
    for x, lean in ((-0.55, -0.08), (-0.28, 0.04), (0.2, -0.04), (0.42, 0.06)):
        leg = ((x - 0.09, 0.1), (x + 0.13, 0.1), (x + 0.06 + lean, 0.82), (x - 0.06 + lean, 0.82))
        pen.area(leg, "brown")
        foot = x + lean
        pen.area(
            ((foot - 0.08, 0.8), (foot + 0.08, 0.8), (foot + 0.1, 0.95), (foot - 0.1, 0.95)),
            "black",
        )
    neck = curve(
        (
            (0.2, -0.2),
            (0.45, -0.7),
            (0.68, -0.85),
            (0.98, -0.42),
            (0.9, -0.3),
            (0.7, -0.45),
            (0.52, 0.1),
        )
    )
    pen.area(neck, "brown")
    pen.area(((0.55, -0.78), (0.58, -1.0), (0.7, -0.82)), "brown")
    pen.area(
        curve(
            (
                (-0.68, -0.2),
                (-0.3, -0.32),
                (0.2, -0.28),
                (0.52, -0.1),
                (0.5, 0.2),
                (0.1, 0.28),
                (-0.35, 0.25),
                (-0.68, 0.2),
            )
        ),
        "brown",
    )
    pen.area(
        curve(((0.55, -0.88), (0.4, -0.78), (0.1, -0.3), (0.2, -0.15), (0.34, -0.3), (0.5, -0.65))),
        "black",
    )
    pen.area(((-0.3, -0.35), (0.12, -0.33), (0.14, 0.1), (-0.3, 0.1)), "blue")
    pen.line(((-0.3, 0.02), (0.14, 0.02)), "gold", 1.2)
    pen.oval(0.72, -0.66, 0.035, 0.04, "key", False)


def butterfly(pen: Pen) -> None:
    """Two pairs of yellow and orange wings edged with black."""
    for s in (-1, 1):
        lower = curve(
            ((s * 0.05, 0.1), (s * 0.6, 0.15), (s * 0.75, 0.6), (s * 0.45, 0.92), (s * 0.2, 0.6))
        )
        pen.area(lower, "black")
        lower = curve(
            ((s * 0.1, 0.17), (s * 0.52, 0.24), (s * 0.6, 0.58), (s * 0.42, 0.76), (s * 0.25, 0.55))
        )
        pen.area(lower, "orange", False)
        upper = curve(
            (
                (s * 0.05, 0.05),
                (s * 0.3, -0.6),
                (s * 0.8, -0.9),
                (s * 1.0, -0.6),
                (s * 0.85, 0.05),
                (s * 0.4, 0.25),
            )
        )
        pen.area(upper, "black")
        upper = curve(
            (
                (s * 0.14, 0.02),
                (s * 0.36, -0.5),
                (s * 0.74, -0.7),
                (s * 0.84, -0.5),
                (s * 0.72, -0.03),
                (s * 0.4, 0.13),
            )
        )
        pen.area(upper, "yellow", False)
        pen.oval(s * 0.6, -0.35, 0.11, 0.13, "black", False)
        pen.line(curve(((s * 0.02, -0.3), (s * 0.1, -0.65), (s * 0.32, -0.85)), False), width=0.9)
    pen.oval(0, 0.1, 0.09, 0.45, "black")


def frog(pen: Pen) -> None:
    """A green frog, squatting, with bulging eyes and a pale belly."""
    for s in (-1, 1):
        pen.area(
            curve(
                (
                    (s * 0.35, 0.3),
                    (s * 0.8, -0.15),
                    (s * 0.98, 0.25),
                    (s * 0.75, 0.62),
                    (s * 1.0, 0.8),
                    (s * 0.45, 0.85),
                )
            ),
            "leaf",
        )
    pen.area(
        curve(((-0.5, -0.2), (-0.62, 0.3), (-0.4, 0.75), (0.4, 0.75), (0.62, 0.3), (0.5, -0.2))),
        "leaf",
    )
    pen.oval(0, 0.4, 0.36, 0.33, "cream")
    for s in (-1, 1):
        pen.area(
            curve(
                (
                    (s * 0.42, 0.2),
                    (s * 0.3, 0.6),
                    (s * 0.15, 0.88),
                    (s * 0.5, 0.92),
                    (s * 0.52, 0.6),
                )
            ),
            "leaf",
        )
        pen.oval(s * 0.36, -0.52, 0.24, 0.26, "leaf")
    pen.oval(0, -0.2, 0.66, 0.38, "leaf")
    for s in (-1, 1):
        pen.oval(s * 0.36, -0.55, 0.15, 0.16, "gold")
        pen.oval(s * 0.36, -0.55, 0.08, 0.08, "key", False)
    pen.line(curve(((-0.5, -0.15), (-0.2, 0.0), (0.2, 0.0), (0.5, -0.15)), False), width=1.2)
    for x, y in ((-0.15, -0.4), (0.18, -0.42), (0.0, -0.3)):
        pen.oval(x, y, 0.05, 0.04, "pine", False)


def crow(pen: Pen) -> None:
    """A black crow, perched on a bare twig, with a heavy beak."""
    pen.line(curve(((-1.0, 0.62), (-0.3, 0.52), (0.3, 0.58), (1.0, 0.42)), False), "bark", 3.0)
    pen.line(((0.5, 0.52), (0.85, 0.8)), "bark", 1.6)
    pen.area(((-0.5, 0.0), (-0.95, 0.9), (-0.7, 0.98), (-0.55, 0.85), (-0.05, 0.4)), "black")
    pen.area(
        curve(
            (
                (-0.6, 0.2),
                (-0.3, -0.25),
                (0.15, -0.72),
                (0.5, -0.82),
                (0.72, -0.55),
                (0.6, -0.1),
                (0.3, 0.4),
                (-0.25, 0.52),
            )
        ),
        "black",
    )
    pen.area(((0.6, -0.74), (1.0, -0.48), (0.66, -0.44)), "slate")
    pen.line(
        curve(((-0.65, 0.45), (-0.2, 0.05), (0.2, -0.15), (0.1, 0.15), (-0.4, 0.5)), False),
        "slate",
        1.2,
    )
    pen.oval(0.5, -0.6, 0.075, 0.075, "gold")
    pen.line(((0.0, 0.48), (0.02, 0.6)), "gold", 1.4)
    pen.line(((0.2, 0.42), (0.24, 0.58)), "gold", 1.4)
