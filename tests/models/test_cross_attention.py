"""ViT and GPT-2: the shared prefix gives what an unmodified VisionEncoderDecoderModel gives, and
none of the ways in which such a model shifts, starts, pads or looks by itself gets in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoTokenizer, VisionEncoderDecoderModel
from transformers.modeling_outputs import BaseModelOutput

import tiny
from haiga.batches.features import cache_key
from haiga.batches.groups import GroupBatch, collate
from haiga.batches.render import Branch, Rendered, render
from haiga.errors import ModelError, PlaceholderError, TooLongError
from haiga.models import adapters, attention, timing
from haiga.models.assemble import Vlm, assemble, load
from haiga.models.branches import compare, plain_logps, token_logps, unshared
from haiga.models.embeddings import tower_features
from haiga.models.export import export
from haiga.models.features import encode_pictures
from haiga.models.fit import pixels
from haiga.models.generate import generate
from haiga.models.sample import Prompts, sample, unwritten
from haiga.records import IMAGE, Answer, Group, Picture, assistant, user

TOWERS = ("vit", "siglip", "clip")
RED, BLUE = (Image.new("RGB", (60, 30), colour) for colour in ("red", "blue"))
ASKED = [(user(IMAGE, "what?"),), (user("the crane"),), (user(IMAGE, " a longer one ", IMAGE),)]
SHOWN = [[RED], [], [BLUE, RED]]


def joined(folder: Path, family: str = "siglip", **options) -> Vlm:
    tower = tiny.tiny_tower(folder / family, family)
    decoder = tiny.tiny_gpt2(folder / "gpt2", **options)
    made = assemble(tower, decoder, design="cross_attention")
    torch.manual_seed(2)
    with torch.no_grad():  # so that what is looked at matters
        for name, weight in made.model.named_parameters():
            if weight.ndim > 1 and not name.startswith("encoder."):
                weight.normal_(std=0.15)
    return made


@pytest.fixture(params=TOWERS)
def vlm(request, tmp_path) -> Vlm:
    return joined(tmp_path, request.param)


@pytest.fixture
def one(tmp_path) -> Vlm:
    return joined(tmp_path)


def views(count: int) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(4))


def words(generator: torch.Generator, count: int) -> list[int]:
    return torch.randint(0, 256, (count,), generator=generator).tolist()


def ragged(counts: tuple[int, ...] = (1, 0, 2)) -> GroupBatch:
    """K of 2, 1 and 3; one, no and two pictures; an answer of which the middle is not learned."""
    generator = torch.Generator().manual_seed(0)
    learned = [True] * 3 + [False] * 2 + [True] * 2
    lengths = [[4, 6], [5], [7, 2, 3]]
    rows = []
    for name, pictures, row in zip("abc", counts, lengths, strict=True):
        answers = tuple(
            Branch(tuple(words(generator, n)), tuple(learned if n == 7 else [True] * n))
            for n in row
        )
        names = tuple(f"{name}-{k}" for k in range(pictures))
        prefix = tuple(words(generator, 4 + len(rows)))
        rows.append(Rendered(name, prefix, answers, ("chosen",) * len(answers), names))
    return collate(rows, pad_id=0)


# ------------------------------------------------------------------------------------ exactness


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_equal_to_plain_passes_of_the_unmodified_model(vlm, attention):
    vlm.model.set_attn_implementation(attention)
    batch, images = ragged(), views(3)
    features = tower_features(vlm.model, images)
    with torch.no_grad():
        truth = plain_logps(vlm.model, batch, pixel_values=images)
        assert len(truth) == len(batch.targets) == 25
        assert (token_logps(vlm.model, batch, features, chunk=7) - truth).abs().max() <= 1e-5
        assert (token_logps(vlm.model, batch, pixel_values=images) - truth).abs().max() <= 1e-5
    assert compare(vlm.model, batch, features, pixel_values=images) <= 1e-5


def test_the_plain_pass_is_the_forward_of_transformers(one):
    """Token by token from logits of `VisionEncoderDecoderModel.forward`, with no helper of ours."""
    batch, images = ragged(counts=(1, 1, 1)), views(3)
    found = []
    rows, pictures = unshared(batch)
    width = rows.input_ids.shape[1]
    for a in range(len(rows.ids)):
        length = int((rows.segments[a] >= 0).sum())
        with torch.no_grad():
            logits = one.model(
                pixel_values=images[pictures[a]][None],
                decoder_input_ids=rows.input_ids[a : a + 1, :length],
            ).logits[0]
        mine = rows.answer_of == a
        at = rows.sources[mine] - a * width
        found.append(logits.log_softmax(-1)[at].gather(1, rows.targets[mine, None])[:, 0])
    with torch.no_grad():
        ours = token_logps(one.model, batch, pixel_values=images)
    assert (ours - torch.cat(found)).abs().max() <= 1e-5


def test_gradients_equal_to_plain_passes(vlm):
    batch, images = ragged(), views(3)
    weights = torch.linspace(-1, 2, len(batch.targets))
    found = []
    for logps in (
        token_logps(vlm.model, batch, pixel_values=images, chunk=5),
        plain_logps(vlm.model, batch, pixel_values=images),
    ):
        vlm.model.zero_grad()
        (logps * weights).sum().backward()
        grads = {n: p.grad for n, p in vlm.model.named_parameters() if p.grad is not None}
        found.append({name: grad.clone() for name, grad in grads.items()})
    fast, slow = found
    for part in ("crossattention", "enc_to_dec_proj", "ln_cross_attn", "wte", "wpe", "encoder."):
        assert any(part in name for name in slow), part
    assert fast.keys() == slow.keys()
    for name, grad in slow.items():
        # The bias of a key moves no softmax: its gradient is nothing but rounding.
        assert (fast[name] - grad).norm() <= 1e-5 * max(float(grad.norm()), 1e-2), name


def test_trap_labels_are_shifted_once(one):
    """The model's own loss shifts labels; ours names sources and targets, and hands it none."""
    ids = [one.model.config.decoder_start_token_id, 5, 17, 80, 3]
    answer = Branch(tuple(ids[1:]), (True,) * 4)
    batch = collate([Rendered("a", (ids[0],), (answer,), ("chosen",), ("p",))], pad_id=0)
    labels = torch.tensor([ids[1:]])
    with torch.no_grad():
        ours = token_logps(one.model, batch, pixel_values=views(1))
        theirs = one.model(pixel_values=views(1), labels=labels).loss
        twice = one.model(pixel_values=views(1), labels=labels, decoder_input_ids=labels).loss
    assert -ours.mean() == pytest.approx(float(theirs), abs=1e-5)
    assert abs(float(twice - theirs)) > 1e-3


