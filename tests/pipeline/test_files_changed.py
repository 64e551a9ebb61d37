"""A folder that was curated, and what a second run makes of what has been done to it since."""

import json
import os
import shutil
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haiga.cli import main
from haiga.curation.engines import ENGINES
from haiga.errors import DataError, DriftError, PictureError
from haiga.models import pictures as opening
from haiga.pipeline.data import make_data
from haiga.pipeline.run import DATA, Run
from haiga.pipeline.standing import standing
from haiga.recipe.load import load
from haiga.store import Folder
from inline import inline
from made import picture

RECIPE = """
name = "changing"
language = "en"
[curate]
pictures = [{ name = "side", minimum = 48 }]
[split]
held_out = 2
validation = 0
[model]
tower = "world:tower"
language_model = "world:language"
image_token = "<|image_pad|>"
[stage.sft]
tasks = ["describe"]
objective = { name = "cross_entropy" }
trainable = [[".*", 1e-3]]
steps = 1
batch = 1
[source]
"""


@pytest.fixture(autouse=True)
def measured(monkeypatch) -> list[str]:
    """The pictures that were measured, as they are measured."""
    seen: list[str] = []

    def engine(shards, **options):
        for shard in shards:
            seen.extend(shard.ids)
            yield from inline([shard])

    monkeypatch.setitem(ENGINES, "local", engine)
    return seen


@pytest.fixture
def prints(tmp_path):
    folder = tmp_path / "prints"
    folder.mkdir()
    for at in range(6):
        _add(folder, at)
    return folder


def _add(folder, at):
    (folder / f"{at}.png").write_bytes(picture(at))
    (folder / f"{at}.txt").write_text(f"Sheet {at} of a long set.")


def _curate(tmp_path, source='name = "folder"\npath = "prints"', rebuild=False):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE + source.replace('"prints', f'"{tmp_path}/prints'))
    events = []
    run = Run(load(recipe, []), tmp_path / "run", events.append, rebuild)
    make_data(run)
    return run, [event["text"] for event in events if event["kind"] == "note"]


def _ids(run):
    return [row["id"] for row in run.data("00_raw").rows()]


def _fingerprints(run):
    return [run.data(stage).fingerprint() for stage in DATA]


def test_only_a_picture_that_was_added_is_measured(tmp_path, prints, measured):
    run, notes = _curate(tmp_path)
    assert (len(measured), notes) == (6, [])
    _curate(tmp_path)
    assert len(measured) == 6
    _add(prints, 6)
    run, notes = _curate(tmp_path)
    assert notes == [
        "since the source was gathered, 2 files are new (6.png, 6.txt); only what is new is "
        "measured"
    ]
    assert len(measured) == 7
    assert _ids(run) == [f"{at}.png" for at in range(7)]
    assert run.data("04_final").manifest().counts["kept"] == 7
    before = _fingerprints(run)
    assert _fingerprints(_curate(tmp_path)[0]) == before


def test_what_is_gone_and_what_is_other_is_noticed(tmp_path, prints, measured):
    run, _ = _curate(tmp_path)
    (prints / "0.png").unlink()
    (prints / "0.txt").unlink()
    (prints / "1.txt").write_text("Sheet 9 of a long set.")
    (prints / "2.png").write_bytes(picture(7))
    (prints / "notes.txt").write_text("beside no picture")
    run, notes = _curate(tmp_path)
    assert notes == [
        "since the source was gathered, 2 files are gone (0.png, 0.txt), 2 files are changed "
        "(1.txt, 2.png); only what is new is measured",
        "1 file is passed over, not called like a picture (.txt 1); the first is notes.txt",
    ]
    assert len(measured) == 7
    rows = {row["id"]: row["caption"] for row in run.data("00_raw").rows()}
    assert list(rows) == [f"{at}.png" for at in range(1, 6)]
    assert rows["1.png"] == "Sheet 9 of a long set."


def test_what_had_no_reader_is_read_once_it_has_one(tmp_path, prints, measured, monkeypatch):
    def refuse(data, called):
        if data == picture(3):
            raise PictureError("It is a HEIC.", needs=opening.HEIF)
        return ()

    monkeypatch.setitem(opening.READERS, opening.HEIF, lambda: False)
    with monkeypatch.context() as lacking:
        lacking.setattr(opening, "_plugin", refuse)
        for _ in range(2):
            run, notes = _curate(tmp_path)
            assert run.data("01_filtered").manifest().reasons == {
                "unreadable here: needs pillow-heif": 1
            }
    assert (len(measured), notes) == (6, [])
    monkeypatch.setitem(opening.READERS, opening.HEIF, lambda: True)
    run, notes = _curate(tmp_path)
    assert notes == ["what needed pillow-heif to be read can be read now"]
    assert len(measured) == 7
    assert run.data("04_final").manifest().counts["kept"] == 6
    assert _curate(tmp_path)[1] == []


def test_a_copy_with_other_times_has_not_changed(tmp_path, prints):
    before = _fingerprints(_curate(tmp_path)[0])
    for path in prints.iterdir():
        os.utime(path, ns=(1, 1))
    run, notes = _curate(tmp_path)
    assert (_fingerprints(run), notes) == (before, [])
    listing = pq.read_table(run.folder / "data/00_raw/listing.parquet").to_pylist()
    assert {row["time"] for row in listing} == {1}  # so that they need not be read again


