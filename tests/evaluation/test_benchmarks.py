"""Benchmarks in their published forms, with rows that are odd, and their strict scores."""

import base64
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haiga.errors import DataError
from haiga.evaluation import benched
from haiga.evaluation.benchmarks import BENCHMARKS
from haiga.evaluation.benchmarks.base import Given
from haiga.evaluation.benchmarks.mmbench import TURN
from haiga.evaluation.checks import clusters, score
from haiga.evaluation.conditions import CONDITIONS, images
from haiga.evaluation.run import Stage, read_answers
from haiga.recipe.bind import bind
from haiga.records import IMAGE, Group, Picture, user
from haiga.store.pictures import PictureFiles
from made import picture

PNG = [picture(seed, side=24) for seed in range(12)]


def opened(tmp_path, name, **options):
    table = {key: each.open for key, each in BENCHMARKS.items()}
    return bind(table, {"name": name, **options}, "x")(Given(PictureFiles(tmp_path / "kept")))


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def struct(at):
    return {"bytes": PNG[at], "path": f"{at}.png"}


def scored(name, bench, answers):
    """check -> its score, None left out."""
    groups = clusters(bench.items)
    found = {
        key: score(check.score(bench.items, answers), groups)
        for key, check in BENCHMARKS[name].checks.items()
    }
    return {key: each.mean for key, each in found.items() if each is not None}


def pope_rows(count=8):
    """As output/coco/coco_pope_random.json: yes and no in turns, six questions a picture."""
    return [
        {
            "question_id": at + 1,
            "image": f"{at // 6}.png",
            "text": f"Is there a thing {at} in the image?",
            "label": "no" if at % 2 else "yes",
        }
        for at in range(count)
    ]


@pytest.fixture
def pope_folder(tmp_path):
    root = tmp_path / "val2014"
    root.mkdir()
    for at, data in enumerate(PNG):
        (root / f"{at}.png").write_bytes(data)
    return root


def test_pope_as_published(tmp_path, pope_folder):
    rows = [
        *pope_rows(),
        {"question_id": 9, "image": "absent.png", "text": "Is there a dog?", "label": "yes"},
        {"question_id": 10, "image": "../kept", "text": "Is there a dog?", "label": "yes"},
        {"question_id": 11, "image": "0.png", "text": "Is there a dog?", "label": "maybe"},
        {"question_id": 12, "image": "0.png", "text": "", "label": "no"},
    ]
    path = lines(tmp_path / "coco_pope_adversarial.json", rows)
    with Path(path).open("a") as file:
        file.write("{broken\n")
    bench = opened(tmp_path, "pope", path=path, pictures=str(pope_folder))
    assert len(bench.items) == 8
    assert bench.aside == {
        "coco_pope_adversarial.json:9": "its picture is not there",
        "coco_pope_adversarial.json:10": "its picture lies outside the folder",
        "coco_pope_adversarial.json:11": "its answer is neither yes nor no",
        "coco_pope_adversarial.json:12": "it has no text",
        "coco_pope_adversarial.json:13": "not JSON",
    }
    assert bench.notes == ("adversarial: 8 of the published 3,000 questions",)
    (turn,) = bench.items[0].prompt
    assert turn.parts == (
        IMAGE,
        "\nIs there a thing 0 in the image?\nAnswer the question using a single word or phrase.",
    )
    assert bench.items[0].truth["categories"] == ["adversarial"]
    assert len({item.pictures for item in bench.items}) == 2  # and they are its clusters
    assert images(bench.items[0], bench.pictures)[0].size == (24, 24)