def test_every_picture_of_a_row_is_looked_at_and_no_other(one):
    batch, images = ragged(counts=(1, 1, 2)), views(4)
    with torch.no_grad():
        before = token_logps(one.model, batch, pixel_values=images)
        for k, rows in ((0, {0}), (2, {2}), (3, {2})):
            other = images.clone()
            other[k] = other[k].flip(0) + 1
            moved = (token_logps(one.model, batch, pixel_values=other) - before).abs() > 1e-6
            of = batch.group_of[batch.answer_of]
            assert set(of[moved].tolist()) == rows


def test_a_row_without_pictures_is_the_decoder_alone(one):
    """Masked states would still add the bias of the layers that look."""
    batch = ragged()
    ids = batch.input_ids[1:2, batch.segments[1] >= 0]
    with torch.no_grad():
        logits = one.model.decoder(input_ids=ids).logits[0].log_softmax(-1)
        ours = token_logps(one.model, batch, pixel_values=views(3))
    mine = batch.group_of[batch.answer_of] == 1
    at = batch.sources[mine] - batch.input_ids.shape[1]
    expected = logits[at].gather(1, batch.targets[mine, None])[:, 0]
    assert (ours[mine] - expected).abs().max() <= 1e-5


def test_pictures_and_features_that_do_not_match(one):
    with pytest.raises(PlaceholderError, match="3 pictures and the features of 2"):
        token_logps(one.model, ragged(), torch.randn(2, tiny.PATCHES, 32))


