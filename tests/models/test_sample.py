import pytest
import torch
from PIL import Image

from haiga.errors import ModelError
from haiga.models import adapters
from haiga.models import sample as module
from haiga.models.embeddings import tower_features
from haiga.models.fit import pixels
from haiga.models.generate import generate
from haiga.models.sample import Prompts, drawn, sample
from haiga.records import IMAGE, user

PICTURE = Image.new("RGB", (60, 30), "red")
ASKED = [(user("the crane"),), (user(IMAGE, "what?"),), (user("a longer question ", IMAGE),)]
SHOWN = [[], [PICTURE], [PICTURE]]


@pytest.fixture
def prompts(tiny_vlm):
    lists = []
    for words in ("the crane", "<|image_pad|>what?", "a longer question <|image_pad|>"):
        text = f"<|im_start|>user\n{words}<|im_end|>\n<|im_start|>assistant\n"
        ids = tiny_vlm.tokenizer(text, add_special_tokens=False).input_ids
        places = [tiny_vlm.image_token_id] * tiny_vlm.picture_tokens
        lists.append(
            [x for id_ in ids for x in (places if id_ == tiny_vlm.image_token_id else [id_])]
        )
    width = max(map(len, lists))
    pad = tiny_vlm.tokenizer.pad_token_id
    views = pixels(tiny_vlm.processor.image_processor, [PICTURE, PICTURE])
    with torch.no_grad():
        features = tower_features(tiny_vlm.model, views)
    return Prompts(
        ids=("0", "1", "2"),
        input_ids=torch.tensor([[pad] * (width - len(row)) + row for row in lists]),
        attention_mask=torch.tensor([[0] * (width - len(r)) + [1] * len(r) for r in lists]),
        picture_ids=((), ("red",), ("red",)),
        features=features,
    )


def _texts(vlm, rows):
    return [vlm.tokenizer.decode(row, skip_special_tokens=True) for row in rows]


def test_the_likeliest_continuation_is_that_of_generate_and_the_same_in_every_branch(
    tiny_vlm, prompts
):
    rows = sample(tiny_vlm, prompts, number=3, max_new_tokens=10, temperature=0.0)
    expected = generate(tiny_vlm, ASKED, SHOWN, max_new_tokens=10)
    assert _texts(tiny_vlm, rows) == [text for text in expected for _ in range(3)]


def test_under_an_adapter_too(tiny_vlm, prompts, speaking):
    adapted = speaking(adapters.attach(tiny_vlm, r=2, alpha=4))
    rows = sample(adapted, prompts, number=1, max_new_tokens=6, temperature=0.0)
    assert _texts(adapted, rows) == generate(adapted, ASKED, SHOWN, max_new_tokens=6)


def test_who_has_ended_is_left_behind_and_nobody_else_minds(tiny_vlm, prompts, monkeypatch):
    alone = sample(tiny_vlm, prompts, number=1, max_new_tokens=12, temperature=0.0)
    # The first row ends at once and the last one in the middle: then one of three goes on.
    ends = {alone[0][0], alone[2][6]}
    monkeypatch.setattr(module, "ends_of", lambda vlm: ends)
    widths, body = [], tiny_vlm.model.model.language_model
    body.register_forward_pre_hook(
        lambda _, args, given: widths.append(len(given["inputs_embeds"])), with_kwargs=True
    )
    found = sample(tiny_vlm, prompts, number=1, max_new_tokens=12, temperature=0.0)
    firsts = [[at for at, token in enumerate(row) if token in ends] for row in alone]
    assert found == [row[: at[0] + 1] if at else row for row, at in zip(alone, firsts, strict=True)]
    assert (widths[0], widths[-1]) == (3, 1)


def test_tokens_come_as_often_as_the_model_says(tiny_vlm, prompts):
    answers = sample(
        tiny_vlm,
        prompts,
        number=4000,
        max_new_tokens=1,
        generator=torch.Generator().manual_seed(1),
    )
    with torch.no_grad():
        logits = tiny_vlm.model(
            input_ids=prompts.input_ids[:1, prompts.attention_mask[0].argmax() :]
        ).logits[0, -1]
    logits[tiny_vlm.image_token_id] = -torch.inf
    logits[len(tiny_vlm.tokenizer) :] = -torch.inf
    expected = logits.softmax(-1)
    found = torch.bincount(
        torch.tensor([row[0] for row in answers[:4000]]), minlength=len(expected)
    )
    # Four standard deviations of a binomial count, for every token.
    spread = (4000 * expected * (1 - expected)).sqrt()
    assert ((found - 4000 * expected).abs() <= 4 * spread + 1).all()


def test_the_picture_place_is_never_drawn(tiny_vlm, prompts):
    with torch.no_grad():
        tiny_vlm.model.get_output_embeddings().weight[tiny_vlm.image_token_id] *= 100
    rows = sample(
        tiny_vlm,
        prompts,
        number=50,
        max_new_tokens=8,
        temperature=5.0,
        generator=torch.Generator().manual_seed(0),
    )
    assert tiny_vlm.image_token_id not in {token for row in rows for token in row}


def test_a_draw_is_where_the_random_number_falls(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *size, **how: torch.tensor([[0.0], [0.49], [0.5]]))
    shares = torch.tensor([[0.0, 0.25, 0.25, 0.5], [0.5, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, 1.0]])
    # The shares of a row need not add up to 1: half of 2 is where its last one begins.
    assert drawn(shares).tolist() == [[1], [0], [3]]


def test_what_has_no_share_is_never_drawn():
    shares = torch.zeros(20_000, 6)
    shares[:, [1, 4]] = torch.tensor([0.2, 0.8])
    found = drawn(shares, torch.Generator().manual_seed(0)).flatten().bincount(minlength=6) / 20_000
    assert found[[0, 2, 3, 5]].tolist() == [0.0] * 4
    assert found[4] == pytest.approx(0.8, abs=4 * (0.16 / 20_000) ** 0.5)


def test_the_same_seed_draws_the_same(tiny_vlm, prompts):
    def answers(seed):
        generator = torch.Generator().manual_seed(seed)
        return sample(tiny_vlm, prompts, number=4, max_new_tokens=8, generator=generator)

    assert answers(3) == answers(3) != answers(4)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_side_by_side_each_sees_the_prompt_and_its_own(tiny_vlm, prompts, attention, monkeypatch):
    tiny_vlm.model.set_attn_implementation(attention)

    def answers():
        generator = torch.Generator().manual_seed(2)
        return sample(tiny_vlm, prompts, number=4, max_new_tokens=12, generator=generator)

    together = answers()
    monkeypatch.setattr("haiga.models.sample.why_unshared", lambda model: "for the test")
    assert answers() == together
    assert len(set(together)) == len(together)


def test_nothing_is_left_behind(tiny_vlm, prompts):
    tiny_vlm.model.train()
    sample(tiny_vlm, prompts, number=2, max_new_tokens=4)
    assert tiny_vlm.model.training
    assert all(weight.grad is None for weight in tiny_vlm.model.parameters())


def test_an_answer_that_does_not_fit_is_refused(tiny_vlm, prompts):
    with pytest.raises(ModelError, match="positions"):
        sample(tiny_vlm, prompts, number=1, max_new_tokens=100_000)
