"""The stages of a run as answerers, with the models of their controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias

from haiga import store
from haiga.evaluation import grounded
from haiga.evaluation.answerers import projector_norms, random_projector, text_answerer
from haiga.evaluation.grounded import Best
from haiga.evaluation.run import Answerer, Stage
from haiga.models.adapters import load_stage
from haiga.models.assemble import Vlm
from haiga.models.device import device
from haiga.models.variants import VARIANTS, in_fewer_bits
from haiga.pipeline.run import Run, checkpoint

WITHOUT_EYES: Final = ("full", "blind")
"""The conditions of a language model alone."""
Load: TypeAlias = Callable[[], Vlm]
Asking: TypeAlias = Callable[[Load], Answerer]
"""How a model that can be loaded is asked."""


def best_of(run: Run) -> Best | None:
    """How the best of several answers is taken; None where the recipe does not ask for it."""
    section = run.recipe.evaluate.best_of
    if section is None:
        return None
    encoder = str(checkpoint(section.encoder)) if section.encoder else ""
    return Best(
        section.samples,
        section.by,
        section.temperature,
        encoder,
        run.recipe.evaluate.max_new_tokens,
        run.recipe.seed,
    )


def decoding(run: Run) -> dict[str, Any]:
    """How every stage of the run decodes."""
    return {"max_new_tokens": run.recipe.evaluate.max_new_tokens, "temperature": 0.0}


def answering(run: Run, names: Sequence[str], asking: Asking) -> dict[str, Stage]:
    """Stages by their names, each with the models of its controls, loaded when they are asked.

    One model is in memory, whichever was asked last: an accelerator may not hold them all.
    """
    held: Callable[[Load], Vlm] = lru_cache(1)(lambda load: load())
    found = {}
    for name in names:
        found[name] = _stage(run, name, lambda load: asking(lambda: held(load)))
        best = best_of(run)
        if best is not None and found[name].controls:
            found[name] = _grounded(run, name, best, found[name], held)
    return found


def _grounded(run: Run, name: str, best: Best, stage: Stage, held: Callable[[Load], Vlm]) -> Stage:
    """A stage, with the best of several of its own answers beside its controls."""
    answer = grounded.answerer(
        lambda: held(lambda: load_stage(run.stage(name) / "model")),
        store.FinalPictures(run.data("04_final").path),
        best,
        run.folder / "evaluation" / "candidates" / f"{name}.jsonl",
        run.features,
    )
    weights = store.fingerprint([stage.weights, asdict(best)])
    return replace(stage, controls={**stage.controls, "best_of": Stage(weights, answer)})


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
