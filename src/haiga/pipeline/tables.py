"""The one table at the end of a command: aligned on a terminal, plain columns in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from haiga.evaluation import preferences
from haiga.pipeline.console import time_left
from haiga.pipeline.run import DATA, Run

if TYPE_CHECKING:
    from haiga.curation.interleave import Tally
    from haiga.pipeline.fitting import Need
    from haiga.pipeline.handing import Handed
    from haiga.planning.parameters import Plan
    from haiga.teachers.estimate import Cost


def funnel(run: Run) -> None:
    """Rows in, kept and dropped at each data stage."""
    rows = []
    for stage in DATA:
        manifest = run.data(stage).manifest()
        if manifest is None:
            continue
        counts = manifest.counts
        reasons = ", ".join(f"{reason} {count}" for reason, count in manifest.reasons.items())
        rows.append([stage, *(f"{counts[key]:,}" for key in ("in", "kept", "dropped")), reasons])
    show(["stage", "in", "kept", "dropped", "why"], rows)


def costs(by_model: Mapping[str, Cost]) -> None:
    """What each model that is paid will cost from here."""
    if not by_model:
        show(["estimate", ""], [["the teacher is paid nothing", "$0"]])
        return
    lines: dict[str, Callable[[Cost], str]] = {
        "calls": lambda cost: f"{cost.calls:,}",
        "tokens in": lambda cost: f"{cost.tokens_in:,}",
        "tokens out": lambda cost: f"{cost.tokens_out:,}",
        "dollars": lambda cost: f"{cost.dollars:,.4f}",
        "dollars at most": lambda cost: f"{cost.most:,.4f}",
        "time": lambda cost: time_left(cost.seconds),
        "tokens out and time are": lambda cost: (
            f"as in {cost.measured:,} calls before" if cost.measured else "guessed: no call yet"
        ),
    }
    rows = [[name, *map(line, by_model.values())] for name, line in lines.items()]
    show(["estimate", *by_model], rows)


def standing(parts: Mapping[str, bool]) -> None:
    """Every part of a run, and whether it is there."""
    rows = [[part, "complete" if done else "would be made"] for part, done in parts.items()]
    show(["part", "state"], rows)


def summary(run: Run) -> None:
    """Stages under conditions, each check with its interval."""
    found = run.folder / "evaluation" / "summary.json"
    if found.exists():
        scores = json.loads(found.read_text(encoding="utf-8"))
        checks = list(
            dict.fromkeys(c for by in scores.values() for row in by.values() for c in row)
        )
        rows = [
            [stage, condition, *(_cell(cells.get(check)) for check in checks)]
            for stage, by_condition in scores.items()
            for condition, cells in by_condition.items()
        ]
        show(["stage", "condition", *(check.replace("_", " ") for check in checks)], rows)
    found = run.folder / "evaluation" / "retrieval.json"
    if found.exists():
        rows = [
            [stage, direction.replace("_", " "),
             *(_cell(cells[at]) for at in ("r@1", "r@5", "r@10")), f"{cells['median_rank']:.1f}"]
            for stage, both in json.loads(found.read_text(encoding="utf-8")).items()
            for direction, cells in both.items()
            if isinstance(cells, dict)
        ]  # fmt: skip
        show(["tower", "direction", "R@1", "R@5", "R@10", "median rank"], rows)
    pairs = preferences.read(run.folder / "evaluation")
    if pairs:
        shown = ("preferred", "margin", "margin_per_token", "likelier_before", "likelier")
        rows = [
            [name, *(_cell(pairs[name][each]) for each in shown)]
            for name in run.recipe.stage
            if name in pairs
        ]
        show(["held-out pairs", *(each.replace("_", " ") for each in shown)], rows)
    for path in sorted((run.folder / "evaluation" / "benchmarks").glob("*/benchmark.json")):
        benchmark(path.parent.name, json.loads(path.read_text(encoding="utf-8")))


def benchmark(name: str, found: Mapping[str, Any]) -> None:
    """Stages under conditions, each check with its interval; below it what is true of all rows."""
    table = found["scores"]
    checks = list(dict.fromkeys(c for by in table.values() for row in by.values() for c in row))
    rows = [
        [stage, condition, *(_cell(cells.get(check)) for check in checks)]
        for stage, by_condition in table.items()
        for condition, cells in by_condition.items()
    ]
    show([name, "condition", *(check.replace("_", " ") for check in checks)], rows)
    asked = f"{found['asked']:,} of {found['rows']:,} rows of {found['data']}"
    print(f"{name}: {asked}, by {found['by']}")
    for why, count in found["aside"].items():
        print(f"{name}: {count:,} set aside: {why}")
    for stage, by_condition in found["official"].items():
        figures = by_condition.get("full", {})
        said = ", ".join(f"{what.replace('_', ' ')} {value:.3f}" for what, value in figures.items())
        if not figures:
            continue  # a control, which no published scorer knows
        print(f"{name}: {stage} by the rules of {found['rules']}: {said}")


def audit(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Stages and their pairs, and under the table what each audit comes to."""
    rows = []
    for stage, each in found.items():
        gap = each["truth"].get("grounding")
        rows.append(
            [
                stage,
                f"{each['pairs']:,}",
                _signed(gap) if gap else "not known",
                _signed(each["judged"]) if each["judged"] else "nobody",
                _flipped(each),
                _cell(each["text_only"]),
                _signed(each["length"]),
                _cell(each["longer"]),
                _cell(each["shared"]),
                f"{each['equal']['mean']:.2f}",
                f"{each['repeated']['mean']:.2f}",
            ]
        )
    header = ["stage", "pairs", "gap in grounding", "gap as judged", "flipped"]
    header += ["texts alone (AUC)", "words more"]
    show([*header, "longer", "shared words", "equal", "repeated"], rows)
    for stage, each in found.items():
        print(f"{stage}: {each['verdict']}.")


