"""`haiga rows`: what each stage learns from, in files that TRL trains on."""

import datasets
import pytest

import tiny
from haiga.cli import main
from trl_eyes import collated, tiny_processor

RECIPE = """
name = "handed"
language = "en"
seed = 3

[source]
name = "floating_world"
prints = 10

[curate]
hamming = -1

[teach]
tasks = ["haiku", "bare"]
answers = 2
teacher = { name = "poet" }

[split]
held_out = 3
validation = 2

[model]
tower = "world:tower"
language_model = "world:language"
image_token = "<|image_pad|>"

[stage.sft]
tasks = ["haiku"]
objective = { name = "cross_entropy" }
trainable = [[".*", 1e-4]]
epochs = 1
batch = 4

[stage.dpo]
starts_from = "sft"
tasks = ["haiku"]
rejected = "bare"
objective = { name = "orpo" }
trainable = [[".*", 1e-4]]
epochs = 1
batch = 4
answers = 1

[stage.grpo]
starts_from = "sft"
tasks = ["haiku"]
objective = { name = "grpo" }
trainable = [[".*", 1e-4]]
steps = 1
batch = 4

[stage.grpo.rollout]
samples = 4
max_new_tokens = 8
advantage = { name = "group_relative" }
rewards = [{ name = "form" }]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("handed")
    (home / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    assert main(["curate", str(home / "recipe.toml"), "--workdir", str(home)]) == 0
    return home


def _rows(home, folder, capsys):
    words = ["rows", str(home / "recipe.toml"), str(folder), "--workdir", str(home)]
    return main(words), capsys.readouterr()


def _read(path, cache):
    return datasets.Dataset.from_parquet(str(path), cache_dir=str(cache))


def test_every_stage_becomes_what_trl_trains_on(home, tmp_path, capsys):
    code, said = _rows(home, tmp_path / "rows", capsys)
    assert code == 0, said.err
    # Five prints are left to learn from: two poems each, one pair each, one question each.
    assert "sft\ttrain\tmessages\t10\n" in said.out
    assert "dpo\ttrain\tpreference\t5\n" in said.out
    assert "grpo\ttrain\tprompts\t5\n" in said.out
    assert "grpo\tvalidation\tprompts\t2\n" in said.out
    processor = tiny_processor(tmp_path)
    for stage, sides in (("sft", 1), ("dpo", 2)):
        made = _read(tmp_path / "rows" / stage / "train.parquet", tmp_path / "cache")
        batch = collated(made, processor)
        places = (batch["input_ids"] == processor.image_token_id).sum().item()
        assert places == sides * len(made) * tiny.PATCHES
    prompts = _read(tmp_path / "rows" / "grpo" / "train.parquet", tmp_path / "cache")
    assert {len(row["images"]) for row in prompts} == {1}
    assert {turn["role"] for row in prompts for turn in row["prompt"]} == {"user"}
    assert len({row["id"] for row in prompts}) == 5


def test_nothing_is_written_over(home, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    code, said = _rows(home, tmp_path, capsys)
    assert code == 2
    assert "is not an empty folder" in said.err
