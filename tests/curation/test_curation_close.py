import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from haiga.curation import close, pictures


def _scene(width: int = 640, height: int = 480, seed: int = 0) -> Image.Image:
    """Coarse forms with fine grain, as a photograph has both."""
    rng = np.random.default_rng(seed)
    grid = (max(2, height // 80), max(2, width // 80), 3)
    forms = Image.fromarray(rng.integers(0, 256, grid, dtype=np.uint8))
    forms = np.asarray(forms.resize((width, height), Image.Resampling.BICUBIC), dtype=float)
    grain = rng.normal(0, 12, (height, width, 1))
    return Image.fromarray(np.clip(forms + grain, 0, 255).astype(np.uint8))


def _drawn(width: int = 400, height: int = 300, mode: str = "RGB") -> Image.Image:
    """A red disc on a blue bar on white: a logo."""
    image = Image.new(mode, (width, height), (255, 255, 255, 0)[: len(mode)])
    pen = ImageDraw.Draw(image)
    pen.rectangle((40, 120, width - 40, 180), fill=(20, 60, 160, 255)[: len(mode)])
    pen.ellipse((150, 80, 250, 220), fill=(200, 20, 40, 255)[: len(mode)])
    return image


def _file(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _values(data: bytes) -> dict:
    return {**pictures.measure(data), **close.measure(data)}


def _reasons(data: bytes) -> set[str]:
    values = _values(data)
    return {name for name, rule in close.RULES.items() if rule(values)}


def _wider(grey: np.ndarray) -> np.ndarray:
    return np.pad(grey.astype(np.float32), close._MARGIN, mode="edge")


def test_blur_by_hand():
    # A step of 90 between columns 9 and 10 of 20. Blurred over 9 it becomes nine steps of 10, so
    # that of the difference 90 - 10 is lost, and the eight new ones were not there: 10 of 90 stay.
    grey = np.zeros((4, 20))
    grey[:, 10:] = 90
    assert close._kept(_wider(grey), 0, 1, 9) == pytest.approx(10 / 90)
    assert close._kept(_wider(grey), 1, 0, 9) == 1.0  # nothing varies down the columns
    # Along a diagonal the step is one of 90 as well, and seven of 90 / 7.
    assert close._kept(_wider(grey), 1, 1, 7) == pytest.approx(1 / 7)
    assert close._kept(_wider(grey), 1, -1, 7) == pytest.approx(1 / 7)
    # Two columns at a time, each step of two rows of pairs is crossed twice: 2 x 90 in, and five
    # columns away 90 / 5 for each.
    assert close._kept(_wider(grey), 1, 2, 5) == pytest.approx(1 / 5)
    assert close.blur_of(grey[:1].astype(np.float32)) == pytest.approx(10 / 90)  # one way is left
    # A ramp is its own blurred copy, but for the four columns at each end.
    ramp = np.tile(np.arange(20), (4, 1))
    lost = 2 * sum(1 - kept for kept in (5 / 9, 6 / 9, 7 / 9, 8 / 9))
    assert close._kept(_wider(ramp), 0, 1, 9) == pytest.approx(1 - lost / 19)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (3, 30)])
def test_the_telescoped_mean_is_the_mean(size):
    grey = np.random.default_rng(0).integers(0, 256, (40, 30)).astype(np.float32)
    wider = np.pad(grey, close._MARGIN, mode="edge")
    for down, right, steps in close._WAYS:
        half = steps // 2
        shifted = [
            np.roll(wider, (-at * down, -at * right), (0, 1)) for at in range(-half, half + 1)
        ]
        mean = np.mean(shifted, axis=0)
        before = np.abs(np.roll(wider, (-down, -right), (0, 1)) - wider)
        after = np.abs(np.roll(mean, (-down, -right), (0, 1)) - mean)
        margin = close._MARGIN
        rows = slice(margin, margin + 40 - down)
        columns = slice(margin + max(0, -right), margin + 30 - max(0, right))
        sharp, soft = before[rows, columns], after[rows, columns]
        kept = 1 - np.maximum(sharp - soft, 0).sum() / sharp.sum()
        assert close._kept(wider, down, right, steps) == pytest.approx(kept, abs=1e-5)
    small = np.random.default_rng(1).integers(0, 256, size).astype(np.float32)
    assert 0 <= close.blur_of(small) <= 1


def test_marks_and_flat_by_hand():
    # A square of 10 x 10 has an edge of 40 pixels or so in one piece; a dot of 1 x 1 one of three.
    grey = np.zeros((40, 40), dtype=np.float32)
    grey[5:15, 5:15] = 200
    grey[30, 30] = 200
    assert close._marks(grey) == 1
    grey[25:35, 8:18] = close._EDGE
    assert close._marks(grey) == 2
    grey[25:35, 8:18] = close._EDGE - 1
    assert close._marks(grey) == 1
    assert close._marks(np.zeros((1, 1), dtype=np.float32)) == 0
    # 3 x 3, a step of 3 before the last column: of the four with both neighbours, two are flat.
    grey = np.array([[0, 0, 3]] * 3, dtype=np.float32)
    assert close._flat(grey) == 0.5
    assert close._flat(np.zeros((1, 5), dtype=np.float32)) == 1.0


def test_a_file_is_named_as_it_is():
    values = close.measure(_file(_scene().convert("CMYK")))
    assert (values["format"], values["mode"], values["animated"]) == ("JPEG", "CMYK", False)
    grey = Image.fromarray(np.arange(6400, dtype=np.uint16).reshape(80, 80))
    assert close.measure(_file(grey, "TIFF"))["mode"] == "I;16"
    assert close.measure(_file(_drawn(), "GIF"))["mode"] == "P"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_found_and_its_first_frame_measured(kind):
    frames = [_scene(96, 72, seed) for seed in range(2)]
    film = _file(frames[0], kind, save_all=True, append_images=frames[1:])
    assert close.still(close.measure(film)) == "animated"
    assert close.still(close.measure(_file(frames[0], kind))) is None


def test_pages_are_no_film():
    pages = _file(_scene(), "TIFF", save_all=True, append_images=[_scene(seed=1)])
    assert close.still(close.measure(pages)) is None


@pytest.mark.parametrize("radius", [6, 10])
def test_blurred_pictures_go_and_sharp_ones_stay(radius):
    sharp = _scene()
    assert _reasons(_file(sharp)) == set()
    assert _reasons(_file(sharp, "PNG")) == set()
    assert _reasons(_file(sharp.filter(ImageFilter.GaussianBlur(radius)))) == {"blur"}


@pytest.mark.parametrize("angle", [0, 20, 45, 75, 110, 150])
def test_what_was_shaken_goes_whatever_the_direction(angle):
    pixels = np.asarray(_scene(), dtype=float)
    right, down = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    ways = [(round(at * down), round(at * right)) for at in range(24)]
    moved = np.mean([np.roll(pixels, way, (0, 1)) for way in ways], axis=0)
    assert "blur" in _reasons(_file(Image.fromarray(moved.astype(np.uint8))))


def test_a_plot_is_no_logo():
    image = Image.new("RGB", (400, 300), "white")
    pen = ImageDraw.Draw(image)
    pen.line((40, 20, 40, 260, 380, 260), fill="black", width=2)
    pen.line([(40 + 17 * at, 200 - 9 * at) for at in range(20)], fill="blue", width=2)
    for at in range(10):
        pen.text((40 + 34 * at, 266), f"{at}.0", fill="black")
        pen.text((8, 250 - 24 * at), f"{at}.0", fill="black")
    assert _reasons(_file(image)) == set()


def test_a_large_picture_may_be_soft_where_no_model_looks():
    large = _scene(2000, 1500)
    for at in range(0, 2000, 100):
        ImageDraw.Draw(large).line((at, 0, 2000 - at, 1500), fill="black", width=20)
    assert _reasons(_file(large.filter(ImageFilter.BoxBlur(2)))) == set()
    enlarged = _scene(40, 30).resize((2000, 1500), Image.Resampling.BICUBIC)
    assert close.blur(close.measure(_file(enlarged))) == "blurred"


def test_what_web_pages_are_built_of():
    assert _reasons(_file(_drawn())) == {"logo"}
    assert _reasons(_file(_drawn(300, 300, "RGBA"), "PNG")) == {"logo", "icon"}
    assert _reasons(_file(_scene(64, 60), "PNG")) == {"icon"}
    assert _reasons(_file(_scene(728, 90))) == {"banner"}
    assert _reasons(_file(_scene(640, 100))) == {"banner"}
    assert _reasons(_file(_scene(900, 180))) == set()  # wide, and too high for a strip
    assert "spacer" in _reasons(_file(_scene(600, 3), "PNG"))
    assert "spacer" in _reasons(_file(Image.new("RGBA", (300, 300)), "PNG"))


def test_the_closer_look_has_the_same_sentences():
    whole = _file(_scene())
    for data in (b"", b"<html>", whole[: len(whole) // 2]):
        assert list(close.measure(data)) == ["error"]


def test_a_look_is_taken_where_a_rule_needs_it():
    assert pictures.looks(["side", "blank"]) == (pictures,)
    assert pictures.looks(["side", "blur", "logo"]) == (pictures, close)


def test_one_pixel_has_no_blur_to_speak_of():
    assert close.measure(_file(Image.new("RGB", (1, 1)), "PNG"))["blur"] == 1.0
