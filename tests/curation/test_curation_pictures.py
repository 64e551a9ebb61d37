import io
import sys

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageOps

from haiga.curation import close, fine, pictures
from haiga.models.pictures import open_picture


def _scene(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """Smooth and without symmetry, as photographs are."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def _file(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _distance(a: dict, b: dict) -> int:
    return (int(a["phash"], 16) ^ int(b["phash"], 16)).bit_count()


def _turned(image: Image.Image, orientation: int) -> bytes:
    """The file that shows `image` when its EXIF orientation is applied."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    inverse = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    undo = Image.Exif()
    undo[0x0112] = inverse
    tagged = Image.open(io.BytesIO(_file(image, "PNG", exif=undo)))
    return _file(ImageOps.exif_transpose(tagged), quality=95, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_file_measures_as_its_upright_copy(orientation):
    upright, turned = _file(_scene(), quality=95), _turned(_scene(), orientation)
    shown = np.asarray(open_picture(turned), dtype=float)
    assert np.abs(shown - np.asarray(_scene(), dtype=float)).mean() < 5  # the test's own turning
    a, b = pictures.measure(upright), pictures.measure(turned)
    assert (b["width"], b["height"]) == (320, 240)
    assert _distance(a, b) <= 8
    assert b["brightness"] == pytest.approx(a["brightness"], abs=0.01)


def test_without_exif_a_turn_is_another_picture():
    a = pictures.measure(_file(_scene()))
    b = pictures.measure(_file(_scene().transpose(Image.Transpose.ROTATE_90)))
    assert _distance(a, b) > 16


@pytest.mark.parametrize(
    "change",
    [
        lambda image: _file(image, quality=50),
        lambda image: _file(image.resize((210, 158)), quality=85),
        lambda image: _file(image, "PNG"),
        lambda image: _file(image, "WEBP", quality=80),
        lambda image: _file(image, progressive=True),
        lambda image: _file(image.convert("CMYK")),
    ],
    ids=["re-encoded", "resized", "png", "webp", "progressive", "cmyk"],
)
@pytest.mark.parametrize("seed", range(4))
def test_the_hash_survives_what_the_web_does(change, seed):
    image = _scene(seed=seed)
    changed = pictures.measure(change(image))
    assert _distance(pictures.measure(_file(image, quality=92)), changed) <= 8


def test_the_fast_jpeg_path_agrees_with_the_general_reader(monkeypatch):
    files = [_file(_scene(seed=seed), quality=90) for seed in range(12)]
    fast = [pictures.measure(data) for data in files]

    def refuse(data: bytes) -> None:
        raise ValueError

    monkeypatch.setattr(pictures, "_small_jpeg", refuse)
    slow = [pictures.measure(data) for data in files]
    assert max(_distance(a, b) for a, b in zip(fast, slow, strict=True)) <= 4
    for a, b in zip(fast, slow, strict=True):
        assert (a["width"], a["height"]) == (b["width"], b["height"])
        assert a["contrast"] == pytest.approx(b["contrast"], abs=0.02)


def test_the_fast_jpeg_path_is_taken(monkeypatch):
    seen = []
    decode = simplejpeg.decode_jpeg
    monkeypatch.setattr(
        simplejpeg, "decode_jpeg", lambda *a, **k: seen.append(decode(*a, **k)) or seen[-1]
    )
    pictures.measure(_file(_scene(1024, 768)))
    assert [each.shape for each in seen] == [(96, 128, 1)]  # an eighth


WHOLE = _file(_scene(), quality=90)
BOMB = _file(Image.new("1", (20_000, 10_000)), "PNG")
WIDE_JPEG = _file(Image.new("L", (16_400, 8)), quality=30)
LARGE_JPEG = _file(Image.new("L", (10_200, 10_200)), quality=30)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"<html>403 Forbidden</html>",
        WHOLE[: len(WHOLE) // 2],
        WHOLE[: int(len(WHOLE) * 0.97)],
        WHOLE[:-2] if not WHOLE.endswith(b"\xff\xd9") else WHOLE[:200],
        bytes(255 - byte for byte in WHOLE[:16]) + WHOLE[16:],
        _file(_scene(), "PNG")[:500],
        b"%PDF-1.7 renamed to .jpg",
        BOMB,
        WIDE_JPEG,
        LARGE_JPEG,
    ],
    ids=[
        "empty", "two bytes", "a page", "half", "97 %", "head", "flipped", "half a png",
        "renamed", "bomb", "wide jpeg", "large jpeg",
    ],
)  # fmt: skip
def test_a_bad_file_gives_a_sentence(data):
    values = pictures.measure(data)
    assert list(values) == ["error"]
    assert values["error"].endswith(".")
    assert pictures.fault([values], []) == "unreadable"


def test_a_reader_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for look in (pictures, close, fine):
        values = look.measure(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
        assert values["error"].endswith("pip install 'haiga[heic]'.")
        assert values["needs"] == "pillow-heif"
        assert pictures.fault([values], []) == "unreadable here: needs pillow-heif"


def test_what_passes_here_can_be_opened_in_training():
    for data in (WHOLE, _file(_scene().convert("CMYK")), _file(_scene(), progressive=True)):
        size = open_picture(data).size
        values = pictures.measure(data)
        assert (values["width"], values["height"]) == size


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_one_pixel_is_a_picture(kind):
    values = pictures.measure(_file(Image.new("RGB", (1, 1), (255, 255, 255)), kind))
    assert (values["width"], values["height"], values["contrast"]) == (1, 1, 0.0)
    assert pictures.fault([values], [pictures.side]) == "shorter side under 224 px"


def test_strange_exif_costs_nothing():
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + b"\x01" * 30
    values = pictures.measure(_file(_scene(), exif=exif))
    assert (values["width"], values["height"]) == (320, 240)


def test_the_hash_by_hand():
    # A cosine of one period down the height lies in the DCT's row 2, column 0: with the mean
    # (row 0, column 0) the only large coefficients. Inverted, that one falls below the median.
    y = np.cos(2 * np.pi * (np.arange(32) + 0.5) / 32)
    grey = np.repeat((128 + 100 * y)[:, None], 32, axis=1).astype(np.uint8)
    bit = 63 - 2 * 8
    mean = 1 << 63
    assert pictures.phash(grey) & mean
    assert pictures.phash(grey) >> bit & 1
    assert pictures.phash(255 - grey) & mean
    assert not pictures.phash(255 - grey) >> bit & 1


def test_a_hash_has_about_half_its_bits_set():
    for seed in range(5):
        grey = np.asarray(_scene(seed=seed).convert("L"))
        assert pictures.phash(grey).bit_count() == 32  # above the median of 64 different numbers


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (224, 224, None),
        (223, 500, "shorter side under 224 px"),
        (500, 223, "shorter side under 224 px"),
        (672, 224, None),
        (673, 224, "aspect over 3.0:1"),
        (224, 673, "aspect over 3.0:1"),
    ],
)
def test_rules_at_their_thresholds(width, height, reason):
    values = {"width": width, "height": height}
    assert pictures.fault([values], [pictures.side, pictures.aspect]) == reason


@pytest.mark.parametrize(("contrast", "reason"), [(0.02, None), (0.0199, "blank"), (0.0, "blank")])
def test_blank_at_its_threshold(contrast, reason):
    assert pictures.blank({"contrast": contrast}) == reason


def test_one_bad_picture_of_several_is_a_fault():
    good = {"width": 300, "height": 300}
    assert pictures.fault([good, {"error": "No."}], [pictures.side]) == "unreadable"
    assert pictures.fault([good, good], [pictures.side]) is None


def test_a_row_of_more_pictures_than_a_prompt_may_have_is_set_aside():
    good = {"width": 300, "height": 300}
    assert pictures.fault([good] * 8, [pictures.side]) is None
    assert pictures.fault([good] * 9, [pictures.side]) == "over 8 pictures"
