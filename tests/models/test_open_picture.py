import contextlib
import sys
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from haiga.errors import PictureError
from haiga.models.pictures import FORMATS, HEIF, MAX_SIDE, open_picture


def _file(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _pixel(data: bytes, at=(0, 0)):
    picture = open_picture(data)
    assert picture.mode == "RGB"
    return picture.getpixel(at)


def test_plain_rgb_is_unchanged():
    picture = Image.new("RGB", (3, 2), (10, 20, 30))
    opened = open_picture(_file(picture))
    assert opened.size == (3, 2)
    assert opened.tobytes() == picture.tobytes()
    assert type(opened) is Image.Image


def test_a_picture_of_one_pixel():
    assert open_picture(_file(Image.new("RGB", (1, 1), "red"))).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("orientation", "where"),
    list(enumerate([(0, 0), (1, 0), (1, 2), (0, 2), (0, 0), (2, 0), (2, 1), (0, 1)], start=1)),
)
def test_exif_orientation_is_applied(orientation, where):
    picture = Image.new("RGB", (2, 3), "white")
    picture.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_picture(_file(picture, exif=exif.tobytes()))
    assert opened.size == ((2, 3) if orientation < 5 else (3, 2))
    assert opened.getpixel(where) == (255, 0, 0)


def test_transparency_is_laid_on_white():
    # Half-transparent red on white: 255, 127 or 128, the same.
    red, green, blue = _pixel(_file(Image.new("RGBA", (2, 2), (255, 0, 0, 128))))
    assert red == 255
    assert green == blue
    assert green in (126, 127, 128)
    assert _pixel(_file(Image.new("RGBA", (2, 2), (0, 0, 0, 0)))) == (255, 255, 255)
    assert _pixel(_file(Image.new("LA", (2, 2), (0, 0)))) == (255, 255, 255)


def test_palettes():
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 255, 0, 255, 0])
    picture.putpixel((1, 0), 1)
    assert _pixel(_file(picture)) == (0, 0, 255)
    assert _pixel(_file(picture, transparency=1), (1, 0)) == (255, 255, 255)
    # Transparency as bytes is what Pillow warns about.
    assert _pixel(_file(picture, transparency=b"\xff\x00"), (1, 0)) == (255, 255, 255)


def test_a_transparent_colour_in_rgb():
    assert _pixel(_file(Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3))) == (255,) * 3


