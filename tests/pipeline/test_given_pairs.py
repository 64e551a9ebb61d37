"""The recipe for RLAIF-V from its published form to the report, on tiny models."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import tiny
from haiga import events
from haiga.cli import main
from haiga.store import Folder, read_groups
from made import picture

RECIPE = Path(__file__).parents[2] / "recipes" / "llava-next-rlaifv-orpo.toml"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema([
    ("ds_name", pa.string()), ("image", IMAGE), ("question", pa.string()),
    ("chosen", pa.string()), ("rejected", pa.string()), ("origin_dataset", pa.string()),
    ("origin_split", pa.string()), ("idx", pa.string()), ("image_path", pa.string()),
])  # fmt: skip
ROWS = 22


def _row(n, **change):
    return {
        "ds_name": "RLAIF-V",
        "image": {"bytes": picture(n, "JPEG"), "path": f"{n}.jpg"},
        "question": f"What stands by the bridge, and how many are there? ({n})",
        "chosen": f"A woman with an umbrella, and {n} cranes.",
        "rejected": f"Two dogs and a red car, and {n + 1} cranes.",
        "origin_dataset": "VQAv2",
        "origin_split": json.dumps({"model": "llava", "type": "question_answering"}),
        "idx": str(n),
        "image_path": f"./{n}.jpg",
        **change,
    }


def _published(folder):
    """Two files, odd rows among them: a picture cut short, none, equal answers, an empty one."""
    rows = [_row(n) for n in range(ROWS)]
    rows[3]["image"] = {"bytes": picture(3, "JPEG")[:40], "path": "3.jpg"}
    rows[4]["image"] = {"bytes": b"", "path": "4.jpg"}
    rows[5]["rejected"] = rows[5]["chosen"]
    rows[6]["chosen"] = " "
    folder.mkdir()
    for number, part in enumerate((rows[:12], rows[12:])):
        name = f"RLAIF-V-Dataset_{number:03d}.parquet"
        pq.write_table(pa.Table.from_pylist(part, SCHEMA), folder / name)


def test_from_the_published_form_to_the_report(tmp_path):
    _published(tmp_path / "set")
    tiny.tiny_tower(tmp_path / "tower", "clip")
    tiny.tiny_language_model(tmp_path / "language")
    changes = [
        f"source.data='{tmp_path}/set/*.parquet[:21]'",
        f"model.tower='{tmp_path}/tower'",
        f"model.language_model='{tmp_path}/language'",
        "model.image_token='<|image_pad|>'",
        "split.held_out=3",
        "split.validation=2",
        "stage.orpo.validate_every=1",
        "evaluate.max_new_tokens=4",
        "evaluate.conditions=['full', 'blind']",
    ]
    # Four bits and paged moments are a GPU's.
    for stage in ("sft", "orpo"):
        changes += [
            f"stage.{stage}.adapter={{r = 2, alpha = 4}}",
            f"stage.{stage}.optimiser='adamw'",
        ]
    words = [word for change in changes for word in ("--set", change)]
    assert main(["run", str(RECIPE), *words, "--workdir", str(tmp_path / "runs")]) == 0
    run = tmp_path / "runs" / "llava-next-rlaifv-orpo"
    raw, filtered = (Folder(run / "data" / name).manifest() for name in ("00_raw", "01_filtered"))
    assert raw.counts["in"] == 21
    assert raw.reasons == {"empty file": 1, "two answers are equal": 1, "no chosen": 1}
    assert filtered.reasons == {"unreadable": 1}
    group = read_groups(run / "data" / "04_final", "train")[0]
    assert (group.task, group.prompt[0].images) == ("chat", 1)
    assert [answer.kind for answer in group.answers] == ["chosen", "rejected"]
    assert group.meta["licence"] == "CC BY-NC 4.0"
    seen = events.read(run / "stages" / "orpo" / "events.jsonl")
    step = next(event for event in seen if event["kind"] == "step")
    assert {"chosen_mean_logps", "rejected_mean_logps", "log_odds_ratio", "nll", "accuracy"} <= set(
        step
    )
    assert any(event["kind"] == "validation" for event in seen)
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    assert {"align", "sft", "orpo"} <= set(summary)
    assert (run / "report.html").exists()
