"""Contrastive training: columns of a real dual encoder, and a batch larger than memory."""

import pytest
import torch
from accelerate import Accelerator
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

import tiny
from haiga.objectives import OBJECTIVES
from haiga.records import IMAGE, Answer, Group, Picture, assistant, user
from haiga.training import pairs
from haiga.training.forward import Forward, columns_for
from haiga.training.gradients import accumulate
from haiga.training.loop import fit
from haiga.training.settings import Hooks, Settings

SIZES = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
VISION = SIZES | {"image_size": 8, "patch_size": 4}
TEXT = SIZES | {
    "vocab_size": 32,
    "max_position_embeddings": 6,
    "bos_token_id": 0,
    "eos_token_id": 31,
    "pad_token_id": 1,
}


def siglip(dropout: float = 0.2) -> SiglipModel:
    torch.manual_seed(0)
    vision = VISION | {"attention_dropout": dropout}
    model = SiglipModel(SiglipConfig(text_config=TEXT, vision_config=vision))
    torch.nn.init.constant_(model.logit_scale, 1.3)
    torch.nn.init.constant_(model.logit_bias, -2.0)
    return model


def clip() -> CLIPModel:
    torch.manual_seed(0)
    return CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=8))


def batch(rows, length=6) -> pairs.PairBatch:
    generator = torch.Generator().manual_seed(3)
    pictures = torch.randn(8, 3, 8, 8, generator=generator)
    captions = torch.randint(3, 30, (8, 4), generator=generator).tolist()
    made = [pairs.Pair(f"row-{i}", f"picture-{i}", (*captions[i], 31)) for i in rows]
    return pairs.collate(made, pictures[list(rows)], pad_id=1, length=length)


def test_captions_that_are_cut_are_counted():
    texts = ["a crane", "a crane in the snow under the old moon"]
    answers = tuple(Answer((assistant(text),)) for text in texts)
    groups = [
        Group("g", (user(IMAGE),), answers, (Picture("p"),)),
        Group("two", (user(IMAGE, IMAGE),), answers, (Picture("p"), Picture("q"))),
    ]
    tokenizer = tiny.tiny_tokenizer()
    made, cut = pairs.of_groups(groups, tokenizer, 12)
    assert cut == 1
    assert [pair.id for pair in made] == ["g/0", "g/1"]
    assert [tokenizer.decode(pair.tokens) for pair in made] == [texts[0], texts[1][:15]]
    assert made[0].siblings == (made[1].tokens,)


@pytest.mark.parametrize(("name", "model"), [("siglip", siglip), ("clip", clip)])
def test_the_loss_is_that_of_transformers(name, model):
    model, whole = model().eval(), batch(range(8))
    forward = Forward(model, columns_for(OBJECTIVES[name].function), torch.float32)
    mask = {} if name == "siglip" else {"attention_mask": whole.attention_mask}
    with torch.no_grad():
        loss = OBJECTIVES[name].function(**forward(whole))
        theirs = model(
            input_ids=whole.input_ids, pixel_values=whole.pixel_values, return_loss=True, **mask
        ).loss
    torch.testing.assert_close(loss.total / loss.count, theirs)


@pytest.mark.parametrize(("name", "model"), [("siglip", siglip), ("clip", clip)])
def test_chunks_give_the_gradient_of_the_whole_batch(name, model):
    model = model().double().eval()
    objective = OBJECTIVES[name]
    forward = Forward(model, columns_for(objective.function), torch.float32)

    def double(rows):
        made = batch(rows)
        object.__setattr__(made, "pixel_values", made.pixel_values.double())
        return made

    objective.function(**forward(double(range(8)))).total.backward()
    whole = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    chunks = [double([0, 1, 2]), double([3]), double([4, 5, 6, 7])]
    sums = accumulate(Accelerator(), forward, objective, chunks, seed=0, step=0)
    assert sums.count == 8
    assert whole["logit_scale"].abs().max() > 0
    for name_, parameter in model.named_parameters():
        if name_ in whole:
            # Columns are normalised in float32, as a loss is in training.
            torch.testing.assert_close(parameter.grad, whole[name_], rtol=1e-4, atol=1e-6)