def people(judge: Mapping[str, Any]) -> None:
    """How far a judge agrees with people, where both have spoken."""
    found = judge.get("people")
    if not found or not found["labelled"]:
        return
    names = {"same": "same verdict", "kappa": "kappa", "alpha": "alpha", "ceiling": "among people"}
    cells = [_cell(found[name]) or "undefined" for name in names]
    row = [str(judge["status"]), str(found["labelled"]), str(found["people"]), *cells]
    show(["judge", "pairs", "people", *names.values()], [row])
    show(
        ["people prefer", "win rate"], [[name, _cell(each)] for name, each in found["wins"].items()]
    )


def plan(counted: Plan) -> None:
    """Parameters part by part, and what each stage trains."""
    with_head = counted.total + counted.unused_head
    rows = [
        ["vision tower", f"{counted.tower:,}"],
        [counted.joint, f"{counted.projector:,}"],
        ["language model", f"{counted.language_model:,}"],
        ["together", f"{counted.total:,}"],
    ]
    if counted.unused_head:
        note = "pooling head, which nothing reads"
        rows += [[note, f"{counted.unused_head:,}"], ["together, with that head", f"{with_head:,}"]]
    rows.append(["positions a picture takes", f"{counted.picture_tokens:,}"])
    show(["part", "parameters"], rows)
    rows = []
    for stage in counted.stages:
        whole = stage.total + counted.unused_head
        share = f"{stage.trainable / whole:.4%}"
        rows.append([stage.name, f"{stage.trainable:,}", f"{stage.total:,}", f"{whole:,}", share])
    show(["stage", "trainable", "of", "with the unused head", "share of the last"], rows)
    rules = [
        [stage.name, rule, f"{size:,}"] for stage in counted.stages for rule, size in stage.by_rule
    ]
    show(["stage", "rule", "parameters that fall to it"], rules)


def memory(found: Sequence[Need]) -> None:
    """GB that each stage holds at once."""
    names = ("weights", "gradients", "optimiser", "activations", "together")
    rows = []
    for need in found:
        cells = [f"{size / 1e9:.2f}" for size in (*need.held, need.held.total, need.at_most)]
        if not need.counted:
            cells[3:] = ["not counted"] * 3
        rows.append([need.name, str(need.groups), str(need.positions), *cells])
    show(["stage", "rows", "tokens a row", *names, "with rows of max_tokens"], rows)


def handed(files: Sequence[Handed]) -> None:
    """Stages, and the rows that were written of each."""
    rows = [[each.stage, each.split, each.form, f"{each.rows:,}"] for each in files]
    show(["stage", "split", "form", "rows"], rows)


def assigned(tally: Tally) -> None:
    """What became of the pictures of documents."""
    rows = [
        ["documents", f"{tally.documents:,}"],
        ["pictures", f"{tally.pictures:,}"],
        ["assigned to a text", f"{tally.assigned:,}"],
        ["like no text that was free", f"{tally.unlike:,}"],
        ["gone, or broken", f"{tally.gone:,}"],
        ["texts with one picture", f"{tally.texts_with_one:,}"],
        ["texts with several", f"{tally.texts_with_several:,}"],
        *([f"left out: {why}", f"{count:,}"] for why, count in tally.faults.items()),
    ]
    show(["what", "how many"], rows)


def show(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print one table to stdout."""
    if not sys.stdout.isatty():
        for row in (header, *rows):
            print("\t".join(row))
        return
    table = Table(*header, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _cell(score: dict[str, float] | None) -> str:
    return f"{score['mean']:.2f} [{score['low']:.2f}, {score['high']:.2f}]" if score else ""


def _signed(gap: Mapping[str, float]) -> str:
    return f"{gap['difference']:+.2f} [{gap['low']:+.2f}, {gap['high']:+.2f}]"


def _flipped(found: Mapping[str, Any]) -> str:
    """How often position decided: before the judge, or when the teacher made the pairs."""
    source = found["judged"] or found["taught"]
    return _cell(source["flipped"]) if source else ""