def test_features_are_the_towers_last_state_whatever_the_words(vlm):
    base = vlm.model
    shown = pixels(vlm.processor.image_processor, [RED, BLUE])
    with torch.no_grad():
        expected = base.encoder(shown).last_hidden_state
    assert torch.equal(encode_pictures(vlm, [RED, BLUE]), expected)
    assert expected.shape[1] == tiny.PATCHES + (base.config.encoder.model_type[:6] != "siglip")
    key = cache_key(vlm)
    with torch.no_grad():
        base.decoder.transformer.wte.weight.add_(1)
    assert cache_key(vlm) == key
    with torch.no_grad():
        next(base.encoder.parameters()).view(-1)[0].add_(1e-3)
    assert cache_key(vlm) != key


# ------------------------------------------------------------------------------------ generation


def theirs(
    model: VisionEncoderDecoderModel, ids: Tensor, shown: list[Image.Image], vlm: Vlm
) -> str:
    """One prompt by the model's own generate."""
    how = {"max_new_tokens": 9, "do_sample": False, "suppress_tokens": unwritten(vlm)}
    if shown:
        states = model.encoder(pixels(vlm.processor.image_processor, shown)).last_hidden_state
        seen = BaseModelOutput(last_hidden_state=states.flatten(0, 1)[None])
        written = model.generate(encoder_outputs=seen, decoder_input_ids=ids, **how)
    else:
        written = model.decoder.generate(ids, attention_mask=torch.ones_like(ids), **how)
    return vlm.tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)


def test_answers_are_those_of_transformers_also_after_reading_back(vlm, tmp_path):
    answers = generate(vlm, ASKED, SHOWN, max_new_tokens=9)
    assert len(set(answers)) == 3
    adapters.save_base(vlm, tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert generate(again, ASKED, SHOWN, max_new_tokens=9) == answers
    stranger = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved").eval()
    assert isinstance(stranger, VisionEncoderDecoderModel)
    assert stranger.decoder.lm_head.weight is stranger.decoder.transformer.wte.weight
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    for prompt, shown, answer in zip(ASKED, SHOWN, answers, strict=True):
        parts = [
            {"type": "image"} if p is IMAGE else {"type": "text", "text": p}
            for p in prompt[0].parts
        ]
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": parts}], tokenize=False, add_generation_prompt=True
        )
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        assert theirs(stranger, ids, shown, again) == answer


def test_trap_padding_on_the_left_takes_no_position(one):
    alone = [
        generate(one, [prompt], [shown], max_new_tokens=9)[0]
        for prompt, shown in zip(ASKED, SHOWN, strict=True)
    ]
    assert generate(one, ASKED, SHOWN, max_new_tokens=9) == alone


def test_blind_is_the_decoder_without_a_picture(one):
    seen = generate(one, [ASKED[0]], [[RED]], max_new_tokens=9)
    blind = generate(one, [(user("what?"),)], [[]], max_new_tokens=9)
    assert seen != blind


def test_trap_dropout_of_gpt2_is_off(one):
    assert one.model.config.decoder.attn_pdrop == 0
    batch, images = ragged(), views(3)
    with torch.no_grad():
        quiet = token_logps(one.model, batch, pixel_values=images)
        one.model.train()
        assert torch.equal(token_logps(one.model, batch, pixel_values=images), quiet)


def asked(vlm: Vlm) -> Prompts:
    texts = [
        vlm.tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        for text in ("what?", "the crane", " a longer one ")
    ]
    rows = vlm.tokenizer(texts, padding=True, return_tensors="pt")
    names = (("red",), (), ("blue", "red"))
    features = encode_pictures(vlm, [RED, BLUE, RED])
    return Prompts(("0", "1", "2"), rows.input_ids, rows.attention_mask, names, features)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_samples_side_by_side_each_see_the_picture_and_their_own(one, attention, monkeypatch):
    one.model.set_attn_implementation(attention)
    prompts = asked(one)

    def drawn():
        generator = torch.Generator().manual_seed(2)
        return sample(one, prompts, number=4, max_new_tokens=12, generator=generator)

    together = drawn()
    monkeypatch.setattr("haiga.models.sample.why_unshared", lambda model: "for the test")
    assert drawn() == together
    assert len(set(together)) == len(together)


