"""Evaluation and report of a run: the stages as answerers, the facts as plain values."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers

from haiga import events, rewards, store
from haiga.evaluation import preferences, retrieval, scores
from haiga.evaluation.answerers import answerer
from haiga.evaluation.checks import CHECKS, Check
from haiga.evaluation.pairs import evaluate_pairs, read_pairs
from haiga.evaluation.run import Summary, ask, compared, read_answers, scored
from haiga.evaluation.style import STYLE, style_check
from haiga.models.device import device
from haiga.pipeline import (
    belonging,
    benchmarks,
    cards,
    claiming,
    costing,
    health,
    hours,
    learning,
    lighter,
    measures,
    preferred,
    rating,
    standing,
)
from haiga.pipeline.answering import answering, decoding
from haiga.pipeline.audit import read_audit
from haiga.pipeline.critics import trusted
from haiga.pipeline.learned import EVALUATING
from haiga.pipeline.models import groups_of
from haiga.pipeline.questions import answering_names, items_of, questions
from haiga.pipeline.run import DATA, Run
from haiga.recipe.load import dump
from haiga.reporting.facts import RunFacts
from haiga.reporting.report import write_report
from haiga.reporting.verdict import plain, verdict
from haiga.rewards.model import answer_scores
from haiga.store.files import write_json
from haiga.training.preferences import two_sided

_GALLERY = 500
"""Held-out pictures among which a tower must find the right one."""


def evaluate(run: Run) -> None:
    """Every stage that answers pictures, under every condition; towers by retrieval; reward models,
    and what has learned from pairs, by held-out pairs."""
    with hours.counted(run, "evaluation"):
        _evaluate(run)
    write_json(run.folder / standing.EVALUATED, standing.of_evaluation(run))


def _evaluate(run: Run) -> None:
    towers = [name for name, stage in run.recipe.stage.items() if stage.part == "tower"]
    if towers:
        _retrieve(run, towers)
    found = _answers(run) if judged(run) else {}
    models = _reward_models(run)
    if models:
        found |= models
        ordered = {name: found[name] for name in run.recipe.stage if name in found}
        write_json(run.folder / "evaluation" / "summary.json", ordered)
    preferred.evaluate(run)
    items = items_of(run)
    costing.evaluate(run, questions(run))
    measures.evaluate(run, items)
    lighter.evaluate(run, items, _checks(run))
    benchmarks.evaluate(run)


def report(run: Run) -> tuple[Path, str]:
    """report.html and the cards, from what the run's folders hold; and the page's first words."""
    found = facts(run)
    cards.write(run, found)
    return write_report(found, run.folder), plain(verdict(found))


def judged(run: Run) -> list[str]:
    """The stages that answer, in order."""
    return answering_names(run)


def next_command(run: Run) -> str:
    """What a person may want to do now."""
    stages = costing.seeing(run)
    if not stages:
        return f"cp -r {run.folder / 'stages'} elsewhere, and name it under [model]"
    return f"haiga write {run.stage(stages[-1])} PICTURE.jpg"


def _answers(run: Run) -> Summary:
    """Ask, have the judge read, score, compare."""
    pictures = store.FinalPictures(run.data("04_final").path)
    how = {**decoding(run), "batch": run.recipe.evaluate.batch}
    stages = lighter.of_the_last(
        run, answering(run, judged(run), lambda load: answerer(load, pictures, run.features, **how))
    )
    items, folder = items_of(run), run.folder / "evaluation"
    asked = ask(
        stages,
        items,
        folder,
        conditions=lighter.conditions(run),
        decoding=decoding(run),
        seed=run.recipe.seed,
        emit=run.emit,
    )
    table = scored(asked, items, _checks(run))
    for read in (rating.judge, claiming.measure, belonging.measure):
        for (stage, condition), parts in read(run, items, asked).items():
            table[stage][condition] |= parts
    starts = {name: stage.starts_from for name, stage in stages.items() if stage.starts_from}
    return compared(table, items, folder, starts=starts, seed=run.recipe.seed)


def _checks(run: Run) -> dict[str, Check]:
    if run.recipe.critic is None:
        return CHECKS
    return {**CHECKS, STYLE: style_check(run.critic(EVALUATING))}


def _reward_models(run: Run) -> Summary:
    """What reward models say of held-out pairs, the kind that each was trained on."""
    final = run.data("04_final")
    pictures = store.FinalPictures(final.path)
    found: Summary = {}
    for name, stage in run.recipe.stage.items():
        if not learning.is_reward_model(name, stage):
            continue
        assert stage.rejected is not None, "the recipe's checks ask for it"
        groups, _ = two_sided(
            groups_of(final, "held_out", stage), stage.rejected, stage.tasks, run.recipe.seed
        )
        said = evaluate_pairs(
            name,
            store.require_manifest(run.stage(name)).fingerprint,
            groups,
            partial(
                answer_scores,
                pictures=pictures,
                model=str(run.stage(name) / "model"),
                features=str(run.features),
            ),
            run.folder / "evaluation",
            seed=run.recipe.seed,
        )
        rewards.forget()
        found[name] = {"pairs": said}
    return found


def _retrieve(run: Run, towers: list[str]) -> None:
    groups = store.read_groups(run.data("04_final").path, "held_out", ["describe"])
    groups = [group for group in groups if group.pictures][:_GALLERY]
    pictures = store.FinalPictures(run.data("04_final").path)
    found = {
        name: retrieval.evaluate(run.stage(name) / "model", groups, pictures, run.recipe.seed)
        for name in towers
    }
    text = json.dumps(found, indent=1)
    store.write_atomically(run.folder / "evaluation" / "retrieval.json", text.encode())


def facts(run: Run) -> RunFacts:
    """Everything that the report shows, gathered from the run's folder."""
    folder = run.folder / "evaluation"
    answers, summary = read_answers(folder), _json(folder / "summary.json") or {}
    groups = questions(run)
    pictures = store.FinalPictures(run.data("04_final").path)
    shown = {group.id: pictures[group.pictures[0].id] for group in groups if group.pictures}
    manifests = [run.data(stage).manifest() for stage in DATA]
    stages = {name: store.require_manifest(run.stage(name)) for name in run.recipe.stage}
    if run.recipe.critic is not None:
        stages = {"critics": store.require_manifest(run.critics), **stages}
    return RunFacts(
        name=run.recipe.name,
        made=_made(run),
        recipe=run.recipe.model_dump(mode="json", exclude_none=True),
        manifests=[manifest for manifest in manifests if manifest is not None],
        health=health.PAGE if (run.folder / health.PAGE).exists() else "",
        events={name: events.read(run.stage(name) / "events.jsonl") for name in run.recipe.stage},
        summary={name: cells for name, cells in summary.items() if name in judged(run)},
        audit=read_audit(run),
        critics=trusted(run),
        reward_models=read_pairs(folder),
        preferences=_preferences(run),
        cost=costing.read(run) or {},
        benchmarks=benchmarks.read(run),
        measures=measures.read(run),
        variants=lighter.read(run),
        judge=rating.read(run),
        comparisons=_json(folder / "comparisons.json") or (),
        scores={name: scores.read(folder, name, "full") for name in judged(run)},
        answers={name: answers[name] for name in judged(run) if name in answers},
        pictures=shown,
        shown=run.recipe.report.pictures,
        ledger=events.read(run.folder / "ledger.jsonl"),
        seconds={
            **{manifest.stage: manifest.seconds for manifest in manifests if manifest is not None},
            **{name: manifest.seconds for name, manifest in stages.items()},
        },
    )


def _preferences(run: Run) -> dict[str, Any]:
    """What was found of each stage's held-out pairs, in the order of the recipe."""
    found = preferences.read(run.folder / "evaluation")
    return {name: found[name] for name in run.recipe.stage if name in found}


def _made(run: Run) -> dict[str, str]:
    recipe = run.recipe
    return {
        "design": recipe.model.design,
        "vision tower": recipe.model.tower,
        "language model": recipe.model.language_model,
        "pictures fitted by": recipe.model.fit,
        "seed": str(recipe.seed),
        "recipe fingerprint": store.fingerprint(dump(recipe)),
        "data fingerprint": run.data("04_final").fingerprint(),
        "device": device().type,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
