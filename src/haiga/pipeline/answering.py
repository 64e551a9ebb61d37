"""The stages of a run as answerers, with the models of their controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias

from haiga import store
from haiga.evaluation.answerers import projector_norms, random_projector, text_answerer
from haiga.evaluation.run import Answerer, Stage
from haiga.models.adapters import load_stage
from haiga.models.assemble import Vlm
from haiga.models.device import device
from haiga.models.variants import VARIANTS, in_fewer_bits
from haiga.pipeline.run import Run

WITHOUT_EYES: Final = ("full", "blind")
"""The conditions of a language model alone."""
Load: TypeAlias = Callable[[], Vlm]
Asking: TypeAlias = Callable[[Load], Answerer]
"""How a model that can be loaded is asked."""


def decoding(run: Run) -> dict[str, Any]:
    """How every stage of the run decodes."""
    return {"max_new_tokens": run.recipe.evaluate.max_new_tokens, "temperature": 0.0}


def answering(run: Run, names: Sequence[str], asking: Asking) -> dict[str, Stage]:
    """Stages by their names, each with the models of its controls, loaded when they are asked.

    One model is in memory, whichever was asked last: an accelerator may not hold them all.
    """
    held: Callable[[Load], Vlm] = lru_cache(1)(lambda load: load())
    return {name: _stage(run, name, lambda load: asking(lambda: held(load))) for name in names}


def _stage(run: Run, name: str, asked: Asking) -> Stage:
    weights = store.require_manifest(run.stage(name)).fingerprint
    section = run.recipe.stage[name]
    if section.part == "language":
        return _language(run, name, weights)
    stage = Stage(
        weights,
        asked(lambda: load_stage(run.stage(name) / "model")),
        controls=_controls(run, name, weights, asked),
        starts_from=section.starts_from,
    )
    return stage if section.pictures else replace(stage, conditions=("blind",))


def _controls(run: Run, name: str, weights: str, asked: Asking) -> Mapping[str, Stage]:
    """Who stands in where the model itself is taken away."""
    base, seed = store.require_manifest(run.base).fingerprint, run.recipe.seed

    def scrambled() -> Vlm:
        norms = projector_norms(load_stage(run.stage(name) / "model"))
        return random_projector(load_stage(run.base), norms, seed=seed)

    raw = Stage(base, asked(lambda: load_stage(run.base)))
    variants = {
        variant: Stage(
            store.fingerprint([weights, variant]), asked(partial(lighter, run, name, variant))
        )
        for variant in VARIANTS
    }
    return variants | {
        "blind_lm": raw,
        "in_words_lm": raw,
        "random_projector": Stage(store.fingerprint([base, weights, seed]), asked(scrambled)),
    }


def lighter(run: Run, name: str, variant: str) -> Vlm:
    """A stage's model in fewer bits, on the accelerator."""
    vlm = load_stage(run.stage(name) / "model")
    vlm.model.to(device())
    in_fewer_bits(vlm.model, variant)
    return vlm


def _language(run: Run, name: str, weights: str) -> Stage:
    """A language model alone."""
    how = {key: value for key, value in decoding(run).items() if key != "temperature"}
    return Stage(
        weights,
        text_answerer(run.stage(name) / "model", **how),
        conditions=WITHOUT_EYES,
        starts_from=run.recipe.stage[name].starts_from,
    )
