import io
import multiprocessing
import pickle
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from haiga.errors import DataError, DriftError, StoreError
from haiga.records import IMAGE, Answer, Group, Message, Picture, assistant, user
from haiga.store import FinalPictures, digest, read_groups, write_final
from haiga.store import final as final_module

MADE = {"options": {"seed": 1}, "parents": {"03_quality_checked": "ff"}}


def png(colour, size=(4, 3)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


BYTES = [png((40 * i, 0, 255 - 40 * i)) for i in range(6)]
PICTURES = {digest(data): data for data in BYTES}
IDS = list(PICTURES)


def group(id, pictures=(0,), **more):
    fields = {"task": "haiku", "cluster": "", "meta": {"title": "Wave"}, **more}
    return Group(
        id=id,
        prompt=(Message("system", ("Be brief.",)), user(IMAGE, "Write.")),
        answers=(Answer((assistant("old pond"),), "chosen", "poet"),),
        pictures=tuple(Picture(IDS[index]) for index in pictures),
        **fields,
    )


PART = st.text() | st.just(IMAGE)
MESSAGE = st.builds(
    Message, st.sampled_from(["system", "user", "assistant"]), st.lists(PART, max_size=3).map(tuple)
)
MESSAGES = st.lists(MESSAGE, max_size=3).map(tuple)
ANSWERS = st.lists(st.builds(Answer, MESSAGES, st.text(), st.text()), max_size=3).map(tuple)
JSON = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.booleans()))
GROUP = st.builds(
    Group,
    id=st.text(),
    prompt=MESSAGES,
    answers=ANSWERS,
    pictures=st.lists(st.sampled_from(IDS).map(Picture), max_size=3).map(tuple),
    task=st.sampled_from(["haiku", "describe"]),
    language=st.sampled_from(["en", "ja"]),
    meta=JSON,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(GROUP, max_size=6, unique_by=lambda group: group.id))
def test_any_groups_round_trip(groups):
    with tempfile.TemporaryDirectory() as name:
        write_final(Path(name), {"train": groups}, PICTURES, **MADE)
        back = read_groups(Path(name), "train")
        by_id = {group.id: group for group in groups}
        assert {group.id: group for group in back} == by_id
        assert len(back) == len(groups)
        pictures = FinalPictures(Path(name))
        shown = {picture.id for group in groups for picture in group.pictures}
        assert dict(pictures) == {id: PICTURES[id] for id in shown}


def test_groups_of_one_picture_share_a_row_and_tasks_choose_among_them(tmp_path):
    groups = [group("a"), group("b", (1,)), group("c", task="describe")]
    manifest = write_final(tmp_path, {"train": groups}, PICTURES, **MADE)
    table = pq.read_table(tmp_path / "train-00000-of-00001.parquet")
    assert table["picture_ids"].to_pylist() == [[IDS[0]], [IDS[1]]]
    assert table["id"].to_pylist() == ["a", "b"]
    assert manifest.stage == "04_final"
    assert manifest.counts == {"in": 2, "kept": 2, "dropped": 0}
    assert [each.id for each in read_groups(tmp_path, "train")] == ["a", "c", "b"]
    assert read_groups(tmp_path, "train", ["describe"]) == [groups[2]]


def test_groups_without_pictures_each_have_their_row(tmp_path):
    write_final(tmp_path, {"train": [group("a", ()), group("b", ())]}, {}, **MADE)
    assert pq.read_metadata(tmp_path / "train-00000-of-00001.parquet").num_rows == 2


def test_an_empty_split_is_not_a_missing_one(tmp_path):
    write_final(tmp_path, {"train": [group("a")], "held_out": []}, PICTURES, **MADE)
    assert read_groups(tmp_path, "held_out") == []


def test_groups_that_differ_in_meta_have_rows_of_their_own(tmp_path):
    groups = [group("a"), group("b", meta={"title": "Rain"})]
    write_final(tmp_path, {"train": groups}, PICTURES, **MADE)
    assert read_groups(tmp_path, "train") == groups


def test_datasets_opens_it_with_pictures(tmp_path):
    splits = {"train": [group("a", (0, 1)), group("b", (2,))], "held_out": [group("c", (3,))]}
    write_final(tmp_path / "04_final", splits, PICTURES, **MADE)
    files = {name: str(tmp_path / "04_final" / f"{name}-*.parquet") for name in splits}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    row = loaded["train"][0]
    assert [image.size for image in row["images"]] == [(4, 3), (4, 3)]
    assert row["images"][1].convert("RGB").getpixel((0, 0)) == (40, 0, 215)
    assert row["groups"][0]["prompt"][1]["content"][0]["type"] == "image"
    assert len(loaded["held_out"]) == 1


def test_the_metadata_is_what_datasets_itself_writes():
    features = datasets.Features.from_arrow_schema(final_module.SCHEMA)
    assert features["images"] == datasets.List(datasets.Image())
    assert features.arrow_schema.metadata == final_module.SCHEMA.metadata
    assert features.arrow_schema.types == final_module.SCHEMA.types


