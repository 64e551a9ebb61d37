"""The first words of the page: three sentences to quote, each number of which leads to its row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from haiga.evaluation.compare import primary, uses_picture
from haiga.evaluation.conditions import CONDITIONS
from haiga.evaluation.own_picture import OWN_PICTURE
from haiga.evaluation.rating.statements import CHECK
from haiga.reporting.facts import RunFacts
from haiga.reporting.words import interval, percent, points


@dataclass(frozen=True, slots=True)
class Said:
    """A stretch of a sentence, and the id on the page of the row that its numbers are read from."""

    text: str
    row: str = ""


OPENINGS: Final[dict[str, tuple[str, str]]] = {
    "named_precision": (
        "Of the things that the answers of {stage} name, ",
        " are in the picture",
    ),
    "judged_grounding": (
        "For saying what is in its picture, and nothing that is not, {judge} gives an answer of "
        "{stage} ",
        " of its points",
    ),
    CHECK: (
        "Of the statements that the answers of {stage} make, ",
        " are shown by the picture, as {checker} sees it",
    ),
    OWN_PICTURE: (
        "As {encoder} sees it, an answer of {stage} fits its own picture better than ",
        " of the other held-out ones, where chance is one half",
    ),
}
"""Check that decides -> what stands before its share, and after it."""
UNCHECKED: Final = {
    "judged_grounding": "; nobody has compared this judge with people",
    CHECK: "; nobody has compared it with people",
    OWN_PICTURE: "; whether what it writes is right, nobody has looked",
}
"""What the figure does not say."""


def cell_id(stage: str, condition: str, check: str) -> str:
    """The id of a cell in the table of checks."""
    return f"score/{stage}/{condition}/{check}"


def compared_id(row: Mapping[str, Any]) -> str:
    """The id of a comparison in the list of what moved."""
    return f"moved/{row['stage']}/{row['against']}/{row['check']}"


def plain(said: list[Said]) -> str:
    """The sentences as text."""
    return "".join(piece.text for piece in said)


def verdict(facts: RunFacts) -> list[Said]:
    """Does the last stage use its pictures, and did its last step change it."""
    seeing = [stage for stage, cells in facts.summary.items() if "full" in cells]
    if not seeing:
        return [Said("Nothing has been evaluated yet, so this page says only what was made.")]
    stage = seeing[-1]
    check = primary(facts.summary[stage]["full"])
    if check is None:
        return [Said(_unknown(facts, stage)), *_step(facts, stage)]
    return [
        *_opening(facts, stage, check),
        *_grounding(facts, stage, check),
        *_step(facts, stage),
    ]


def _unknown(facts: RunFacts, stage: str) -> str:
    """What is said where no check can tell, and who could."""
    own = facts.measures.get("own_picture")
    asked = "" if own is None else (
        f", and {own['encoder']} does not surely find the pictures of the very texts that were "
        "learned from"
    )  # fmt: skip
    return (
        f"The content of these pictures is not known{asked}, so no check here tells whether "
        f"{stage} uses them: name a judge under [evaluate.judge], or a dual encoder that reads "
        "such texts as evaluate.encoder. The table shows what can be told without: whether its "
        "answers can be read, keep the form, and differ."
    )


def _opening(facts: RunFacts, stage: str, check: str) -> Iterator[Said]:
    cell = facts.summary[stage]["full"][check]
    before, after = OPENINGS[check]
    own, claims = (facts.measures.get(name, {}) for name in ("own_picture", "claims"))
    row = cell_id(stage, "full", check)
    names = {
        "stage": stage,
        "judge": _model(facts.judge.get("judge", {})),
        "checker": _model(claims.get("teacher", {})),
        "encoder": own.get("encoder", "the tower"),
    }
    yield Said(before.format(**names))
    yield Said(percent(cell["mean"]), row)
    yield Said(f"{after.format(**names)} (")
    yield Said(f"95 % interval {interval(cell)}, {cell['n']:,} answers", row)
    unchecked = facts.judge.get("status") != "measured" or check != "judged_grounding"
    yield Said(f", failures counted{UNCHECKED.get(check, '') if unchecked else ''}).")


def _model(component: Mapping[str, Any]) -> str:
    return str(component.get("model", component.get("name", "the teacher")))


def _controls(facts: RunFacts, stage: str, check: str) -> dict[tuple[str, str], float]:
    """(stage, condition) -> the mean of each control of `stage`."""
    found = {
        (stage, name): by_check[check]["mean"]
        for name, by_check in facts.summary[stage].items()
        if name != "full" and check in by_check and CONDITIONS[name].tells == "picture"
    }
    return found | {
        (other, "blind"): cells["blind"][check]["mean"]
        for other, cells in facts.summary.items()
        if "full" not in cells and check in cells.get("blind", {})
    }


def _grounding(facts: RunFacts, stage: str, check: str) -> Iterator[Said]:
    used, controls = uses_picture(facts.comparisons, stage, check), _controls(facts, stage, check)
    if used is None or not controls:
        yield Said(" No control was run, so this figure cannot be read as use of the picture.")
        return
    of, condition = max(controls, key=lambda cell: controls[cell])
    many = len(controls) > 1
    yield Said(" The best of " if many else " The ")
    yield Said(f"{len(controls)} controls" if many else "only control", f"score/{stage}")
    yield Said(f" that take{'' if many else 's'} the picture or the training away reaches ")
    yield Said(percent(controls[of, condition]), cell_id(of, condition, check))
    name = (condition if of == stage else of).replace("_", " ")
    if used:
        yield Said(
            f" ({name}), and the difference from each is surely above zero: {stage} uses its "
            "pictures."
        )
    else:
        yield Said(
            f" ({name}), and the difference is not surely above zero for every one of them: it is "
            f"not shown that {stage} uses its pictures."
        )


def _step(facts: RunFacts, stage: str) -> Iterator[Said]:
    rows = [r for r in facts.comparisons if r["stage"] == stage and r["kind"] == "stage"]
    if not rows:
        return
    moved, all_of_them = [row for row in rows if row["moved"]], f"moved/{stage}"
    yield Said(f" Against {rows[0]['against']}, ")
    if not moved:
        yield Said(f"none of {len(rows)} checks", all_of_them)
        yield Said(" moved.")
        return
    yield Said(f"{len(moved)} of {len(rows)} checks", all_of_them)
    yield Said(" moved: ")
    for at, row in enumerate(moved):
        change = f"{row['check'].replace('_', ' ')} {points(row['difference'])}"
        yield Said(change, compared_id(row))
        yield Said("." if at == len(moved) - 1 else ", ")