def test_pope_as_on_the_hub_and_as_in_vlmevalkit(tmp_path):
    rows = [
        {"id": str(at), "question_id": str(at), "question": f"Is there a {at}?",
         "answer": "yes" if at % 2 else "no", "image_source": "x", "image": struct(at % 3),
         "category": ("random", "popular", "adversarial")[at // 4]}
        for at in range(12)
    ]  # fmt: skip
    bench = opened(tmp_path, "pope", path=parquet(tmp_path / "data/test-0.parquet", rows))
    assert scored("pope", bench, [item.reference for item in bench.items])["f1_popular"] == 1
    tsv = tmp_path / "POPE.tsv"
    tsv.write_text(
        "index\timage\tquestion\tanswer\tcategory\n"
        f"0\t{base64.b64encode(PNG[0]).decode()}\tIs there a cat?\tYes\trandom,popular\n"
        f"1\t{base64.b64encode(PNG[1]).decode()}\tIs there a dog?\tNo\tadversarial\n"
        "2\tnot base64!\tIs there a dog?\tNo\tadversarial\n"
    )
    bench = opened(tmp_path, "pope", path=str(tsv))
    assert [item.reference for item in bench.items] == ["yes", "no"]
    assert bench.items[0].truth["categories"] == ["random", "popular"]
    assert list(bench.aside) == ["POPE.tsv:3"]
    found = scored("pope", bench, ["Yes.", "いいえ"])
    assert found["accuracy"] == found["f1"] == found["f1_random"] == 1
    assert "f1_adversarial" not in {k for k, v in found.items() if v == 1}


@pytest.mark.parametrize(
    ("answer", "f1"),
    [
        ("", 0),  # published scorer: 0.667
        ("Yes", 2 / 3),
        ("No", 0),
        ("There is a picture.", 0),
    ],
)
def test_pope_of_constant_answers(tmp_path, pope_folder, answer, f1):
    path = lines(tmp_path / "coco_pope_random.json", pope_rows(12))
    bench = opened(tmp_path, "pope", path=path, pictures=str(pope_folder))
    found = scored("pope", bench, [answer] * 12)
    assert found["f1"] == pytest.approx(f1)
    assert found["precision"] == (0.5 if answer == "Yes" else 0)
    assert found["yes_ratio"] == (answer == "Yes")


def test_r1_a_model_that_can_be_read_in_17_of_100_has_an_f1_of_17(tmp_path, pope_folder):
    """Published: 0.71; lmms-eval: 1.00; VLMEvalKit: 0.29."""
    path = lines(tmp_path / "coco_pope_random.json", [
        {"question_id": at, "image": f"{at % 6}.png", "text": f"Is there a {at}?",
         "label": "no" if at % 2 else "yes"} for at in range(200)
    ])  # fmt: skip
    bench = opened(tmp_path, "pope", path=path, pictures=str(pope_folder))
    answers = [
        item.reference if at % 100 < 17 else "A quiet street in the morning"
        for at, item in enumerate(bench.items)
    ]
    found = scored("pope", bench, answers)
    assert found["f1"] == pytest.approx(0.17, abs=0.01)
    assert found["parsed"] == found["accuracy"] == 0.17
    assert BENCHMARKS["pope"].official(bench.items, answers)["f1"] > 0.7


def test_pope_matthews_and_the_macro_mean(tmp_path):
    rows = [
        {"id": f"{at}", "question_id": f"{at}", "question": "Is there a cat?",
         "answer": "yes" if at % 2 else "no", "image": struct(at % 5),
         "category": ("random", "popular", "adversarial")[at % 3]} for at in range(60)
    ]  # fmt: skip
    bench = opened(tmp_path, "pope", path=parquet(tmp_path / "a.parquet", rows))
    # Right on random; yes to everything on popular; nothing on adversarial: (1 + 2/3 + 0) / 3.
    said = {"random": None, "popular": "yes", "adversarial": ""}
    answers = [said[i.truth["categories"][0]] or i.reference for i in bench.items]
    answers = [
        "" if i.truth["categories"] == ["adversarial"] else a
        for i, a in zip(bench.items, answers, strict=True)
    ]
    totals = BENCHMARKS["pope"].totals
    macro = totals["macro_f1"](bench.items, answers, 0)
    assert macro.mean == pytest.approx((1 + 2 / 3) / 3)
    assert macro.low <= macro.mean <= macro.high
    # tp 20, fp 10 + 10, tn 10, fn 10 of 60.
    mcc = totals["mcc"](bench.items, answers, 0)
    tp, fp, tn, fn = 20, 20, 10, 10
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert mcc.mean == pytest.approx((tp * tn - fp * fn) / below)
    assert totals["macro_f1"](bench.items[:1], answers[:1], 0) is None
    assert totals["mcc"](bench.items, ["yes"] * 60, 0).mean == 0


def test_r3_the_mark_is_set_before_anything_is_measured():
    gate = BENCHMARKS["pope"].gate
    good = {
        "macro_f1": {"mean": 0.9, "low": 0.87}, "f1_adversarial": {"mean": 0.88, "low": 0.86},
        "parsed": {"mean": 1.0}, "yes_ratio": {"mean": 0.5},
    }  # fmt: skip
    assert gate({"full": good, "blind": {}}) == []
    assert gate({"full": good}) == ["nobody was asked without the picture"]
    for name, bad, said in (
        ("macro_f1", {"mean": 0.86, "low": 0.85}, "macro f1"),
        ("f1_adversarial", {"mean": 0.9, "low": 0.8}, "f1 adversarial"),
        ("parsed", {"mean": 0.98}, "can be read"),
        ("yes_ratio", {"mean": 0.61}, "yes is"),
    ):
        (missing,) = gate({"full": good | {name: bad}, "blind": {}})
        assert said in missing
    assert len(gate({})) == 5


def mmmu_row(at, **change):
    return {
        "id": f"validation_Art_{at}", "question": "What is in <image 1> and not in <image 2>?",
        "options": "['a cat', 'a dog', 'it\\'s <image 2>']", "explanation": "",
        "image_1": struct(0), "image_2": struct(1), "image_3": None, "img_type": "['Painting']",
        "answer": "B", "topic_difficulty": "Easy", "question_type": "multiple-choice",
        "subfield": "Art", **change,
    }  # fmt: skip


def test_mmmu_as_on_the_hub(tmp_path):
    rows = [
        mmmu_row(1),
        mmmu_row(2, question="How much is <image 1>?", options="[]", answer="['24/7', '3.43']",
                 question_type="open", image_2=None),
        mmmu_row(3, answer="?"),
        mmmu_row(4, options="['a', 'b'"),
        mmmu_row(5, answer="D"),
        mmmu_row(6, image_2=None),
        mmmu_row(7, question="What?", options="['a', 'b']"),
    ]  # fmt: skip
    for row in rows:
        row["id"] = row["id"].replace("Art", "Electronics") if row["id"][-1] == "2" else row["id"]
    parquet(tmp_path / "Art" / "validation-00000-of-00001.parquet", rows)
    parquet(tmp_path / "Art" / "dev-00000-of-00001.parquet", [mmmu_row(9)])
    bench = opened(tmp_path, "mmmu", path=str(tmp_path / "Art"), split="validation")
    assert [item.id for item in bench.items] == [
        "validation_Art_1", "validation_Electronics_2",
    ]  # fmt: skip
    assert set(bench.aside.values()) == {
        "its answer is not published",
        "its list of options or answers cannot be read",
        "its answer is none of its options",
        "it has no picture",
        "its words name no picture",
    }
    (turn,) = bench.items[0].prompt
    assert turn.parts == (
        "What is in ", IMAGE, " and not in ", IMAGE,
        "?\n(A) a cat\n(B) a dog\n(C) it's ", "image 2",
        "\n\nAnswer with the option's letter from the given choices directly.",
    )  # fmt: skip
    assert len(bench.items[0].pictures) == 2
    blind = CONDITIONS["blind"].transform(bench.items, 0)[0]
    assert not blind.pictures
    assert blind.prompt[0].images == 0
    assert scored("mmmu", bench, ["(B)", "3.43"]) == {"accuracy": 1, "parsed": 1}
    assert scored("mmmu", bench, ["", ""]) == {"accuracy": 0, "parsed": 0}
    # Without an answer the published scorer draws one.
    many = bench.items[:1] * 300
    assert BENCHMARKS["mmmu"].official(many, [""] * 300)["accuracy"] == pytest.approx(
        1 / 3, abs=0.1
    )


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("5", "5", True),
        ("The answer is 5.", "5", True),
        ("x = 5", "5", True),
        ("$5.00", "5", True),
        ("five", "5", True),
        ("15", "5", False),
        ("0.004", "0.001", False),
        ("0.0021", "0.00214", True),
        ("0", "0.004", False),
        ("5 or 6", "5", False),
        ("Paris", "paris", True),
        ("the Paris", "Paris", True),
        ("It is in Paris, or in Rome", "Paris", False),
        ("not known", "no", False),
        ("", "5", False),
    ],
)
def test_open_answers_are_equal_or_they_are_not(answer, gold, right):
    from haiga.evaluation.benchmarks.open_answers import states

    assert states(answer, gold) == right


