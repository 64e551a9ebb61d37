"""An accelerator that is not there: tensors say where they would be, and may not meet elsewhere.

Everything is computed on the CPU. A tensor that was moved to `DEVICE`, or made there, or made from
such tensors, is marked so by its storage; an operation on tensors here and there fails as it would
on a real accelerator, where a number (0 dimensions) on the CPU is let through, and so is an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("xpu", 0)
CPU = torch.device("cpu")
_CROSSES = {"copy_", "_to_copy"}
_INDEXES = {"index", "index_put", "index_put_", "_index_put_impl_"}


class MixedError(AssertionError):
    """Tensors here and there met."""


class _Marks:
    """Which storages are at `DEVICE`; kept by weak references, so that no address comes again."""

    def __init__(self) -> None:
        self.there: dict[int, StorageWeakRef] = {}
        self.moved = 0

    def where(self, tensor: Tensor) -> torch.device:
        if tensor.device != CPU:
            return tensor.device
        return DEVICE if tensor.untyped_storage()._cdata in self.there else CPU

    def put(self, made: Any, device: torch.device) -> None:
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.device == CPU:
                reference = StorageWeakRef(tensor.untyped_storage())
                if device == DEVICE:
                    self.there[reference.cdata] = reference
                else:
                    self.there.pop(reference.cdata, None)

    def move(self, tensor: Tensor, device: torch.device) -> Tensor:
        if self.where(tensor) == device:
            return tensor
        self.moved += 1
        moved = tensor.clone()
        self.put(moved, device)
        return moved


class _Generator(torch.Generator):
    """Draws on the CPU, wherever it says that it is."""

    def __new__(cls, device: Any = "cpu") -> _Generator:
        return super().__new__(cls)

    def __init__(self, device: Any = "cpu") -> None:
        self.where = torch.device(device)

    @property
    def device(self) -> torch.device:
        return self.where


class _Operations(TorchDispatchMode):
    """Below autograd: what is made of tensors there is there; both kinds together are an error."""

    def __init__(self, marks: _Marks) -> None:
        super().__init__()
        self.marks = marks

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        met = args
        if name in _INDEXES and all(self._here(index) for index in tree_leaves(args[1])):
            met = (args[0], *args[2:])
        there = self._any_there((args, kwargs))
        if name not in _CROSSES and self._any_there(met):
            for each in tree_leaves((met, kwargs)):
                if isinstance(each, Tensor) and each.dim() and self._here(each):
                    raise MixedError(f"{func} on a tensor of {tuple(each.shape)} on the CPU")
        made = func(*args, **kwargs)
        if there and name != "copy_":
            self.marks.put(made, DEVICE)
        return made

    def _here(self, value: Any) -> bool:
        return not isinstance(value, Tensor) or self.marks.where(value) == CPU

    def _any_there(self, values: Any) -> bool:
        return any(not self._here(value) for value in tree_leaves(values))


class _Calls(TorchFunctionMode):
    """Above autograd: what names a device."""

    def __init__(self, marks: _Marks) -> None:
        super().__init__()
        self.marks = marks

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func == Tensor.device.__get__:
            return self.marks.where(args[0])
        if func is Tensor.backward:
            with self:
                return torch.autograd.backward(args[0])
        if func in (Tensor.numpy, Tensor.__array__) and self.marks.where(args[0]) == DEVICE:
            raise MixedError("numpy cannot read what is not on the CPU")
        if func in (Tensor.to, Tensor.cpu):
            return self._to(func, args, kwargs)
        device = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
        self._drawn(func, device, args, kwargs.get("generator"))
        if device in (None, torch.device("meta")):
            return func(*args, **kwargs)
        made = func(*args, **kwargs | {"device": CPU})
        self.marks.put(made, device)
        return made

    def _drawn(self, func, device, args, generator):
        if device is None and args and isinstance(args[0], Tensor):
            device = self.marks.where(args[0])
        if generator is not None and generator.device.type != (device or CPU).type:
            raise MixedError(f"{func}: a generator of {generator.device} for {device or CPU}")

    def _to(self, func, args, kwargs):
        tensor, *rest = args
        if func is Tensor.cpu:
            return self.marks.move(tensor, CPU)
        device = kwargs.pop("device", None)
        kept = []
        for each in rest:
            if isinstance(each, Tensor):
                device = self.marks.where(each)
                kept.append(each.dtype)
            elif isinstance(each, (str, torch.device)):
                device = each
            else:
                kept.append(each)
        if device is not None and torch.device(device).type not in (CPU.type, DEVICE.type):
            return func(*args, **kwargs)
        if any(isinstance(each, torch.dtype) for each in (*kept, *kwargs.values())):
            tensor = func(tensor, *kept, **kwargs)
        if device is None:
            return tensor
        # A device without an index is the current one.
        return self.marks.move(tensor, DEVICE if torch.device(device).type == "xpu" else CPU)


@contextmanager
def elsewhere() -> Iterator[_Marks]:
    """Within, tensors may be moved to `DEVICE`."""
    marks = _Marks()
    with patch.object(torch, "Generator", _Generator), _Operations(marks), _Calls(marks):
        yield marks
