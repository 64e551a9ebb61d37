"""What is trained, and how fast: ordered rules over parameter names, of which the first wins."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from torch import nn

from haiga.errors import ModelError

Rule: TypeAlias = tuple[str, float | Literal["frozen"]]
"""A regular expression for the whole name, and a learning rate or "frozen"."""


def parameter_groups(model: nn.Module, rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """Optimiser groups, one for each rule with a learning rate; sets `requires_grad` on the way.

    A group holds `params`, `lr`, `pattern` and `names`, in the order of the rules and, within a
    group, of the model. Tied weights appear once, under their first name.

    Raises:
        ModelError: a parameter that no rule matches, a rule that matches nothing or whose
            learning rate is never used, a learning rate that is not positive; nothing is changed.
    """
    owner = _owners((name for name, _ in model.named_parameters()), rules)
    groups = []
    parameters = dict(model.named_parameters())
    for index, (pattern, rate) in enumerate(rules):
        names = [name for name in parameters if owner[name] == index]
        for name in names:
            parameters[name].requires_grad_(rate != "frozen")
        if rate != "frozen":
            params = [parameters[name] for name in names]
            groups.append({"params": params, "lr": rate, "pattern": pattern, "names": names})
    return groups


def whole_where_trained(model: nn.Module) -> None:
    """Keep in float32 what requires gradients, and leave what is frozen as it is, in place."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def count(model: nn.Module) -> tuple[int, int]:
    """(trainable, total) parameters; tied weights count once."""
    sizes = [(size(parameter), parameter.requires_grad) for parameter in model.parameters()]
    return sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes)


def size(parameter: nn.Parameter) -> int:
    """How many weights it stands for: one of four bits has two of them in each byte."""
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else math.prod(state.shape)


def rule_counts(model: nn.Module, rules: Sequence[Rule]) -> list[tuple[str, int]]:
    """(pattern, parameters that fall to it) for each rule; errors as in `parameter_groups`."""
    sizes = {name: size(parameter) for name, parameter in model.named_parameters()}
    owner = _owners(sizes, rules)
    return [
        (pattern, sum(n for name, n in sizes.items() if owner[name] == index))
        for index, (pattern, _) in enumerate(rules)
    ]


def _owners(names: Iterable[str], rules: Sequence[Rule]) -> dict[str, int]:
    """The index of the rule that each name falls to."""
    names = list(names)
    patterns = [_compiled(pattern, rate) for pattern, rate in rules]
    owner: dict[str, int] = {}
    for name in names:
        index = next((i for i, pattern in enumerate(patterns) if pattern.fullmatch(name)), None)
        if index is None:
            raise ModelError(
                f"No rule says whether to train '{name}'. Add one, for instance "
                f'["{_stem(name)}", "frozen"] to leave it as it is, or a learning rate.'
            )
        owner[name] = index
    used = set(owner.values())
    for index, (pattern, rate) in enumerate(rules):
        if not any(patterns[index].fullmatch(name) for name in names):
            raise ModelError(
                f"The rule '{pattern}' matches no parameter of the model. Remove it, or correct it "
                f"(the whole name must match): names look like '{_example(names)}'."
            )
        if index not in used and rate != "frozen":
            first = next(p for p in patterns[:index] if any(p.fullmatch(n) for n in names))
            raise ModelError(
                f"The rule '{pattern}' never applies: '{first.pattern}' and others come before it "
                "and take all that it matches. Put it first."
            )
    return owner


def _compiled(pattern: str, rate: float | str) -> re.Pattern[str]:
    if rate != "frozen" and not (isinstance(rate, (int, float)) and rate > 0):
        raise ModelError(
            f"The rule '{pattern}' has the learning rate {rate!r}: give a positive number, "
            'or "frozen".'
        )
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ModelError(f"The rule '{pattern}' is not a regular expression: {error}.") from error


def _stem(name: str) -> str:
    """A pattern for the part of the model that a parameter belongs to."""
    for part in ("vision_tower", "multi_modal_projector", "lora_", "language_model", "lm_head"):
        if part in name:
            return f".*{part}.*"
    return name.split(".")[0] + ".*"


def _example(names: Sequence[str]) -> str:
    return names[len(names) // 2] if names else "(none)"