def mmbench_tsv(path, questions=2):
    """As MMBench_DEV_EN.tsv: rotations further down, their pictures by the index of the first."""
    header = "index question hint A B C D answer category image source l2-category comment split"
    options = ["a boat", "a cat", "a dog", "a bird"]
    rows = []
    for turn in range(4):
        for q in range(questions):
            turned = options[turn:] + options[:turn]
            gold = "ABCD"[turned.index(options[q])]
            shown = base64.b64encode(PNG[q]).decode() if not turn else str(q)
            rows.append(
                [q + turn * TURN, "What is it?", "Look." if q else "nan", *turned, gold, f"c{q}",
                 shown, "x", "l2", "", "dev"]
            )  # fmt: skip
    rows.append([7, "What?", "", "a", "b", "", "", "", "c0", rows[0][9], "x", "l2", "", "test"])
    text = "\n".join("\t".join(map(str, row)) for row in [header.split(), *rows])
    path.write_text(text + "\n", encoding="utf-8")
    return str(path)


def test_mmbench_is_right_only_in_every_order(tmp_path):
    bench = opened(tmp_path, "mmbench", path=mmbench_tsv(tmp_path / "dev.tsv"))
    assert len(bench.items) == 8
    assert list(bench.aside.values()) == ["its answer is not published"]
    assert len({item.pictures[0].id for item in bench.items}) == 2
    assert bench.items[1].prompt[0].parts[1].startswith("\nLook.\nWhat is it?\nA. a boat\nB. a cat")
    assert "\nC. a dog\nD. a bird\nAnswer with" in bench.items[0].prompt[0].text
    gold = [item.reference for item in bench.items]
    assert scored("mmbench", bench, gold) == dict.fromkeys(
        ("circular", "vanilla", "accuracy", "parsed"), 1
    )
    always_a = scored("mmbench", bench, ["A"] * 8)
    assert always_a == {"circular": 0, "vanilla": 0.5, "accuracy": 0.25, "parsed": 1}
    half = [gold[at] if at % 2 == 0 else "" for at in range(8)]  # the first question's rotations
    assert scored("mmbench", bench, half) == {
        "circular": 0.5, "vanilla": 0.5, "accuracy": 0.5, "parsed": 0.5,
    }  # fmt: skip


