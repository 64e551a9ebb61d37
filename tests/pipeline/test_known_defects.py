"""The faults of a project that trained blind, rebuilt: haiga names each, or has no words for it.

Sameer Sharma Poudel, LLM_Finetuning: ORPO on LLaVA-1.6-Mistral-7B with RLAIF-V's pairs.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from haiga.errors import RecipeError
from haiga.models import adapters, known
from haiga.models.assemble import assemble
from haiga.pipeline.check import check
from haiga.pipeline.plan import plan
from haiga.recipe.load import load
from haiga.records import Group, Picture, user
from haiga.rewards import Sample
from haiga.rewards.clip import clip
from haiga.sources import SOURCES
from haiga.training import loop
from haiga.world.base import WEIGHTS
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
            "checkpointing of the kind that loses gradients",
            ["stage.orpo.checkpointing={use_reentrant = true}"],
            r"stage\.orpo\.checkpointing",
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


CLIP = "openai/clip-vit-base-patch32"


def test_a_judge_of_candidates_that_reads_less_than_they_say_is_named():
    """Twelve of twelve scores were -inf: 131 and 153 tokens for a CLIP that reads 77, and the
    error that said so was swallowed."""
    rl = RECIPE.with_name("haiku-form-rl.toml")
    reward = f"stage.grpo.rollout.rewards=[{{name = 'clip', model = '{CLIP}'}}]"
    recipe = load(rl, [reward, "stage.grpo.rollout.max_new_tokens=128"])
    (said,) = [note for note in check(recipe) if "neither rewarded" in note]
    assert said.startswith(f"stage.grpo.rollout.rewards.0: {CLIP} reads 77 tokens of an answer, ")
    assert not [note for note in check(load(rl, [reward])) if "neither rewarded" in note]


def test_the_same_candidates_have_scores_here_or_a_reason():
    """What is scored is the answer alone, and a picture is a file: a tensor is none."""
    files = {"whole": picture(1, "JPEG"), "tensor": np.zeros((3, 8, 8), np.float32).tobytes()}
    words = "a boat by the bridge in the rain " * 20

    def scored(text, id_):
        asked = user("Describe this print. " * 30)
        group = Group("1", (asked,), (), pictures=(Picture(id_),))
        (found,) = clip([Sample(group, text, files)], model=str(WEIGHTS / "tower"))
        return found

    long, short = scored(words, "whole"), scored("a cat", "whole")
    assert math.isfinite(long.value)
    assert math.isfinite(short.value)
    assert long.value != short.value
    bare = Sample(Group("1", (user("?"),), (), pictures=(Picture("whole"),)), words, files)
    assert clip([bare], model=str(WEIGHTS / "tower"))[0].value == long.value
    none = scored(words, "tensor")
    assert none.value is None
    assert none.why.startswith("Picture tensor is")


def test_checkpointed_layers_over_frozen_inputs_have_gradients(tmp_path):
    """The log warned that none of the inputs required gradients, so that there would be none.

    That is the reentrant kind of checkpointing, rebuilt first; a recipe cannot ask for it.
    """
    tower = tiny.tiny_tower(tmp_path / "tower")
    vlm = adapters.attach(assemble(tower, tiny.tiny_language_model(tmp_path / "language")), r=2)
    model = vlm.model.train()
    ids = vlm.tokenizer("the crane and the boat", return_tensors="pt").input_ids
    weights = [p for n, p in model.named_parameters() if "lora_B" in n]

    def gradients():
        model.zero_grad()
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        return [None if p.grad is None else p.grad.clone() for p in weights]

    plain = gradients()
    assert all(g.abs().sum() > 0 for g in plain)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": True})
    model.disable_input_require_grads()  # as nobody had called its counterpart
    with pytest.raises(UserWarning, match="None of the inputs have requires_grad=True"):
        gradients()
    loop._checkpoint_activations(model)
    assert model.is_gradient_checkpointing
    for ours, theirs in zip(gradients(), plain, strict=True):
        torch.testing.assert_close(ours, theirs)


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
