"""The data of a run, from a world with known faults to what training reads."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from haiga import sources, teachers, world
from haiga.curation import captioning, pictures
from haiga.curation import run as curation
from haiga.errors import DriftError, RecipeError
from haiga.pipeline.data import gather, make_data
from haiga.pipeline.run import DATA, Run
from haiga.recipe.load import load
from haiga.store import read_groups
from haiga.teachers.poet import Poet
from haiga.world import faults

RECIPE = Path(__file__).parents[2] / "recipes" / "smoke.toml"
SEED, PRINTS, SHARE = 0, 60, 0.3
OPTIONS = [
    f"seed={SEED}",
    f"source.prints={PRINTS}",
    f"source.faults={SHARE}",
    "curate.hamming=8",
    "split.held_out=8",
    "split.validation=4",
]
# Small shards, so that a kill finds some of them written; stages that wait to be killed.
WORKER = """
import sys, time, multiprocessing
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    folder, slow, *options = sys.argv[1:]
    from haiga.curation import captioning
    from haiga.curation import run as curation
    from haiga.pipeline.data import make_data
    from haiga.pipeline.run import Run
    from haiga.recipe.load import load
    from haiga.teachers.poet import Poet

    curation.SHARD = captioning.PAID_SHARD = 8
    import_module("haiga.sources.floating_world")._CHUNK = 4
    ask = Poet.ask
    if slow == "02_captioned":
        Poet.ask = lambda self, request: time.sleep(0.03) or ask(self, request)

    def emit(event):
        children = [str(child.pid) for child in multiprocessing.active_children()]
        if children:
            (Path(folder) / "children").write_text(" ".join(children))
        if event["stage"] == slow == "00_raw":
            time.sleep(0.3)

    make_data(Run(load(Path(options[0]), options[1:]), Path(folder), emit))
