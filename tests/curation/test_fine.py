"""A finer hash: what 64 bits hold for one picture, and is not."""

import io
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from haiga.curation import fine, pictures


def _page(seed: int) -> Image.Image:
    """Lines of words that nobody reads."""
    rng = Random(seed)
    image = Image.new("L", (480, 640), 240)
    pen = ImageDraw.Draw(image)
    for top in range(30, 610, 24):
        left = 30
        while left < 420:
            width = rng.randint(10, 60)
            pen.rectangle((left, top, min(left + width, 450), top + 10), fill=30)
            left += width + 10
    return image


def _file(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _apart(one: bytes, other: bytes) -> tuple[int, int]:
    """In how many bits of 64 and of 256 two pictures differ."""
    coarse, finer = ([look.measure(data) for data in (one, other)] for look in (pictures, fine))
    return tuple(
        (int(a[name], 16) ^ int(b[name], 16)).bit_count()
        for (a, b), name in ((coarse, "phash"), (finer, "fine"))
    )


def test_a_copy_is_near_and_another_page_is_not():
    page = _page(0)
    for copy in (
        _file(page, quality=30),
        _file(page.resize((300, 400), Image.Resampling.LANCZOS)),
        _file(page.point(lambda level: min(255, level + 30))),
    ):
        coarse, finer = _apart(_file(page, quality=95), copy)
        assert coarse <= 8
        assert finer <= 48
    others = [_apart(_file(page), _file(_page(seed)))[1] for seed in range(1, 9)]
    assert min(others) > 48


def test_half_of_its_bits_are_set_and_a_fault_is_a_sentence():
    (value,) = fine.measure(_file(_page(0))).values()
    assert len(value) == 64
    assert int(value, 16).bit_count() == 128
    assert list(fine.measure(b"<html>")) == ["error"]
    assert fine.fine_hash(np.zeros((80, 60), dtype=np.uint8)) == "0" * 64