def test_cmyk():
    red, green, blue = _pixel(_file(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert red > 200
    assert max(green, blue) < 60


def test_sixteen_bits_are_divided_not_clipped():
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    opened = open_picture(_file(Image.fromarray(values)))
    assert [opened.getpixel((x, 0))[0] for x in range(4)] == [0, 1, 128, 255]


def test_float_pictures_are_stretched():
    values = np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)
    opened = open_picture(_file(Image.fromarray(values), "TIFF"))
    assert [opened.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]
    flat = open_picture(_file(Image.fromarray(np.full((2, 2), 7.0, np.float32)), "TIFF"))
    assert flat.getpixel((0, 0)) == (0, 0, 0)


def test_one_bit_and_grey():
    assert _pixel(_file(Image.new("1", (2, 2), 1))) == (255, 255, 255)
    assert _pixel(_file(Image.new("L", (2, 2), 99))) == (99, 99, 99)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("blue", "red")]
    data = _file(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    assert _pixel(data) == (0, 0, 255)


def test_a_path_is_named_in_the_error(tmp_path):
    path = tmp_path / "print.jpg"
    with pytest.raises(PictureError, match=r"print\.jpg cannot be read: No such file"):
        open_picture(path)
    path.write_bytes(b"")
    with pytest.raises(PictureError, match=r"print\.jpg is empty \(0 bytes\)"):
        open_picture(path)
    with pytest.raises(PictureError, match=r"^row 7 is empty"):
        open_picture(b"", name="row 7")


def test_a_text_with_a_pictures_name(tmp_path):
    path = tmp_path / "print.png"
    path.write_text("<html>Too many requests</html>")
    with pytest.raises(
        PictureError, match=r"not a picture that can be read: it begins with b'<html>"
    ):
        open_picture(path)


def test_a_header_that_is_cut_is_damage_and_no_other_format():
    with pytest.raises(PictureError, match=r"is damaged: it begins as \.jpg files do, and its hea"):
        open_picture(_file(Image.new("RGB", (64, 64)), "JPEG")[:30])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_truncated_files(kind):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = _file(Image.fromarray(noise), kind)
    with pytest.raises(PictureError, match=r"damaged|not a picture"):
        open_picture(data[: len(data) // 2])


def test_a_bomb_is_refused_from_its_header():
    data = _file(Image.new("1", (20_000, 20_000)))
    assert len(data) < 100_000
    with pytest.raises(PictureError) as caught:
        open_picture(data, name="bomb.png")
    assert str(caught.value).count("\n") == 0
    assert "bomb.png is too large" in str(caught.value)
    assert "100,000,000" in str(caught.value)


def test_between_pillows_warning_and_our_limit():
    # 90 megapixels: Pillow warns above 89.5, we read up to 100.
    assert open_picture(_file(Image.new("1", (9_000, 10_000), 1))).size == (9_000, 10_000)
    with pytest.raises(PictureError, match=r"10,001 x 10,000 pixels"):
        open_picture(_file(Image.new("1", (10_001, 10_000))))


def test_a_long_strip_is_refused():
    with pytest.raises(PictureError, match=r"16,384 on a side"):
        open_picture(_file(Image.new("L", (MAX_SIDE + 1, 1))))


def test_broken_exif_does_not_lose_the_picture():
    assert _pixel(_file(Image.new("RGB", (2, 2), "red"), exif=b"Exif\x00\x00MM\x00*garbage")) == (
        255,
        0,
        0,
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 400), st.binary(min_size=1, max_size=8), st.sampled_from(["PNG", "GIF", "JPEG"])
)
def test_damaged_bytes_give_a_picture_or_a_sentence(at, patch, kind):
    noise = np.random.default_rng(1).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    data = bytearray(_file(Image.fromarray(noise), kind))
    data[at : at + len(patch)] = patch
    with contextlib.suppress(PictureError):
        assert open_picture(bytes(data)).mode == "RGB"


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_give_a_sentence(data):
    with pytest.raises(PictureError):
        open_picture(data)


def _brand(major: bytes, *others: bytes) -> bytes:
    return (
        (20 + 4 * len(others)).to_bytes(4, "big") + b"ftyp" + major + b"\0\0\0\0" + b"".join(others)
    )


def test_a_heic_without_its_plugin_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"HEIC picture.*pip install 'haiga\[heic\]'") as told:
        open_picture(_brand(b"heic", b"mif1"))
    assert told.value.needs == HEIF


def test_an_avif_without_its_decoder_says_what_to_install(monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    with pytest.raises(PictureError, match=r"built without AVIF.*--upgrade pillow"):
        open_picture(_brand(b"mif1", b"avif"))  # the brand that counts may come second


def test_a_heic_is_read_where_its_plugin_is():
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = BytesIO()
    picture = pillow_heif.from_pillow(Image.new("RGB", (64, 48), (200, 30, 30)))
    picture.save(buffer, quality=90)
    opened = open_picture(buffer.getvalue())
    assert opened.size == (64, 48)
    assert abs(opened.getpixel((30, 20))[0] - 200) < 8
    with pytest.raises(PictureError, match=r"damaged|not a picture"):
        open_picture(buffer.getvalue()[:200])


@pytest.mark.parametrize("kind", [*FORMATS, "MPO"])
def test_every_format_is_read(kind):
    assert open_picture(_file(Image.new("RGB", (64, 48), "white"), kind)).size == (64, 48)
