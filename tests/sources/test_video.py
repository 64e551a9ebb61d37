"""Clips made here by PyAV, and what the source takes from them."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from haiga.errors import DataError
from haiga.sources import SOURCES
from made import curated

av = pytest.importorskip("av", reason="PyAV is not installed")


def clip(path, seconds: int = 4, *, rate: int = 5, every: int = 5, turned: int = 0, shape=None):
    """Frame n is of brightness 10 n, left half; the right half is black."""
    with av.open(str(path), "w") as container:
        # Without key frames of its own accord where a picture changes much.
        stream = container.add_stream("mpeg4", rate=rate, options={"sc_threshold": "1000000000"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.gop_size = every
        if shape:
            stream.sample_aspect_ratio = shape
        if turned:
            stream.set_display_rotation(turned)
        for n in range(seconds * rate):
            picture = np.zeros((32, 64, 3), dtype=np.uint8)
            picture[:, :32] = 10 * n
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def found(folder, skip=0, **options):
    return list(SOURCES["video"](0, "en", skip, path=str(folder), **options))


def left(thing) -> list[int]:
    """Which frames of the clip were taken, by their brightness."""
    views = [Image.open(io.BytesIO(data)).convert("L") for data, _ in thing.pictures]
    return [round(float(np.asarray(view)[:, 4:28].mean()) / 10) for view in views]


def test_frames_come_from_the_middles_of_equal_parts_with_their_times(tmp_path):
    clip(tmp_path / "a.mp4")
    (tmp_path / "a.txt").write_text("A lamp is turned up.", encoding="utf-8")
    things = found(tmp_path, frames=4)
    assert [thing.id for thing in things] == [
        "a.mp4@0.40s", "a.mp4@1.40s", "a.mp4@2.40s", "a.mp4@3.40s"
    ]  # fmt: skip
    assert [left(thing) for thing in things] == [[2], [7], [12], [17]]
    assert {thing.caption for thing in things} == {"A lamp is turned up."}
    assert things[1].meta == {"file": "a.mp4", "seconds": 1.4, "series": "a.mp4"}
    assert all(suffix == ".jpg" for thing in things for _, suffix in thing.pictures)


def test_key_frames_are_taken_evenly(tmp_path):
    clip(tmp_path / "a.mp4", every=5)  # frames 0, 5, 10 and 15 are key frames
    assert [left(thing)[0] for thing in found(tmp_path, sample="keyframes")] == [0, 5, 10, 15]
    taken = found(tmp_path, sample="keyframes", frames=2)
    assert [left(thing)[0] for thing in taken] == [5, 15]


def test_a_clip_can_be_one_thing_with_all_its_frames(tmp_path):
    clip(tmp_path / "a.mp4")
    (thing,) = found(tmp_path, rows="clips", frames=4)
    assert thing.id == "a.mp4"
    assert left(thing) == [2, 7, 12, 17]
    assert thing.meta["seconds"] == [0.4, 1.4, 2.4, 3.4]


def test_a_clip_of_fewer_frames_than_asked_for_gives_each_once(tmp_path):
    clip(tmp_path / "a.mp4", seconds=1)
    assert [left(thing)[0] for thing in found(tmp_path, frames=32)] == [0, 1, 2, 3, 4]


def test_frames_are_upright_and_of_square_pixels(tmp_path):
    clip(tmp_path / "a.mp4", turned=90)
    clip(tmp_path / "b.mp4", shape=2)
    first, second = found(tmp_path, frames=1)
    view = Image.open(io.BytesIO(first.pictures[0][0]))
    assert view.size == (32, 64)
    halves = np.asarray(view.convert("L"))[[8, 56], 16]
    assert halves[1] > halves[0] + 50  # turned to the left, what was left is below
    assert Image.open(io.BytesIO(second.pictures[0][0])).size == (128, 32)


def test_what_cannot_be_decoded_is_set_aside_and_nothing_else(tmp_path):
    whole = clip(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(b"not a clip")
    (tmp_path / "c.mp4").write_bytes(b"")
    (tmp_path / "d.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "e.json").write_text("{", encoding="utf-8")
    clip(tmp_path / "e.mp4")
    things = found(tmp_path, frames=1)
    assert [(thing.id, thing.fault) for thing in things] == [
        ("a.mp4@2.00s", ""),
        ("b.mp4", "cannot be decoded"),
        ("c.mp4", "cannot be decoded"),
        ("d.mp4", "no picture in it"),
        ("e.mp4", "the words beside it cannot be read"),
    ]


def test_it_goes_on_behind_what_is_at_home(tmp_path):
    for name in "ab":
        clip(tmp_path / f"{name}.mp4", seconds=1)
    everything = [thing.id for thing in found(tmp_path, frames=3)]
    assert [thing.id for thing in found(tmp_path, skip=4, frames=3)] == everything[4:]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"frames": 33}, "as frames there may be 1 to 32"),
        ({"frames": 9, "rows": "clips"}, "as clips there may be 1 to 8"),
        ({}, "There is no clip in"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path, options, says):
    with pytest.raises(DataError, match=says):
        found(tmp_path, **options)


def test_without_pyav_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(DataError, match=r"pip install 'haiga\[video\]'"):
        found(tmp_path)


def test_frames_become_groups_of_one_series(tmp_path):
    clip(tmp_path / "a.mp4")
    (tmp_path / "a.txt").write_text("A lamp is turned up.", encoding="utf-8")
    groups, _, _ = curated(tmp_path / "run", lambda skip: iter(found(tmp_path, frames=4)))
    assert {group.meta["series"] for group in groups} == {"a.mp4"}
    assert json.dumps([group.meta["seconds"] for group in groups])
