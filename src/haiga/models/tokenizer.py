"""The tokenizer of a language model, ready to be asked in batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from haiga.errors import ModelError
from haiga.models.weights import readable


def load_tokenizer(source: str | Path, image_token: str | None = None) -> Any:
    """The tokenizer, padding on the left, with `image_token` as its picture place.

    One that has no token to pad with, as GPT-2's and Mistral's, pads with the one that ends a text,
    since padding is never looked at.

    Raises:
        ModelError: `image_token` is not one reserved token of the tokenizer, or it has none to pad.
    """
    with readable(source):
        tokenizer = AutoTokenizer.from_pretrained(source)
    if image_token is not None:
        _check_place(tokenizer, source, image_token)
        tokenizer = AutoTokenizer.from_pretrained(source, image_token=image_token)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise ModelError(
            f"{source}'s tokenizer has no token to pad with. Give it one in its "
            "tokenizer_config.json (pad_token); the token that ends a text will do."
        )
    tokenizer.padding_side = "left"
    return tokenizer


def _check_place(tokenizer: Any, source: str | Path, image_token: str) -> None:
    reserved = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    ids = tokenizer.encode(image_token, add_special_tokens=False)
    # Otherwise LlavaProcessor takes the id of the first piece, and says nothing.
    if len(ids) != 1 or image_token not in reserved:
        near = [token for token in sorted(reserved) if "image" in token or "vision" in token]
        raise ModelError(
            f"{image_token!r} is not one reserved token of {source}'s tokenizer (it is read as "
            f"{len(ids)} tokens). Choose one that is: {', '.join(near or sorted(reserved))}."
        )
