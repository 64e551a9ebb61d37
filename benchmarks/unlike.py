"""Pictures unlike the floating world's, spoilt in other ways than its fault maker's; no download.

A third are crops of photographs that scikit-learn and matplotlib bring along and fields of coloured
1/f noise, a third plots, the rest scanned pages of text and mosaics of handwritten digits. What is
spoilt, and how, depends on the number of the item alone. `curation_truth.py unlike` judges by them.

Items from number `DEVELOPMENT` on are those that rules may be developed on: drawn anew, and with
other photographs, which `pip install scikit-image` brings along.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from random import Random

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

COUNT = 1400
DEVELOPMENT = 100_000
SOUND = 0.45
File = bytes


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> File:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(image: Image.Image, rng: Random) -> File:
    return saved(image.convert("RGB"), quality=rng.randint(75, 95), progressive=rng.random() < 0.3)


@cache
def photographs() -> tuple[Image.Image, ...]:
    from sklearn.datasets import load_sample_images

    own = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    photos = [Image.fromarray(each) for each in load_sample_images().images]
    return (*photos, Image.open(own).convert("RGB"))


@cache
def others() -> tuple[Image.Image, ...]:
    """Photographs for development: of people, animals, stars, tissue, walls and grass."""
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise SystemExit("Items for development need: pip install scikit-image")
    names = (
        "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png",
        "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png",
        "motorcycle_left.png", "retina.jpg", "rocket.jpg",
    )  # fmt: skip
    folder = Path(found.origin).parent / "data"
    return tuple(Image.open(folder / name).convert("RGB") for name in names)


def photograph(rng: Random, photos: Sequence[Image.Image] = ()) -> Image.Image:
    image = rng.choice(photos or photographs())
    width, height = (int(rng.uniform(0.5, 0.7) * side) for side in image.size)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    image = image.crop((left, top, left + width, top + height))
    image = ImageEnhance.Color(image).enhance(rng.uniform(0.3, 1.5))
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = rng.uniform(1.0, 1.6) * max(1.0, 256 / min(image.size))
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.LANCZOS)


def noise(rng: Random) -> Image.Image:
    """Coloured 1/f noise: clouds, or bark, or gravel, by its exponent."""
    width, height = rng.randint(300, 900), rng.randint(300, 900)
    random = np.random.default_rng(rng.getrandbits(32))
    down, right = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    falls = np.maximum(np.hypot(down, right), 1 / max(width, height)) ** -rng.uniform(0.9, 1.6)
    shape = (height, falls.shape[1])
    layers = []
    for _ in range(3):
        waves = falls * np.exp(2j * np.pi * random.random(shape))
        field = np.fft.irfft2(waves, s=(height, width))
        layers.append(
            (field - field.mean()) / field.std() * rng.uniform(25, 60) + rng.uniform(70, 180)
        )
    mixed = np.stack(
        [layers[0], 0.6 * layers[0] + 0.4 * layers[1], 0.6 * layers[0] + 0.4 * layers[2]], -1
    )
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def plot(rng: Random) -> Image.Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    random = np.random.default_rng(rng.getrandbits(32))
    figure = Figure(figsize=(rng.uniform(3.5, 8), rng.uniform(3.5, 6)), dpi=rng.choice((80, 100)))
    axes = figure.add_subplot()
    kind = rng.randrange(6)
    x = np.linspace(0, rng.uniform(1, 20), 200)
    colour = tuple(random.random(3))
    if kind == 0:
        for _ in range(rng.randint(1, 5)):
            axes.plot(x, np.cumsum(random.normal(size=200)))
    elif kind == 1:
        axes.scatter(*random.normal(size=(2, rng.randint(20, 400))), color=colour, alpha=0.6)
    elif kind == 2:
        count = rng.randint(3, 12)
        axes.bar(range(count), random.random(count), color=colour)
    elif kind == 3:
        axes.imshow(
            random.random((rng.randint(5, 30), rng.randint(5, 30))),
            cmap=rng.choice(("viridis", "gray", "hot")),
        )
    elif kind == 4:
        axes.hist(random.normal(size=500), bins=rng.randint(8, 40), color=colour)
    else:
        grid = np.add.outer(np.sin(x * rng.uniform(0.2, 2)), np.cos(x * rng.uniform(0.2, 2)))
        axes.contourf(grid, levels=rng.randint(4, 20), cmap="plasma")
    axes.set_title(words(rng, 4))
    axes.set_xlabel(words(rng, 2))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3].copy())


def words(rng: Random, count: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(count))


WORDS = (
    "river", "north", "paper", "light", "measure", "under", "seven", "letter", "because", "winter",
    "large", "copper", "machine", "road", "field", "question", "small", "rain", "answer", "number",
)  # fmt: skip


def page(rng: Random) -> Image.Image:
    """A page of text as a scanner gives it: grey, a little turned, with grain."""
    width, height = rng.randint(400, 700), rng.randint(500, 900)
    image = Image.new("L", (width, height), rng.randint(215, 250))
    pen = ImageDraw.Draw(image)
    size = rng.randint(12, 22)
    for top in range(40, height - 40, round(size * 1.5)):
        if rng.random() < 0.92:
            pen.text(
                (40, top), words(rng, width // (4 * size)), fill=rng.randint(10, 70), font_size=size
            )
    image = image.rotate(rng.uniform(-2, 2), Image.BICUBIC, fillcolor=230)
    random = np.random.default_rng(rng.getrandbits(32))
    grain = random.normal(0, rng.uniform(2, 9), (height, width))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)).convert(
        "RGB"
    )


@cache
def digits() -> np.ndarray:
    from sklearn.datasets import load_digits

    return load_digits().images


def mosaic(rng: Random) -> Image.Image:
    """Handwritten digits side by side, enlarged: every pixel a square."""
    rows, columns = rng.randint(3, 6), rng.randint(3, 7)
    chosen = [digits()[rng.randrange(len(digits()))] for _ in range(rows * columns)]
    tiled = np.block([chosen[row * columns : (row + 1) * columns] for row in range(rows)])
    scale = -(-rng.randint(260, 500) // (8 * min(rows, columns)))
    grey = np.kron(tiled, np.ones((scale, scale))) / 16
    colours = np.array([[rng.randrange(256) for _ in range(3)] for _ in range(2)])
    return Image.fromarray(
        (colours[0] + grey[..., None] * (colours[1] - colours[0])).astype(np.uint8)
    )


BASES: tuple[Callable[[Random], Image.Image], ...] = (
    photograph, noise, noise, noise, plot, plot, plot, page, page, mosaic,
)  # fmt: skip


def base(index: int) -> Image.Image:
    rng = Random(f"{index}/base")
    make = rng.choice(BASES)
    if make is photograph and index >= DEVELOPMENT:
        return photograph(rng, others())
    return make(rng)


WAYS = {
    "blurred": ("disc", "shake", "enlarged"),
    "near_duplicate": ("cropped", "pressed", "brighter", "signed", "framed", "mirrored"),
}


def told(index: int) -> str:
    """What an item shows, and in which way it was spoilt, where there are several: "page, disc"."""
    shown = Random(f"{index}/base").choice(BASES).__name__
    ways = WAYS.get(fault(index))
    # The first number that its maker draws.
    return f"{shown}, {ways[Random(f'{index}/spoil').randrange(len(ways))]}" if ways else shown


def corrupt(image: Image.Image, rng: Random) -> File:
    data = jpeg(image, rng)
    return rng.choice((
        data[: len(data) * 97 // 100],
        data[: len(data) // 2] + bytes(len(data) // 2),
        b"<!DOCTYPE html><html><body>403 Forbidden</body></html>",
        b"",
        saved(image, "PNG")[:-200],
        data[:2] + bytes(rng.randrange(256) for _ in range(400)) + data[402:],
    ))  # fmt: skip


def bomb(image: Image.Image, rng: Random) -> File:
    """Too many pixels, or too long a side."""
    if rng.random() < 0.5:
        return saved(Image.new("P", (rng.randint(16_400, 30_000), 20)), "GIF")
    return saved(Image.new("1", (10_100, 10_300)), "TIFF", compression="group4")


def tiny(image: Image.Image, rng: Random) -> File:
    scale = rng.randint(90, 215) / min(image.size)
    return jpeg(image.resize([max(1, round(side * scale)) for side in image.size]), rng)


def extreme_aspect(image: Image.Image, rng: Random) -> File:
    times = rng.uniform(3.1, 8)
    return jpeg(image.resize((round(image.height * times), image.height)), rng)


def blank(image: Image.Image, rng: Random) -> File:
    """Not one colour: grain, a shadow, or a hair on the glass of the scanner."""
    random = np.random.default_rng(rng.getrandbits(32))
    grey = np.full(image.size[::-1], rng.uniform(20, 245)) + random.normal(0, 2, image.size[::-1])
    if rng.random() < 0.5:
        grey += np.linspace(-6, 6, image.width)
    made = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        ImageDraw.Draw(made).line((10, 20, 60, 90), fill=90)
    return jpeg(made, rng)


def blurred(image: Image.Image, rng: Random) -> File:
    """Out of focus (a disc), shaken (a line), or enlarged from a thumbnail."""
    side = max(image.size)
    kind = rng.randrange(3)
    if kind == 0:
        return jpeg(image.filter(ImageFilter.BoxBlur(side * rng.uniform(0.01, 0.02))), rng)
    if kind == 1:
        steps = round(side * rng.uniform(0.02, 0.05))
        moved = [np.asarray(ImageChops.offset(image, at, at // 2), float) for at in range(steps)]
        return jpeg(Image.fromarray(np.mean(moved, axis=0).astype(np.uint8)), rng)
    small = image.copy()
    small.thumbnail((rng.randint(40, 80),) * 2)
    return jpeg(small.resize(image.size, Image.BICUBIC), rng)


def logo(image: Image.Image, rng: Random) -> File:
    """A name with a shadow, or on a gradient, or matplotlib's own."""
    kind = rng.randrange(3)
    if kind == 2:
        own = Image.open(Path(mpl.get_data_path()) / "images" / "matplotlib_large.png").convert(
            "RGBA"
        )
        ground = Image.new("RGBA", own.size, "white")
        scale = rng.uniform(6, 10)
        made = Image.alpha_composite(ground, own).resize([round(side * scale) for side in own.size])
        return jpeg(made, rng)
    width, height = rng.randint(300, 600), rng.randint(230, 320)
    made = Image.new("RGB", (width, height), "white")
    if kind == 1:
        ramp = np.linspace(rng.randint(60, 120), rng.randint(160, 250), width)
        made = Image.fromarray(np.tile(ramp, (height, 1)).astype(np.uint8)).convert("RGB")
    pen = ImageDraw.Draw(made)
    name, size = words(rng, 1).upper(), height // 3
    pen.text((22, height // 3 + 2), name, fill=(150, 150, 150), font_size=size)
    pen.text(
        (20, height // 3), name, fill=(rng.randrange(200), 20, rng.randrange(200)), font_size=size
    )
    return jpeg(made, rng)


@cache
def icons() -> tuple[Path, ...]:
    return tuple(sorted((Path(mpl.get_data_path()) / "images").glob("*_large.png")))


def icon(image: Image.Image, rng: Random) -> File:
    """A button of matplotlib's windows, as it is or enlarged."""
    made = Image.open(rng.choice(icons())).convert("RGBA")
    side = rng.choice((24, 48, 96, 240, 320))
    return saved(made.resize((side, side)), rng.choice(("PNG", "WEBP")))


def spacer(image: Image.Image, rng: Random) -> File:
    size = rng.choice(((600, 2), (3, 400), (1, 1), (800, 8), (300, 12)))
    return saved(image.resize(size), rng.choice(("PNG", "GIF")))


def banner(image: Image.Image, rng: Random) -> File:
    """In a standard size or near one, on a gradient."""
    width, height = rng.choice(
        ((728, 90), (300, 250), (640, 100), (970, 120), (460, 68), (320, 240))
    )
    ramp = np.linspace(0, 255, width)
    made = Image.merge("RGB", [
        Image.fromarray(np.tile(each, (height, 1)).astype(np.uint8))
        for each in (ramp, ramp[::-1], np.full(width, rng.randrange(256)))
    ])  # fmt: skip
    ImageDraw.Draw(made).text((10, height // 3), words(rng, 3), fill="white", font_size=height // 4)
    return jpeg(made, rng)


def animated(image: Image.Image, rng: Random) -> File:
    image.thumbnail((320, 320))
    frames = [image, ImageChops.invert(image)]
    kind = rng.choice(("WEBP", "PNG", "GIF"))
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def near_duplicate(image: Image.Image, rng: Random) -> File:
    """Cropped, pressed, brighter, signed, framed, or in a mirror."""
    kind = rng.randrange(6)
    width, height = image.size
    if kind == 0:
        cut = [round(side * rng.uniform(0.01, 0.03)) for side in image.size]
        return jpeg(image.crop((*cut, width, height)), rng)
    if kind == 1:
        return saved(image.convert("RGB"), quality=25)
    if kind == 2:
        return jpeg(ImageEnhance.Brightness(image).enhance(rng.uniform(1.1, 1.3)), rng)
    if kind == 3:
        ImageDraw.Draw(image).text((10, height - 30), "(c) somebody", fill="white", font_size=20)
        return jpeg(image, rng)
    if kind == 4:
        framed = Image.new("RGB", (width + 40, height + 40), "white")
        framed.paste(image, (20, 20))
        return jpeg(framed, rng)
    return jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), rng)


def exif_rotated(image: Image.Image, rng: Random) -> File:
    stored = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
              6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}  # fmt: skip
    orientation = rng.choice(sorted(stored))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image.convert("RGB").transpose(stored[orientation]), quality=92, exif=exif)


def grey16(image: Image.Image, rng: Random) -> File:
    return saved(Image.fromarray(np.asarray(image.convert("L"), dtype=np.uint16) * 257), "PNG")


def palette(image: Image.Image, rng: Random) -> File:
    return saved(image.quantize(128), "GIF")


def transparent(image: Image.Image, rng: Random) -> File:
    """Cut out along an ellipse that takes a few per cent away."""
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *image.size), min(image.size) // 6, fill=255)
    image.putalpha(mask)
    return saved(image, "WEBP", quality=90)


