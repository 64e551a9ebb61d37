import pytest
import torch
from PIL import Image
from tokenizers.processors import TemplateProcessing

import tiny
from haiga.batches.render import render
from haiga.errors import DataError, PlaceholderError, TooLongError
from haiga.models import adapters
from haiga.models.assemble import assemble
from haiga.models.generate import generate, respond
from haiga.records import (
    IMAGE,
    MAX_PICTURES,
    Group,
    Message,
    Picture,
    message_to_dict,
    user,
)

COLOURS = ("red", "blue", "green")
PICTURES = [Image.new("RGB", (60, 30), colour) for colour in COLOURS]
PROMPTS = [
    (user("the crane"),),
    (user(IMAGE, "what?"),),
    (Message("system", ("Be brief.",)), user("first ", IMAGE, " then ", IMAGE, ", which?")),
    (user("a much longer prompt without any picture at all"),),
    (user("say it: ", IMAGE),),
]
IMAGES = [[], PICTURES[:1], PICTURES[1:], [], PICTURES[2:]]


def _run(vlm, **options):
    return generate(vlm, PROMPTS, IMAGES, max_new_tokens=10, **options)


def test_batched_answers_are_those_of_one_at_a_time(tiny_vlm):
    alone = [
        generate(tiny_vlm, [prompt], [images], max_new_tokens=10)[0]
        for prompt, images in zip(PROMPTS, IMAGES, strict=True)
    ]
    assert _run(tiny_vlm) == alone
    assert _run(tiny_vlm, batch=2) == alone
    assert len(set(alone)) > 1


def test_answers_are_those_of_transformers(tiny_vlm):
    """By the processor's ids, pixels, and the model's own `generate`."""
    barred = [tiny_vlm.image_token_id, *range(len(tiny_vlm.tokenizer), tiny.VOCABULARY)]
    how = {"max_new_tokens": 10, "do_sample": False, "suppress_tokens": barred}
    expected = []
    for prompt, images in zip(PROMPTS, IMAGES, strict=True):
        rows = [message_to_dict(message) for message in prompt]
        inputs = tiny_vlm.processor(
            text=tiny_vlm.processor.apply_chat_template(rows, add_generation_prompt=True),
            images=images or None,
            return_tensors="pt",
        )
        written = tiny_vlm.model.generate(**inputs, **how)[0, inputs["input_ids"].shape[1] :]
        expected.append(tiny_vlm.tokenizer.decode(written, skip_special_tokens=True))
    assert _run(tiny_vlm) == expected


def test_several_answers_stand_side_by_side(tiny_vlm):
    drawn = _run(tiny_vlm, number=3, temperature=1.0)
    assert len(drawn) == 15
    assert len(set(drawn)) > 5
    assert _run(tiny_vlm, number=3) == [text for text in _run(tiny_vlm) for _ in range(3)]


def test_greedy_is_the_likeliest_token_by_hand(tiny_vlm):
    """One token at a time through the plain forward, without a cache or a batch."""
    inputs = tiny_vlm.processor(
        text=["<|im_start|>user\n<|image_pad|>what?<|im_end|>\n<|im_start|>assistant\n"],
        images=PICTURES[:1],
        return_tensors="pt",
    )
    ids, written = inputs["input_ids"], []
    for _ in range(10):
        with torch.no_grad():
            logits = tiny_vlm.model(input_ids=ids, pixel_values=inputs["pixel_values"]).logits[
                0, -1
            ]
        logits[tiny_vlm.image_token_id :] = -torch.inf
        token = int(logits.argmax())
        written.append(token)
        if token == tiny_vlm.tokenizer.eos_token_id:
            break
        ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
    expected = tiny_vlm.tokenizer.decode(written, skip_special_tokens=True)
    assert generate(tiny_vlm, PROMPTS[1:2], IMAGES[1:2], max_new_tokens=10) == [expected]


def test_the_picture_matters(tiny_vlm):
    answers = generate(tiny_vlm, [PROMPTS[1]] * 3, [[p] for p in PICTURES], max_new_tokens=10)
    assert len(set(answers)) > 1


def _prefer(vlm, token_id):
    """Make one token the likeliest everywhere."""
    vlm.model.lm_head = torch.nn.Linear(tiny.TEXT_WIDTH, tiny.VOCABULARY)
    with torch.no_grad():
        vlm.model.lm_head.weight.zero_()
        vlm.model.lm_head.bias.zero_()[token_id] = 50.0


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_picture_place_is_never_written(tiny_vlm, temperature, monkeypatch):
    _prefer(tiny_vlm, tiny_vlm.image_token_id)
    written = []
    original = tiny_vlm.tokenizer.decode
    monkeypatch.setattr(
        tiny_vlm.tokenizer, "decode", lambda ids, **how: written.extend(ids) or original(ids, **how)
    )
    _run(tiny_vlm, temperature=temperature)
    assert tiny_vlm.image_token_id not in written
    assert max(written) < len(tiny_vlm.tokenizer), "rows without a token are never written"


def test_an_answer_ends_at_the_end_marker(tiny_vlm):
    _prefer(tiny_vlm, tiny_vlm.tokenizer.convert_tokens_to_ids("<|im_end|>"))
    assert _run(tiny_vlm) == [""] * 5


