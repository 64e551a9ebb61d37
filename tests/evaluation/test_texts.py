"""Diversity, copies, words alone, and strange pictures."""

import io
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

from haiga.evaluation import diversity, strange, text_ability
from haiga.evaluation.conditions import Item
from haiga.evaluation.run import Stage
from haiga.evaluation.run import evaluate as ask
from haiga.models.assemble import assemble
from haiga.records import IMAGE, Picture, user
from haiga.text.classics import classics
from haiga.world.strange import KINDS
from haiga.world.strange import strange as drawn
from tiny import tiny_language_model, tiny_tower

POEM = "the heron at dusk\nstands on one leg in the stream\nand does not hurry"


def item(at):
    prompt = (user(IMAGE, "\nWrite a haiku."),)
    return Item(f"i{at}", prompt, (Picture(f"p{at}"),), POEM + f" {at}", {}, f"c{at}", "haiku")


ITEMS = [item(at) for at in range(12)]


def test_copies_and_likeness():
    old = "\n".join(classics("en")[0].lines)
    texts = [POEM, POEM, old, "nothing of it is known here\nat all\nto anyone"] * 3
    sources = {"training": [POEM + " at all", "elsewhere"], "classics": [old]}
    found = diversity.measured(texts, ITEMS, sources)
    assert found["copies_training"]["mean"] == 0.5
    assert found["copies_classics"]["mean"] == 0.25
    assert found["copies_classics"]["n"] == 12
    assert found["nearest_training"][0] == {
        "text": POEM, "source": POEM + " at all", "share": 1.0,
    }  # fmt: skip
    assert found["language"]["mean"] == 1
    assert diversity.measured([POEM] * 12, ITEMS, {})["distinct_1"] == pytest.approx(14 / 15 / 12)


def test_references_stand_beside_the_stages(tmp_path):
    ask({"sft": Stage("w", lambda items: [POEM] * len(items))}, ITEMS, tmp_path,
        conditions=["full"])  # fmt: skip
    found = diversity.evaluate(ITEMS, tmp_path, [POEM])
    assert list(found) == ["references", "sft"]
    assert found["sft"]["likeness"]["mean"] == 1
    assert found["sft"]["copies_training"]["mean"] == 1
    assert diversity.evaluate(ITEMS[:1], tmp_path, []) == {}


@pytest.mark.parametrize(
    ("at", "good", "bad"),
    [
        (0, "Yes.", "yes indeed"),
        (1, "a red boat", "a boat"),
        (2, "Who comes?", "Who comes? I."),
        (3, "WHITE.", "White"),
        (4, "one, two, three, four, five", "one two three four five"),
        (5, "1\n2\n3\n4", "1 2 3 4"),
        (6, "lantern lantern", "lantern"),
        (7, "winter", "the winter"),
        (8, "Because it rains.", "It rains because."),
        (9, '"A boat."', "A boat."),
        (10, "cat; dog", "cat, dog"),
        (11, "4", "four"),
    ],
)
def test_instructions_have_rules_that_can_be_kept_and_broken(at, good, bad):
    rule = text_ability.INSTRUCTIONS["en"][at]
    assert rule.done(good)
    assert not rule.done(bad)
    assert not rule.done("")


@pytest.mark.parametrize(
    ("at", "good", "bad"),
    [
        (0, "はい。", "はい、そうです"),
        (1, "一、二、三、四、五", "1、2、3"),
        (2, "雨ですか。", "雨です。"),
        (3, "春", "春です"),
        (4, "「春」", "春"),
        (5, "はるがきた。", "春が来た。"),
        (6, "なぜなら雨だから。", "雨だから。"),
        (7, "4", "五"),
    ],
)
def test_instructions_in_japanese(at, good, bad):
    rule = text_ability.INSTRUCTIONS["ja"][at]
    assert rule.done(good)
    assert not rule.done(bad)


def test_words_alone_before_and_after(tmp_path):
    models = {
        name: assemble(tiny_tower(tmp_path / "t"), tiny_language_model(tmp_path / name, seed=seed))
        for seed, name in enumerate(["base", "same", "other"])
    }
    models["same"] = models["base"]
    found = text_ability.compared(
        {name: text_ability.measured(vlm, "en") for name, vlm in models.items()}
    )
    same = found["same"]["bits_per_byte_change"]
    assert (same["difference"], same["moved"]) == (0, False)
    # Random weights over 320 tokens of about a byte each: worse than log2(320) bits, nearly.
    assert 6 < found["base"]["bits_per_byte"]["mean"] < 20
    assert found["other"]["bits_per_byte_change"]["difference"] != 0
    assert found["base"]["followed"]["n"] == 12
    assert "followed_change" not in found["base"]


def test_every_token_of_a_text_costs_bits_and_the_first_follows_the_opening_one(tmp_path):
    vlm = assemble(tiny_tower(tmp_path / "t"), tiny_language_model(tmp_path / "lm"))
    tokenizer = vlm.tokenizer
    ids = tokenizer("a b", add_special_tokens=False)["input_ids"]
    opening = tokenizer.bos_token_id
    opening = tokenizer.eos_token_id if opening is None else opening
    with torch.no_grad():
        logits = vlm.model(input_ids=torch.tensor([[opening, *ids]])).logits[0].float()
    logps = logits.log_softmax(-1)[:-1].gather(1, torch.tensor(ids)[:, None])
    (found,) = text_ability.bits(vlm, ["a b"])
    assert found == pytest.approx(-float(logps.sum()) / math.log(2), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_strange_pictures_are_the_same_every_time_and_no_two_alike(kind):
    assert len({drawn(kind, at) for at in range(strange.OF_EACH)}) == strange.OF_EACH
    picture = Image.open(io.BytesIO(drawn(kind, 0)))
    assert picture.size == (224, 224)
    assert drawn.__wrapped__(kind, 3) == drawn(kind, 3)


def test_what_is_written_to_strange_pictures(tmp_path):
    asked, pictures = strange.items_like(ITEMS[0])
    assert len(asked) == len(pictures) == 5 * strange.OF_EACH
    assert {each.truth.get("scene") for each in asked} == {None}

    def writes(items):
        return ["" if i.id.startswith("noise") else f"{POEM} by the bridge" for i in items]

    stages = {"sft": Stage("w", writes)}
    ask(stages, ITEMS, tmp_path, conditions=["full"])
    found = strange.measure(stages, asked, tmp_path, decoding={})
    assert list(found["sft"]) == ["held out", *KINDS]
    scores = {kind: own["scores"] for kind, own in found["sft"].items()}
    assert scores["noise"]["parsed"]["mean"] == 0
    assert scores["noise"]["names_things"]["mean"] == 0
    assert scores["card"]["names_things"]["mean"] == 1  # a heron, a bridge
    assert scores["held out"]["parsed"]["n"] == 12
    assert found["sft"]["sheet"]["examples"][0] == ["sheet:0", f"{POEM} by the bridge"]


def test_strange_pictures_in_a_language_without_a_lexicon(tmp_path):
    german = [replace(item, language="de") for item in ITEMS]
    asked, _ = strange.items_like(german[0])
    text = "Der Reiher steht allein\nim seichten Wasser des Sees\nund wartet noch lange"
    stages = {"sft": Stage("w", lambda items: [text for _ in items])}
    ask(stages, german, tmp_path, conditions=["full"])
    found = strange.measure(stages, asked, tmp_path, decoding={})
    assert found["sft"]["noise"]["scores"]["parsed"]["mean"] == 1
    assert "names_things" not in found["sft"]["noise"]["scores"]