def test_row_groups_are_small_and_files_are_numbered(tmp_path, monkeypatch):
    monkeypatch.setattr(final_module, "ROWS_PER_FILE", 4)
    monkeypatch.setattr(final_module, "ROWS_PER_GROUP", 2)
    groups = [group(str(i), (i,)) for i in range(6)]
    write_final(tmp_path, {"train": groups}, PICTURES, **MADE)
    names = ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert [path.name for path in sorted(tmp_path.glob("*.parquet"))] == names
    assert pq.read_metadata(tmp_path / names[0]).num_row_groups == 2
    assert read_groups(tmp_path, "train") == groups
    assert dict(FinalPictures(tmp_path)) == PICTURES


def test_a_row_group_holds_no_more_bytes_than_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(final_module, "BYTES_PER_GROUP", len(BYTES[0]) + 1)
    write_final(tmp_path, {"train": [group(str(i), (i,)) for i in range(6)]}, PICTURES, **MADE)
    assert pq.read_metadata(tmp_path / "train-00000-of-00001.parquet").num_row_groups == 6


def test_the_folder_can_be_moved_and_read_by_other_processes(tmp_path):
    splits = {"train": [group(str(i), (i,)) for i in range(5)], "held_out": [group("h", (5,))]}
    write_final(tmp_path / "a", splits, PICTURES, **MADE)
    shutil.move(tmp_path / "a", tmp_path / "b")
    pictures = FinalPictures(tmp_path / "b")
    assert pictures[IDS[0]] == BYTES[0]
    assert dict(pickle.loads(pickle.dumps(pictures))) == PICTURES
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert list(pool.map(pictures.__getitem__, IDS)) == BYTES


def test_few_row_groups_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(final_module, "ROWS_PER_GROUP", 1)
    write_final(tmp_path, {"train": [group(str(i), (i,)) for i in range(6)]}, PICTURES, **MADE)
    pictures = FinalPictures(tmp_path)
    assert [pictures[id] for id in IDS] == BYTES
    assert len(pictures._recent) == 4
    assert pictures[IDS[0]] == BYTES[0]


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        ({"train": [group("a")], "held_out": [group("b")]}, "picture"),
        (
            {"train": [group("a", cluster="x")], "held_out": [group("b", (1,), cluster="x")]},
            "cluster 'x' is in train and in held_out",
        ),
        ({"train": [group("a"), group("a", (1,))]}, "comes twice"),
        ({"held-out": []}, "not a split's name"),
    ],
)
def test_leaks_between_splits_are_refused_before_anything_is_written(tmp_path, splits, says):
    with pytest.raises(DataError, match=says):
        write_final(tmp_path / "f", splits, PICTURES, **MADE)
    assert not (tmp_path / "f").exists()


def test_a_missing_picture_names_its_group_and_leaves_no_file(tmp_path):
    with pytest.raises(StoreError, match=f"Picture {IDS[0]} of group a"):
        write_final(tmp_path, {"train": [group("a")]}, {}, **MADE)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
    with pytest.raises(StoreError, match=r"no manifest\.json"):
        read_groups(tmp_path, "train")
    with pytest.raises(StoreError, match=r"no manifest\.json"):
        FinalPictures(tmp_path)


def test_an_unknown_split_or_picture_is_a_sentence(tmp_path):
    write_final(tmp_path, {"train": [group("a")]}, PICTURES, **MADE)
    with pytest.raises(StoreError, match="no split 'test'; it has: train"):
        read_groups(tmp_path, "test")
    with pytest.raises(StoreError, match="There is no picture"):
        FinalPictures(tmp_path)["0" * 32]
    assert IDS[5] not in FinalPictures(tmp_path)


def test_drift_is_refused_and_a_rebuild_leaves_nothing_of_the_old(tmp_path, monkeypatch):
    monkeypatch.setattr(final_module, "ROWS_PER_FILE", 1)
    groups = [group("a"), group("b", (1,))]
    left_out = [{"id": "c", "reason": "balance", "measurements": "{}"}]
    first = write_final(tmp_path, {"train": groups}, PICTURES, dropped=left_out, **MADE)
    assert first.reasons == {"balance": 1}
    assert write_final(tmp_path, {"train": groups}, PICTURES, **MADE) == first
    other = {"options": {"seed": 2}, "parents": MADE["parents"]}
    with pytest.raises(DriftError, match=r"options\.seed: it was 1, now it is 2"):
        write_final(tmp_path, {"train": groups[:1]}, PICTURES, **other)
    write_final(tmp_path, {"train": groups[:1]}, PICTURES, rebuild=True, **other)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["manifest.json", "train-00000-of-00001.parquet"]


def test_the_same_groups_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_final(tmp_path / name, {"train": [group("a"), group("b", (1,))]}, PICTURES, **MADE)
    file = "train-00000-of-00001.parquet"
    assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
