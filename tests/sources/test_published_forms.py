"""Every published form as a file, odd rows included: to groups, and back into TRL's collators.

The files are made here as the sets' cards and their authors' loaders have them; see formats in
`sources.conversations` and `sources.preferences` for where they are described.
"""

import json
from functools import partial
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tiny
from haiga.sources import SOURCES
from haiga.sources.conversations import as_messages
from made import curated, picture
from trl_eyes import collated, through_datasets, tiny_processor

Rows = list[dict]
STRING = datasets.Value("string")


def talk(*values: str) -> Rows:
    """LLaVA's turns, a person's first."""
    return [{"from": "gpt" if n % 2 else "human", "value": each} for n, each in enumerate(values)]


def cell(n: int) -> dict:
    """A picture as `datasets` puts it into Parquet."""
    return {"bytes": picture(n, "JPEG"), "path": f"{n}.jpg"}


def parquet(path: Path, rows: Rows, **features) -> str:
    """With the marks of `datasets`; what is not named is a text."""
    named = {**dict.fromkeys(rows[0], STRING), "image": datasets.Image(), **features}
    table = pa.Table.from_pylist(rows, schema=datasets.Features(named).arrow_schema)
    pq.write_table(table, path)
    return str(path)


def text(path: Path, words: str) -> str:
    path.write_text(words, encoding="utf-8")
    return str(path)


def lines(rows: Rows) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def files(home: Path, *names: str) -> None:
    for n, name in enumerate(names):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(picture(n, "JPEG"))


def llava_pretrain(home: Path) -> str:
    """LCS-558K: the marker last, one turn each, and a comma too many as in LLaVA's own sample."""
    files(home, "00453/004539375.jpg", "00453/004539376.jpg")
    asked = "Render a clear and concise summary of the photo.\n<image>"
    rows = [
        {"id": "004539375", "image": "00453/004539375.jpg", "conversations": talk(asked, "a boat")},
        {"id": "004539376", "image": "00453/004539376.jpg", "conversations": talk(asked, "a hat")},
        {"id": "004539377", "image": "00453/004539377.jpg", "conversations": talk(asked, "gone")},
    ]
    return text(home / "blip_laion_cc_sbu_558k.json", json.dumps(rows)[:-1] + ",]")


def sharegpt4v(home: Path) -> str:
    files(home, "coco/train2017/000000000009.jpg", "wikiart/images/hiroshige.jpg")
    rows = [
        {"id": "000000000009", "image": "coco/train2017/000000000009.jpg",
         "conversations": talk("What do you see?\n<image>", "A bowl. " * 30)},
        {"id": "hiroshige", "image": "wikiart/images/hiroshige.jpg",
         "conversations": talk("<image>\nDescribe it.", "Rain.", "And the hour?", "Dusk.")},
        {"id": "fxsrA6F_0", "model": "", "conversations": talk("Hello", "Hello!")},
    ]  # fmt: skip
    return text(
        home / "sharegpt4v_mix665k_cap23k_coco-ap9k_lcs3k_sam9k_div2k.json", json.dumps(rows)
    )


def llava_next(home: Path) -> str:
    """Parquet with the pictures inside; a row of text alone has none."""
    turns = datasets.List({"from": STRING, "value": STRING})
    rows = [
        {"id": "0", "image": cell(0), "conversations": talk("<image>\nWhat?", "A boat."),
         "data_source": "coco"},
        {"id": "1", "image": None, "conversations": talk("Hi", "Hello!"), "data_source": "v"},
        {"id": "2", "image": cell(1), "conversations": talk("<image>\nWhat?"), "data_source": "x"},
    ]  # fmt: skip
    return parquet(home / "train-00000-of-00250.parquet", rows, conversations=turns)


PAIR = {"question": "What is it?", "chosen": "A boat.", "rejected": "A cat."}


def rlaif_v(home: Path) -> str:
    own = {"ds_name": "RLAIF-V", "origin_dataset": "COCO", "image_path": "RLAIF-V-Dataset/0.jpg"}
    split = json.dumps({"model": "llava15_base", "type": "detailed_description"})
    rows = [
        {**own, "image": cell(0), **PAIR, "origin_split": split, "idx": "0"},
        {**own, "image": cell(0), **PAIR, "question": "Who?", "origin_split": split, "idx": "1"},
        {**own, "image": cell(1), **PAIR, "rejected": "A boat.", "origin_split": "", "idx": "2"},
    ]
    return parquet(home / "RLAIF-V-Dataset_000.parquet", rows)


def rlhf_v(home: Path) -> str:
    own = {"ds_name": "RLHF-V", "origin_dataset": "vqav2_val", "image_path": "rlhf-v-1/0.jpg"}
    rows = [
        {**own, "image": cell(0), "text": json.dumps(PAIR), "origin_split": "{}", "idx": 0},
        {**own, "image": cell(1), "text": "{", "origin_split": "{}", "idx": 1},
    ]
    return parquet(home / "RLHF-V-Dataset.parquet", rows, idx=datasets.Value("int64"))