def cmyk(image: Image.Image, rng: Random) -> File:
    return saved(image.convert("CMYK"), rng.choice(("JPEG", "TIFF")))


SPOILT: dict[str, Callable[[Image.Image, Random], File]] = {
    "corrupt": corrupt, "bomb": bomb, "tiny": tiny, "extreme_aspect": extreme_aspect,
    "blank": blank, "blurred": blurred, "logo": logo, "icon": icon, "spacer": spacer,
    "banner": banner, "animated": animated, "near_duplicate": near_duplicate,
    "exif_rotated": exif_rotated, "grey16": grey16, "palette": palette,
    "transparent": transparent, "cmyk": cmyk,
}  # fmt: skip


def fault(index: int) -> str:
    """What is done to an item; a near-duplicate stands behind a sound one."""
    rng = Random(f"{index}/fault")
    name = "" if rng.random() < SOUND else rng.choice(list(SPOILT))
    if name == "near_duplicate" and (index == 0 or fault(index - 1)):
        return ""
    return name


def item(index: int) -> tuple[File, str, int]:
    """The file of one item, what was done to it, and the item that it repeats (or itself)."""
    name, rng = fault(index), Random(f"{index}/spoil")
    of = index - 1 if name == "near_duplicate" else index
    image = base(of)
    return (SPOILT[name](image, rng) if name else jpeg(image, rng)), name, of
