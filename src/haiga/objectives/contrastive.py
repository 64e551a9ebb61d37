"""Contrastive objectives for two towers: every picture of a batch against every caption.

Two rows may hold one picture or one caption. The pair (picture of one, caption of the other) is
then no negative, though it lies off the diagonal; it is left out, as neither positive nor negative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from haiga.objectives.base import Loss, Metric


def siglip(
    image_embeds: Float[Tensor, "B D"],
    text_embeds: Float[Tensor, "B D"],
    logit_scale: Float[Tensor, ""],
    logit_bias: Float[Tensor, ""],
    picture_ids: Int[Tensor, " B"],
    caption_ids: Int[Tensor, " B"],
) -> Loss:
    """The sigmoid loss of Zhai et al. (2023), equation 1: each of the B x B pairs is a yes or a no.

        -sum_ij log sigmoid(z_ij (exp(logit_scale) x_i . y_j + logit_bias)),   z = 2 I - 1

    summed over pairs, counted over the B rows. Embeddings have unit length; `logit_scale` is the
    logarithm of the temperature's inverse, as checkpoints keep it.
    """
    similarity = image_embeds @ text_embeds.T
    logits = similarity * logit_scale.exp() + logit_bias
    yes = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    no = ~(yes | _no_negative(picture_ids, caption_ids))
    return _yes_or_no(logits, yes, no, _accuracies(similarity, picture_ids, caption_ids))


def siglip_patches(
    patch_embeds: Float[Tensor, "B T D"],
    text_embeds: Float[Tensor, "B D"],
    logit_scale: Float[Tensor, ""],
    logit_bias: Float[Tensor, ""],
    true_captions: Int[Tensor, "B K"],
    caption_ids: Int[Tensor, " B"],
) -> Loss:
    """A picture held against a caption patch by patch, each pair a yes or a no of its own.

        logit_ij = log mean_t exp(exp(logit_scale) x_it . y_j) + logit_bias
        -sum_ij log sigmoid(z_ij logit_ij),   z_ij = 1 if caption j is one of picture i's, else -1

    Late interaction as in FILIP (Yao et al. 2021), pooled by log-mean-exp (Pinheiro and Collobert
    2015), which lets every patch learn where a maximum lets one; several captions may be true of a
    picture, as in UniCL (Yang et al. 2022). With captions of a single thing each it teaches the
    patches, which are what a LLaVA reads, to say what stands on them. Summed over pairs, counted
    over the B rows. `true_captions` are the ids of a picture's captions, padded with -1.
    """
    scaled = torch.einsum("itd,jd->ijt", patch_embeds, text_embeds) * logit_scale.exp()
    logits = scaled.logsumexp(dim=2) - math.log(scaled.shape[2]) + logit_bias
    true = (true_captions[:, :, None] == caption_ids).any(dim=1)
    first = logits.detach().argmax(dim=1, keepdim=True)
    metrics: dict[str, Metric] = {"first_is_true": (true.gather(1, first).sum(), len(logits))}
    return _yes_or_no(logits, true, ~true, metrics)


def clip(
    image_embeds: Float[Tensor, "B D"],
    text_embeds: Float[Tensor, "B D"],
    logit_scale: Float[Tensor, ""],
    picture_ids: Int[Tensor, " B"],
    caption_ids: Int[Tensor, " B"],
) -> Loss:
    """The symmetric InfoNCE loss of Radford et al. (2021), figure 3.

        sum_i (-log softmax_j(s_ij)_i - log softmax_j(s_ji)_i) / 2,   s = exp(logit_scale) x . y

    The first term picks the caption of a picture, the second the picture of a caption.
    """
    logits = (image_embeds @ text_embeds.T) * logit_scale.exp()
    logits = logits.masked_fill(_no_negative(picture_ids, caption_ids), -torch.inf)
    image_to_text = -logits.log_softmax(dim=1).diagonal().sum()
    text_to_image = -logits.log_softmax(dim=0).diagonal().sum()
    rows = len(logits)
    metrics = {
        "image_to_text_loss": (image_to_text.detach(), rows),
        "text_to_image_loss": (text_to_image.detach(), rows),
    }
    total = (image_to_text + text_to_image) / 2
    return Loss(total, rows, metrics | _accuracies(logits, picture_ids, caption_ids))


def _yes_or_no(
    logits: Float[Tensor, "B B"],
    yes: Bool[Tensor, "B B"],
    no: Bool[Tensor, "B B"],
    metrics: Mapping[str, Metric],
) -> Loss:
    """-log sigmoid(logit) of each pair that is a yes, -log sigmoid(-logit) of each that is a no.

    Summed over pairs, counted over rows; a pair that is neither is left out.
    """
    positive = F.softplus(-logits).masked_fill(~yes, 0.0).sum()
    negative = F.softplus(logits).masked_fill(~no, 0.0).sum()
    rows = len(logits)
    parts = {
        "positive_loss": (positive.detach(), rows),
        "negative_loss": (negative.detach(), rows),
    }
    return Loss(positive + negative, rows, {**parts, **metrics})


def _no_negative(
    picture_ids: Int[Tensor, " B"], caption_ids: Int[Tensor, " B"]
) -> Bool[Tensor, "B B"]:
    """Where a pair off the diagonal shares its picture or its caption."""
    same = (picture_ids[:, None] == picture_ids) | (caption_ids[:, None] == caption_ids)
    return same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)


def _accuracies(
    similarity: Float[Tensor, "B B"],
    picture_ids: Int[Tensor, " B"],
    caption_ids: Int[Tensor, " B"],
) -> dict[str, Metric]:
    """How often a row's own partner is the nearest of the batch, in each direction."""
    blank = _no_negative(picture_ids, caption_ids)
    similarity = similarity.detach().masked_fill(blank, -torch.inf)
    own = torch.arange(len(similarity), device=similarity.device)
    return {
        "image_to_text_accuracy": ((similarity.argmax(dim=1) == own).sum(), len(own)),
        "text_to_image_accuracy": ((similarity.argmax(dim=0) == own).sum(), len(own)),
    }
