"""All that the report is made of, as plain values that the caller gathers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from haiga.evaluation.scores import Scores
from haiga.events import Event
from haiga.store import Manifest


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run. An empty field leaves its section out, and the page says so."""

    name: str
    made: Mapping[str, str]
    """What was run, label -> value: model, device, seeds, versions, fingerprint."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """As resolved."""
    manifests: Sequence[Manifest] = ()
    """Of the data stages, in their order."""
    health: str = ""
    """Where the page on the data is, seen from the report."""
    events: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    """Training stage -> its events: "step", "validation", "warning", "sample", …"""
    summary: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]] = field(
        default_factory=dict
    )
    """Stage -> condition -> check -> mean, low, high, n; stages in the order of training."""
    audit: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Stage -> what its pairs are, as `audit.json` has it."""
    critics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Critic of style -> how far it can be trusted, as `rewards.reliability` has it."""
    reward_models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Stage -> what it says of held-out pairs, as `evaluation.pairs` has it."""
    preferences: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Stage -> what it has learned of held-out pairs, as `evaluation.preferences` has it."""
    cost: Mapping[str, Any] = field(default_factory=dict)
    """What an answer of the last stage costs, as `models.timing` has it; with its "machine"."""
    benchmarks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Key of a benchmark -> what was found, as `evaluation.benched` has it."""
    measures: Mapping[str, Any] = field(default_factory=dict)
    """Name of a measure -> what was found, as `pipeline.measures` lists them."""
    variants: Mapping[str, Any] = field(default_factory=dict)
    """The last stage in fewer bits, as `evaluation/variants.json` has it."""
    judge: Mapping[str, Any] = field(default_factory=dict)
    """What a judge said of the answers, as `evaluation/judge.json` has it."""
    comparisons: Sequence[Mapping[str, Any]] = ()
    """The rows of `evaluation/comparisons.json`."""
    answers: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]] = field(default_factory=dict)
    """Stage -> condition -> rows, as `evaluation.run.read_answers` gives them."""
    scores: Mapping[str, Scores] = field(default_factory=dict)
    """Stage -> what each of its answers adds to each check, with its picture."""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """Item id -> its first picture's file; the report shrinks what it shows."""
    shown: int = 24
    """How many of them stand on the contact sheet."""
    ledger: Sequence[Mapping[str, Any]] = ()
    """The rows of `ledger.jsonl`; "dollars" is summed by "model"."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Step of the run -> wall time."""
