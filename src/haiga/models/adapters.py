"""LoRA on the language model, and the folder of a trained stage (Hu et al. 2021, arXiv:2106.09685).

A stage's folder holds what the stage changed, and the relative path of what it started from:

    adapter_config.json, adapter_model.safetensors    a standard PEFT adapter, where there is one
    projector.safetensors                             always: what lies between tower and words
    weights.safetensors                               other weights that the stage trained
    base.json                                         {"base": "../../align/model"}

An earlier adapter is merged before a new one is attached, so that switching the adapter off gives
the model that the stage started from.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import (
    LoraConfig,
    PeftConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from torch import Tensor, nn

from haiga.errors import ModelError
from haiga.models import assemble, lora
from haiga.models.assemble import Vlm
from haiga.models.checkpoint import save_checkpoint
from haiga.models.embeddings import base_of
from haiga.models.score import SCORE, add_score_head
from haiga.models.weights import read_file, readable, same, save_and_compare

ADAPTER, PROJECTION, WEIGHTS, BASE = (
    "adapter_model.safetensors",
    "projector.safetensors",
    "weights.safetensors",
    "base.json",
)


def attach(
    vlm: Vlm,
    r: int = 16,
    alpha: float = 32,
    dropout: float = 0.0,
    targets: str | None = None,
    seed: int = 0,
) -> Vlm:
    """A new adapter of rank `r`, which changes nothing yet (its B is 0); the rest is frozen.

    An adapter that is already there is merged first. `targets` is a regular expression for whole
    module names; None is the design's choice. The model is changed in place and wrapped in a
    PeftModel.

    Raises:
        ModelError: `targets`, or one name among several in it, matches no layer of the model.
    """
    vlm = merge(vlm)
    _check_names(targets or "", vlm.model)
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,  # type: ignore[arg-type]
        lora_dropout=dropout,
        target_modules=targets or vlm.design.targets,
        task_type=vlm.design.task_type,
    )
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(seed)
        # GPT-2's products are Conv1D, whose weights lie the other way: PEFT sees it, and says so.
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        try:
            return replace(vlm, model=_wrapped(vlm.model, config))
        except ValueError as error:
            raise ModelError(
                f"No adapter fits on '{config.target_modules}': {error} "
                "The pattern must match whole names of linear layers."
            ) from error


def _wrapped(model: Any, config: LoraConfig) -> Any:
    """The model under a new adapter, whose products are made in one piece."""
    if not getattr(model, "is_loaded_in_4bit", False):  # whose layers are linear ones, too
        config._register_custom_module({nn.Linear: lora.Linear})
    return get_peft_model(model, config)


def _check_names(targets: str, model: nn.Module) -> None:
    """That each name in a bracket, "(q_proj|mm_proj )", is one: others would hide its absence."""
    names = [name for name, _ in model.named_modules()]
    for bracket in re.finditer(r"\(([^()]*\|[^()]*)\)", targets):
        for name in bracket[1].split("|"):
            pattern = f"{targets[: bracket.start()]}(?:{name}){targets[bracket.end() :]}"
            if not any(re.fullmatch(pattern, each) for each in names):
                raise ModelError(
                    f"No adapter fits on {name!r}, which '{targets}' names: no layer of the model "
                    "is called so. Correct it, or leave it out."
                )


def merge(vlm: Vlm) -> Vlm:
    """The model with its adapter folded into its weights, in place; as it is where there is none.

    The result stands on no folder until it is saved or loaded as one (`load_stage` does so).

    Raises:
        ModelError: the folded weights would not be finite.
    """
    if not isinstance(vlm.model, PeftModel):
        return vlm
    try:
        return replace(vlm, model=vlm.model.merge_and_unload(safe_merge=True), origin=None)
    except ValueError as error:
        raise ModelError(f"The adapter cannot be merged: {error}") from error


def save_base(vlm: Vlm, folder: Path) -> None:
    """Write a whole checkpoint for stages to stand on, read back and compared to the bit."""
    save_checkpoint(vlm, folder)


def save(vlm: Vlm, folder: Path, base: Path | None = None) -> None:
    """Write what a stage changed on top of `base` (a checkpoint's or another stage's folder).

    Without `base`, the folder that the model was loaded from.

    Every file is read back and compared to the bit before this returns. Embeddings are never
    written with an adapter: nothing is resized, so they are the base's.

    Raises:
        ModelError: `base` is no model folder, or the disk gave back other bits.
    """
    base = base or vlm.origin
    if base is None:
        raise ModelError(
            "The model to save was put together in memory, so it stands on no folder. Save its "
            "base first (save_base) and start from there, or name the base."
        )
    if not ((base / BASE).exists() or (base / "config.json").exists()):
        raise ModelError(f"{base} is no model's folder, so a stage cannot stand on it.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ADAPTER, PROJECTION, WEIGHTS, BASE, "adapter_config.json"):
        (folder / name).unlink(missing_ok=True)
    if isinstance(vlm.model, PeftModel):
        config = vlm.model.peft_config["default"]
        state = get_peft_model_state_dict(vlm.model, save_embedding_layers=False)
        save_and_compare(folder / ADAPTER, state)
        _write_config(config, folder, base)
    for name, tensors in _parts(vlm).items():
        if tensors:
            save_and_compare(folder / name, tensors)
    relative = Path(os.path.relpath(base.resolve(), folder.resolve())).as_posix()
    (folder / BASE).write_text(json.dumps({"base": relative}) + "\n", encoding="utf-8")


def load(folder: Path, base: Vlm) -> Vlm:
    """What `save` wrote, on top of the model it stands on (changed in place, its adapter merged).

    The adapter stays apart, so that switching it off gives the model that the stage started from.

    Raises:
        ModelError: the folder does not fit on this base.
    """
    base = merge(base)
    for name in (PROJECTION, WEIGHTS):
        if (folder / name).exists():
            stored = read_file(folder / name)
            if f"{SCORE}.weight" in stored:
                add_score_head(base.model)
            _fill(base.model, stored, folder / name)
    if not (folder / ADAPTER).exists():
        return base
    with readable(folder):
        config = LoraConfig.from_pretrained(str(folder))
    # The name says where the base once was; base.json knows where it is.
    config.inference_mode, config.base_model_name_or_path = False, None
    model = _wrapped(base.model, config)
    stored = read_file(folder / ADAPTER)
    try:
        set_peft_model_state_dict(model, stored)
    except RuntimeError as error:
        raise ModelError(f"{folder / ADAPTER} does not fit on its base: {error}") from error
    # Keys that PEFT does not know are passed over in silence.
    same(stored, get_peft_model_state_dict(model, save_embedding_layers=False), str(folder))
    model.eval()
    return replace(base, model=model)


def load_stage(folder: Path, dtype: torch.dtype | None = None) -> Vlm:
    """The model of a stage, by the chain of folders it stands on; a checkpoint's folder too.

    All adapters are merged, in the order of the stages: what comes is a plain model that another
    stage can start from. `load` keeps a stage's adapter apart.

    Raises:
        ModelError: a folder of the chain is missing, or the chain bites its tail.
    """
    chain = [folder.resolve()]
    while (chain[-1] / BASE).exists():
        with readable(chain[-1] / BASE):
            below = json.loads((chain[-1] / BASE).read_text("utf-8"))["base"]
        base = (chain[-1] / below).resolve()
        if base in chain:
            raise ModelError(f"{folder} stands on itself: see {chain[-1] / BASE}.")
        chain.append(base)
    if not (chain[-1] / "config.json").exists():
        raise ModelError(
            f"{chain[-1]} holds no model, and {folder} stands on it. Move a run's folder as a "
            "whole, or train the missing stage again."
        )
    vlm = assemble.load(chain[-1], dtype)
    for stage in reversed(chain[:-1]):
        vlm = merge(load(stage, vlm))
    vlm.model.requires_grad_(True)  # as a fresh checkpoint; PEFT has frozen what it hung on
    return replace(vlm, origin=folder)


def _parts(vlm: Vlm) -> dict[str, dict[str, Tensor]]:
    """The bridge's and the other trained weights of the model below the adapter, file by file."""
    parts: dict[str, dict[str, Tensor]] = {PROJECTION: {}, WEIGHTS: {}}
    for name, parameter in base_of(vlm.model).named_parameters():
        plain = name.replace(".base_layer.", ".")
        if re.fullmatch(vlm.design.bridge, plain) and ".lora_" not in name:
            parts[PROJECTION][plain] = parameter
        elif parameter.requires_grad and ".lora_" not in name:
            parts[WEIGHTS][plain] = parameter
    return parts


def _fill(model: Any, tensors: dict[str, Tensor], path: Path) -> None:
    own = dict(model.named_parameters())
    for name, tensor in tensors.items():
        if name not in own or own[name].shape != tensor.shape:
            raise ModelError(f"{path} does not fit on its base: {name} has no place of its shape.")
        with torch.no_grad():
            own[name].copy_(tensor)


def _write_config(config: PeftConfig, folder: Path, base: Path) -> None:
    """adapter_config.json as readers expect it, without this machine's paths."""
    mode, name = config.inference_mode, config.base_model_name_or_path
    config.inference_mode, config.base_model_name_or_path = True, base.name
    try:
        config.save_pretrained(str(folder))
    finally:
        config.inference_mode, config.base_model_name_or_path = mode, name