def vlfeedback(home: Path) -> str:
    """`vlfeedback_80k.jsonl`, its pictures unpacked beside it."""
    files(home, "images/svit-detail-1.jpg")
    row = {"id": "svit-detail-1", "prompt": "Describe it.", "img_path": "images/svit-detail-1.jpg"}
    good, fair = _rated("gpt4v", "5", "5", "5"), _rated("qwen-vl-chat", "3", "5", "N/A")
    rows = [
        {**row, "models": ["gpt4v", "qwen"], "completions": [fair, good, _rated("fuyu", "1")]},
        {**row, "models": ["gpt4v"], "completions": [good]},
        {**row, "models": [], "completions": [good, fair], "img_path": "images/gone.jpg"},
    ]
    return text(home / "vlfeedback_80k.jsonl", lines(rows))


def _rated(model: str, *ratings: str) -> dict:
    names = ("Helpfulness", "Ethical Considerations", "Visual Faithfulness")
    said = {n: {"Rating": r, "Rationale": "."} for n, r in zip(names, ratings, strict=False)}
    return {"annotations": said, "model": model, "response": f"As {model} sees it."}


def povid(home: Path) -> str:
    files(home, "000000000009.jpg")
    row = {"id": "000000000009", "image": "000000000009.jpg"}
    asked, other = "<image>\nWhat is it?", "<image>\nWhere is it?"
    rows = [
        {**row, "conversations": talk(asked, "A boat."),
         "rejected_conversations": talk(asked, "A cat.")},
        {**row, "conversations": talk(asked, "A boat."),
         "rejected_conversations": talk(other, "At sea.")},
    ]  # fmt: skip
    return text(home / "POVID_preference_data_for_VLLMs.json", json.dumps(rows))


def llava_rlhf(home: Path) -> str:
    files(home, "000000000009.jpg")
    row = {"id": "000000000009", "image": "000000000009.jpg", "hallucination": True}
    sides = {f"output_{n}": {"from": "gpt", "value": f"Answer {n}."} for n in (1, 2)}
    asked = talk("<image>\nWhat?", "A boat.", "How many?", "to be replaced")
    rows = [
        {**row, "conversations": asked, **sides, "preference": 2},
        {**row, "conversations": [asked], **sides, "preference": 1},  # a list in a list
        {**row, "conversations": asked, **sides, "preference": 3},
    ]
    return text(home / "llava_7b_v1_preference.json", json.dumps(rows))


def mmpr(home: Path) -> str:
    files(home, "MMPR-v1.2/a.jpg", "MMPR-v1.2/b.jpg")
    one, two = "MMPR-v1.2/a.jpg", ["MMPR-v1.2/a.jpg", "MMPR-v1.2/b.jpg"]
    rows = [
        {"image": one, **PAIR},
        {"image": two, **PAIR, "question": "<image>\nand <image>: which?"},
        {"image": one, **PAIR, "chosen": "As an AI, I can't see images."},
        {"image": "MMPR-v1.2/c.jpg", **PAIR},
        {"image": one, **PAIR, "rejected": "<image> A cat."},
    ]
    return text(home / "mmpr.jsonl", lines(rows))


FORMS = {
    "LCS-558K": (llava_pretrain, "llava", 2, ["its picture is not there"]),
    "ShareGPT4V": (sharegpt4v, "llava", 3, []),
    "LLaVA-NeXT": (llava_next, "llava", 2, ["no answer"]),
    "RLAIF-V": (rlaif_v, "rlaif_v", 2, ["two answers are equal"]),
    "RLHF-V": (rlhf_v, "rlhf_v", 1, ["its text is no JSON object"]),
    "VLFeedback": (
        vlfeedback, "vlfeedback", 1,
        ["no answer is better than another", "its picture is not there"],
    ),
    "POVID": (povid, "povid", 1, ["chosen and rejected answer different questions"]),
    "LLaVA-RLHF": (llava_rlhf, "llava_rlhf", 2, ["no preference"]),
    "MMPR": (
        mmpr, "mmpr", 2,
        ["the chosen answer sees no picture", "its picture is not there",
         "a picture's place in an answer"],
    ),
}  # fmt: skip
"""Name -> who writes the file, which source reads it, how many rows stay, and why others do not."""


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    return tiny_processor(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("name", FORMS)
def test_a_published_form_becomes_groups_and_goes_back_to_what_trl_trains_on(
    name, tmp_path, processor
):
    write, source, kept, reasons = FORMS[name]
    data = write(tmp_path)
    groups, pictures, dropped = curated(
        tmp_path / "run", partial(SOURCES[source], 0, "en", data=data)
    )
    assert [row["reason"] for row in dropped] == reasons
    assert len(groups) == kept
    rows = [row for group in groups for row in as_messages(group, pictures)]
    assert sum(len(row["images"]) for row in rows) >= sum(len(g.pictures) for g in groups)
    batch = collated(through_datasets(rows), processor)
    shown = sum(len(row["images"]) for row in rows)
    places = (batch["input_ids"] == processor.image_token_id).sum().item()
    sides = 2 if "chosen" in rows[0] else 1
    # Every picture of every row is there, in each of the pair's two sides.
    assert places == sides * shown * tiny.PATCHES
    assert len(batch["pixel_values"]) == sides * shown
    assert len(batch["input_ids"]) == sides * len(rows)
