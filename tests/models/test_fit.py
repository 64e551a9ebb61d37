import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from transformers import SiglipImageProcessorPil

from haiga.errors import ModelError
from haiga.models.fit import FITS, image_processor, pixels

SIDE = 96
TOWER = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})


def _circle(width: int, height: int, radius: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), "white")
    x, y = width // 2, height // 2
    box = (x - radius, y - radius, x + radius, y + radius)
    ImageDraw.Draw(picture).ellipse(box, fill="black")
    return picture


def _extent(fit: str, picture: Image.Image) -> tuple[int, int]:
    """Width and height of what is black in the fitted picture."""
    values = pixels(image_processor(TOWER, SIDE, fit), [picture])[0].mean(0)
    dark = (values < -0.5).numpy()
    return int(dark.any(0).sum()), int(dark.any(1).sum())


@pytest.mark.parametrize(("width", "height"), [(600, 300), (300, 600), (301, 97), (64, 64)])
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_a_circle_stays_a_circle(fit, width, height):
    across, down = _extent(fit, _circle(width, height, min(width, height) // 4))
    assert abs(across - down) <= 1
    assert across > 5


def test_the_size_of_the_circle_by_hand():
    # 600 x 300, radius 75: pad scales by 96/600 -> 24 across; crop by 96/300 -> 48.
    assert _extent("pad", _circle(600, 300, 75)) == pytest.approx((24, 24), abs=1)
    assert _extent("crop", _circle(600, 300, 75)) == pytest.approx((48, 48), abs=1)
    assert _extent("squash", _circle(600, 300, 75)) == pytest.approx((24, 48), abs=1)


def test_padding_has_the_mean_colour():
    values = pixels(image_processor(TOWER, SIDE, "pad"), [Image.new("RGB", (600, 300), "red")])[0]
    # The mean is 0.5, its colour int(127.5) = 127: (127/255 - 0.5) / 0.5.
    assert values[:, 0, 0].tolist() == pytest.approx([-0.00392] * 3, abs=1e-4)
    assert values[:, SIDE // 2, SIDE // 2].tolist() == pytest.approx([1.0, -1.0, -1.0])


def test_squash_is_the_towers_own_processor():
    noise = np.random.default_rng(0).integers(0, 255, (70, 200, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    own = TOWER(picture, return_tensors="pt")["pixel_values"]
    assert torch.equal(pixels(image_processor(TOWER, SIDE, "squash"), [picture]), own)


def test_a_square_picture_is_the_same_by_every_fit():
    noise = np.random.default_rng(0).integers(0, 255, (70, 70, 3), dtype=np.uint8)
    seen = [pixels(image_processor(TOWER, SIDE, fit), [Image.fromarray(noise)]) for fit in FITS]
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(list(FITS)))
def test_every_size_gives_the_towers_square(width, height, fit):
    values = pixels(image_processor(TOWER, SIDE, fit), [Image.new("RGB", (width, height), "red")])
    assert values.shape == (1, 3, SIDE, SIDE)
    # Red stays in the first channel: small pictures are where channels are mistaken for rows.
    red, green, blue = values[0]
    assert torch.equal(green, blue)
    assert float(red.max() - green.min()) > 0.05


def test_an_unknown_fit():
    with pytest.raises(ModelError, match="No fit is called 'stretch'; pictures are fitted by: pad"):
        image_processor(TOWER, SIDE, "stretch")
