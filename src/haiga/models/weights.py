"""Safetensors of a checkpoint folder, read by name and compared to the bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from haiga.errors import ModelError


def read_tensors(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict:
    """The tensors of all safetensors files in `folder` whose name is wanted, as stored."""
    tensors: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            tensors |= {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118
    return tensors


def save_and_compare(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to `path`, read them back, and compare every bit.

    Raises:
        ModelError: what the disk gives back is not what was written.
    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, path, metadata={"format": "pt"})
    with safe_open(path, framework="pt") as file:
        same(whole, {name: file.get_tensor(name) for name in file.keys()}, str(path))  # noqa: SIM118


def same(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> None:
    """Raise ModelError unless both hold the same names, dtypes and bits (NaN equals itself)."""
    if expected.keys() != found.keys():
        odd = sorted(expected.keys() ^ found.keys())
        raise ModelError(f"{where} does not hold the weights it should: {', '.join(odd[:5])}.")
    for name, tensor in expected.items():
        other = found[name]
        if tensor.dtype != other.dtype or tensor.shape != other.shape or not _equal(tensor, other):
            raise ModelError(f"{where}: {name} was read back otherwise than it was written.")


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.detach().cpu().view(torch.uint8), b.detach().cpu().view(torch.uint8))
