"""Files of a checkpoint: faults as sentences; safetensors read by name and compared to the bit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from haiga.errors import ModelError

Wanted: TypeAlias = Callable[[str], bool]


@contextmanager
def readable(source: str | Path) -> Iterator[None]:
    """Faults of reading a checkpoint, of whatever kind, as a ModelError of one sentence."""
    try:
        yield
    except ModelError:
        raise
    except ImportError as error:  # a tokenizer may be read by a library of its own
        said = " ".join(str(error).split())
        raise ModelError(f"{source} cannot be read with what is installed here: {said}") from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().split("\n")[0]
        raise ModelError(f"{source} cannot be read as a checkpoint: {first}") from error


def whole(auto: Any, source: str | Path, unread: str = "", **options: Any) -> Any:
    """A model with every weight from the file: a missing one would be random, with a warning.

    `auto` is the class of transformers that reads it. Weights whose names match `unread` are of no
    use to anybody: they may be missing, and are 0 then.

    Raises:
        ModelError: it cannot be read, or lacks weights.
    """
    with readable(source):
        model, info = auto.from_pretrained(source, output_loading_info=True, **options)
    missing = set(info["missing_keys"])
    idle = {name for name in missing if re.fullmatch(unread, name)}
    problems = [*(missing - idle), *(str(key) for key in info["mismatched_keys"])]
    if problems:
        raise ModelError(
            f"{source} lacks {len(problems)} weights that its config asks for, or has them in "
            f"another shape: {', '.join(sorted(problems)[:5])}."
        )
    with torch.no_grad():
        for name in idle:
            model.get_parameter(name).zero_()
    return model


def _any(name: str) -> bool:
    return True


def read_file(path: Path, wanted: Wanted = _any) -> dict[str, Tensor]:
    """The tensors of one safetensors file whose name is wanted, as stored.

    Raises:
        ModelError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Make it again.") from error


def read_folder(
    folder: Path, wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, Tensor]:
    """The wanted tensors of all safetensors files in a checkpoint's folder."""
    tensors: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= read_file(path, wanted)
    return tensors


def save_and_compare(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to `path`, read them back, and compare every bit.

    Raises:
        ModelError: what the disk gives back is not what was written.
    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, path, metadata={"format": "pt"})
    same(whole, read_file(path), str(path))


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
