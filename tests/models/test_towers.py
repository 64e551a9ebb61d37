import json
from io import BytesIO

import numpy as np
import pytest
import sentencepiece
import torch
from PIL import Image
from transformers import (
    AutoModel,
)

from haiga.errors import ModelError
from haiga.models.fit import pixels
from haiga.models.towers import load_towers, picture_embeds, text_embeds
from tiny_towers import tiny_towers


def picture(seed):
    noise = np.random.default_rng(seed).integers(0, 255, (40, 50, 3))
    return Image.fromarray(noise.astype(np.uint8))


TEXTS = ["the moon", "the boat and the other boat, far out on the waves", "", "月"]


@pytest.mark.parametrize("family", ["siglip", "clip"])
def test_embeddings_are_those_of_the_model_itself(tmp_path, family):
    towers = load_towers(tiny_towers(tmp_path, family))
    images = [picture(seed) for seed in range(3)]
    seen, read = picture_embeds(towers, images, batch=2), text_embeds(towers, TEXTS, batch=3)
    whole = AutoModel.from_pretrained(tmp_path).eval()
    tokens = towers.tokenizer(
        TEXTS, padding="max_length", max_length=12, truncation=True, return_tensors="pt"
    )
    mask = {} if family == "siglip" else {"attention_mask": tokens.attention_mask}
    with torch.no_grad():
        out = whole(
            input_ids=tokens.input_ids, pixel_values=pixels(towers.processor, images), **mask
        )
    torch.testing.assert_close(seen, out.image_embeds)
    torch.testing.assert_close(read, out.text_embeds)
    torch.testing.assert_close(read.norm(dim=-1), torch.ones(4))
    assert not seen.requires_grad
    assert not read.requires_grad


@pytest.mark.parametrize("family", ["siglip", "clip"])
def test_a_text_is_read_the_same_alone_and_among_others_and_only_so_far(tmp_path, family):
    towers = load_towers(tiny_towers(tmp_path, family))
    assert towers.longest == 12
    alone = torch.cat([text_embeds(towers, [text]) for text in TEXTS])
    torch.testing.assert_close(text_embeds(towers, TEXTS), alone)
    long = "the boats are all at sea"
    torch.testing.assert_close(
        text_embeds(towers, [long]), text_embeds(towers, [long + " tonight"])
    )
    assert not torch.allclose(alone[0], alone[3])


def test_nothing_is_embedded_as_nothing(tmp_path):
    towers = load_towers(tiny_towers(tmp_path, "clip"))
    assert len(picture_embeds(towers, [])) == len(text_embeds(towers, [])) == 0


def test_what_is_no_dual_encoder_is_refused(tmp_path, siglip_tower, tiny_lm):
    with pytest.raises(ModelError, match="cannot be read as a checkpoint"):
        load_towers(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="is a Qwen2Model, which has not a tower for pictures"):
        load_towers(tiny_lm)


def test_siglips_own_tokenizer_is_read(tmp_path):
    """Published SigLIPs come with a model of SentencePiece, and lower-case what they read."""
    tiny_towers(tmp_path, "siglip")
    model = BytesIO()
    texts = iter(["a boat in rain", "a bridge over the river", "moon and pine"] * 9)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=texts, model_writer=model, vocab_size=30, hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "spiece.model").write_bytes(model.getvalue())
    words = {"pad_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
    told = {"tokenizer_class": "SiglipTokenizer", "do_lower_case": True, **words}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
    towers = load_towers(tmp_path)
    assert type(towers.tokenizer).__name__ == "SiglipTokenizer"
    read = text_embeds(towers, ["A Boat, in RAIN.", "a boat in rain", "moon"])
    torch.testing.assert_close(read[0], read[1])
    assert not torch.allclose(read[1], read[2])


def test_a_tokenizer_that_nothing_here_reads_is_a_sentence(tmp_path, monkeypatch):
    tiny_towers(tmp_path, "siglip")

    def missing(*args, **options):
        raise ImportError("\nSiglipTokenizer requires the\nSentencePiece library.\n")

    monkeypatch.setattr("haiga.models.towers.AutoTokenizer.from_pretrained", missing)
    with pytest.raises(ModelError, match="SiglipTokenizer requires the SentencePiece library"):
        load_towers(tmp_path)
