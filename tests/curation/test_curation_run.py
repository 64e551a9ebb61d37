"""The stages on a handful of rows, with sources and teachers that do what the test says."""

import io
import json
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from haiga.curation import captioning, captions, filtering, pictures, run, verdicts
from haiga.curation.split import require_rows
from haiga.curation.verdicts import Sameness
from haiga.errors import BudgetError, DataError, StoreError, TeacherError
from haiga.records import IMAGE, Answer, assistant, user
from haiga.sources import Found
from haiga.store import Folder, folder, read_groups
from haiga.teachers import Response
from inline import inline


def _picture(seed: int, side: int = 96) -> tuple[bytes, str]:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue(), ".png"


def _found(n: int, **fields) -> Found:
    shown = {"pictures": (_picture(n),), "caption": f"print number {n}", **fields}
    return Found(id=f"row{n}", **shown)


class Fake:
    """A teacher that fails where it is told to."""

    name = "fake"

    def __init__(self, fails=lambda request: False, at_once=1):
        self.asked, self._fails, self.at_once = [], fails, at_once

    def ask(self, request):
        self.asked.append(request)
        if self._fails(request):
            raise TeacherError("the line was busy")
        text = f"{request.task} {request.meta['n']} take {request.seed}"
        return Response(text, "fake-1")


class Stages:
    """The five stages in a folder, and what they said."""

    def __init__(self, path):
        self.path, self.events = path, []

    def folder(self, name, rebuild=False):
        return Folder(self.path / name, rebuild=rebuild)

    def gather(self, things, source="fake"):
        raw = self.folder("00_raw")
        run.gather(lambda skip: iter(things[skip:]), raw, {"source": source}, self.events.append)
        return list(raw.rows())

    def filter(self, minimum=64, hamming=2, caption_rules=(captions.plain,), rebuild=False):
        target = self.folder("01_filtered", rebuild)
        filtering.filter_rows(
            self.folder("00_raw"),
            target,
            {"minimum": minimum},
            rules=filtering.Rules(
                [lambda values: pictures.side(values, minimum=minimum)],
                caption_rules,
                Sameness(hamming),
                pictures.looks([]),
            ),
            engine=inline,
            emit=self.events.append,
        )
        return list(target.rows()), list(target.dropped())

    def caption(self, teacher, tasks=("haiku",), answers=1, exchanges=None):
        target = self.folder("02_captioned")
        captioning.caption(
            self.folder("01_filtered"),
            target,
            {},
            teacher=(lambda rows: teacher) if teacher else None,
            answers=dict.fromkeys(tasks, answers),
            exchanges=exchanges or {},
            emit=self.events.append,
        )
        return list(target.rows()), list(target.dropped())

    def check(self, **rules):
        target = self.folder("03_quality_checked")
        run.check_captions(self.folder("02_captioned"), target, {}, rules=rules)
        return list(target.rows()), list(target.dropped())

    def finalise(self, held_out=1, seed=0):
        sizes = {"held_out": held_out, "validation": 0}
        target = self.folder("04_final")
        checked = self.folder("03_quality_checked")
        run.finalise(checked, target, {"sizes": sizes}, sizes=sizes, seed=seed)
        return {name: read_groups(target.path, name) for name in ("train", *sizes)}


@pytest.fixture
def stages(tmp_path):
    return Stages(tmp_path)


def _many(count, **fields):
    return [_found(n, meta={"n": n}, **fields) for n in range(count)]


def _last(stages, stage):
    return [e for e in stages.events if (e["kind"], e.get("stage")) == ("progress", stage)][-1]


