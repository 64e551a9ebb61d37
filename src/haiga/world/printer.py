"""The print shop: a scene becomes a flat-colour woodblock print.

Everything in the scene can be seen; what the seed decides (format, composition, tilt, tint, grain)
says nothing about the scene.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from math import cos, radians, sin
from random import Random

import numpy as np
import simplejpeg
from PIL import Image, ImageDraw, ImageFilter

from haiga.world.colours import PAPER, Palette, mix, palette, tinted
from haiga.world.layout import Place, empty_corner, horizon, paper, places
from haiga.world.motifs import INKS, MOTIFS
from haiga.world.motifs.pen import RGB, Pen
from haiga.world.paper import bokashi, grained, seal
from haiga.world.scenes import Scene
from haiga.world.settings import SETTINGS, Sheet
from haiga.world.weather import SEASONS, WEATHERS


def draw(scene: Scene, seed: int) -> Image.Image:
    """The print of `scene` pulled with `seed`, always the same.

    Returns:
        An RGB picture whose sides have 300 to 900 pixels.
    """
    rng = Random(f"{scene.id}/{seed}/print")
    kind, width, height = paper(rng)
    margin = round(min(width, height) * rng.uniform(0.025, 0.05)) if rng.random() < 0.5 else 0
    inner = (width - 2 * margin, height - 2 * margin)
    colours = palette(scene, rng)
    spots = places(scene.things, kind, inner, rng)
    image = _background(scene, colours, spots, inner, rng)
    for spot in spots:
        _stamp(image, spot, rng)
    _sign(image, spots, rng)
    if margin:
        sheet = Image.new("RGB", (width, height), tinted(PAPER, rng, 5))
        sheet.paste(image, (margin, margin))
        frame = (margin - 1, margin - 1, width - margin, height - margin)
        ImageDraw.Draw(sheet).rectangle(frame, outline=colours.key, width=2)
        image = sheet
    return grained(image, rng)


def print_file(scene: Scene, seed: int) -> tuple[bytes, str]:
    """The print as a file's bytes and suffix: mostly JPEG, some PNG, a few PNG with a palette."""
    image = draw(scene, seed)
    rng = Random(f"{scene.id}/{seed}/file")
    kind = rng.random()
    if kind < 0.92:
        quality = rng.randint(80, 92)
        return simplejpeg.encode_jpeg(np.asarray(image), quality, "RGB", "420"), ".jpg"
    if kind > 0.98:
        image = image.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue(), ".png"


def _background(
    scene: Scene, colours: Palette, spots: list[Place], size: tuple[int, int], rng: Random
) -> Image.Image:
    """Sky, setting, weather and season, without the things."""
    width, height = size
    skyline = horizon(spots, height, rng)
    top, middle, low = colours.sky
    ground = colours.ground
    stops = [
        (0, top),
        (skyline * 0.4, middle),
        (skyline, low),
        (skyline + 1, mix(ground, low, 0.15)),
        (height * 0.75, ground),
        (height, mix(ground, colours.key, 0.18)),
    ]
    image = bokashi(size, stops)
    sheet = Sheet(
        draw=ImageDraw.Draw(image),
        scene=scene,
        colours=colours,
        rng=rng,
        width=width,
        height=height,
        horizon=skyline,
        unit=min(size) / 100,
        branch=empty_corner(spots, width, height, rng),
    )
    if scene.hour == "night":
        _stars(sheet)
    SETTINGS[scene.setting](sheet)
    WEATHERS[scene.weather](sheet)
    SEASONS[scene.season](sheet)
    return image


def _stars(sheet: Sheet) -> None:
    for _ in range(40):
        x, y = sheet.rng.random() * sheet.width, sheet.rng.random() * sheet.horizon
        r = sheet.unit * sheet.rng.uniform(0.25, 0.55)
        sheet.draw.ellipse((x - r, y - r, x + r, y + r), fill=(250, 240, 190))


def _stamp(image: Image.Image, spot: Place, rng: Random) -> None:
    """Lays one thing on the print, with a pale rim so that it stands out from any ground."""
    inks = {name: tinted(colour, rng, 9) for name, colour in INKS.items()}
    thing = cut(spot, inks)
    ink = thing.getchannel("A")
    halo = ink.filter(ImageFilter.BoxBlur(max(1.5, spot.side * 0.012))).point(_RIM)
    image.paste(inks[_RIM_INK], (spot.left, spot.top), halo)
    image.paste(thing.convert("RGB"), (spot.left, spot.top), ink)


def cut(spot: Place, inks: Mapping[str, RGB]) -> Image.Image:
    """One thing alone, RGBA, `spot.side` pixels square; drawn twice as large for smooth edges."""
    double = 2 * spot.side
    # Transparent, but of the rim's colour, so that smoothing leaves no dark fringe.
    block = Image.new("RGBA", (double, double), (*inks[_RIM_INK], 0))
    turn, flip = radians(spot.tilt), -1 if spot.mirrored else 1
    scale = 0.43 * double * (1 - abs(spot.tilt) / 90)
    x, y = scale * cos(turn), scale * sin(turn)
    matrix = (x * flip, -y, spot.side, y * flip, x, spot.side)
    pen = Pen(ImageDraw.Draw(block), matrix, inks, stroke=max(3, round(double * 0.016)))
    MOTIFS[spot.thing].draw(pen)
    return block.reduce(2)


_RIM_INK = "cream"
_RIM = [min(255, level * 5) for level in range(256)]


def _sign(image: Image.Image, spots: list[Place], rng: Random) -> None:
    """Sets the red seal in a corner that no thing uses; a crowded print stays unsigned.

    The lower corners come first, as branches grow from the upper ones.
    """
    side = max(10, round(min(image.size) * rng.uniform(0.04, 0.055)))
    tall = side * 3 // 2
    columns = [side, image.width - 2 * side]
    rng.shuffle(columns)
    for top in (image.height - side - tall, side):
        for left in columns:
            if all(
                left + side < spot.left
                or spot.left + spot.side < left
                or top + tall < spot.top
                or spot.top + spot.side < top
                for spot in spots
            ):
                seal(ImageDraw.Draw(image), left, top, side, rng)
                return
