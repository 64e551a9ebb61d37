"""Resume state: what the loop needs to go on to the bit, in safetensors and JSON.

    resume/step-00000120/tensors.safetensors   trained parameters, buffers, the optimiser's moments
    resume/step-00000120/state.json            step, settings, history, numbers of the optimiser
    resume/best.safetensors                    trained parameters and buffers of the look whose
                                               answers were worth most; its step is in the metadata

Nothing here is pickled. A folder appears under its name only when all of it is on disk, so that
kill -9 leaves the last one or the one before. There is no random state and no scheduler to keep:
both are functions of the step.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from haiga.errors import TrainingError
from haiga.training.optimiser import named_states

KEEP = 2
"""Checkpoints on disk: the newest, and one before it."""
BEST = "best.safetensors"


def save(
    folder: Path,
    step: int,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    settings: Mapping[str, Any],
    history: Mapping[str, Any],
) -> Path:
    """Writes the state after `step` steps, atomically, and forgets all but the newest two."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": value for name, value in learnt(model).items()}
    numbers: dict[str, dict[str, Any]] = {}
    for name, state in named_states(optimiser).items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser.{key}.{name}"] = value
            else:
                numbers.setdefault(name, {})[key] = value
    temporary = folder / ".partial"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    save_file(_plain(tensors), temporary / "tensors.safetensors")
    state = {"step": step, "settings": settings, "history": history, "optimiser": numbers}
    (temporary / "state.json").write_text(json.dumps(state), encoding="utf-8")
    for each in (*temporary.iterdir(), temporary):
        _sync(each)
    final = folder / f"step-{step:08d}"
    shutil.rmtree(final, ignore_errors=True)
    temporary.replace(final)
    _sync(folder)
    for old in sorted(folder.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old)
    return final


def latest(folder: Path) -> Path | None:
    """The newest complete state in `folder`."""
    return max(folder.glob("step-*"), default=None)


def load(
    place: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    settings: Mapping[str, Any],
) -> tuple[int, dict[str, Any]]:
    """Puts a state back into `model` and `optimiser`; returns its step and its history.

    Raises:
        TrainingError: when the state is of other settings or of other parameters.
    """
    state = json.loads((place / "state.json").read_text("utf-8"))
    _same_settings(place, state["settings"], json.loads(json.dumps(settings)))
    saved = _read(place / "tensors.safetensors")
    weights = {n.removeprefix("model."): t for n, t in saved.items() if n.startswith("model.")}
    _fill(model, weights, place)
    parameters = dict(model.named_parameters())
    for name, tensor in saved.items():
        if name.startswith("optimiser."):
            key, parameter = name.removeprefix("optimiser.").split(".", 1)
            owner = parameters[parameter]
            # AdamW counts its steps on the CPU, whatever the device of its moments.
            held = tensor if key == "step" else _moment(optimiser, owner, tensor)
            optimiser.state[owner][key] = held
    for name, values in state["optimiser"].items():
        optimiser.state[parameters[name]].update(values)
    return state["step"], state["history"]


def keep_best(folder: Path, step: int, worth: float, model: nn.Module) -> None:
    """Keeps what training has changed up to `step`, unless what is kept was worth more.

    The file says of itself which step's it is. A run that goes on from before that step finds its
    own later weights here, and comes by them again.
    """
    place, temporary = folder / BEST, folder / ".best"
    if place.exists() and worth < _look(place)["worth"]:
        return
    folder.mkdir(parents=True, exist_ok=True)
    # In one entry: several would stand in the file in any order.
    said = {"look": json.dumps({"step": step, "worth": worth})}
    save_file(_plain(learnt(model)), temporary, said)
    _sync(temporary)
    temporary.replace(place)
    _sync(folder)


def put_back(folder: Path, model: nn.Module) -> int:
    """Puts the kept weights back into `model`; returns their step."""
    _fill(model, _read(folder / BEST), folder / BEST)
    return int(_look(folder / BEST)["step"])


def learnt(model: nn.Module) -> dict[str, Tensor]:
    """What training changes: trained parameters, and the buffers that a checkpoint keeps."""
    kept = model.state_dict().keys()
    buffers = {name: value for name, value in model.named_buffers() if name in kept}
    return {name: p for name, p in model.named_parameters() if p.requires_grad} | buffers


def _moment(optimiser: Any, parameter: Tensor, value: Tensor) -> Tensor:
    """A moment where its parameter is, in pages if the optimiser keeps it so."""
    pages = getattr(optimiser, "get_state_buffer", None)
    if pages is None:
        return value.to(parameter.device)
    return pages(parameter, dtype=value.dtype).copy_(value)


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().contiguous().cpu() for name, value in tensors.items()}


def _read(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _look(path: Path) -> dict[str, float]:
    """Which look's weights these are, and what its answers were worth."""
    with safe_open(path, framework="pt") as file:
        return dict(json.loads(file.metadata()["look"]))


def _fill(model: nn.Module, weights: Mapping[str, Tensor], place: Path) -> None:
    """Raises: TrainingError: when the weights are of other parameters."""
    targets = learnt(model)
    differing = {n for n in weights.keys() | targets.keys() if not _fits(n, weights, targets)}
    if differing:
        raise TrainingError(
            f"{place} is of another model: {len(differing)} trained tensors differ in name or "
            f"shape, the first is {min(differing)}. Remove the folder to train from the start."
        )
    with torch.no_grad():
        for name, value in weights.items():
            targets[name].copy_(value)


def _fits(name: str, saved: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> bool:
    return name in saved and name in targets and saved[name].shape == targets[name].shape


def _same_settings(place: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise TrainingError(
                f"{place} was trained with {name} = {before.get(name)}, now it is {now.get(name)}: "
                "a run goes on only as it began. Remove the folder to train from the start."
            )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
