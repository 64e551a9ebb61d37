"""Disks that fill, folders with nothing in them, and what a person has in one after ten years."""

import errno
import os
from pathlib import Path

import pytest

from haiga.cli import main
from haiga.errors import StoreError
from haiga.reporting import health as page
from haiga.sources import Found
from haiga.world import faults
from haiga.world.printer import print_file
from haiga.world.scenes import scene
from made import curated, picture

RECIPE = """
name = "edge"
language = "en"
[source]
name = "folder"
path = "{path}"
[curate]
pictures = [{{ name = "side", minimum = 64 }}, {{ name = "aspect" }}, {{ name = "blank" }},
  {{ name = "blur" }}, {{ name = "logo" }}, {{ name = "still" }}]
captions = [{{ name = "plain" }}, {{ name = "special" }}]
[split]
held_out = 2
validation = 0
[model]
tower = "world:tower"
language_model = "world:language"
image_token = "<|image_pad|>"
"""


@pytest.fixture
def curate(tmp_path, monkeypatch, capsys):
    """The command on a folder of files; returns its exit code and all that it said."""

    def run(files: dict[str, bytes]) -> tuple[int, str]:
        (tmp_path / "pictures").mkdir()
        for name, data in files.items():
            (tmp_path / "pictures" / name).write_bytes(data)
        recipe = tmp_path / "edge.toml"
        recipe.write_text(RECIPE.format(path=(tmp_path / "pictures").as_posix()))
        code = main(["curate", str(recipe), "--workdir", str(tmp_path / "runs")])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_a_folder_of_everything(curate, monkeypatch):
    shown = []
    real = page.thumbnail
    monkeypatch.setattr(
        page, "thumbnail", lambda data, side: shown.append(data) or real(data, side)
    )
    files = {}
    kinds = ("corrupt", "tiny", "blank", "blurred", "logo", "animated", "exif_rotated", "cmyk")
    for at, kind in enumerate(["", "", "", "", *kinds]):
        data, suffix = print_file(scene(5, at), 5)
        if kind:
            data, suffix = faults.spoil(kind, data, suffix, 5, at)
        files[f"{at:02d}{suffix}"] = data
        files[f"{at:02d}.txt"] = b"a print with a boat and a pine in the rain"
    odd = {"zero.jpg": b"", "page.png": b"<html>403</html>", "notes.md": b"x"}
    code, told = curate({**files, **odd})
    assert code == 0
    assert "00_raw: 1 file is passed over, not called like a picture (.md 1)" in told
    assert "Traceback" not in told
    rows = dict(line.split("\t", 1) for line in told.splitlines() if "\t" in line)
    for reason in ("empty file 1", "not a picture"):
        assert reason in rows["00_raw"]
    for reason in ("unreadable", "shorter side under 64 px", "blank 1", "blurred 1",
                   "looks like a logo", "animated 1"):  # fmt: skip
        assert reason in rows["01_filtered"]
    # What a watched process could not decode, the one that makes the page does not try.
    assert files["00.jpg"] in shown
    assert not {data for name, data in files.items() if name.startswith("04")} & set(shown)


def test_a_folder_of_nothing(curate):
    code, told = curate({"notes.txt": b"to do"})
    assert code == 2
    assert told.startswith("There is no picture in ")
    assert len(told.splitlines()) == 1


def test_a_few_files_all_damaged(curate):
    code, told = curate({f"{at}.jpg": picture(at, "JPEG")[: 200 + at] for at in range(4)})
    assert code == 2
    assert "Of 4 rows none is left: unreadable 4." in told
    assert "Traceback" not in told


def test_a_few_files_that_are_no_pictures(curate):
    code, told = curate({f"{at}.jpg": b"<html>403</html>" for at in range(4)})
    assert code == 2
    assert "Of 4 rows none is left: not a picture 4. Each is in data/00_raw/dropped.p" in told
    assert "01_filtered" not in told


def test_pictures_about_which_nobody_says_anything(curate):
    code, told = curate({f"{at}.jpg": print_file(scene(5, at), 5)[0] for at in range(4)})
    assert code == 2
    assert "Of 4 rows none is left: no text (no caption) 4." in told
    assert "a teacher under [teach], or the source itself" in told


def test_many_files_all_damaged_are_one_fault(curate):
    code, told = curate({f"{at}.jpg": picture(at, "JPEG")[: 200 + at] for at in range(12)})
    assert code == 2
    assert "12 of the first 12 pictures failed" in told


def test_a_place_that_cannot_be_written(tmp_path, capsys):
    recipe = tmp_path / "edge.toml"
    recipe.write_text(RECIPE.format(path="pictures"))
    (tmp_path / "file").write_text("in the way")
    code = main(["curate", str(recipe), "--workdir", str(tmp_path / "file")])
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("could not be written: Not a directory. Check the folder's rights.")


def test_a_disk_that_fills_at_every_write_in_turn(tmp_path, monkeypatch):
    things = [
        Found(f"row{at}", ((picture(at, "PNG"), ".png"),), f"print number {at}") for at in range(4)
    ]
    whole = curated(tmp_path / "whole", lambda skip: iter(things[skip:]))[0]
    real, left, said = os.fsync, 0, []

    def fsync(file: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    for room in range(1, 60):
        left = room
        try:
            groups = curated(tmp_path / "full", lambda skip: iter(things[skip:]))[0]
            break
        except StoreError as error:
            said.append(str(error)[:18])
        assert not list(Path(tmp_path / "full").rglob("*.tmp"))
    assert said == ["The disk is full: "] * (room - 1)
    assert room > 3
    assert [group.id for group in groups] == [group.id for group in whole]
