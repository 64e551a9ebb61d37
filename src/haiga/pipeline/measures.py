"""What is measured beside the checks, from models that are there: a file of `evaluation/` each."""

from __future__ import annotations

from typing import Any, Final

from haiga import store
from haiga.errors import ModelError
from haiga.evaluation import diversity, hallucination, self_retrieval, strange, text_ability
from haiga.evaluation.answerers import answerer
from haiga.evaluation.conditions import Item
from haiga.evaluation.run import read_answers
from haiga.models.adapters import load_stage
from haiga.models.assemble import Vlm
from haiga.models.device import device
from haiga.models.towers import Towers, load_towers
from haiga.pipeline import learning
from haiga.pipeline.answering import answering, decoding
from haiga.pipeline.run import FRESH, Run, checkpoint
from haiga.store.files import read_json, write_json

FILES: Final = (
    "hallucination",
    "claims",
    "own_picture",
    "self_retrieval",
    "diversity",
    "text_ability",
    "strange",
)
"""In the order in which the report shows them."""


def evaluate(run: Run, items: list[Item]) -> None:
    """Measure what the stages have written to `items`, and what else they can do."""
    folder, seed = run.folder / "evaluation", run.recipe.seed
    seeing = [
        name
        for name in learning.answering(run.recipe)
        if run.recipe.stage[name].part == "vlm" and run.recipe.stage[name].pictures
    ]
    if not seeing or not items:
        return
    hallucination.evaluate(items, folder, seed=seed)
    diversity.evaluate(items, folder, _training(run, items), seed=seed)
    _self_retrieval(run, items, seeing)
    _text_ability(run, seeing)
    _strange(run, items, seeing)


def read(run: Run) -> dict[str, Any]:
    """Name of a measure -> what was found, of those that there are."""
    found = {name: read_json(run.folder / "evaluation" / f"{name}.json") for name in FILES}
    if run.recipe.evaluate.claims is None:
        found["claims"] = None  # of a recipe that asked for them once
    return {name: each for name, each in found.items() if each is not None}


def _training(run: Run, items: list[Item]) -> list[str]:
    """The texts that the stages have learned to write, of the tasks that are evaluated."""
    tasks = {item.task for item in items}
    groups = store.read_groups(run.data("04_final").path, "train", tasks)
    texts = (answer.text for group in groups for answer in group.answers)
    return list(dict.fromkeys(texts))


def _self_retrieval(run: Run, items: list[Item], seeing: list[str]) -> None:
    """Each text among all, by its own model and by the run's tower where that reads texts."""
    places = self_retrieval.chosen(items, run.recipe.evaluate.self_retrieval)
    if len(places) < 2:
        return
    path = run.folder / "evaluation" / "self_retrieval.json"
    known, found = read_json(path) or {}, {}
    asked = [items[at] for at in places]
    pictures = store.FinalPictures(run.data("04_final").path)
    towers = towers_of(run)
    answers = read_answers(run.folder / "evaluation")
    how: dict[str, Any] = {"seed": run.recipe.seed}
    for name in seeing:
        texts = [answers[name]["full"][at]["answer"] for at in places]
        weights = store.require_manifest(run.stage(name)).fingerprint
        key = store.fingerprint([weights, [item.id for item in asked], texts])
        if known.get(name, {}).get("key") == key:
            found[name] = known[name]
            continue
        vlm = _loaded(run, name)
        found[name] = {
            "key": key,
            "likelihood": self_retrieval.by_likelihood(
                vlm, asked, texts, pictures, run.features, **how
            ),
        }
        if towers is not None:
            by = self_retrieval.by_encoder(towers, asked, texts, pictures, **how)
            found[name]["dual_encoder"] = by
    if towers is not None:
        texts = [item.reference for item in asked]
        by = self_retrieval.by_encoder(towers, asked, texts, pictures, **how)
        found[diversity.REFERENCES] = {"dual_encoder": by}
    write_json(path, found)


def towers_of(run: Run) -> Towers | None:
    """The dual encoder whose vision half the models see through; None where it reads no texts."""
    if run.recipe.model.tower == FRESH:
        return None
    try:
        return load_towers(checkpoint(run.recipe.model.tower))
    except ModelError:
        return None


def _loaded(run: Run, name: str) -> Vlm:
    vlm = load_stage(run.base if name == text_ability.BASE else run.stage(name) / "model")
    vlm.model.to(device())
    return vlm


def _text_ability(run: Run, seeing: list[str]) -> None:
    """Words alone, before the first stage and after each; nothing in a language without prose."""
    language = run.recipe.language
    if language not in text_ability.LANGUAGES:
        return
    path = run.folder / "evaluation" / "text_ability.json"
    names = {text_ability.BASE: run.base, **{name: run.stage(name) for name in seeing}}
    weights = {name: store.require_manifest(place).fingerprint for name, place in names.items()}
    key = store.fingerprint([text_ability.VERSION, weights, text_ability.passages(language)])
    if (read_json(path) or {}).get("key") == key:
        return
    measured = {name: text_ability.measured(_loaded(run, name), language) for name in names}
    found = text_ability.compared(measured, seed=run.recipe.seed)
    answers = {name: own["answers"] for name, own in measured.items()}
    asks = [each.ask for each in text_ability.INSTRUCTIONS[language]]
    write_json(path, {"key": key, "models": found, "asked": asks, "answers": answers})


def _strange(run: Run, items: list[Item], seeing: list[str]) -> None:
    """What is written to pictures that nobody trained on; nothing where several are asked about."""
    first = next((item for item in items if len(item.pictures) == 1), None)
    if first is None:
        return
    asked, pictures = strange.items_like(first)
    how = {**decoding(run), "batch": run.recipe.evaluate.batch}
    strange.measure(
        answering(run, seeing, lambda load: answerer(load, pictures, **how)),
        asked,
        run.folder / "evaluation",
        decoding=decoding(run),
        seed=run.recipe.seed,
        emit=run.emit,
    )