def seed_rows():
    row = {
        "answer": "B", "choice_a": "one", "choice_b": "two", "choice_c": "3", "choice_d": "4",
        "data_id": "1.png", "data_type": "image", "question": "How many towels are there?",
        "question_id": "101669", "question_type_id": 5, "segment": None,
    }  # fmt: skip
    return [
        row,
        row | {"question_id": "2", "answer": "A", "question_type_id": 1, "data_id": "2.png"},
        row | {"question_id": "3", "data_type": "video", "data_id": "v.webm"},
        row | {"question_id": "4", "answer": "E"},
    ]


def test_seed_bench_as_published(tmp_path, pope_folder):
    path = tmp_path / "SEED-Bench.json"
    path.write_text(json.dumps({"questions": seed_rows(), "question_type": {"a": 1}}, indent=1))
    options = {"path": str(path), "pictures": str(pope_folder)}
    bench = opened(tmp_path, "seed_bench", **options)
    assert bench.by == "likelihood"
    assert bench.items[0].prompt[0].parts == (IMAGE, "\nHow many towels are there?")
    assert bench.items[0].truth["candidates"] == ["one", "two", "3", "4"]
    assert [item.truth["categories"] for item in bench.items] == [
        ["instances counting"], ["scene understanding"],
    ]  # fmt: skip
    assert sorted(bench.aside.values()) == [
        "it is about a video", "its answer is none of its options",
    ]  # fmt: skip
    written = opened(tmp_path, "seed_bench", by="writing", **options)
    assert "A. one\nB. two\nC. 3\nD. 4\nAnswer with" in written.items[0].prompt[0].text
    assert scored("seed_bench", written, ["The answer is B", "(A)"])["accuracy"] == 1
    assert BENCHMARKS["seed_bench"].official(written.items, ["The answer is B", "A"]) == {
        "accuracy": 0.5, "accuracy instances counting": 0, "accuracy scene understanding": 1,
    }  # fmt: skip


def test_seed_bench_as_on_the_hub(tmp_path):
    rows = [{**row, "image": [struct(0)]} for row in seed_rows()[:2]]
    path = parquet(tmp_path / "test-00000.parquet", rows)
    assert len(opened(tmp_path, "seed_bench", path=path).items) == 2


