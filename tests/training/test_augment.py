import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from haiga.training.augment import Crops, crop_box, vary

sides = st.integers(2, 500)


@given(sides, sides, sides, sides, st.integers(0, 99))
def test_a_box_lies_in_the_picture_and_has_the_aspect_asked_for(width, height, w, h, seed):
    box = crop_box(width, height, w / h, Crops(), np.random.default_rng(seed))
    left, top, right, bottom = box
    assert -1e-6 <= left < right <= width + 1e-6
    assert -1e-6 <= top < bottom <= height + 1e-6
    assert (right - left) / (bottom - top) == pytest.approx(w / h, rel=1e-6)


def test_a_box_by_hand():
    # 200 x 100, a square of the full area: the largest square is 100 x 100.
    left, top, right, bottom = crop_box(200, 100, 1.0, Crops(area=(1, 1)), np.random.default_rng(0))
    assert (right - left, bottom - top) == pytest.approx((100, 100))
    assert top == pytest.approx(0)
    assert 0 <= left <= 100


def test_distortion_is_aloud():
    rng = np.random.default_rng(0)
    aspects = []
    for _ in range(200):
        left, top, right, bottom = crop_box(100, 100, 1.0, Crops(distortion=2.0), rng)
        aspects.append((right - left) / (bottom - top))
    assert 0.5 <= min(aspects) < 0.6
    assert 1.7 < max(aspects) <= 2.0
    assert "DISTORTED by up to 2 times" in Crops(distortion=2.0).describe()
    assert "shapes kept" in Crops().describe()


def picture() -> Image.Image:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, 60).astype(np.uint8)
    return Image.fromarray(pixels)


def view(seed=0, step=0, name="a", crops=None) -> bytes:
    return vary(picture(), crops or Crops(), seed=seed, step=step, name=name).tobytes()


def test_views_are_functions_of_seed_step_and_picture():
    assert view() == view()
    assert len({view(), view(seed=1), view(step=1), view(name="b")}) == 4


def test_flips():
    whole = {"seed": 0, "step": 0, "name": "a"}
    flipped = vary(picture(), Crops(area=(1, 1), flip=1.0), **whole)
    kept = vary(picture(), Crops(area=(1, 1), flip=0.0), **whole)
    assert np.array_equal(np.asarray(flipped), np.asarray(kept)[:, ::-1])
    assert np.array_equal(np.asarray(kept), np.asarray(picture()))


def test_a_view_of_another_size():
    sized = vary(picture(), Crops(), seed=0, step=0, name="a", size=(16, 24))
    assert sized.size == (16, 24)
