"""A benchmark under every condition: asked and compared as held-out pictures are.

evaluation/benchmarks/<name>/benchmark.json    what was read, what was set aside, chance, rules
evaluation/benchmarks/<name>/…                 answers, summary, comparisons: see `run`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeAlias

from haiga import events
from haiga.errors import TooLongError
from haiga.evaluation.answerers import answerer
from haiga.evaluation.benchmarks.base import Bench, Benchmark
from haiga.evaluation.checks import clusters, score
from haiga.evaluation.compare import uses_picture
from haiga.evaluation.conditions import Item
from haiga.evaluation.likelihood import answer_logps
from haiga.evaluation.run import Answerer, Stage, evaluate, read_answers
from haiga.models.assemble import Vlm
from haiga.models.device import device
from haiga.store.files import fingerprint, read_json, write_json

Found: TypeAlias = dict[str, Any]
ALONE: Final = ("full", "blind", "shuffled", "grey")
"""The conditions that need no other model beside the one that is asked."""
CONDITIONED: Final = (*ALONE, "blind_lm", "random_projector")
"""Those that a benchmark can be put under: it asks for no style, and its pictures have no truth in
words."""
TEXT_PRIOR: Final = "text_prior"
"""Who answers from the words of the questions alone, as the benchmark's `prior` does."""


def ask(
    load: Callable[[], Vlm], bench: Bench, features: Path | None = None, *, batch: int
) -> Answerer:
    """How a model answers a benchmark: it writes, or the likeliest candidate speaks for it.

    A question that does not fit in the model's positions is answered with nothing, which is wrong:
    to leave it out would reward a short memory. `features` as of `evaluation.answerers.answerer`.
    """
    if bench.by == "likelihood":
        one: Answerer = _likeliest(load, bench.pictures, features)
    else:
        one = answerer(load, bench.pictures, features, **decoding(bench), batch=batch)

    def answer(items: list[Item]) -> list[str]:
        try:
            return one(items)
        except TooLongError:
            if len(items) == 1:
                return [""]
            half = len(items) // 2
            return answer(items[:half]) + answer(items[half:])

    return answer


def _likeliest(
    load: Callable[[], Vlm], pictures: Mapping[str, bytes], features: Path | None
) -> Answerer:
    def answer(items: list[Item]) -> list[str]:
        vlm = load()
        vlm.model.to(device())
        texts = [each.truth["candidates"] for each in items]
        asked = answer_logps(vlm, items, texts, pictures, features)
        return [
            str(item.truth["labels"][int(likely.means.argmax())])
            for item, likely in zip(items, asked, strict=True)
        ]

    return answer


def decoding(bench: Bench) -> Found:
    """All that an answer depends on besides model, question and picture."""
    if bench.by == "likelihood":
        return {"by": bench.by}
    return {"max_new_tokens": bench.longest, "temperature": 0.0}


def run(
    benchmark: Benchmark,
    bench: Bench,
    stages: Mapping[str, Stage],
    folder: Path,
    *,
    conditions: Sequence[str] = ALONE,
    seed: int = 0,
    emit: events.Sink = lambda event: None,
) -> Found:
    """Ask, score, compare, and write what was found under `folder`; see `result`."""
    if benchmark.with_words is not None:
        benchmark = benchmark.with_words(benchmark, bench.words)
    evaluate(
        {**stages, **_prior(benchmark, bench)},
        bench.items,
        folder,
        conditions=conditions,
        checks=benchmark.checks,
        decoding=decoding(bench),
        seed=seed,
        emit=emit,
    )
    found = result(benchmark, bench, folder, seed)
    write_json(folder / "benchmark.json", found)
    return found


def _prior(benchmark: Benchmark, bench: Bench) -> dict[str, Stage]:
    """The control that looks at words alone, where a benchmark has one."""
    if benchmark.prior is None:
        return {}
    ids = [item.id for item in bench.items]
    known = dict(zip(ids, benchmark.prior(bench.items), strict=True))

    def answer(items: list[Item]) -> list[str]:
        return [known[item.id] for item in items]

    return {TEXT_PRIOR: Stage(fingerprint(known), answer, conditions=("blind",))}


