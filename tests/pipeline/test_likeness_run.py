"""Another set and an encoder, from a recipe to what is dropped."""

import json
from pathlib import Path

import pytest

from haiga.errors import RecipeError
from haiga.pipeline.check import check
from haiga.pipeline.data import curate, gather
from haiga.pipeline.run import Run
from haiga.recipe.load import load
from made import picture

RECIPE = Path(__file__).parents[2] / "recipes" / "smoke.toml"
SMALL = ["source.prints=14", "source.faults=0", "split.held_out=2", "split.validation=0"]
OTHER = 'curate.against={ exam = { name = "floating_world", prints = 3 } }'


def _run(folder: Path, *options: str, rebuild: bool = False) -> tuple[Run, list[dict]]:
    events: list[dict] = []
    run = Run(load(RECIPE, [*SMALL, *options]), folder, events.append, rebuild)
    gather(run)
    curate(run)
    return run, events


def test_a_set_to_be_examined_by_is_not_trained_on(tmp_path):
    run, _ = _run(tmp_path, OTHER)
    dropped = [(row["id"], row["reason"]) for row in run.data("01_filtered").dropped()]
    assert dropped == [(f"7-{at:06d}", "also in exam (Hamming <= 2)") for at in range(3)]
    parents = run.data("01_filtered").manifest().parents
    assert list(parents) == ["00_raw", "against_exam"]
    measured = list((tmp_path / "data" / "measurements").rglob("*.parquet"))
    assert measured  # once for both sets
    _run(tmp_path, OTHER)  # complete: nothing is asked again


def test_what_of_another_set_cannot_be_held_against_is_said(tmp_path):
    (tmp_path / "exam").mkdir()
    (tmp_path / "exam" / "1.jpg").write_bytes(picture(1, "JPEG"))
    (tmp_path / "exam" / "2.jpg").write_bytes(picture(2, "JPEG")[:300])
    other = f'curate.against={{ exam = {{ name = "folder", path = "{tmp_path}/exam" }} }}'
    _, events = _run(tmp_path / "run", other)
    told = [each["text"] for each in events if each["kind"] == "warning"]
    assert told == ["1 of 2 pictures of exam cannot be read: copies of these may stay"]


def test_an_encoder_finds_what_hashes_do_not(tmp_path):
    run, events = _run(tmp_path, 'curate.semantic={ tower = "world:tower", cosine = 0.6 }')
    facts = json.loads((tmp_path / "data" / "01_filtered" / "semantic.json").read_text())
    assert (facts["pictures"], facts["cosine"], facts["recall"]) == (14, 0.6, 1.0)
    reasons = {row["reason"] for row in run.data("01_filtered").dropped()}
    assert reasons == {"semantic duplicate (cosine >= 0.6)"}
    kept = {row["id"] for row in run.data("01_filtered").rows()}
    assert {row["duplicate_of"] for row in run.data("01_filtered").dropped()} <= kept
    (note,) = [each["text"] for each in events if each["kind"] == "note"]
    told = "pairs of 14 pictures have a cosine of 0.6 or more (all compared with all)"
    assert note == f"{facts['pairs']} {told}"


def test_a_finer_hash_is_asked_where_the_recipe_has_a_distance(tmp_path):
    faults = ["source.faults=0.5", 'source.kinds=["near_duplicate"]', "curate.hamming=12"]
    run, _ = _run(tmp_path / "coarse", *faults)
    run_finer, _ = _run(tmp_path / "finer", *faults, "curate.fine=0")
    coarse, finer = (each.data("01_filtered") for each in (run, run_finer))
    assert "fine" not in coarse.manifest().options
    assert finer.manifest().options["fine"] == 0
    assert 0 < coarse.manifest().counts["kept"] < finer.manifest().counts["kept"]
    row = next(iter(finer.rows()))
    (values,) = json.loads(row["measurements"]).values()
    assert len(values["fine"]) == 64
    assert {path.name for path in (tmp_path / "finer/data/measurements").iterdir()} == {
        "fine-1",
        "pictures-2",
    }


def test_a_second_set_needs_a_distance():
    with pytest.raises(RecipeError, match=r"curate\.hamming: below 0 no picture is another's"):
        check(load(RECIPE, [OTHER, "curate.hamming=-1"]))


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        ('curate.against={ exam = { name = "folde", path = "x" } }', "curate.against.exam.name"),
        ('curate.semantic={ tower = "world:towr" }', "curate.semantic.tower"),
        ('curate.semantic={ tower = "world:tower", cosine = 1.5 }', "curate.semantic.cosine"),
    ],
)
def test_faults_are_found_before_anything_runs(option, fault):
    with pytest.raises(RecipeError, match=fault):
        check(load(RECIPE, [option]))