"""


def _run(folder: Path, *options: str, rebuild: bool = False) -> Run:
    return Run(load(RECIPE, [*OPTIONS, *options]), folder, lambda event: None, rebuild)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Run:
    opened = _run(tmp_path_factory.mktemp("whole"))
    make_data(opened)
    return opened


def _faults() -> dict[str, str]:
    return {f"{SEED}-{at:06d}": kind for at, kind in faults.ledger(SEED, PRINTS, SHARE).items()}


def test_every_fault_of_the_ledger_meets_its_filter(whole):
    truth = _faults()
    assert set(truth.values()) == set(faults.KINDS)
    kept = {row["id"]: row for row in whole.data("01_filtered").rows()}
    dropped = {row["id"]: row for row in whole.data("01_filtered").dropped()}
    reasons = {
        "corrupt": {"unreadable"},
        "tiny": {"shorter side under 96 px"},
        "extreme_aspect": {"aspect over 3.0:1", "shorter side under 96 px"},
        "blank": {"blank"},
    }
    for id_, kind in truth.items():
        if kind in reasons:
            assert dropped[id_]["reason"] in reasons[kind], (id_, kind)
            assert json.loads(dropped[id_]["measurements"])
        elif kind == "junk_caption":
            assert kept[id_]["caption_fault"], id_
        elif kind != "near_duplicate":
            assert kept[id_]["caption_fault"] == "", (id_, kind)
    for id_ in set(kept) - set(truth):
        assert kept[id_]["caption_fault"] == "", id_
    # And nothing but the faulty is dropped.
    assert set(dropped) <= {id_ for id_, kind in truth.items() if kind != "exif_rotated"}


def test_a_near_duplicate_falls_to_its_original(whole):
    truth = _faults()
    dropped = {row["id"]: row for row in whole.data("01_filtered").dropped()}
    kept = {row["id"] for row in whole.data("01_filtered").rows()}
    pairs = {
        id_: f"{SEED}-{int(id_.split('-')[1]) - 1:06d}"
        for id_, kind in truth.items()
        if kind == "near_duplicate"
    }
    pairs = {copy: original for copy, original in pairs.items() if original in kept}
    pairs = {copy: o for copy, o in pairs.items() if truth.get(o) != "near_duplicate"}
    assert pairs
    for copy, original in pairs.items():
        assert dropped[copy]["reason"] == "near-duplicate (Hamming <= 8)"
        assert dropped[copy]["duplicate_of"] == original


def test_junk_never_reaches_training(whole):
    for split in ("train", "validation", "held_out"):
        for group in read_groups(whole.data("04_final").path, split):
            for answer in group.answers:
                assert not any(
                    word in answer.text for word in ("http", "IMG_", "DSC", "lick here", "BUY NOW")
                )


def test_the_split_has_its_sizes(whole):
    final = whole.data("04_final").path
    rows = {
        split: {group.id.split("/")[0] for group in read_groups(final, split)}
        for split in ("train", "validation", "held_out")
    }
    assert (len(rows["held_out"]), len(rows["validation"])) == (8, 4)
    left = whole.data("03_quality_checked").manifest().counts["kept"]
    assert len(rows["train"]) == left - 12


def test_nothing_disappears_between_the_stages(whole):
    before = PRINTS
    for stage in DATA[:-1]:
        counts = whole.data(stage).manifest().counts
        assert counts["in"] == before == counts["kept"] + counts["dropped"]
        before = counts["kept"]


def test_the_final_folder_stands_alone(whole, tmp_path, monkeypatch):
    from datasets import load_dataset

    files = {
        split: [str(path) for path in whole.data("04_final").path.glob(f"{split}-*.parquet")]
        for split in ("train", "held_out")
    }
    loaded = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    assert loaded["held_out"].num_rows == 8
    row = loaded["held_out"][0]
    assert row["images"][0].convert("RGB").size[0] >= 96
    assert row["groups"][0]["answers"][0]["messages"][0]["role"] == "assistant"


def _times(opened: Run) -> dict[str, int]:
    folder = opened.folder / "data"
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_running_again_does_nothing(whole):
    before = _times(whole)
    make_data(_run(whole.folder))
    assert _times(whole) == before


def test_a_changed_threshold_names_its_field(whole):
    with pytest.raises(DriftError, match=r"pictures\.0\.minimum: it was 96, now it is 200"):
        make_data(_run(whole.folder, "curate.pictures.0.minimum=200"))


def test_a_changed_seed_names_its_field(whole):
    with pytest.raises(DriftError, match=r"options\.seed: it was 0, now it is 1"):
        make_data(_run(whole.folder, "seed=1"))


@pytest.mark.parametrize(
    ("table", "name", "thing", "stage"),
    [
        (sources.VERSIONS, "floating_world", "printer", "00_raw"),
        (sources.VERSIONS, "floating_world", "captions", "00_raw"),
        (teachers.VERSIONS, "poet", "poets", "02_captioned"),
    ],
)
def test_another_version_of_what_is_made_is_named(whole, monkeypatch, table, name, thing, stage):
    monkeypatch.setitem(table, name, {**table[name], thing: 99})
    with pytest.raises(DriftError, match=rf"{stage} is(?s:.*)versions\.{thing}: .* now it is 99"):
        make_data(_run(whole.folder))


def test_the_versions_are_the_worlds():
    assert sources.VERSIONS["floating_world"]["printer"] == world.PRINTER_VERSION
    assert sources.VERSIONS["floating_world"]["captions"] == world.CAPTIONS_VERSION
    assert teachers.VERSIONS["poet"]["poets"] == world.POETS_VERSION


def test_another_way_of_measuring_is_named(whole, monkeypatch):
    monkeypatch.setattr(pictures, "MEASURE", "pictures/99")
    with pytest.raises(
        DriftError, match=r"01_filtered is(?s:.*)measure: .* now it is 'pictures/99'"
    ):
        make_data(_run(whole.folder))


def _final(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "data/04_final").glob("*.parquet"))}


def _wait(until, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("stage", ["00_raw", "02_captioned"])
def test_a_killed_run_goes_on_to_the_same_bytes(stage, whole, tmp_path, monkeypatch):
    script = tmp_path / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, str(script), str(folder), stage, str(RECIPE), *OPTIONS]
    shards = folder / "data" / stage / "shards"
    # Not a pipe: workers that outlive their parent would hold it open, and hang this test.
    with (tmp_path / "errors").open("w") as errors:
        process = subprocess.Popen(command, stdout=errors, stderr=errors)
        try:
            _wait(lambda: len(list(shards.glob("*.parquet"))) >= 2 or process.poll() is not None)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert process.returncode == -signal.SIGKILL, (tmp_path / "errors").read_text()
    assert not (folder / "data" / stage / "manifest.json").exists()
    written = {path: path.stat().st_mtime_ns for path in shards.glob("*.parquet")}

    asked = []
    ask = Poet.ask
    monkeypatch.setattr(Poet, "ask", lambda self, request: asked.append(1) or ask(self, request))
    monkeypatch.setattr(curation, "SHARD", 8)
    monkeypatch.setattr(captioning, "PAID_SHARD", 8)
    make_data(_run(folder))
    assert _final(folder) == _final(whole.folder)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    rows = whole.data("02_captioned").manifest().counts["in"]
    done = 8 * len(written) if stage == "02_captioned" else 0
    assert len(asked) == 2 * (rows - done)  # two answers a row, none asked for twice
    if stage == "00_raw" and Path("/proc").is_dir():
        children = [int(pid) for pid in (folder / "children").read_text().split()]
        assert children
        _wait(lambda: not any(_alive(pid) for pid in children), 10)


def test_a_recipe_without_a_source_is_a_sentence(tmp_path):
    recipe = _run(tmp_path).recipe.model_copy(update={"source": None})
    with pytest.raises(RecipeError, match=r"names no source of pictures yet.*floating_world"):
        gather(Run(recipe, tmp_path, lambda event: None))


def test_without_a_teacher_the_sources_captions_are_the_answers(tmp_path):
    recipe = load(RECIPE, [*OPTIONS, "source.prints=24", "split.held_out=2", "split.validation=1"])
    opened = Run(recipe.model_copy(update={"teach": None}), tmp_path, lambda event: None)
    make_data(opened)
    groups = read_groups(opened.data("04_final").path, "train")
    assert {group.task for group in groups} == {"describe"}
    assert {answer.source for group in groups for answer in group.answers} == {"source"}