def test_dropout_repeats_in_the_second_pass():
    """With other values dropped, the two passes would differ, and training twice would, too."""
    objective = OBJECTIVES["siglip"]
    gradients = []
    for chunks in ([batch(range(4)), batch(range(4, 8))],) * 2:
        model = siglip().train()
        seen = []
        columns = columns_for(objective.function)

        def spy(model, batch, columns=columns, seen=seen):
            seen.append(columns(model, batch))
            return seen[-1]

        accumulate(Accelerator(), Forward(model, spy, torch.float32), objective, chunks, 1, 5)
        for first, second in zip(seen[:2], seen[2:], strict=True):
            assert torch.equal(first["image_embeds"], second["image_embeds"])
        gradients.append(model.vision_model.embeddings.patch_embedding.weight.grad)
    assert torch.equal(*gradients)
    kept = columns_for(objective.function)(siglip().eval(), batch(range(4, 8)))
    assert not torch.equal(kept["image_embeds"], second["image_embeds"])


def test_it_learns_pairs_with_everything_frozen_but_the_text_tower():
    model = siglip()
    model.vision_model.requires_grad_(False)
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [{"params": [p for _, p in named], "names": [n for n, _ in named], "lr": 2e-2}]
    seen = []
    fit(
        model,
        groups,
        OBJECTIVES["siglip"],
        lambda step: [batch(range(4)), batch(range(4, 8))],
        Settings(steps=40),
        hooks=Hooks(emit=seen.append),
    )
    steps = [event for event in seen if event["kind"] == "step"]
    assert seen[0]["effective_batch"] == 8
    assert steps[-1]["loss"] < 0.8 * steps[0]["loss"]
    assert steps[0]["positive_loss"] + steps[0]["negative_loss"] == pytest.approx(steps[0]["loss"])


def test_equal_captions_get_equal_ids_and_padding_does_not_matter():
    made = pairs.collate(
        [
            pairs.Pair("a", "p", (5, 6)),
            pairs.Pair("b", "q", (5, 6)),
            pairs.Pair("c", "q", (5, 6, 7)),
        ],
        torch.zeros(3, 3, 8, 8),
        pad_id=1,
    )
    assert made.caption_ids[0] == made.caption_ids[1] != made.caption_ids[2]
    assert made.picture_ids[1] == made.picture_ids[2] != made.picture_ids[0]
    assert made.input_ids.tolist() == [[5, 6, 1], [5, 6, 1], [5, 6, 7]]
    assert made.attention_mask.tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]


def test_micro_batches_have_room_for_as_many_true_captions():
    """One picture has eleven titles, and stands in one of two chunks that are joined."""
    many = pairs.Pair("a", "p", (5,), tuple((5, number) for number in range(10)))
    alone = pairs.Pair("b", "q", (6,))
    chunks = [pairs.collate([each], torch.zeros(1, 3, 8, 8), 1, most=11) for each in (many, alone)]
    assert [chunk.true_captions.shape for chunk in chunks] == [(1, 11)] * 2
    assert chunks[1].true_captions[0, 1:].tolist() == [-1] * 10


def test_a_long_caption_is_an_error():
    with pytest.raises(ValueError, match=r"caption of a has 3 tokens.*takes 2"):
        pairs.collate([pairs.Pair("a", "p", (1, 2, 3))], torch.zeros(1, 3, 8, 8), 1, length=2)


def test_activations_computed_again_give_the_same_training():
    ends = []
    for again in (False, True):
        model = siglip()
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        groups = [{"params": [p for _, p in named], "names": [n for n, _ in named], "lr": 1e-2}]
        settings = Settings(steps=3, gradient_checkpointing=again)
        fit(model, groups, OBJECTIVES["siglip"], lambda step: [batch(range(4))], settings)
        assert model.is_gradient_checkpointing is again
        ends.append(model.state_dict())
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value)
