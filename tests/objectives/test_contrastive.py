import math

import pytest
import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from haiga.objectives.contrastive import clip, siglip, siglip_patches

AXES = torch.eye(2)
APART = torch.arange(2)
VISION = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 8,
    "patch_size": 4,
}
TEXT = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 32,
    "max_position_embeddings": 6,
}


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_siglip_by_hand():
    # Embeddings are the two axes, scale 2, bias -1: logits are 1 on the diagonal and -1 off it.
    # Each of the four pairs then costs -log sigmoid(1) = log(1 + 1/e).
    loss = siglip(AXES, AXES, torch.tensor(math.log(2)), torch.tensor(-1.0), APART, APART)
    assert float(loss.total) == pytest.approx(4 * softplus(-1))
    assert loss.count == 2
    assert float(loss.metrics["positive_loss"][0]) == pytest.approx(2 * softplus(-1))
    assert float(loss.metrics["negative_loss"][0]) == pytest.approx(2 * softplus(-1))
    assert float(loss.metrics["image_to_text_accuracy"][0]) == 2


def test_siglip_patches_by_hand():
    # Each picture has one patch on its caption's axis and one at right angles to both captions.
    # Scale 2: the two scores of a right pair are 2 and 0, log mean exp = log((e^2 + 1) / 2); those
    # of a wrong pair are 0 and 0, log mean exp = 0. The bias of -1 comes on top.
    axes = torch.eye(3)
    patches = torch.stack([axes[[0, 2]], axes[[1, 2]]])
    true = torch.tensor([[0, -1], [1, -1]])
    given = (patches, axes[:2], torch.tensor(math.log(2)), torch.tensor(-1.0))
    loss = siglip_patches(*given, true, APART)
    right = math.log((math.exp(2) + 1) / 2) - 1
    assert float(loss.total) == pytest.approx(2 * softplus(-right) + 2 * softplus(-1), rel=1e-6)
    assert loss.count == 2
    assert float(loss.metrics["first_is_true"][0]) == 2
    # Where both captions are true of the first picture, its second pair is a yes.
    both = siglip_patches(*given, torch.tensor([[0, 1], [1, -1]]), APART)
    more = 2 * softplus(-right) + softplus(1) + softplus(-1)
    assert float(both.total) == pytest.approx(more, rel=1e-6)


def test_one_patch_is_the_whole_picture():
    given = (AXES, torch.tensor(0.3), torch.tensor(-1.0))
    whole = siglip(AXES, *given, APART, APART)
    single = siglip_patches(AXES[:, None], *given, APART[:, None], APART)
    torch.testing.assert_close(whole.total, single.total)


def test_clip_by_hand():
    # Logits are 2 on the diagonal and 0 off it: log(1 + exp(-2)) a row, in both directions.
    loss = clip(AXES, AXES, torch.tensor(math.log(2)), APART, APART)
    assert float(loss.total) == pytest.approx(2 * softplus(-2))
    assert loss.count == 2


def test_clip_tells_its_directions_apart():
    # Both captions point at the first picture: a caption finds its picture half the time.
    captions = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    loss = clip(AXES, captions, torch.tensor(0.0), APART, APART)
    # Picture rows are (1, 1) and (0, 0): ln 2 each. Caption columns are (1, 0) twice.
    assert float(loss.metrics["image_to_text_loss"][0]) == pytest.approx(2 * math.log(2))
    assert float(loss.metrics["text_to_image_loss"][0]) == pytest.approx(softplus(-1) + softplus(1))


@pytest.mark.parametrize("shared", ["picture_ids", "caption_ids"])
def test_equal_pictures_or_captions_are_no_negatives(shared):
    ids = {"picture_ids": APART, "caption_ids": APART} | {shared: torch.tensor([7, 7])}
    scale, bias = torch.tensor(math.log(2)), torch.tensor(-1.0)
    sigmoid = siglip(AXES, AXES, scale, bias, **ids)
    assert float(sigmoid.total) == pytest.approx(2 * softplus(-1))  # the two positives are left
    assert float(clip(AXES, AXES, scale, **ids).total) == pytest.approx(0.0)


def outputs(model: torch.nn.Module):
    torch.manual_seed(1)
    return model(
        input_ids=torch.randint(3, 30, (5, 6)),
        pixel_values=torch.randn(5, 3, 8, 8),
        return_loss=True,
    )


def test_siglip_equals_transformers():
    torch.manual_seed(0)
    model = SiglipModel(SiglipConfig(text_config=TEXT, vision_config=VISION)).eval()
    with torch.no_grad():
        model.logit_scale.fill_(1.3)
        model.logit_bias.fill_(-2.0)
        out = outputs(model)
        ours = siglip(
            F.normalize(out.image_embeds, dim=-1),
            F.normalize(out.text_embeds, dim=-1),
            model.logit_scale[0],
            model.logit_bias[0],
            torch.arange(5),
            torch.arange(5),
        )
    torch.testing.assert_close(ours.total / ours.count, out.loss)


def test_clip_equals_transformers():
    torch.manual_seed(0)
    text = TEXT | {"bos_token_id": 0, "eos_token_id": 31, "pad_token_id": 1}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=8)).eval()
    with torch.no_grad():
        out = outputs(model)
        ours = clip(
            out.image_embeds, out.text_embeds, model.logit_scale, torch.arange(5), torch.arange(5)
        )
    torch.testing.assert_close(ours.total / ours.count, out.loss)
