"""Published sets as files, through curation to groups, and back to what TRL reads."""

import json
from functools import partial

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haiga.errors import DataError, RecipeError
from haiga.records import IMAGE, user
from haiga.sources import SOURCES
from haiga.sources.conversations import as_messages
from haiga.sources.hub import from_hub
from made import curated, picture


def _found(name, skip=0, **options):
    return list(SOURCES[name](0, "en", skip, **options))


def _rlaif_row(n, **change):
    return {
        "ds_name": "RLAIF-V",
        "image": {"bytes": picture(n, "JPEG"), "path": f"{n}.jpg"},
        "question": f"What is on print {n}?",
        "chosen": f"A boat and {n} cranes.",
        "rejected": "A cat.",
        "origin_dataset": "COCO",
        "origin_split": '{"model": "OmniLMM", "type": "question_answering"}',
        "idx": str(n),
        "image_path": f"RLAIF-V-Dataset/{n}.jpg",
        **change,
    }


@pytest.fixture
def rlaif_v(tmp_path):
    """As published, with two questions about one picture, and what can be odd."""
    rows = [
        _rlaif_row(0),
        _rlaif_row(0, question="Who made print 0?"),
        _rlaif_row(1),
        _rlaif_row(2, rejected="A boat and 2 cranes."),
        _rlaif_row(3, image={"bytes": None, "path": "../../secret.jpg"}),
        _rlaif_row(4, image={"bytes": b"<html>", "path": "4.jpg"}),
        _rlaif_row(5, image=None),
        _rlaif_row(6, chosen=""),
    ]
    features = datasets.Features(
        {key: datasets.Value("string") for key in rows[0]} | {"image": datasets.Image()}
    )
    path = tmp_path / "RLAIF-V" / "RLAIF-V-Dataset_000.parquet"
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=features.arrow_schema), path)
    return path


def test_rlaif_v_becomes_groups_of_two_sides_and_goes_back(rlaif_v, tmp_path):
    meta = {"licence": "CC BY-NC 4.0"}
    source = partial(SOURCES["rlaif_v"], 0, "en", data=str(rlaif_v), meta=meta)
    groups, pictures, dropped = curated(tmp_path / "data", source)
    assert [(row["id"].split(":")[1], row["reason"]) for row in dropped] == [
        ("4", "two answers are equal"),
        ("5", "its picture lies outside the folder"),
        ("6", "not a picture"),
        ("8", "no chosen"),
    ]
    assert [group.id for group in groups] == [
        f"RLAIF-V-Dataset_000.parquet:{n}/chat" for n in (1, 2, 3, 7)
    ]
    one, two, *_, blind = groups
    assert one.cluster == two.cluster  # two questions about one picture
    assert two.prompt == (user(IMAGE, "\nWho made print 0?"),)
    assert [(a.kind, a.text) for a in two.answers] == [
        ("chosen", "A boat and 0 cranes."),
        ("rejected", "A cat."),
    ]
    assert (two.meta["licence"], two.meta["idx"]) == ("CC BY-NC 4.0", "0")
    assert pictures[two.pictures[0].id] == picture(0, "JPEG")
    assert blind.pictures == ()
    _read_by_trl([row for group in groups for row in as_messages(group, pictures)], tmp_path)


def _read_by_trl(rows, path):
    """The rows pass through `datasets` and TRL's own preparation, and are the same afterwards."""
    trl = pytest.importorskip("trl.data_utils")
    made = datasets.Dataset.from_list(rows).cast_column("images", datasets.List(datasets.Image()))
    assert len(made) == len(rows)
    for row, back in zip(rows, made, strict=True):
        prompt = row["prompt"]
        filled = trl.prepare_multimodal_messages(prompt, back["images"])
        shown = [part["image"] for turn in filled for part in turn["content"] if "image" in part]
        assert len(shown) == len(row["images"])
        assert [image.size for image in shown] == [(96, 96)] * len(shown)
        assert _turns(back["chosen"]) == row["chosen"]
        assert _turns(back["rejected"]) == row["rejected"]


def _turns(messages):
    return [
        {
            **turn,
            "content": [{k: v for k, v in p.items() if v is not None} for p in turn["content"]],
        }
        for turn in messages
    ]


def test_a_set_without_the_marks_of_datasets_and_with_other_columns(tmp_path):
    rows = [_rlaif_row(n) for n in range(3)]
    renamed = [{"img": row["image"], "q": row["question"], **row} for row in rows]
    for row in renamed:
        del row["image"], row["question"]
    pq.write_table(pa.Table.from_pylist(renamed), tmp_path / "a.parquet")
    options = {"data": str(tmp_path), "columns": {"image": "img", "question": "q"}}
    whole = _found("rlaif_v", **options)
    assert [each.pictures[0][1] for each in whole] == [".jpg"] * 3
    assert not {"img", "q", "image"} & set(whole[0].meta)
    for skip in range(4):
        assert _found("rlaif_v", skip, **options) == whole[skip:]
    with pytest.raises(RecipeError, match="no column 'imgae' \\(did you mean 'image'"):
        _found("rlaif_v", data=str(tmp_path), columns={"imgae": "img"})