def result(benchmark: Benchmark, bench: Bench, folder: Path, seed: int) -> Found:
    """What the answers under `folder` come to.

    Returns:
        "data", "version", "rows", "asked", "aside" (reason -> count), "places" of the rows set
        aside, "notes", "by", "primary", "rules", "sentence"; "chance": what guessing is worth;
        "scores": stage -> condition -> check -> mean, low, high, n; "categories": stage ->
        category -> the primary check; "official": stage -> condition -> the published scorer's
        figures; "uses_picture": stage that sees -> whether it surely does; "missing": the same ->
        what a claim fixed beforehand lacks.
    """
    answers = {
        stage: {name: [row["answer"] for row in rows] for name, rows in by_condition.items()}
        for stage, by_condition in read_answers(folder).items()
    }
    scores: dict[str, dict[str, Found]] = read_json(folder / "summary.json")
    for stage, by_condition in scores.items():
        for condition, cells in by_condition.items():
            cells |= _totals(benchmark, bench, answers[stage][condition], seed)
    comparisons = read_json(folder / "comparisons.json")
    return _read(benchmark, bench) | {
        "scores": scores,
        "categories": {
            stage: _categories(benchmark, bench, answers[stage]["full"], seed)
            for stage, by_condition in scores.items()
            if "full" in by_condition
        },
        "official": {
            stage: {
                condition: benchmark.official(bench.items, answers[stage][condition])
                for condition in by_condition
            }
            for stage, by_condition in scores.items()
        },
        "uses_picture": {
            stage: uses_picture(comparisons, stage, benchmark.primary)
            for stage, cells in scores.items()
            if "full" in cells
        },
        "missing": {
            stage: benchmark.gate(cells) if benchmark.gate else []
            for stage, cells in scores.items()
            if "full" in cells
        },
    }


def _read(benchmark: Benchmark, bench: Bench) -> Found:
    """What was asked, and how."""
    return {
        "data": bench.data,
        "version": bench.version,
        "rows": len(bench.items) + len(bench.aside),
        "asked": len(bench.items),
        "aside": dict(Counter(bench.aside.values())),
        "places": dict(bench.aside),
        "notes": list(bench.notes),
        "by": bench.by,
        "primary": benchmark.primary,
        "rules": benchmark.rules,
        "sentence": benchmark.sentence,
        "chance": chance(benchmark, bench),
    }


def _totals(benchmark: Benchmark, bench: Bench, answers: Sequence[str], seed: int) -> Found:
    made = {name: of(bench.items, answers, seed) for name, of in benchmark.totals.items()}
    return {name: asdict(total) for name, total in made.items() if total is not None}


def _categories(benchmark: Benchmark, bench: Bench, answers: Sequence[str], seed: int) -> Found:
    """Category -> the primary check on its items alone."""
    found: Found = {}
    names = {name for item in bench.items for name in item.truth.get("categories", ())}
    for name in sorted(names):
        own = [
            (item, answer)
            for item, answer in zip(bench.items, answers, strict=True)
            if name in item.truth["categories"]
        ]
        items = [item for item, _ in own]
        parts = benchmark.checks[benchmark.primary].score(items, [answer for _, answer in own])
        cell = score(parts, clusters(items), seed=seed)
        if cell is not None:
            found[name] = asdict(cell)
    return found


def chance(benchmark: Benchmark, bench: Bench) -> dict[str, float]:
    """What the primary check gives to who does not look: a random choice, the best constant one.

    Questions without choices are not guessed rightly. A random choice is known of plain accuracy
    alone.
    """
    check = benchmark.checks[benchmark.primary]
    found: dict[str, float] = {}
    if benchmark.primary == "accuracy":
        sizes = [len(item.truth.get("options", ())) for item in bench.items]
        found["a random choice"] = sum(1 / size for size in sizes if size) / len(sizes)
    for label in sorted({item.reference for item in bench.items if _is_closed(item)}):
        cell = score(check.score(bench.items, [label] * len(bench.items)), clusters(bench.items))
        found[f"always {label}"] = cell.mean if cell is not None else 0.0
    constants = {name: value for name, value in found.items() if name.startswith("always")}
    if not constants:
        return found
    best = max(constants, key=lambda name: constants[name])
    return {name: value for name, value in found.items() if name == best or name not in constants}


def _is_closed(item: Item) -> bool:
    return bool(item.truth.get("options") or item.truth.get("labels"))
