import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from haiga.curation import close, pictures


def _scene(width: int = 640, height: int = 480, seed: int = 0) -> Image.Image:
    """Coarse forms with fine grain, as a photograph has both."""
    rng = np.random.default_rng(seed)
    forms = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
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


def test_blur_by_hand():
    # A step of 90 between columns 9 and 10 of 20. Blurred over 9 it becomes nine steps of 10, so
    # that of the difference 90 - 10 is lost, and the eight new ones were not there: 10 of 90 stay.
    grey = np.zeros((4, 20), dtype=np.float32)
    grey[:, 10:] = 90
    assert close._kept(grey, 1) == pytest.approx(10 / 90)
    assert close._kept(grey, 0) == 1.0  # nothing varies down the columns
    # A ramp is its own blurred copy, but for the four columns at each end.
    ramp = np.tile(np.arange(20, dtype=np.float32), (4, 1))
    lost = 2 * sum(1 - kept for kept in (5 / 9, 6 / 9, 7 / 9, 8 / 9))
    assert close._kept(ramp, 1) == pytest.approx(1 - lost / 19)


def test_colours_and_flat_by_hand():
    # 90 % one colour and 10 % another: two cover 95 %; of 96 %, one does.
    pixels = np.zeros((10, 10, 3), dtype=np.uint8)
    pixels[0] = 255
    assert close._colours(pixels) == 2
    pixels[0, 4:] = 0
    assert close._colours(pixels) == 1
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


def test_a_large_picture_may_be_soft_where_no_model_looks():
    large = _scene(2000, 1500).filter(ImageFilter.BoxBlur(2))
    assert close.measure(_file(large))["blur"] < 0.6
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