def test_files_that_are_not_here_cost_nothing(tmp_path, prints):
    before = _fingerprints(_curate(tmp_path)[0])
    shutil.rmtree(prints)
    run, notes = _curate(tmp_path)
    assert _fingerprints(run) == before
    assert notes == ["the files of the source are not here; what was gathered of them stays"]
    prints.mkdir()  # a disk that is not mounted
    assert _fingerprints(_curate(tmp_path)[0]) == before


def test_what_was_trained_stops_the_run(tmp_path, prints):
    run, _ = _curate(tmp_path)
    before = _fingerprints(run)
    run.stage("sft").mkdir(parents=True)
    (run.stage("sft") / "manifest.json").write_text("{}")
    _add(prints, 6)
    with pytest.raises(DriftError, match=r"2 files are new \(6\.png, 6\.txt\)\..* \(sft\) .*train"):
        _curate(tmp_path)
    assert _fingerprints(run) == before
    run, _ = _curate(tmp_path, rebuild=True)
    assert len(_ids(run)) == 7


def test_a_look_at_where_a_run_stands_changes_nothing(tmp_path, prints):
    run, _ = _curate(tmp_path)
    _add(prints, 6)
    held = {path: path.read_bytes() for path in run.folder.rglob("*.json")}
    assert not any(standing(run).values())
    assert {path: path.read_bytes() for path in run.folder.rglob("*.json")} == held


def test_a_kill_in_between_costs_nothing(tmp_path, prints, measured, monkeypatch):
    run, _ = _curate(tmp_path)
    _add(prints, 6)
    forget, left = Folder.forget, iter([True, True, False])

    def killed(folder):
        if not next(left):
            raise KeyboardInterrupt
        forget(folder)

    monkeypatch.setattr(Folder, "forget", killed)
    with pytest.raises(KeyboardInterrupt):
        _curate(tmp_path)
    monkeypatch.setattr(Folder, "forget", forget)
    run, _ = _curate(tmp_path)
    assert (len(_ids(run)), len(measured)) == (7, 7)


def test_a_run_from_before_there_were_listings_goes_on(tmp_path, prints):
    run, _ = _curate(tmp_path)
    raw = run.data("00_raw").path
    (raw / "listing.parquet").unlink()
    before = _fingerprints(run)
    _add(prints, 6)
    assert _fingerprints(_curate(tmp_path)[0]) == before


@pytest.mark.parametrize(
    ("source", "write"),
    [
        ('name = "webdataset"\ndata = "prints/*.tar"', "tar"),
        ('name = "captioned"\ndata = "prints/*.parquet"', "parquet"),
    ],
)
def test_shards_and_tables_are_looked_at_too(tmp_path, prints, measured, source, write):
    def shard(number):
        path = tmp_path / "prints" / f"{number}.{write}"
        rows = [(f"{at}", picture(at)) for at in range(3 * number, 3 * number + 3)]
        if write == "tar":
            with tarfile.open(path, "w") as tar:
                for at, _ in rows:
                    tar.add(prints / f"{at}.png", f"{at}.png")
                    tar.add(prints / f"{at}.txt", f"{at}.txt")
        else:
            shown = [{"image": data, "caption": f"Sheet {at} of a set."} for at, data in rows]
            pq.write_table(pa.Table.from_pylist(shown), path)

    shard(0)
    run, _ = _curate(tmp_path, source)
    assert (len(_ids(run)), len(measured)) == (3, 3)
    shard(1)
    run, notes = _curate(tmp_path, source)
    assert (len(_ids(run)), len(measured)) == (6, 6)
    assert f"1 file is new (1.{write})" in notes[0]


def test_another_set_is_looked_at_too(tmp_path, prints):
    other = tmp_path / "prints-exam"
    other.mkdir()
    (other / "x.png").write_bytes(picture(0))
    source = 'name = "folder"\npath = "prints"\n'
    source += '[curate.against.exam]\nname = "folder"\npath = "prints-exam"'
    run, _ = _curate(tmp_path, source)
    assert run.data("01_filtered").manifest().counts["kept"] == 5
    raw = run.data("00_raw").fingerprint()
    (other / "y.png").write_bytes(picture(1))
    run, notes = _curate(tmp_path, source)
    assert run.data("01_filtered").manifest().counts["kept"] == 4
    assert run.data("00_raw").fingerprint() == raw
    assert "y.png" in notes[0]


def test_a_folder_that_holds_no_picture_is_a_sentence(tmp_path, prints):
    for path in prints.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="There is no picture in"):
        _curate(tmp_path)
    assert not json.loads((tmp_path / "run/data/00_raw/plan.json").read_text())["parents"]


def test_a_recipe_that_trains_nothing_ends_with_its_set(tmp_path, prints, capsys):
    recipe = tmp_path / "recipe.toml"
    head, _ = RECIPE.split("[stage.sft]")
    recipe.write_text(f'{head}[source]\nname = "folder"\npath = "{prints}"\n')
    assert main(["curate", str(recipe), "--workdir", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr().out
    assert said.endswith(f"The set, as Parquet: {tmp_path}/runs/changing/data/04_final\n")
