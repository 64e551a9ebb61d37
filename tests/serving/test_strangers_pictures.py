"""Whatever a stranger hands over as a picture: an answer or one sentence, and never a traceback."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_runs
from haiga.models.adapters import save_base
from haiga.models.assemble import assemble
from haiga.serving import opened
from haiga.serving.answer import BATCH, answer

ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tiny_runs.prepare(tmp_path_factory.mktemp("home"))
    save_base(assemble(home / "tower", home / "language"), home / "checkpoint")
    opened.mark(home / "checkpoint", "haiku", "en", max_new_tokens=8)
    upright = Image.linear_gradient("L").resize((48, 90)).convert("RGB")
    upright.paste((200, 30, 30), (0, 0, 20, 15))
    upright.save(home / "upright.png")
    turned, exif = upright.transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[ORIENTATION] = 6  # to be shown turned by 90 degrees to the right
    turned.save(home / "turned.png", exif=exif)
    turned.save(home / "turned.jpg", exif=exif, quality=95)
    upright.convert("P", palette=Image.Palette.ADAPTIVE).save(home / "palette.png")
    Image.new("RGB", (1, 1), "teal").save(home / "dot.png")
    (home / "cut.jpg").write_bytes((home / "turned.jpg").read_bytes()[:-300])
    (home / "note.jpg").write_text("not a picture, whatever its name says")
    (home / "empty.png").touch()
    (home / "huge.png").write_bytes(one_bit_png(20_000))
    (home / "folder.png").mkdir()
    return home


def one_bit_png(side: int) -> bytes:
    """A black square of one bit a pixel: 50 MB unpacked, some kilobytes packed."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer, row = zlib.compressobj(9), bytes(1 + side // 8)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="module")
def asked(home) -> dict[str, tuple[str, str]]:
    """Everything in one call: name -> (answer, fault)."""
    names = "turned.jpg note.jpg palette.png dot.png cut.jpg huge.png folder.png none.png empty.png"
    paths = [home / name for name in ["upright.png", *names.split()]]
    return {
        Path(name).name: (text, str(error or ""))
        for name, text, error in answer(home / "checkpoint", paths)
    }


def test_the_model_sees_a_rotated_picture_upright(home, monkeypatch):
    shown = []

    def see(vlm, prompts, images, **options):
        shown.extend(view for [view] in images)
        return ["seen"] * len(images)

    monkeypatch.setattr("haiga.serving.answer.generate", see)
    names = ["upright.png", "turned.png", "turned.jpg", "palette.png"]
    said = list(answer(home / "checkpoint", [home / name for name in names]))
    assert [text for _, text, _ in said] == ["seen"] * 4
    upright = np.asarray(Image.open(home / "upright.png"), dtype=int)
    exact, lossy, palette = (np.asarray(view, dtype=int) for view in shown[1:])
    assert np.array_equal(exact, upright)
    assert lossy.shape == upright.shape
    assert abs(lossy - upright).mean() < 6
    assert abs(palette - upright).mean() < 6


@pytest.mark.parametrize("name", ["upright.png", "turned.jpg", "palette.png", "dot.png"])
def test_an_odd_picture_gets_an_answer(asked, name):
    assert asked[name][0]
    assert not asked[name][1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cut.jpg", "damaged"),
        ("note.jpg", "not a picture"),
        ("huge.png", "too large"),
        ("folder.png", "cannot be read"),
        ("none.png", "cannot be read"),
        ("empty.png", "is empty"),
    ],
)
def test_what_is_no_picture_gets_one_sentence(asked, name, words):
    text, fault = asked[name]
    assert not text
    assert words in fault
    assert name in fault
    assert "\n" not in fault


def test_the_answers_of_the_good_ones_are_those_they_get_alone(home, asked):
    for name in ("palette.png", "dot.png"):
        [(_, text, error)] = answer(home / "checkpoint", [home / name])
        assert (text, error) == (asked[name][0], None)


def test_the_command_says_both_and_ends_with_2(home):
    said = tiny_runs.haiga(home, "write", "checkpoint", "note.jpg", "dot.png")
    assert said.code == 2
    assert said.out.startswith("dot.png:\n")
    assert said.err.startswith("note.jpg is not a picture")
    assert len(said.err.splitlines()) == 1
    good = tiny_runs.haiga(home, "write", "checkpoint", "dot.png")
    assert good.code == 0
    assert good.out == said.out.removeprefix("dot.png:\n")
    assert not good.err


def test_a_folder_stands_for_its_pictures(home):
    (home / "album/in it").mkdir(parents=True)
    for name in ("b.png", "a b.PNG", "in it/c.png"):
        shutil.copy(home / "dot.png", home / "album" / name)
    (home / "album/notes.txt").write_text("no picture")
    said = tiny_runs.haiga(home, "write", "checkpoint", "album", "dot.png")
    assert said.code == 0, said.err
    names = [line for line in said.out.splitlines() if line.endswith(":")]
    assert names == ["album/a b.PNG:", "album/b.png:", "album/in it/c.png:", "dot.png:"]
    none = tiny_runs.haiga(home, "write", "checkpoint", "folder.png")
    assert (none.code, none.out) == (2, "")
    assert "There is no picture in the folder folder.png" in none.err


def test_more_pictures_than_go_together_keep_their_order(home):
    paths = [home / ("dot.png" if n % 3 else "note.jpg") for n in range(BATCH + 3)]
    said = list(answer(home / "checkpoint", paths))
    assert [name for name, _, _ in said] == [str(path) for path in paths]
    assert [error is None for _, _, error in said] == [bool(n % 3) for n in range(BATCH + 3)]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nowhere", "dot.png"], "nowhere holds no trained model"),
        (["checkpoint", "dot.png", "--task", "sonnet"], "'sonnet' in 'en'"),
        (["checkpoint", "dot.png", "--language", "xx"], "'haiku' in 'xx'"),
        (["checkpoint"], "Missing argument 'PICTURE…'"),
    ],
)
def test_other_faults_are_sentences_too(home, words, text):
    said = tiny_runs.haiga(home, "write", *words)
    assert said.code == 2
    assert text in said.err


def test_the_model_of_a_run_is_its_last_stage_that_sees(tmp_path):
    (tmp_path / "recipe.toml").write_text("[stage.b]\n[stage.a]\n[stage.blind]\n[stage.unmade]\n")
    for name in ("a", "b", "blind"):
        (tmp_path / "stages" / name / "model").mkdir(parents=True)
        (tmp_path / "stages" / name / "manifest.json").touch()
        opened.mark(tmp_path / "stages" / name, "haiku", "ja", control=name == "blind")
    (tmp_path / "stages/unmade/model").mkdir(parents=True)
    assert opened.model_folder(tmp_path) == tmp_path / "stages/a/model"
    assert opened.model_folder(tmp_path / "stages/b") == tmp_path / "stages/b/model"
    (tmp_path / "stages/a/manifest.json").unlink()
    assert opened.model_folder(tmp_path) == tmp_path / "stages/b/model"