def test_a_sample_of_the_likeliest_is_the_answer(one):
    likeliest = sample(one, asked(one), number=2, max_new_tokens=9, temperature=0.0)
    texts = one.tokenizer.batch_decode(likeliest, skip_special_tokens=True)
    expected = generate(one, ASKED, SHOWN, max_new_tokens=9)
    assert texts == [text for text in expected for _ in range(2)]


def test_a_picture_is_looked_at_anew_and_read_once(one):
    """Its keys and values are made once for an answer, and not once for every token."""
    read = []
    layer = one.model.decoder.transformer.h[0].crossattention.c_attn
    hook = layer.register_forward_hook(lambda *given: read.append(1))
    sample(one, asked(one), number=2, max_new_tokens=9, temperature=0.0)
    hook.remove()
    assert len(read) == 1


def test_an_answer_that_does_not_fit_is_refused(one):
    with pytest.raises(TooLongError, match="1024 positions"):
        generate(one, [ASKED[0]], [[RED]], max_new_tokens=1020)


# ------------------------------------------------------------------------------------ words


def test_a_picture_takes_no_place_among_the_words(one):
    group = Group(
        "g",
        (user(IMAGE, "\nwhat?"),),
        (Answer((assistant("a crane"),)),),
        pictures=(Picture("p"),),
    )
    row = render(one.processor, group, one.picture_tokens)
    assert one.picture_tokens == 0
    text = one.tokenizer.decode(row.prefix)
    assert text == "<|im_start|>user\n\nwhat?<|im_end|>\n<|im_start|>assistant\n"
    assert row.picture_ids == ("p",)
    assert row.prefix[0] == one.model.config.decoder_start_token_id
    with pytest.raises(PlaceholderError, match="1 picture places and the row 0"):
        render(one.processor, replace(group, pictures=()), 0)


def test_what_is_kept_of_a_picture_is_counted_though_it_takes_no_place(one):
    found = timing.cost(one, [ASKED[0]] * 2, [[RED], [BLUE]], new_tokens=3, most=1)
    assert found["tokens_per_picture"] == 0
    decoder = one.model.config.decoder
    states = tower_features(one.model, views(1)).shape[1]
    # Keys and values in float32 of each state in each layer, however long the prompt is.
    assert found["kept_bytes_per_picture"] == 2 * decoder.n_layer * decoder.n_embd * 4 * states


def test_a_gpt2_that_knows_no_turns_is_given_plain_ones(tmp_path):
    vlm = joined(tmp_path, chat=False)
    group = Group("g", (user(IMAGE, "what?"),), (Answer((assistant("a crane"),)),), (Picture("p"),))
    row = render(vlm.processor, group, 0)
    assert vlm.tokenizer.decode(row.prefix) == "<|endoftext|>what?\n"
    (answer,) = row.answers
    learned = [id for id, learn in zip(answer.ids, answer.learn, strict=True) if learn]
    assert vlm.tokenizer.decode(learned) == "a crane<|endoftext|>"
    assert vlm.tokenizer.decode(answer.ids) == "a crane<|endoftext|>\n"


# ------------------------------------------------------------------------------------ parts


def test_what_is_new_depends_on_the_seed_alone(tmp_path):
    tower, decoder = tiny.tiny_tower(tmp_path / "t"), tiny.tiny_gpt2(tmp_path / "d")

    def weights(seed):
        made = assemble(tower, decoder, design="cross_attention", projector_seed=seed)
        return dict(made.model.named_parameters())

    first, again, other = weights(0), weights(0), weights(1)
    moved = {n for n in first if not torch.equal(first[n], other[n])}
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert moved == {
        n for n in first if n.endswith("weight") and ("crossattention" in n or "enc_to" in n)
    }


def test_equal_widths_need_no_projection(tmp_path):
    vlm = joined(tmp_path, width=tiny.VISION_WIDTH)
    assert not hasattr(vlm.model, "enc_to_dec_proj")
    assert compare(vlm.model, ragged(), pixel_values=views(3)) <= 1e-5


