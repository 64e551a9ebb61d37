import json

import tiny_runs
from made import picture

POPE = """
[evaluate.benchmarks.pope_coco]
name = "pope"
path = "coco_pope_popular.json"
pictures = "val2014"

[evaluate.benchmarks.seed_bench]
path = "SEED-Bench.json"
pictures = "val2014"
"""


BUILT = """
[evaluate.benchmarks.pope_built]
objects = 2
by = "likelihood"
"""


def given(home):
    """Two small sets in their published forms."""
    (home / "val2014").mkdir()
    for at in range(4):
        (home / f"val2014/{at}.png").write_bytes(picture(at))
    rows = [
        {"question_id": at, "image": f"{at // 2}.png", "text": f"Is there a thing {at}?",
         "label": "no" if at % 2 else "yes"} for at in range(8)
    ]  # fmt: skip
    rows.append({**rows[0], "question_id": 9, "image": "gone.png"})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (home / "coco_pope_popular.json").write_text(text)
    seed = [
        {"question": "Which?", "choice_a": "a", "choice_b": "bb", "choice_c": "c",
         "choice_d": "d", "answer": "A", "data_id": f"{at}.png", "data_type": "image",
         "question_id": str(at), "question_type_id": 1} for at in range(4)
    ]  # fmt: skip
    (home / "SEED-Bench.json").write_text(json.dumps({"questions": seed}))
    recipe = home / "recipe.toml"
    recipe.write_text(recipe.read_text() + POPE)


def test_a_recipe_names_benchmarks_and_the_report_shows_them(home):
    given(home)
    said = tiny_runs.haiga(home, "evaluate", "recipe.toml")
    assert said.code == 0, said.err
    assert "pope_coco: 8 of 9 rows of coco_pope_popular.json, by writing" in said.out
    assert "pope_coco: 1 set aside: its picture is not there" in said.out
    assert "seed_bench: 4 of 4 rows of SEED-Bench.json, by likelihood" in said.out
    found = json.loads(
        (home / "runs/tiny/evaluation/benchmarks/pope_coco/benchmark.json").read_text("utf-8")
    )
    assert set(found["scores"]["sft"]) == {
        "full", "blind", "blind_lm", "shuffled", "grey", "random_projector",
    }  # fmt: skip
    for cells in found["scores"]["sft"].values():
        assert cells["f1"]["n"] == 8
    before = tiny_runs.files(home / "runs/tiny/evaluation/benchmarks")
    assert tiny_runs.haiga(home, "evaluate", "recipe.toml").code == 0
    after = tiny_runs.files(home / "runs/tiny/evaluation/benchmarks")
    assert {k: v[1] for k, v in after.items()} == {k: v[1] for k, v in before.items()}
    assert tiny_runs.haiga(home, "report", "recipe.toml").code == 0
    page = (home / "runs/tiny/report.html").read_text("utf-8")
    for words in ("<h3>pope_coco</h3>", "evaluate.py of AoiDragon/POPE", "1 because its picture"):
        assert words in page


def test_check_names_what_is_wrong_with_a_benchmark(home):
    given(home)
    for option, said in (
        ("evaluate.benchmarks.seed_bench.path=nosuch", "nothing to read at nosuch"),
        ("evaluate.benchmarks.seed_bench.bye=writing", "takes no such option (did you mean 'by'"),
        ("evaluate.benchmarks.seed_bench.name=seedbench", "did you mean 'seed_bench'"),
        ("evaluate.benchmarks.mmmu.split=validation", "evaluate.benchmarks.mmmu.path: mmmu needs"),
    ):
        found = tiny_runs.haiga(home, "check", "recipe.toml", "--set", option)
        assert found.code == 2
        assert said in found.err


def test_what_the_run_knows_of_its_pictures_is_asked_and_counted(home):
    recipe = home / "recipe.toml"
    recipe.write_text(recipe.read_text() + BUILT)
    said = tiny_runs.haiga(home, "evaluate", "recipe.toml")
    assert said.code == 0, said.err
    assert "rows of the run's held-out pictures, seed 7, by likelihood" in said.out
    evaluation = home / "runs/tiny/evaluation"
    found = json.loads((evaluation / "benchmarks/pope_built/benchmark.json").read_text("utf-8"))
    assert found["scores"]["sft"]["full"]["parsed"]["mean"] == 1
    assert set(found["categories"]["sft"]) == {"random", "popular", "adversarial"}
    named = json.loads((evaluation / "hallucination.json").read_text("utf-8"))
    assert named["sft"]["full"]["mention_precision"]["n"] == 5
    assert tiny_runs.haiga(home, "report", "recipe.toml").code == 0
    page = (home / "runs/tiny/report.html").read_text("utf-8")
    for heading in (
        "Things that are not there",
        "Whose picture is it?",
        "How varied",
        "What it can do without pictures",
        "Pictures that nobody trained on",
    ):
        assert f"<h2>{heading}" in page
    retrieved = json.loads((evaluation / "self_retrieval.json").read_text("utf-8"))
    assert retrieved["sft"]["likelihood"]["gallery"] == 5
    assert "dual_encoder" not in retrieved["sft"]  # this run's tower reads no texts
    alone = json.loads((evaluation / "text_ability.json").read_text("utf-8"))
    assert set(alone["models"]) == {"base", "align", "sft"}


def test_a_command_asks_one_model(home):
    given(home)
    path = ("--set", "path=coco_pope_popular.json", "--set", "pictures=val2014")
    said = tiny_runs.haiga(home, "benchmark", "runs/tiny/stages/sft", "pope", "out", *path)
    assert said.code == 0, said.err
    assert "pope: 8 of 9 rows of coco_pope_popular.json, by writing" in said.out
    found = json.loads((home / "out/benchmark.json").read_text("utf-8"))
    assert list(found["scores"]["model"]) == ["full", "blind", "shuffled", "grey"]
    wrong = tiny_runs.haiga(home, "benchmark", "runs/tiny", "popes", "out", *path)
    assert (wrong.code, "did you mean 'pope'" in wrong.err) == (2, True)
    wrong = tiny_runs.haiga(home, "benchmark", "runs/tiny", "pope", "out", "--set", "path")
    assert (wrong.code, "write an option as" in wrong.err) == (2, True)