def test_the_checkpoints_own_defaults_are_not_used(tiny_vlm):
    expected = _run(tiny_vlm)
    own = tiny_vlm.model.generation_config
    own.repetition_penalty, own.top_k, own.do_sample, own.temperature = 5.0, 2, True, 0.1
    own.no_repeat_ngram_size, own.min_new_tokens, own.num_beams = 1, 3, 2
    assert _run(tiny_vlm) == expected


def test_sampling_is_reproducible_and_leaves_the_global_state(tiny_vlm):
    torch.manual_seed(0)
    first = _run(tiny_vlm, temperature=1.0, seed=3)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(1))
    assert _run(tiny_vlm, temperature=1.0, seed=3) == first
    assert _run(tiny_vlm, temperature=1.0, seed=4) != first


def test_sampling_draws_from_the_whole_distribution(tiny_vlm):
    """No top-k, no top-p: with flat logits every letter turns up."""
    _prefer(tiny_vlm, 0)
    with torch.no_grad():
        tiny_vlm.model.lm_head.bias.zero_()
    answers = generate(
        tiny_vlm, [(user("x"),)] * 16, [[]] * 16, max_new_tokens=100, temperature=1.0
    )
    assert len(set("".join(answers))) > 90


def test_the_mode_is_put_back(tiny_vlm):
    tiny_vlm.model.train()
    _run(tiny_vlm)
    assert tiny_vlm.model.training
    with pytest.raises(TooLongError):
        generate(tiny_vlm, PROMPTS, IMAGES, max_new_tokens=2000)
    assert tiny_vlm.model.training


def test_dropout_is_off_while_training_pauses(tiny_vlm, speaking):
    vlm = speaking(adapters.attach(tiny_vlm, r=4, dropout=0.5))
    expected = _run(vlm)
    vlm.model.train()
    assert _run(vlm) == expected


def test_what_is_asked_is_what_was_trained(tiny_vlm, monkeypatch):
    """Llama's and Mistral's tokenizers begin a text by themselves, and their templates do, too."""
    tokenizer = tiny_vlm.tokenizer
    begin = ("<|endoftext|>", tokenizer.convert_tokens_to_ids("<|endoftext|>"))
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin[0]} $A", special_tokens=[begin]
    )
    assert tokenizer("a").input_ids[0] == begin[1]
    shown = tuple(Picture(str(at)) for at in range(len(IMAGES[2])))
    trained = render(tiny_vlm.processor, Group("row", PROMPTS[2], (), shown), tiny.PATCHES).prefix
    seen = []
    monkeypatch.setattr(
        "haiga.models.generate.sample",
        lambda vlm, prompts, **how: seen.append(prompts.input_ids[0].tolist()) or [(7,)],
    )
    generate(tiny_vlm, [PROMPTS[2]], [IMAGES[2]], max_new_tokens=2)
    given = tiny_vlm.design.asked(tiny_vlm.processor, "<|image_pad|>what?", PICTURES[0])
    assert seen == [list(trained)]
    assert given["input_ids"][0, 0] == tiny_vlm.image_token_id


def test_nothing_to_do(tiny_vlm):
    assert generate(tiny_vlm, [], [], max_new_tokens=5) == []


def test_trap_the_model_itself_compares_totals_only(tiny_vlm):
    pixel_values = tiny_vlm.processor.image_processor(PICTURES[:2], return_tensors="pt")
    image = tiny_vlm.image_token_id
    ids = torch.tensor([[5] + [image] * 15 + [7], [image] * 17])
    assert tiny_vlm.model(input_ids=ids, **pixel_values).logits.shape[:2] == (2, 17)


def test_swapped_pictures_of_a_batch_are_caught_by_row(tiny_vlm):
    with pytest.raises(PlaceholderError, match="Prompt 0 has 1 picture places and 2 pictures"):
        generate(tiny_vlm, [PROMPTS[1], PROMPTS[2]], [PICTURES[:2], PICTURES[:1]], max_new_tokens=2)


def test_features_that_fill_other_places_are_caught_by_row(tiny_vlm):
    def see(rows):
        return torch.zeros(sum(len(IMAGES[row]) for row in rows), 17, tiny.VISION_WIDTH)

    with pytest.raises(PlaceholderError, match="Row 1: 16 picture places for 1 pictures of 17"):
        respond(tiny_vlm, PROMPTS, see, max_new_tokens=2)


def test_a_text_cannot_add_a_picture_place(tiny_vlm):
    with pytest.raises(PlaceholderError, match="text of prompt 0 holds the picture place"):
        generate(tiny_vlm, [(user("see <|image_pad|>"),)], [[]], max_new_tokens=2)


def test_too_many_pictures(tiny_vlm):
    many = MAX_PICTURES + 1
    with pytest.raises(DataError, match="9 pictures, where at most 8 are read"):
        generate(tiny_vlm, [(user(*[IMAGE] * many),)], [PICTURES[:1] * many], max_new_tokens=2)


def test_half_precision(siglip_tower, tiny_lm):
    vlm = assemble(siglip_tower, tiny_lm, dtype=torch.bfloat16)
    assert len(_run(vlm)) == 5