def test_a_vit_without_the_pooler_that_nobody_reads(tmp_path):
    tower, decoder = tiny.tiny_tower(tmp_path / "t", "vit"), tiny.tiny_gpt2(tmp_path / "d")
    whole = assemble(tower, decoder, design="cross_attention")
    weights = load_file(tower / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "pooler" not in name}
    assert len(weights) - len(kept) == 2
    save_file(kept, tower / "model.safetensors", {"format": "pt"})
    without = assemble(tower, decoder, design="cross_attention")
    assert not without.model.encoder.pooler.dense.weight.any()
    assert torch.equal(encode_pictures(without, [RED]), encode_pictures(whole, [RED]))
    kept.pop("layernorm.weight")
    save_file(kept, tower / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights .*layernorm"):
        assemble(tower, decoder, design="cross_attention")


@pytest.mark.parametrize("learning", ["adapter", "whole"])
def test_a_stage_is_saved_and_read_back(one, tmp_path, learning):
    adapters.save_base(one, tmp_path / "base")
    vlm = adapters.load_stage(tmp_path / "base")
    if learning == "adapter":
        vlm = adapters.attach(vlm, r=2, alpha=4)
        for name, weight in vlm.model.named_parameters():
            weight.requires_grad_("lora_" in name or "crossattention" in name)
    else:
        vlm.model.encoder.requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in (w for w in vlm.model.parameters() if w.requires_grad):
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.05)
    expected = generate(vlm, ASKED, SHOWN, max_new_tokens=9)
    assert expected != generate(one, ASKED, SHOWN, max_new_tokens=9)
    adapters.save(vlm, tmp_path / "stage", tmp_path / "base")
    again = adapters.load_stage(tmp_path / "stage")
    assert generate(again, ASKED, SHOWN, max_new_tokens=9) == expected
    assert compare(again.model, ragged(), pixel_values=views(3)) <= 1e-5
    names = {path.name for path in (tmp_path / "stage").iterdir()}
    assert ("adapter_model.safetensors" in names) == (learning == "adapter")
    assert ("weights.safetensors" in names) == (learning == "whole")


def test_an_adapter_hangs_on_gpt2s_own_products(one, recwarn):
    adapted = adapters.attach(one, r=2, alpha=4)
    assert not [each for each in recwarn if "fan_in_fan_out" in str(each.message)]
    on = {n.split(".lora_")[0] for n, _ in adapted.model.named_parameters() if ".lora_" in n}
    assert len(on) == 2 * 4
    assert not [name for name in on if "crossattention" in name or "encoder" in name]
    assert compare(adapted.model, ragged(), pixel_values=views(3)) <= 1e-5


def test_export_is_read_by_strangers(one, tmp_path):
    export(one, tmp_path / "out")
    assert load(tmp_path / "out").design.joint == "cross-attention"


# ------------------------------------------------------------------------------------ refusals


def test_models_that_do_not_fit(tmp_path):
    tower, decoder = tiny.tiny_tower(tmp_path / "t"), tiny.tiny_gpt2(tmp_path / "d")
    qwen = tiny.tiny_language_model(tmp_path / "q")
    with pytest.raises(ModelError, match="'qwen2' is no GPT-2"):
        assemble(tower, qwen, design="cross_attention")
    with pytest.raises(ModelError, match="'gpt2' is no vision tower"):
        assemble(decoder, decoder, design="cross_attention")


def test_a_template_that_begins_with_nothing_of_its_own(tmp_path):
    tower, decoder = tiny.tiny_tower(tmp_path / "t"), tiny.tiny_gpt2(tmp_path / "d")
    (decoder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(ModelError, match="begin with one token of its own"):
        assemble(tower, decoder, design="cross_attention")


def test_trap_looking_is_not_causal_in_bfloat16_either(one):
    """Attention by plain products, which training under autocast takes, with no mask to tell."""
    batch, images = ragged(counts=(1, 1, 1)), views(3)
    found = {}
    for name in (attention.NAME, "sdpa"):
        one.model.set_attn_implementation({"decoder": name})
        assert one.model.decoder.transformer.h[0].crossattention.config._attn_implementation == name
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            found[name] = token_logps(one.model, batch, pixel_values=images)
    with torch.no_grad():
        truth = token_logps(one.model, batch, pixel_values=images)
    apart = {name: float((logps - truth).square().mean().sqrt()) for name, logps in found.items()}
    assert apart[attention.NAME] <= 2 * apart["sdpa"]
