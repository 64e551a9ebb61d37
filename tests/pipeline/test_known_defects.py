"""The faults of a project that trained blind, rebuilt: haiga names each, or has no words for it.

Sameer Sharma Poudel, LLM_Finetuning: ORPO on LLaVA-1.6-Mistral-7B with RLAIF-V's pairs.
"""

import json
from pathlib import Path

import pytest

import tiny
from haiga.errors import RecipeError
from haiga.models import known
from haiga.pipeline.check import check
from haiga.pipeline.plan import plan
from haiga.recipe.load import load
from haiga.sources import SOURCES
from made import picture

RECIPE = Path(__file__).parents[2] / "recipes" / "llava-next-rlaifv-orpo.toml"
SHARED = "q_proj|k_proj|v_proj|gate_proj|up_proj"


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    """Mistral with the three tokens that were added, as a config: 32,003 rows."""
    folder = tmp_path_factory.mktemp("mistral")
    config = known.config("mistralai/Mistral-7B-Instruct-v0.3").to_dict()
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 32_003}))
    tiny.tiny_tokenizer().save_pretrained(folder)
    return folder


def _adapted(language, targets, *more):
    """One stage, as it was: an adapter and nothing else."""
    adapter = f"{{r = 8, alpha = 16, targets = '{targets}'}}"
    options = [
        f"model.language_model='{language}'",
        "model.image_token='<|image_pad|>'",
        f"stage.orpo.adapter={adapter}",
        "stage.orpo.trainable=[['.*lora_.*', 2.5e-6], ['.*', 'frozen']]",
        *more,
    ]
    return load(RECIPE, options)


def _trained(recipe, stage="orpo"):
    return next(each for each in plan(recipe, (stage,)).stages)


def test_what_was_trained_by_accident(language):
    """r = 8 on five kinds of layers by their short names: 32 of the language model, lm_head, and
    24 of the tower, whose layers share three of the names."""
    found = _trained(_adapted(language, rf".*\.({SHARED})|lm_head"))
    sides = 2 * 4096 + 2 * (4096 + 1024) + 2 * (4096 + 14336)
    assert 8 * sides * 32 == 14_155_776
    assert 8 * (4096 + 32_003) == 288_792
    assert found.tower_adapter == 8 * 3 * (1024 + 1024) * 24 == 1_179_648
    assert found.trainable == 14_155_776 + 288_792 + 1_179_648 == 15_624_216
    assert found.projector == 0


def test_what_was_meant(language):
    """All seven kinds of layers of the language model, and the projector."""
    recipe = load(RECIPE, [f"model.language_model='{language}'", "stage.orpo.adapter.r=8"])
    found = _trained(recipe)
    sides = 2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336)
    assert 8 * sides * 32 == 20_971_520
    assert found.projector == (1024 + 1) * 4096 + (4096 + 1) * 4096 == 20_979_712
    assert found.trainable == 20_971_520 + 20_979_712
    assert found.tower_adapter == 0


def test_the_check_says_so(language):
    notes = check(_adapted(language, rf".*\.({SHARED})|lm_head"))
    (said,) = [note for note in notes if "tower" in note and "adapter" in note]
    assert said.startswith("stage.orpo.adapter: 1,179,648 of its parameters hang on the vision tow")
    alone = "{tasks=['chat'], objective={name='cross_entropy'}, epochs=1, batch=2, "
    alone += "adapter={r=8, alpha=16}, trainable=[['.*lora_.*', 1e-5], ['.*', 'frozen']]}"
    recipe = load(RECIPE, [f"stage.blind={alone}"])
    (said,) = [note for note in check(recipe) if "noise" in note]
    assert said.startswith("stage.blind: neither it nor a stage before it trains the projector")


@pytest.mark.parametrize(
    ("defect", "change", "sentence"),
    [
        (
            "a picture's place is an ordinary word",
            ["model.image_token='<image>'"],
            r"model: '<image>' is not one reserved token of .*Choose one that is: ",
        ),
        (
            "no room for a picture",
            ["stage.orpo.max_tokens=512"],
            r"stage\.orpo\.max_tokens: a picture alone takes 576, so that no row would be left",
        ),
        (
            "a blank at the end of a name",
            [rf"stage.orpo.adapter.targets='.*\.({SHARED}|mm_proj )'"],
            r"stage\.orpo: No adapter fits on 'mm_proj ', .* no layer of the model is called so",
        ),
        (
            "one row of the embedding",
            [
                r"stage.orpo.trainable=[['.*embed_tokens.weight\\[32000\\]', 1e-4], "
                "['.*lora_.*', 1e-5], ['.*', 'frozen']]"
            ],
            r"stage\.orpo: The rule .* matches no parameter of the model",
        ),
        (
            "tokens that the model does not know",
            ["model.added_tokens=['[INST]', '[/INST]']"],
            r"model\.added_tokens",
        ),
        (
            "a chat template with the indentation of its source",
            ["model.chat_template='''\n    [INST]'''"],
            r"model\.chat_template",
        ),
        (
            "a schedule that restarts, stepped by the micro-batch",
            ["stage.orpo.scheduler='CosineAnnealingWarmRestarts'"],
            r"stage\.orpo\.scheduler",
        ),
        (
            "a mask over answers that is counted by hand",
            ["stage.orpo.prompt_length=64"],
            r"stage\.orpo\.prompt_length",
        ),
        (
            "an objective that is called ORPO and has no odds",
            ["stage.orpo.objective={name = 'orpo', odds = false}"],
            r"stage\.orpo\.objective\.odds: orpo takes no such option",
        ),
    ],
)
def test_a_recipe_that_says_it_is_refused(language, defect, change, sentence):
    folder = [f"model.language_model='{language}'", "model.image_token='<|image_pad|>'"]
    with pytest.raises(RecipeError, match=sentence):
        check(load(RECIPE, [*folder, *change]))


def test_a_bad_picture_is_set_aside_and_no_other_takes_its_place(tmp_path):
    rows = [
        {"image": f"{n}.jpg", "question": "What?", "chosen": f"A boat {n}.", "rejected": "A cat."}
        for n in range(3)
    ]
    for n in (0, 2):
        (tmp_path / f"{n}.jpg").write_bytes(picture(n, "JPEG"))
    (tmp_path / "1.jpg").write_bytes(b"<html>404</html>")
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    found = list(SOURCES["rlaif_v"](0, "en", 0, data=str(tmp_path / "rows.json")))
    assert [each.fault for each in found] == ["", "not a picture", ""]
    assert [each.answers[0].text for each in (found[0], found[2])] == ["A boat 0.", "A boat 2."]
    # Whatever the question says, every picture has one place in it.
    assert [each.prompt[0].images for each in (found[0], found[2])] == [1, 1]
