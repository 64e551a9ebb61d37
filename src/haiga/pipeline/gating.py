"""The similarity gate of a recipe: its encoders, who writes again, and what people have decided."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from haiga import store
from haiga.curation import captions, review
from haiga.curation.asking import Again
from haiga.curation.run import Pairs, Sort
from haiga.curation.safety import TASK
from haiga.errors import HaigaError
from haiga.pipeline.rewriting import rewrite
from haiga.pipeline.run import Run, checkpoint
from haiga.recipe.curating import Similarity
from haiga.store.files import write_json

if TYPE_CHECKING:
    from haiga.curation.embeddings import Encoder

STAGE: Final = "03_quality_checked"
FACTS: Final = "similarity.json"
"""In the folder of `STAGE`: the encoders, their gates, and what those let through."""
Rules: TypeAlias = Mapping[str, Sequence[captions.Rule]]


def options(run: Run) -> dict[str, Any]:
    """What 03_quality_checked depends on besides its rules: the gate, and people's decisions.

    Raises:
        DataError: the decisions cannot be read.
    """
    section = run.recipe.curate.similarity
    if section is None:
        return {}
    said = {key: each[:2] for key, each in decisions(run).items() if each.task != TASK}
    return {"similarity": section.model_dump(mode="json"), "decisions": said}


def decisions(run: Run) -> dict[str, review.Decision]:
    """What people have decided, by key, of texts and of pictures."""
    return review.read(run.folder / "data" / review.NAME)


def gate(run: Run, rules: Rules) -> Callable[[Pairs], Sort] | None:
    """The gate, to be handed all texts that the rules let stand; None where there is none."""
    section = run.recipe.curate.similarity
    return None if section is None else lambda pairs: _judged(run, section, rules, pairs)


def faults(section: Similarity) -> Iterator[str]:
    """What is wrong with the gate of a recipe."""
    path = "curate.similarity"
    for place, name in {"tower": section.tower, **_named(section)}.items():
        try:
            checkpoint(name)
        except HaigaError as error:
            yield f"{path}.{place}: {error}"
    kinds = {type(bound) for bound in (section.enter, section.reject)}
    if kinds == {float} and section.towers:
        yield (
            f"{path}.enter: a cosine belongs to one encoder, and there are several; give the share "
            "of shuffled pairs that may reach it, { false_accepts = 0.01 }"
        )
    if kinds == {float} and section.enter < section.reject:
        yield f"{path}.enter: {section.enter} is below reject, {section.reject}"
    if kinds == {dict} and section.enter["false_accepts"] > section.reject["false_accepts"]:
        yield f"{path}.enter: it would let more shuffled pairs pass than reject does"


def _named(section: Similarity) -> dict[str, str]:
    return {f"towers.{language}": name for language, name in section.towers.items()}


def encoders(run: Run) -> Callable[[str], Encoder]:
    """Opens a dual encoder by its name in the recipe, each once; the run keeps what it sees."""
    from haiga.curation.embeddings import Encoder  # torch

    return cache(lambda name: Encoder(name, checkpoint(name), run.folder / "features"))


def _judged(run: Run, section: Similarity, rules: Rules, pairs: Pairs) -> Sort:
    from haiga.curation.gate import Gate, judge  # torch

    opened = encoders(run)

    data = run.folder / "data"
    judged = judge(
        Gate(
            tasks=section.tasks,
            enter=section.enter,
            reject=section.reject,
            encoder=lambda language: opened(section.towers.get(language, section.tower)),
            languages=tuple(section.towers),
            again=_again(run, rules),
            decisions=decisions(run),
            folder=data,
            seed=run.recipe.seed,
        ),
        pairs,
        store.PictureFiles(run.data("00_raw").path),
        run.emit,
    )
    write_json(run.data(STAGE).path / FACTS, judged.facts)
    list_for_review(run, judged.waiting, STAGE)
    return judged.sort


def list_for_review(run: Run, waiting: Sequence[review.Entry], stage: str) -> None:
    """Put what a stage leaves to a person into the list, and say so."""
    path = run.folder / "data" / review.NAME
    count = review.write(path, waiting, lambda task: (task == TASK) == (stage != STAGE))
    if count:
        what = "text" if stage == STAGE else "picture"
        wait = f"{count} {what}s wait" if count > 1 else f"1 {what} waits"
        text = (
            f"{wait} for a person, out of the set until then: write accept and why, or "
            f"reject, into the last columns of {path}, and run the same command with --rebuild."
        )
        run.emit({"kind": "warning", "stage": stage, "text": text})


def _again(
    run: Run, rules: Rules
) -> Callable[[Sequence[tuple[Mapping[str, Any], str]]], Iterator[dict[str, Any] | None]] | None:
    """Asks a recipe's teachers for texts in the place of others; None where there are none."""
    section = run.recipe.teach
    if section is None:
        return None
    calls = section.calls()

    def again(texts: Sequence[tuple[Mapping[str, Any], str]]) -> Iterator[dict[str, Any] | None]:
        asked: Counter[tuple[str, str]] = Counter()
        wanted = []
        for row, task in texts:
            wanted.append(Again(row, task, calls.get(task, 0) + asked[row["id"], task]))
            asked[row["id"], task] += 1
        failures: list[str] = []
        for each, (text, failure) in zip(wanted, rewrite(run, wanted), strict=True):
            if failure is not None:
                failures.append(f"{each.task}: {failure}")
            stands = failure is None and _stands(each.row, text, rules)
            yield dict(text) if stands else None
        if failures:
            said = f"{len(failures)} calls to the teacher failed; the first with: {failures[0]}"
            run.emit({"kind": "warning", "stage": STAGE, "text": said})

    return again


def _stands(row: Mapping[str, Any], text: Mapping[str, str], rules: Rules) -> bool:
    own, meta = rules.get(text["task"], ()), json.loads(row["meta"])
    return captions.fault(text["text"], row["language"], own, meta) is None