def test_realworldqa(tmp_path):
    asks = "Please answer directly with only the letter of the correct option and nothing else."
    rows = [
        {"image": struct(0), "question": f"Which way?\n\nA. Left\nB. Right\nC. Back\n{asks}",
         "answer": "B"},
        {"image": struct(1), "question": "How many lanes? Answer with a single number.",
         "answer": "3"},
        {"image": {"bytes": b"<html>", "path": None}, "question": "What?", "answer": "A"},
    ]  # fmt: skip
    bench = opened(tmp_path, "realworldqa", path=parquet(tmp_path / "test-0.parquet", rows))
    assert list(bench.aside.values()) == ["not a picture"]
    assert bench.items[0].prompt[0].text.endswith(asks)
    assert scored("realworldqa", bench, ["B. Right", "three"])["accuracy"] == 1
    assert scored("realworldqa", bench, ["Right", "13"])["accuracy"] == 0.5
    assert benched.chance(BENCHMARKS["realworldqa"], bench) == {
        "a random choice": pytest.approx(1 / 6), "always B": 0.5,
    }  # fmt: skip


def annotated():
    """As POPE's own input: which objects a segmentation found."""
    objects = [
        ["dog", "umbrella", "car"], ["dog", "car", "person"], ["dog", "umbrella", "person"],
        ["cat", "car", "dog"], ["boat"], ["apple", "car", "dog"],
    ]  # fmt: skip
    return [{"image": f"{at}.png", "objects": held} for at, held in enumerate(objects)]


def test_pope_built_asks_about_what_is_there_and_what_is_not(tmp_path, pope_folder):
    path = lines(tmp_path / "objects.jsonl", [*annotated(), {"image": "0.png"}])
    bench = opened(tmp_path, "pope_built", path=path, pictures=str(pope_folder))
    assert bench.aside == {
        "4.png": "fewer than 3 objects", "objects.jsonl:7": "it names no objects",
    }  # fmt: skip
    truth = {f"{at}.png": set(row["objects"]) for at, row in enumerate(annotated())}
    for split in ("random", "popular", "adversarial"):
        own = [item for item in bench.items if split in item.truth["categories"]]
        assert len(own) == 5 * 6
        assert [item.reference for item in own] == ["yes", "no"] * 15
        for image in ("0.png", "1.png", "2.png", "3.png", "5.png"):
            names = [
                item.prompt[0].text.split("Is there a")[1].split(" in the")[0].lstrip("n ")
                for item in own if f":{image}:" in item.id
            ]  # fmt: skip
            assert len(set(names)) == 6  # none is asked twice
            assert set(names[::2]) == truth[image]
            assert not set(names[1::2]) & truth[image]
    texts = {item.prompt[0].text for item in bench.items}
    assert any("Is there an umbrella in the image?" in text for text in texts)
    # With 0.png's dog most often stands the car (in it), then person or umbrella: person is absent.
    asked = [i.prompt[0].text for i in bench.items if i.id.startswith("adversarial:0.png")]
    assert "a person" in asked[1]
    again = opened(tmp_path, "pope_built", path=path, pictures=str(pope_folder))
    assert again.version == bench.version


def test_pope_built_without_names_enough(tmp_path, pope_folder):
    path = lines(tmp_path / "objects.jsonl", annotated()[:1])
    with pytest.raises(DataError, match=r"No picture of objects\.jsonl"):
        opened(tmp_path, "pope_built", path=path, pictures=str(pope_folder))


def chair_rows():
    """As mscoco_chair."""
    return [
        {"question_id": "1", "image": "0.png", "gt_object": ["person", "dog"]},
        {"question_id": "2", "image": "1.png", "gt_object": ["traffic light"]},
        {"question_id": "3", "image": "2.png", "gt_object": []},
        {"question_id": "4", "image": "2.png", "gt_object": ["unheard of"]},
    ]


def test_chair(tmp_path, pope_folder):
    path = lines(tmp_path / "chair.jsonl", chair_rows())
    bench = opened(tmp_path, "chair", path=path, pictures=str(pope_folder))
    assert list(bench.aside.values()) == [
        "it names no objects", "none of its objects is in the table of synonyms",
    ]  # fmt: skip
    said = ["Two men and a cat, and a baby elephant", "Traffic lights at night."]
    # Mentions: men, cat, elephant (the baby is none) | traffic lights: 2 of 4 false.
    found = scored("chair", bench, said)
    assert found == {"precision": 0.5, "chair_i": 0.5, "chair_s": 0.5, "recall": 2 / 3}
    assert scored("chair", bench, ["", said[1]])["chair_s"] == 0.5
    assert BENCHMARKS["chair"].official(bench.items, ["", said[1]])["chair_s"] == 0


