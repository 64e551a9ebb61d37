"""Cards that the hub can read, whose figures are the report's."""

import csv
import io
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from haiga.reporting.cards import model_card
from haiga.reporting.data_card import DataFacts, attribution, data_card
from haiga.reporting.facts import RunFacts
from haiga.store import Manifest

CELL = {"mean": 0.671, "low": 0.61, "high": 0.72, "n": 200}
FACTS = RunFacts(
    name="prints",
    made={
        "design": "llava",
        "vision tower": "google/siglip-base-patch16-224",
        "language model": "Qwen/Qwen2.5-3B-Instruct",
        "pictures fitted by": "pad",
        "data fingerprint": "abc",
        "device": "cuda",
    },
    recipe={
        "language": "en",
        "source": {"name": "met"},
        "teach": {"teacher": {"name": "anthropic"}},
        "stage": {"orpo": {"objective": {"name": "orpo"}}},
    },
    manifests=[
        Manifest(
            "01_filtered", {}, {}, "1", "f", {"in": 10, "kept": 7, "dropped": 3},
            {"blank": 2, "a|b <i>": 1}, None, 1.0, "now",
        )
    ],
    events={
        "orpo": [
            {"kind": "started", "trainable": 29_933_568, "total": 3_207_440_640},
            {"kind": "step", "step": 1},
            {"kind": "step", "step": 117},
        ]
    },
    summary={"orpo": {"full": {"form": CELL}, "blind": {"form": {**CELL, "mean": 0.1}}}},
    ledger=[
        {"stage": "02_captioned", "model": "claude", "dollars": 1.0},
        {"stage": "02_captioned", "model": "claude", "dollars": 0.5},
        {"stage": "02_captioned", "model": "claude", "dollars": 0.0, "lost": 2, "most": 0.01},
        {"stage": "judge", "model": "another", "dollars": 0.1},
        {"stage": "sft", "model": "cpu, 2 threads", "dollars": 0.15, "hours": 0.1},
    ],
    seconds={"align": 60.0, "orpo": 30.0},
)  # fmt: skip
DATA = DataFacts(
    {"train": {"pictures": 2, "haiku": 4}, "held_out": {"pictures": 1, "haiku": 1}},
    {"en": 5},
    [
        {"picture": "1", "artist": "Hiroshige, Utagawa", "licence": "CC0 1.0"},
        {"picture": "2", "licence": "CC0 1.0", "title": "Rain"},
        {"picture": "3"},
    ],
)


def test_the_front_matter_is_what_the_hub_reads():
    data = ModelCard(model_card(FACTS, "orpo")).data
    assert data.base_model == ["Qwen/Qwen2.5-3B-Instruct", "google/siglip-base-patch16-224"]
    # Two bases without this word are a merge to the hub.
    assert data.to_dict()["base_model_relation"] == "finetune"
    assert data.pipeline_tag == "image-text-to-text"
    assert data.to_dict()["library_name"] == "transformers"
    assert data.language == "en"
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value) == ("form", 0.671)
    assert result.metric_name == "form, 0.67 [0.61, 0.72]"
    assert result.dataset_revision == "abc"


def test_every_condition_stands_below_the_figure_that_it_explains():
    text = model_card(FACTS, "orpo")
    assert "| full | 0.67 [0.61, 0.72] |\n| blind | 0.10 [0.61, 0.72] |" in text
    assert "| orpo | orpo | 29,933,568 of 3,207,440,640 | 117 |" in text
    assert "1 min 30 s on cuda, and 1.75 US dollars, with 3 calls." in text


def test_benchmarks_stand_in_the_card_and_in_its_front_matter():
    commit = "a" * 40
    found = {
        "sentence": "Is there a thing?", "asked": 9, "rows": 10, "by": "writing", "version": "d1",
        "data": f"lmms-lab/POPE@{commit} Full:popular", "uses_picture": {"orpo": False},
        "scores": {
            "orpo": {"full": {"f1": CELL}, "blind": {"f1": {**CELL, "mean": 0.6}}},
            "text_prior": {"blind": {"f1": {**CELL, "mean": 0.66}}},
        },
    }  # fmt: skip
    own = {**found, "data": "rows.json", "uses_picture": {"orpo": True}}
    text = model_card(replace(FACTS, benchmarks={"pope": found, "mine": own}), "orpo")
    _, pinned, local = ModelCard(text).data.eval_results
    assert (pinned.dataset_type, pinned.dataset_revision) == ("lmms-lab/POPE", commit)
    assert (pinned.dataset_config, pinned.dataset_split) == ("Full", "popular")
    assert (local.dataset_type, local.dataset_revision) == ("mine", "d1")
    assert (pinned.metric_type, pinned.metric_value) == ("f1", 0.671)
    assert "| blind | 0.60 [0.61, 0.72] |\n| text prior | 0.66 [0.61, 0.72] |" in text
    assert "9 of 10 rows of lmms-lab/POPE@" in text
    assert "The model is not shown to use its pictures here." in text
    assert "The model uses its pictures here." in text


@pytest.mark.parametrize("name", ["world:tower", "/models/own", "../own", "plain"])
def test_what_is_not_on_the_hub_is_no_base_model(name):
    made = {**FACTS.made, "vision tower": name, "language model": name}
    facts = RunFacts(name="x", made=made, recipe=FACTS.recipe)
    assert ModelCard(model_card(facts, "orpo")).data.base_model is None


def test_the_data_card_counts_and_names():
    text = data_card(FACTS, DATA)
    assert "| train | 2 | 4 |" in text
    assert "| CC0 1.0 | 2 |\n| not said | 1 |" in text
    assert "blank 2, a\\|b &lt;i> 1" in text  # no cell of a table, and no HTML, out of data
    assert ModelCard(text).data.size_categories == ["n<1K"]
    assert "\nclaude (2 calls). Texts by" in text  # neither the judge, nor a machine


def test_attribution_has_a_row_for_every_picture():
    rows = list(csv.DictReader(io.StringIO(attribution(DATA.attributions))))
    assert [row["picture"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["artist"] == "Hiroshige, Utagawa"
    assert rows[2]["licence"] == ""
