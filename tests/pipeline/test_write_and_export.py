"""A run's model in others' hands: written with, exported, and read back by strangers."""

import contextlib
import json

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

import tiny_runs
from haiga.records import IMAGE, message_to_dict, user
from haiga.teachers.tasks import instructions


def test_run_stage_and_export_write_the_same(home):
    Image.linear_gradient("L").resize((50, 40)).save(home / "picture.png")
    first = tiny_runs.haiga(home, "write", "runs/tiny", "picture.png")
    assert first.code == 0, first.err
    assert first.out.strip()
    said = tiny_runs.haiga(home, "export", "runs/tiny", "exported")
    assert said.code == 0, said.err
    marked = json.loads((home / "exported/haiga.json").read_text("utf-8"))
    assert (marked["task"], marked["tasks"]) == ("haiku", ["haiku"])
    card = (home / "exported/README.md").read_text("utf-8")
    assert card == (home / "runs/tiny/cards/sft.md").read_text("utf-8")
    assert "pipeline_tag: image-text-to-text" in card
    for model in ("runs/tiny/stages/sft", "runs/tiny/stages/sft/model", "exported"):
        assert tiny_runs.haiga(home, "write", model, "picture.png") == first
    again = tiny_runs.haiga(home, "export", "runs/tiny/stages/sft", "exported")
    assert again.code == 2
    assert "exported is not an empty folder" in again.err


@pytest.mark.parametrize(
    ("file", "data", "says"),
    [
        ("base/model.safetensors", b"", "base cannot be read as a checkpoint"),
        ("base/processor_config.json", None, "its processor has no chat template, or does not"),
        ("base/chat_template.jinja", None, "its processor has no chat template, or does not"),
        ("base/tokenizer_config.json", None, "has no token to pad with"),
        ("stages/align/model/base.json", b"\xff", "base.json cannot be read as a checkpoint"),
        ("stages/sft/model/adapter_config.json", b"{", "model cannot be read as a checkpoint"),
        ("stages/sft/model/adapter_model.safetensors", b"{", "adapter_model.safetensors cannot be"),
        ("stages/sft/haiga.json", b"", "haiga.json cannot be read as a checkpoint"),
        ("recipe.toml", b"= 3", "recipe.toml cannot be read as a checkpoint"),
    ],
)
def test_a_damaged_folder_is_a_sentence(home, file, data, says):
    damaged = home / "runs/tiny" / file
    damaged.unlink() if data is None else damaged.write_bytes(data)
    said = tiny_runs.haiga(home, "write", "runs/tiny", "picture.png")
    assert said.code == 2
    assert says in said.err
    assert not said.out


def test_strangers_read_the_same_tokens(home):
    Image.linear_gradient("L").resize((50, 40)).convert("RGB").save(home / "picture.png")
    ours = tiny_runs.haiga(home, "write", "runs/tiny", "picture.png").out.rstrip("\n")
    assert tiny_runs.haiga(home, "export", "runs/tiny/stages/sft", "exported").code == 0
    model = AutoModelForImageTextToText.from_pretrained(home / "exported").eval()
    processor = AutoProcessor.from_pretrained(home / "exported", backend="pil")
    prompt = user(IMAGE, "\n" + instructions("haiku", "en")[0])
    text = processor.apply_chat_template(
        [message_to_dict(prompt)], tokenize=False, add_generation_prompt=True
    )
    picture = Image.open(home / "picture.png")
    inputs = processor(text=[text], images=[picture], return_tensors="pt")
    with torch.no_grad():
        ids = model.generate(**inputs)
    assert ids.shape[1] - inputs["input_ids"].shape[1] == 6, "as long as the recipe says"
    written = processor.tokenizer.decode(
        ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )
    assert written.rstrip("\n") == ours


def test_the_code_on_the_card_writes_as_we_do(home, capsys):
    Image.linear_gradient("L").resize((50, 40)).convert("RGB").save(home / "PICTURE.jpg")
    ours = tiny_runs.haiga(home, "write", "runs/tiny", "PICTURE.jpg").out
    assert tiny_runs.haiga(home, "export", "runs/tiny", "EXPORTED").code == 0
    _, code, _ = (home / "EXPORTED/README.md").read_text("utf-8").split("```")
    with contextlib.chdir(home):
        exec(code.removeprefix("python\n"), {})
    assert capsys.readouterr().out == ours


def test_the_best_of_several(home):
    """From the command line and as a row of the evaluation, every candidate with its score."""
    Image.linear_gradient("L").resize((50, 40)).save(home / "picture.png")
    first = tiny_runs.haiga(
        home, "write", "runs/tiny", "picture.png", "--best-of", "3", "--scores", "scores.jsonl"
    )
    assert first.code == 0, first.err
    (row,) = map(json.loads, (home / "scores.jsonl").read_text().splitlines())
    assert row["id"] == "picture.png"
    assert len(row["candidates"]) == 3
    assert row["candidates"][0]["text"].strip() == first.out.strip()
    lacking = tiny_runs.haiga(
        home, "write", "runs/tiny", "picture.png", "--best-of", "3", "--by", "similarity"
    )
    assert lacking.code == 2
    assert "needs an encoder" in lacking.err
    said = tiny_runs.haiga(
        home, "evaluate", "recipe.toml", "--set", "evaluate.best_of={ samples = 2 }"
    )
    assert said.code == 0, said.err
    folder = home / "runs" / "tiny" / "evaluation"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["sft"]["best_of"]["parsed"]["n"] == 5
    assert "best_of" not in summary["align"]
    kept = (folder / "candidates" / "sft.jsonl").read_text().splitlines()
    assert len(kept) == 5
    rows = json.loads((folder / "comparisons.json").read_text())
    assert "best_of" in {row["against"] for row in rows}
    wrong = tiny_runs.haiga(
        home, "check", "recipe.toml", "--set", 'evaluate.best_of={ by = "similarity" }'
    )
    assert wrong.code == 2
    assert "evaluate.best_of.encoder" in wrong.err
