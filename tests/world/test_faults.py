import io
from math import sqrt
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageOps

from haiga.errors import DataError
from haiga.world.faults import (
    BENIGN,
    EVERY,
    FAULTS,
    KINDS,
    TEXT_FAULTS,
    WRONG_CAPTION,
    choose,
    ledger,
    spoil,
)
from haiga.world.printer import print_file
from haiga.world.scenes import scene


@pytest.fixture(scope="module")
def files():
    return [print_file(scene(3, index), 3) for index in range(8)]


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_a_function_of_its_seed(name, files):
    assert spoil(name, *files[0], 1, 2) == spoil(name, *files[0], 1, 2)
    assert len({spoil(name, *files[0], 1, index)[0] for index in range(4)}) > 1


def test_corrupt_files_do_not_open(files):
    for index, file in enumerate(files * 3):
        with pytest.raises(OSError):  # noqa: PT011 (Pillow's own, with several texts)
            opened(spoil("corrupt", *file, 0, index)[0])


def test_tiny_is_under_64_pixels(files):
    for index, file in enumerate(files):
        assert max(opened(spoil("tiny", *file, 0, index)[0]).size) < 64


def test_extreme_aspect_is_beyond_three_but_not_tiny(files):
    for index, file in enumerate(files):
        size = opened(spoil("extreme_aspect", *file, 0, index)[0]).size
        assert max(size) / min(size) > 3
        assert min(size) >= 64


def test_blank_has_one_colour(files):
    for index, file in enumerate(files):
        pixels = np.asarray(opened(spoil("blank", *file, 0, index)[0]))
        assert pixels.reshape(-1, 3).std(0).max() == 0


def test_exif_rotated_displays_upright(files):
    orientations = set()
    for index, file in enumerate(files):
        turned = opened(spoil("exif_rotated", *file, 0, index)[0])
        orientations.add(turned.getexif()[0x0112])
        upright = np.asarray(opened(file[0]).convert("RGB"), dtype=float)
        shown = np.asarray(ImageOps.exif_transpose(turned), dtype=float)
        assert shown.shape == upright.shape
        assert abs(shown - upright).mean() < 5
        ignored = np.asarray(turned, dtype=float)
        assert ignored.shape != upright.shape or abs(ignored - upright).mean() > 10
    assert orientations == {3, 6, 8}


def test_near_duplicate_is_other_bytes_of_the_same_picture(files):
    for index, file in enumerate(files):
        data, _ = spoil("near_duplicate", *file, 0, index)
        assert data != file[0]
        a, b = (
            np.asarray(opened(x).convert("L").resize((32, 32)), dtype=float)
            for x in (data, file[0])
        )
        assert abs(a - b).mean() < 4


def test_faults_of_text_leave_the_picture():
    for name in (*TEXT_FAULTS, WRONG_CAPTION):
        assert spoil(name, b"x", ".jpg", 0, 0) == (b"x", ".jpg")


def test_junk_replaces_the_caption():
    captions = {TEXT_FAULTS["junk_caption"]("a boat at dusk", Random(i)) for i in range(60)}
    assert all("boat" not in caption for caption in captions)
    assert any("http" in caption for caption in captions)
    assert any(caption.startswith("IMG_") for caption in captions)
    assert any("lick here" in caption for caption in captions)


@pytest.mark.parametrize("share", [0.08, 0.3])
def test_the_dial_gives_its_share_to_every_fault(share):
    count = 6000
    truth = ledger(5, count, share)
    each = share / len(KINDS)
    assert abs(len(truth) / count - share) < 4 * sqrt(share * (1 - share) / count)
    for kind in KINDS:
        hits = sum(fault == kind for fault in truth.values())
        assert abs(hits / count - each) < 4 * sqrt(each * (1 - each) / count)


def test_a_larger_share_spoils_the_same_items_and_more():
    small, large = ledger(1, 500, 0.1), ledger(1, 500, 0.4)
    assert small.items() < large.items()


def test_the_ends_of_the_dial():
    assert ledger(0, 100, 0.0) == {}
    assert len(ledger(0, 100, 1.0)) == 100
    with pytest.raises(DataError, match=r"1\.5"):
        choose(0, 0, 1.5)
    with pytest.raises(DataError, match="sepia"):
        spoil("sepia", b"", ".jpg", 0, 0)


def test_the_benign_are_faults_of_pictures():
    assert set(FAULTS) > BENIGN


def test_a_world_of_a_seed_does_not_change_with_the_table():
    assert KINDS == (
        "corrupt", "tiny", "extreme_aspect", "blank", "exif_rotated", "near_duplicate",
        "junk_caption", "wrong_caption",
    )  # fmt: skip
    assert set(KINDS) < set(EVERY)
    assert choose(4, 1, 1.0, ["logo"]) == "logo"
    with pytest.raises(DataError, match="sepia"):
        choose(4, 1, 1.0, ["sepia"])


@pytest.mark.parametrize(
    ("name", "format", "mode"),
    [("cmyk", "JPEG", "CMYK"), ("grey16", "TIFF", "I;16"), ("palette", "PNG", "P"),
     ("transparent", "PNG", "RGBA"), ("animated", "GIF", "P")],
)  # fmt: skip
def test_odd_files_are_what_they_say(name, format, mode, files):
    image = opened(spoil(name, *files[0], 0, 0)[0])
    assert (image.format, image.mode) == (format, mode)
    assert getattr(image, "n_frames", 1) == (2 if name == "animated" else 1)
    if name != "animated":
        assert image.size == opened(files[0][0]).size


def test_a_bomb_is_small_and_opens_large(files):
    data, _ = spoil("bomb", *files[0], 0, 0)
    assert len(data) < 100_000
    with pytest.warns(Image.DecompressionBombWarning):
        width, height = Image.open(io.BytesIO(data)).size
    assert width * height > 100_000_000