def test_measuring_is_part_of_the_time_also_of_a_session_that_broke_off(stages, monkeypatch):
    measured = []
    clock = SimpleNamespace(monotonic=lambda: 10.0 * len(measured))
    monkeypatch.setattr(folder, "time", clock)
    measure = pictures.measure
    monkeypatch.setattr(pictures, "measure", lambda data: measured.append(1) or measure(data))
    stages.gather(_many(3))
    with monkeypatch.context() as broken:
        broken.setattr(verdicts.duplicates, "find", lambda *asked: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stages.filter()
    stages.filter()
    assert len(measured) == 3
    assert stages.folder("01_filtered").manifest().seconds == 30.0


def test_gathering_goes_on_after_its_last_shard(stages, monkeypatch):
    monkeypatch.setattr(run, "SHARD", 4)
    things = _many(10)
    skips = []

    def breaks(skip):
        skips.append(skip)
        yield from things[skip:6]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        run.gather(breaks, stages.folder("00_raw"), {"source": "fake"}, stages.events.append)

    def whole(skip):
        skips.append(skip)
        return iter(things[skip:])

    run.gather(whole, stages.folder("00_raw"), {"source": "fake"}, stages.events.append)
    assert skips == [0, 4]
    assert [row["id"] for row in stages.gather([])] == [thing.id for thing in things]
    last = _last(stages, "00_raw")
    assert last["done"] == last["total"] == 10


def test_what_a_source_finds_at_fault_is_dropped_and_said(stages):
    things = [_found(0), Found("row1", fault="empty file", meta={"url": "x"}), _found(2)]
    assert [row["id"] for row in stages.gather(things)] == ["row0", "row2"]
    manifest = stages.folder("00_raw").manifest()
    assert (manifest.counts, manifest.reasons) == (
        {"in": 3, "kept": 2, "dropped": 1},
        {"empty file": 1},
    )
    (row,) = stages.folder("00_raw").dropped()
    assert json.loads(row["meta"]) == {"url": "x"}
    assert stages.events[-1]["text"] == (
        "1 of the 3 things of the source cannot be used (empty file 1); the first is row1"
    )


def test_a_source_at_fault_in_everything_stops_the_gathering(stages):
    said = r"8 of the first 8 things of the source, from row0 on, failed.*lost"
    with pytest.raises(DataError, match=said):
        stages.gather([Found(f"row{n}", fault="lost") for n in range(8)])
    assert stages.folder("00_raw").manifest() is None


def test_rows_with_their_own_questions_may_share_a_picture(stages):
    def asked(n, seed):
        answers = (Answer((assistant(f"yes {n}"),)), Answer((assistant("no"),), "rejected", "x"))
        return _found(
            n, pictures=(_picture(seed),), caption="", prompt=(user(IMAGE, f"{n}?"),),
            answers=answers,
        )  # fmt: skip

    stages.gather([asked(0, 7), asked(1, 7), asked(2, 8), _found(3)])
    kept, dropped = stages.filter()
    assert [row["cluster"] for row in kept] == ["row0", "row0", "row2", "row3"]
    assert not dropped
    stages.caption(None)
    stages.check(chat=[lambda text, language: "a two" if "2" in text else None])
    groups = {group.id: group for each in stages.finalise().values() for group in each}
    assert set(groups) == {"row0/chat", "row1/chat", "row2/chat", "row3/describe"}
    one = groups["row1/chat"]
    assert one.prompt == (user(IMAGE, "1?"),)
    assert [(a.kind, a.source, a.text) for a in one.answers] == [
        ("chosen", "source", "yes 1"),
        ("rejected", "x", "no"),
    ]
    assert [a.kind for a in groups["row2/chat"].answers] == ["rejected"]


def test_a_changed_threshold_measures_nothing_again(stages, monkeypatch):
    stages.gather([_found(n, pictures=(_picture(n, 60 + 10 * n),)) for n in range(4)])
    measured = []
    real = pictures.measure
    monkeypatch.setattr(pictures, "measure", lambda data: measured.append(data) or real(data))
    kept, dropped = stages.filter(minimum=64)
    assert ([row["id"] for row in dropped], len(kept), len(measured)) == (["row0"], 3, 4)
    kept, dropped = stages.filter(minimum=75, rebuild=True)
    assert ([row["id"] for row in dropped], len(kept), len(measured)) == (["row0", "row1"], 2, 4)
    assert [row["reason"] for row in dropped] == ["shorter side under 75 px"] * 2
    sizes = [json.loads(row["measurements"])[row["pictures"][0]]["width"] for row in dropped]
    assert sizes == [60, 70]


def test_duplicates_name_the_row_that_stays(stages):
    again = _found(1, pictures=(_picture(0),))
    buffer = io.BytesIO()
    Image.open(io.BytesIO(_picture(0, 200)[0])).save(buffer, "JPEG", quality=90)
    near = _found(2, pictures=((buffer.getvalue(), ".jpg"),))
    stages.gather([_found(0), again, near, _found(3)])
    kept, dropped = stages.filter(hamming=8)
    assert [(row["id"], row["cluster"]) for row in kept] == [("row0", "row0"), ("row3", "row3")]
    assert [(row["reason"], row["duplicate_of"]) for row in dropped] == [
        ("same file as another", "row0"),
        ("near-duplicate (Hamming <= 8)", "row0"),
    ]
    assert _last(stages, "01_filtered")["done"] == _last(stages, "01_filtered")["total"] == 3


def test_a_caption_is_set_aside_and_its_picture_stays(stages):
    texts = ["IMG_0001.jpg", "a boat on a river", ""]
    stages.gather([_found(n, caption=text) for n, text in enumerate(texts)])
    kept, dropped = stages.filter()
    assert not dropped
    assert [row["caption_fault"] for row in kept] == ["contains a file name", "", "empty"]
    assert [row["quality"] for row in kept] == [0.0, 1.0, None]
    assert stages.folder("01_filtered").manifest().quality == 0.5
    kept, dropped = stages.caption(None)
    assert [row["answers"][0]["source"] for row in kept] == ["source"]
    assert [row["reason"] for row in dropped] == [
        "no text (the source's caption: contains a file name)",
        "no text (no caption)",
    ]


def test_one_picture_that_measures_strangely_costs_one_row(stages, monkeypatch):
    rows = stages.gather(_many(12))
    bad = _picture(5)[0]
    real = pictures.measure

    def strange(data):
        if data == bad:
            raise ZeroDivisionError("no light")
        return real(data)

    monkeypatch.setattr(pictures, "measure", strange)
    kept, (dropped,) = stages.filter()
    assert (dropped["id"], dropped["reason"], len(kept)) == ("row5", "unreadable", 11)
    values = json.loads(dropped["measurements"])[rows[5]["pictures"][0]]
    assert values == {"error": "Measuring failed with ZeroDivisionError: no light."}
    (said,) = [event["text"] for event in stages.events if event["kind"] == "warning"]
    assert said == (
        "unreadable: 1, of which 1 (the first is row5) for this: "
        "Measuring failed with ZeroDivisionError: no light."
    )


def test_measuring_that_always_fails_stops_the_stage(stages, monkeypatch):
    stages.gather(_many(12))

    def broken(data):
        raise ZeroDivisionError("no light")

    monkeypatch.setattr(pictures, "measure", broken)
    with pytest.raises(DataError, match="8 of the first 8 pictures failed"):
        stages.filter()
    assert stages.folder("01_filtered").manifest() is None


def test_a_failed_call_costs_itself_alone(stages):
    stages.gather([*_many(6), _found(6, meta={"n": 6}, caption="")])
    stages.filter()
    teacher = Fake(lambda request: request.meta["n"] in (2, 6))
    kept, dropped = stages.caption(teacher, tasks=["haiku", "describe"])
    assert [row["id"] for row in kept] == [f"row{n}" for n in range(6)]
    assert [text["source"] for text in kept[2]["answers"]] == ["source"]
    assert list(kept[2]["failures"]) == [
        "haiku: the line was busy",
        "describe: the line was busy",
    ]
    assert [(row["id"], row["reason"]) for row in dropped] == [
        ("row6", "every call to the teacher failed")
    ]
    (warning,) = [event for event in stages.events if event["kind"] == "warning"]
    assert warning["text"] == (
        "4 calls to the teacher failed; the first, on row2, with: haiku: the line was busy"
    )
    assert stages.folder("02_captioned").manifest().quality == pytest.approx(5 / 6)
    assert len(kept[0]["answers"]) == 3


def test_a_teacher_that_always_fails_is_soon_left_alone(stages):
    stages.gather(_many(40))
    stages.filter()
    teacher = Fake(lambda request: True)
    with pytest.raises(DataError, match=r"8 of the first 8 calls to the teacher.*line was busy"):
        stages.caption(teacher)
    assert len(teacher.asked) == 8


def test_answers_keep_their_order_however_many_are_asked_at_once(stages):
    stages.gather(_many(40))
    stages.filter()

    class Uneven(Fake):
        """The earlier asked, the later answered; a refusal and a failure among them."""

        def ask(self, request):
            time.sleep(0.02 / (1 + request.meta["n"] % 5))
            response = super().ask(request)
            refused = request.meta["n"] == 3
            return replace(response, stop="refusal") if refused else response

    teacher = Uneven(lambda request: request.meta["n"] == 7, at_once=8)
    kept, _ = stages.caption(teacher, tasks=["haiku", "describe"], answers=2)
    assert len(teacher.asked) == 160
    assert [row["id"] for row in kept] == [f"row{n}" for n in range(40)]
    for n, row in enumerate(kept):
        wanted = [f"{task} {n} take {seed}" for task in ("haiku", "describe") for seed in (0, 1)]
        texts = [text["text"] for text in row["answers"] if text["source"] == "fake"]
        assert texts == ([] if n in (3, 7) else wanted)
    assert kept[3]["failures"][0] == "haiku: fake-1 refused to answer."


def test_many_at_once_stop_too_when_most_fail(stages):
    stages.gather(_many(40))
    stages.filter()
    teacher = Fake(lambda request: time.sleep(0.005) or True, at_once=4)
    with pytest.raises(DataError, match=r"8 of the first 8 calls"):
        stages.caption(teacher)
    assert len(teacher.asked) < 32
    asked = len(teacher.asked)
    time.sleep(0.05)
    assert len(teacher.asked) == asked  # nobody goes on asking


def test_a_budget_that_is_spent_stops_the_stage_and_no_row_is_lost(stages, monkeypatch):
    monkeypatch.setattr(captioning, "PAID_SHARD", 4)
    stages.gather(_many(10))
    stages.filter()

    class Poor(Fake):
        def ask(self, request):
            if request.meta["n"] == 6:
                raise BudgetError("no money")
            return super().ask(request)

    for at_once in (1, 4):
        with pytest.raises(BudgetError):
            stages.caption(Poor(at_once=at_once))
    kept, _ = stages.caption(Fake())
    assert [row["id"] for row in kept] == [f"row{n}" for n in range(10)]
    assert not any(row["failures"] for row in kept)


def test_a_stopped_teacher_is_not_asked_again_for_finished_shards(stages, monkeypatch):
    monkeypatch.setattr(captioning, "PAID_SHARD", 4)
    stages.gather(_many(10))
    stages.filter()

    class Stops(Fake):
        def ask(self, request):
            if len(self.asked) == 6:
                raise KeyboardInterrupt
            return super().ask(request)

    with pytest.raises(KeyboardInterrupt):
        stages.caption(Stops())
    second = Fake()
    kept, _ = stages.caption(second)
    assert [request.meta["n"] for request in second.asked] == list(range(4, 10))
    assert [row["id"] for row in kept] == [f"row{n}" for n in range(10)]
    assert stages.caption(None)[0] == kept  # complete: nobody is needed


def test_the_teacher_sees_the_file_itself(stages):
    stages.gather(_many(1))
    stages.filter()
    teacher = Fake()
    stages.caption(teacher, answers=2)
    assert [request.pictures for request in teacher.asked] == [(_picture(0)[0],)] * 2
    assert [request.seed for request in teacher.asked] == [0, 1]
    assert teacher.asked[0].prompt == "Write a haiku about this print."


def test_texts_that_fail_are_set_aside_with_their_words(stages):
    stages.gather(_many(3))
    stages.filter()
    stages.caption(Fake(), answers=2)

    def first_only(text, language):
        return None if "take 0" in text else "not the first"

    def not_one(text, language):
        return "one" if " 1 " in text or "number 1" in text else None

    kept, dropped = stages.check(haiku=[first_only, not_one], describe=[not_one])
    assert [row["id"] for row in kept] == ["row0", "row2"]
    assert kept[0]["set_aside"] == [
        {"task": "haiku", "source": "fake", "text": "haiku 0 take 1", "reason": "not the first"}
    ]
    assert [text["text"] for text in kept[0]["answers"]] == ["print number 0", "haiku 0 take 0"]
    assert stages.folder("03_quality_checked").manifest().quality == pytest.approx(2 / 3)
    assert dropped[0]["reason"] == "describe: one"
    assert len(dropped[0]["set_aside"]) == 3
    assert json.loads(dropped[0]["measurements"])


def test_a_haiku_out_of_form_is_set_aside(stages):
    stages.gather(_many(2))
    stages.filter()
    poems = [
        "an old silent pond\na frog jumps into the pond\nsplash silence again",
        "an old pond\na frog\nsplash",
    ]

    class Poet(Fake):
        def ask(self, request):
            return Response(poems[request.seed], "poet")

    stages.caption(Poet(), answers=2)
    kept, dropped = stages.check(haiku=[captions.form])
    assert not dropped
    for row in kept:
        assert [(text["text"], text["reason"]) for text in row["set_aside"]] == [
            (poems[1], "not 5-7-5")
        ]
        assert [text["text"] for text in row["answers"]][1:] == [poems[0]]


def test_rows_without_pictures_walk_through(stages, monkeypatch):
    monkeypatch.setattr(run, "SHARD", 2)
    monkeypatch.setattr(captioning, "PAID_SHARD", 2)
    words = [
        Found(f"words{n}", (), meta={"n": n, "description": f"boat, moon {n}"}) for n in range(5)
    ]
    stages.gather([*_many(3), *words])
    kept, dropped = stages.filter()
    assert (len(kept), dropped) == (8, [])
    stages.caption(Fake())
    stages.check()
    groups = [group for each in stages.finalise().values() for group in each]
    assert Counter(group.task for group in groups) == {"haiku": 8, "describe": 3}
    (bare,) = [group for group in groups if group.id == "words4/haiku"]
    assert bare.pictures == ()
    assert bare.prompt[0].images == 0
    assert bare.prompt[0].text.startswith("boat, moon 4\n")


def test_groups_are_what_the_rows_said(stages):
    stages.gather(_many(4))
    stages.filter()
    stages.caption(Fake(), answers=2)
    stages.check()
    splits = stages.finalise(held_out=2)
    assert {name: len(groups) for name, groups in splits.items()} == {
        "train": 4,
        "held_out": 4,
        "validation": 0,
    }
    haiku = next(group for group in splits["train"] if group.task == "haiku")
    assert len(haiku.answers) == 2
    assert haiku.answers[0].source == "fake"
    assert haiku.prompt[0].images == len(haiku.pictures) == 1
    assert haiku.meta["n"] == int(haiku.id.split("/")[0].removeprefix("row"))


def test_copies_in_rows_of_several_pictures_do_not_straddle_the_split(stages):
    a, b, c = _picture(1), _picture(2), _picture(3)
    stages.gather(
        [
            _found(0, pictures=(a, b), meta={"n": 0}),
            _found(1, pictures=(b, c), meta={"n": 1}),
            _found(2, pictures=(b,), meta={"n": 2}),
            *[_found(n, meta={"n": n}) for n in range(10, 13)],
        ]
    )
    kept, dropped = stages.filter()
    assert [row["duplicate_of"] for row in dropped] == ["row0"]
    assert [row["cluster"] for row in kept][:2] == ["row0", "row0"]
    stages.caption(Fake())
    stages.check()
    stages.finalise(held_out=2)  # write_final itself refuses a picture in two splits


def test_too_few_rows_to_split_are_a_sentence(stages):
    stages.gather(_many(3))
    stages.filter()
    stages.caption(Fake())
    stages.check()
    with pytest.raises(DataError, match="only 3 rows came through curation"):
        stages.finalise(held_out=3)


def test_no_row_to_split_is_a_sentence():
    with pytest.raises(DataError, match="No row came through curation"):
        require_rows(0, {"held_out": 0})


def test_a_stage_needs_the_one_before_it(stages):
    with pytest.raises(StoreError, match="does not exist"):
        stages.filter()