def test_a_mixture_of_llava_instructions(tmp_path):
    """llava_v1_5_mix665k in small: text-only rows, missing pictures, ids of two kinds."""
    (tmp_path / "coco/train2017").mkdir(parents=True)
    for n in range(2):
        (tmp_path / f"coco/train2017/{n}.jpg").write_bytes(picture(n, "JPEG"))
    asked = {"from": "human", "value": "<image>\nWhat is this?"}
    told = {"from": "gpt", "value": "A boat."}
    more = [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "At sea."}]
    rows = [
        {"id": "000", "image": "coco/train2017/0.jpg", "conversations": [asked, told, *more]},
        {"id": 17, "image": "coco/train2017/1.jpg", "conversations": [asked, told]},
        {"id": "wgByO4Y_0", "model": "", "conversations": [{**asked, "value": "Hi"}, told]},
        {"id": "1", "image": "ocr_vqa/images/1437717772.jpg", "conversations": [asked, told]},
        {"id": "2", "image": "coco/train2017/1.jpg", "conversations": [told, asked]},
        {"id": "3", "image": "https://e.org/3.jpg", "conversations": [asked, told]},
    ]
    (tmp_path / "mix.json").write_text(json.dumps(rows))
    source = partial(SOURCES["llava"], 0, "en", data=str(tmp_path / "mix.json"))
    groups, pictures, dropped = curated(tmp_path / "data", source)
    assert [row["reason"] for row in dropped] == [
        "its picture is not there",
        "no answer",
        "its picture is an address; fetch it with the source url_list",
    ]
    assert [len(group.answers[0].messages) for group in groups] == [3, 1, 1]
    assert [len(group.pictures) for group in groups] == [1, 1, 0]
    assert groups[1].meta["id"] == 17
    rows = [row for group in groups for row in as_messages(group, pictures)]
    made = datasets.Dataset.from_list(rows)
    assert [len(row["messages"]) for row in made] == [4, 2, 2]


@pytest.mark.parametrize(
    "name", ["povid", "llava_rlhf", "mmpr", "vlfeedback", "rlhf_v", "messages"]
)
def test_a_set_whose_rows_have_another_form_is_all_at_fault(name, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n')
    (each,) = _found(name, data=str(tmp_path / "a.jsonl"))
    assert each.fault.startswith(("no ", "neither ", "its text"))
    assert each.id == "a.jsonl:1"


def test_a_name_on_the_hub_is_streamed_as_datasets_has_it(rlaif_v):
    """`datasets` reads a folder as it reads a name; no network is needed to see what comes out."""
    whole = list(from_hub(str(rlaif_v.parent), None, "train", 0))
    assert whole[0][0] == "train:1"
    assert whole[0][1]["image"]["bytes"] == picture(0, "JPEG")
    assert list(from_hub(str(rlaif_v.parent), None, "train", 6)) == whole[6:]
    with pytest.raises(DataError, match="cannot be read from the hub"):
        list(from_hub(str(rlaif_v.parent), None, "nosuch", 0))


def test_the_first_rows_are_the_first_wherever_it_goes_on(rlaif_v):
    whole = _found("rlaif_v", data=str(rlaif_v))
    for skip in (0, 2, 3, 5):
        assert _found("rlaif_v", skip, data=f"{rlaif_v}[:3]") == whole[skip:3]


def test_what_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="There is nothing to read at"):
        _found("llava", data=str(tmp_path / "none.json"))
    with pytest.raises(DataError, match=r"There is nothing to read at sets/none\.parquet"):
        _found("rlaif_v", data="sets/none.parquet")  # a file, and no set of an owner "sets"
    with pytest.raises(DataError, match="There is no folder of pictures"):
        _found("llava", data=str(tmp_path), pictures=str(tmp_path / "none"))


@pytest.mark.parametrize("form", ["marked", "struct", "bytes", "path"])
def test_a_table_of_pictures_and_captions(form, tmp_path):
    files = [picture(n, "JPEG") for n in range(3)]
    for n, data in enumerate(files):
        (tmp_path / f"{n}.jpg").write_bytes(data)
    held = {
        "marked": [{"bytes": data, "path": "x.jpg"} for data in files],
        "bytes": files,
        "path": [f"{n}.jpg" for n in range(3)],
    }
    rows = {
        "image": [*held.get(form, held["marked"]), None],
        "text": ["a boat", "", "two boats", "nobody"],
        "artist": ["Hiroshige"] * 4,
    }
    table = pa.table(rows)
    if form == "marked":
        features = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string"),
                                      "artist": datasets.Value("string")})  # fmt: skip
        table = table.cast(features.arrow_schema)
    pq.write_table(table, tmp_path / "prints.parquet")
    found = _found("captioned", data=str(tmp_path / "prints.parquet"))
    assert [each.fault for each in found] == ["", "", "", "no picture"]
    assert [each.caption for each in found[:3]] == ["a boat", "", "two boats"]
    assert [each.pictures[0][0] for each in found[:3]] == files
    assert found[0].meta == {"artist": "Hiroshige"}
    assert [each.id for each in found[:2]] == ["prints.parquet:1", "prints.parquet:2"]
    assert _found("captioned", skip=2, data=str(tmp_path / "prints.parquet")) == found[2:]
    renamed = _found(
        "captioned", data=str(tmp_path / "prints.parquet"), columns={"caption": "artist"}
    )
    assert renamed[1].caption == "Hiroshige"