def test_chair_by_a_table_of_ones_own(tmp_path, pope_folder):
    (tmp_path / "words.txt").write_text("lamp, lantern\ncrane\n")
    path = lines(tmp_path / "c.jsonl", [{"image": "0.png", "objects": ["lantern"]}])
    options = {"pictures": str(pope_folder), "synonyms": str(tmp_path / "words.txt")}
    bench = opened(tmp_path, "chair", path=path, **options)
    assert bench.items[0].truth["objects"] == ["lamp"]
    stages = {"sft": Stage("w", lambda items: ["Lanterns, and a crane"] * len(items))}
    found = benched.run(
        BENCHMARKS["chair"], bench, stages, tmp_path / "out", conditions=["full", "blind"]
    )
    assert found["scores"]["sft"]["full"]["chair_i"]["mean"] == 0.5
    assert found["official"]["sft"]["full"] == {"chair_i": 0.5, "chair_s": 1}
    with pytest.raises(DataError, match="cannot be read"):
        opened(tmp_path, "chair", path=path, synonyms=str(tmp_path / "nosuch.txt"))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_r1_an_empty_model_scores_0_on_every_benchmark(tmp_path, pope_folder, name):
    paths = {
        "pope": lambda: lines(tmp_path / "coco_pope_random.json", pope_rows()),
        "mmmu": lambda: parquet(tmp_path / "validation.parquet", [mmmu_row(1)]),
        "mmbench": lambda: mmbench_tsv(tmp_path / "dev.tsv"),
        "seed_bench": lambda: lines(tmp_path / "seed.jsonl", seed_rows()),
        "pope_built": lambda: lines(tmp_path / "objects.jsonl", annotated()),
        "chair": lambda: lines(tmp_path / "chair.jsonl", chair_rows()),
        "realworldqa": lambda: parquet(
            tmp_path / "t.parquet", [{"image": struct(0), "question": "How many?", "answer": "2"}]
        ),
    }
    from_files = ("pope", "seed_bench", "pope_built", "chair")
    options = {"pictures": str(pope_folder)} if name in from_files else {}
    bench = opened(tmp_path, name, path=paths[name](), **options)
    found = scored(name, bench, [""] * len(bench.items))
    assert found
    worst = {"chair_i": 1, "chair_s": 1}  # where low is good
    assert found == {check: worst.get(check, 0) for check in found}


def test_a_benchmark_is_asked_under_every_condition(tmp_path, pope_folder):
    path = lines(tmp_path / "coco_pope_random.json", pope_rows(72))
    bench = opened(tmp_path, "pope", path=path, pictures=str(pope_folder))
    truth = {item.id: item for item in bench.items}

    def sees(items):
        """Right where it is shown the right picture, else it says yes."""
        return [
            truth[i.id].reference if i.pictures == truth[i.id].pictures and not i.grey else "yes"
            for i in items
        ]

    stages = {"sft": Stage("w", sees), "mute": Stage("m", lambda items: [""] * len(items))}
    found = benched.run(BENCHMARKS["pope"], bench, stages, tmp_path / "out")
    assert list(found["scores"]["sft"]) == ["full", "blind", "shuffled", "grey"]
    assert found["scores"]["sft"]["full"]["f1"]["mean"] == 1
    assert found["scores"]["sft"]["blind"]["f1"]["mean"] == pytest.approx(2 / 3)
    assert found["uses_picture"] == {"sft": True, "mute": False}
    assert found["scores"]["mute"]["full"]["f1"] | {"high": 0} == {
        "mean": 0, "low": 0, "high": 0, "n": 72,
    }  # fmt: skip
    assert found["chance"] == {"always yes": pytest.approx(2 / 3)}
    assert found["categories"]["sft"] == {"random": found["scores"]["sft"]["full"]["f1"]}
    assert found["official"]["mute"]["full"]["f1"] == pytest.approx(2 / 3)
    assert found["missing"]["sft"]
    assert found["asked"] == found["rows"] == 72
    assert json.loads((tmp_path / "out/benchmark.json").read_text()) == found
    assert len(read_answers(tmp_path / "out")["sft"]["full"]) == 72


