import io
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from PIL import Image

from haiga.world.layout import Place, paper, places
from haiga.world.motifs import INKS, MOTIFS
from haiga.world.printer import cut, draw, print_file
from haiga.world.scenes import HOURS, SEASONS, SETTINGS, THINGS, WEATHERS, Scene, scene

PLAIN = Scene("t-0", "summer", "day", "clear", "field", ("boat", "cat"))


def small(picture):
    """The picture as a small vision model sees it: padded to a square, 128 by 128."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), (127, 127, 127))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return np.asarray(square.resize((128, 128), Image.Resampling.BICUBIC), dtype=float)


def changed(one, other):
    """How many of 128 x 128 pixels differ clearly."""
    return int((abs(small(one) - small(other)).max(-1) > 24).sum())


def test_every_thing_has_a_motif():
    assert set(MOTIFS) == set(THINGS)


def test_the_same_scene_and_seed_give_the_same_bytes():
    for index in range(4):
        each = scene(1, index)
        assert print_file(each, 7) == print_file(each, 7)
        assert print_file(each, 7) != print_file(each, 8)


def test_sizes_and_aspects():
    sizes = [draw(scene(2, index), 2).size for index in range(80)]
    assert all(300 <= side <= 900 for size in sizes for side in size)
    aspects = [width / height for width, height in sizes]
    assert min(aspects) < 0.5
    assert max(aspects) > 1.3
    assert max(max(size) / min(size) for size in sizes) <= 2.6


def test_files_are_what_their_suffix_says():
    seen = set()
    for index in range(90):
        data, suffix = print_file(scene(4, index), 4)
        with Image.open(io.BytesIO(data)) as image:
            seen.add((suffix, image.format, image.mode))
    assert seen == {(".jpg", "JPEG", "RGB"), (".png", "PNG", "RGB"), (".png", "PNG", "P")}


@pytest.mark.parametrize("thing", THINGS)
def test_every_thing_changes_the_picture(thing):
    other = "fan" if thing != "fan" else "horse"
    with_it = replace(PLAIN, things=("boat" if thing != "boat" else "cat", thing))
    without = replace(with_it, things=(with_it.things[0], other))
    assert changed(draw(with_it, 1), draw(without, 1)) > 100


@pytest.mark.parametrize(
    ("field", "values"),
    [("season", SEASONS), ("hour", HOURS), ("weather", WEATHERS), ("setting", SETTINGS)],
)
def test_every_value_of_a_scene_changes_the_picture(field, values):
    pictures = [draw(replace(PLAIN, **{field: value}), 3) for value in values]
    for i, one in enumerate(pictures):
        for other in pictures[i + 1 :]:
            assert changed(one, other) > 250


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("tilt", [-7.0, 7.0])
def test_a_thing_is_wholly_inside_its_place(thing, tilt):
    ink = np.asarray(cut(Place(thing, 0, 0, 120, tilt, tilt > 0), INKS).getchannel("A"))
    assert ink[1:-1, 1:-1].sum() == ink.sum()
    rows, columns = np.nonzero(ink)
    assert max(np.ptp(rows), np.ptp(columns)) > 0.7 * 120


def test_places_lie_inside_and_never_meet():
    for seed in range(300):
        rng = Random(seed)
        kind, width, height = paper(rng)
        things = scene(9, seed).things
        spots = places(things, kind, (width, height), rng)
        assert sorted(spot.thing for spot in spots) == sorted(things)
        for i, a in enumerate(spots):
            assert a.left >= 0
            assert a.top >= 0
            assert a.left + a.side <= width
            assert a.top + a.side <= height
            assert a.side >= 0.25 * min(width, height)
            for b in spots[i + 1 :]:
                apart_x = a.left + a.side <= b.left or b.left + b.side <= a.left
                apart_y = a.top + a.side <= b.top or b.top + b.side <= a.top
                assert apart_x or apart_y


def test_night_is_darker_than_day_and_winter_paler_than_summer():
    def brightness(**values):
        return small(draw(replace(PLAIN, **values), 5)).mean()

    assert brightness(hour="night") < brightness(hour="day") - 25
    assert brightness(season="winter") > brightness(season="summer") + 15
