"""Writing a whole checkpoint so that every reader knows it.

transformers 5 writes no preprocessor_config.json, lists special tokens under a key that version 4
takes for a dict, and flattens SigLIP's names, which vLLM does not read. So the names are those of
the checkpoints on the Hub, and the older files are written beside the newer ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from peft import PeftModel
from torch import Tensor

from haiga.errors import ModelError
from haiga.models.assemble import Vlm
from haiga.models.weights import read_folder, same

SHARD: Final = "5GB"
"""Largest file of weights; more are split, as on the Hub."""


def save_checkpoint(vlm: Vlm, folder: Path) -> None:
    """Write all files of a checkpoint; its weights are read back and compared to the bit.

    Raises:
        ModelError: `vlm` has an adapter, or the disk gave back other bits.
    """
    if isinstance(vlm.model, PeftModel):
        raise ModelError("An adapter must be merged before a whole checkpoint is written.")
    folder.mkdir(parents=True, exist_ok=True)
    state = hub_state(vlm)
    vlm.model.save_pretrained(
        folder, state_dict=dict(state), save_original_format=False, max_shard_size=SHARD
    )
    vlm.processor.save_pretrained(folder)
    _write_older_files(vlm, folder)
    same(state, read_folder(folder), str(folder))


def hub_state(vlm: Vlm) -> dict[str, Tensor]:
    """The weights under their Hub names; a tied head is left out, as readers expect it."""
    tied = vlm.model.config.get_text_config().tie_word_embeddings
    state = {}
    for name, tensor in vlm.model.state_dict().items():
        if tied and name.endswith("lm_head.weight"):
            continue
        for pattern, replacement in vlm.design.hub_names:
            name = re.sub(pattern, replacement, name)
        state[name] = tensor.detach()
    return state


def _write_older_files(vlm: Vlm, folder: Path) -> None:
    vlm.processor.image_processor.save_pretrained(folder)
    path = folder / "preprocessor_config.json"
    _edit(path, lambda values: values | {"processor_class": type(vlm.processor).__name__})
    _edit(folder / "tokenizer_config.json", _tokenizer_for_4)
    _edit(folder / "config.json", _config_for_4)


def _tokenizer_for_4(values: dict[str, Any]) -> dict[str, Any]:
    """Version 4 calls `.keys()` on `extra_special_tokens`; both read the older key."""
    extra = values.pop("extra_special_tokens", None)
    for local in ("is_local", "local_files_only"):
        values.pop(local, None)
    if isinstance(extra, list):
        values["additional_special_tokens"] = extra
    return values


def _config_for_4(values: dict[str, Any]) -> dict[str, Any]:
    """Version 4 knows neither `rope_parameters` nor (before 4.56) `dtype`.

    It would turn Qwen2.5's positions by its own default base of 10,000 instead of 1,000,000, and
    write nonsense without an error.
    """
    rope = values.get("text_config", {}).get("rope_parameters") or {}
    if "rope_theta" in rope:
        values["text_config"]["rope_theta"] = rope["rope_theta"]
    if rope.get("rope_type", "default") != "default":
        rest = {key: value for key, value in rope.items() if key != "rope_theta"}
        values["text_config"]["rope_scaling"] = rest
    return values | {"torch_dtype": values["dtype"]}


def _edit(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    text = json.dumps(change(values), indent=2, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