def test_who_knows_what_is_usual_is_a_control(tmp_path, pope_folder):
    """Eight of twelve pictures hold the usual cup, four the whale that nobody expects."""
    rows = [
        {"question_id": 2 * at + k, "image": f"{at}.png", "text": f"Is there a {name}?",
         "label": "yes" if (name == "cup") == (at % 3 > 0) else "no"}
        for at in range(12) for k, name in enumerate(("cup", "whale"))
    ]  # fmt: skip
    path = lines(tmp_path / "coco_pope_popular.json", rows)
    bench = opened(tmp_path, "pope", path=path, pictures=str(pope_folder))
    truth = {item.id: item for item in bench.items}

    def shown(item):
        return item.pictures == truth[item.id].pictures and not item.grey

    def usual(item):
        return "yes" if "cup" in item.prompt[0].text else "no"

    stages = {
        "sees": Stage("a", lambda items: [truth[i.id].reference if shown(i) else "no"
                                          for i in items]),
        # Needs its picture, and does not look at what is in it.
        "recites": Stage("b", lambda items: [usual(i) if shown(i) else "no" for i in items]),
    }  # fmt: skip
    found = benched.run(BENCHMARKS["pope"], bench, stages, tmp_path / "out")
    prior = found["scores"]["text_prior"]
    assert list(prior) == ["blind"]
    assert prior["blind"]["f1"]["mean"] == pytest.approx(16 / 24)  # 8 hits, 4 alarms, 4 misses
    assert prior["blind"]["f1_popular"] == prior["blind"]["f1"]
    assert found["uses_picture"] == {"sees": True, "recites": False}
    assert set(found["missing"]) == {"sees", "recites"}
    assert found["scores"]["recites"]["blind"]["f1"]["mean"] == 0


def test_what_was_never_asked_before_is_answered_with_yes(tmp_path, pope_folder):
    path = lines(tmp_path / "coco_pope_random.json", pope_rows(12))
    bench = opened(tmp_path, "pope", path=path, pictures=str(pope_folder))
    assert BENCHMARKS["pope"].prior(bench.items) == ["yes"] * 12


def test_pope_of_a_run_asks_in_the_order_of_its_scenes(tmp_path):
    """Not by the alphabet, which words alone could learn."""
    things = [["willow", "boat", "moon"], ["umbrella", "carp", "drum"], ["torii", "kite", "cat"]]
    groups = [
        Group(f"g{at}", (user(IMAGE, "what?"),), (), (Picture(f"p{at}"),),
              meta={"scene": {"things": held}})
        for at, held in enumerate(things)
    ]  # fmt: skip
    shown = {f"p{at}": PNG[at] for at in range(3)}
    given = Given(PictureFiles(tmp_path), held_out=groups, shown=shown)
    bench = BENCHMARKS["pope_built"].open(given, objects=2)
    there = [item.prompt[0].text for item in bench.items if item.reference == "yes"]
    assert [text.split(" in the")[0].split()[-1] for text in there[:2]] == ["willow", "boat"]
    assert not any("moon" in text for text in there)


def test_the_version_changes_with_the_rows_and_not_with_the_folder(tmp_path, pope_folder):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    versions = [
        opened(
            tmp_path,
            "pope",
            path=lines(tmp_path / folder / "coco_pope_random.json", pope_rows(count)),
            pictures=str(pope_folder),
        ).version
        for folder, count in (("a", 8), ("b", 8), ("b", 9))
    ]
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": "nosuch.json"}, "nothing to read at nosuch.json"),
        ({"path": "lmms-lab/POPE"}, "pin it to a commit"),
        ({"path": "lmms-lab/POPE@main"}, "pin it to a commit"),
        ({"path": "lmms-lab/POPE@" + "a" * 40}, "say which split"),
    ],
)
def test_what_cannot_be_found_is_said(tmp_path, options, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=said):
        opened(tmp_path, "pope", **options)


def test_rows_that_stand_twice_or_not_at_all(tmp_path, pope_folder):
    rows = pope_rows()
    path = lines(tmp_path / "x_pope_random.json", [*rows, rows[0]])
    with pytest.raises(DataError, match="1 ids stand on several rows"):
        opened(tmp_path, "pope", path=path, pictures=str(pope_folder))
    path = lines(tmp_path / "y_pope_random.json", [{"text": "?"}])
    with pytest.raises(DataError, match=r"Nothing of y_pope_random.* can be asked"):
        opened(tmp_path, "pope", path=path)
    with pytest.raises(DataError, match="No file is called after the split 'test'"):
        opened(tmp_path, "pope", path=path, split="test")
