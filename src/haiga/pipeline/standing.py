"""Where a run stands: what is complete, what would be made, and what a command needs first.

Nothing here writes, and nothing loads a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from haiga import store
from haiga.errors import StoreError
from haiga.pipeline.data import make_data
from haiga.pipeline.learned import needed
from haiga.pipeline.run import DATA, FRESH, Run
from haiga.store import Folder
from haiga.store.files import read_json

EVALUATED: Final = "evaluation/complete.json"
"""Written last: an evaluation with it holds all that its recipe asks for."""


class Plan(NamedTuple):
    """What a folder without rows is made of; the arguments of `store.is_complete`."""

    folder: Path
    stage: str
    options: Mapping[str, Any]
    parents: Mapping[str, str]


def of_critics(run: Run) -> Plan:
    """The plan of the critics of style, where the recipe has them."""
    section = run.recipe.critic
    assert section is not None, "asked for where the recipe has critics only"
    options = section.model_dump(mode="json")
    options |= {"language": run.recipe.language, "seed": run.recipe.seed}
    return Plan(run.critics, "critics", options, {"04_final": run.data("04_final").fingerprint()})


def of_base(run: Run) -> Plan:
    """The plan of the model that the stages start from."""
    section = run.recipe.model
    options = section.model_dump(mode="json")
    if section.dtype == "float32":  # as bases were before there was a choice
        del options["dtype"]
    fresh = {"04_final": run.data("04_final").fingerprint()} if section.tower == FRESH else {}
    return Plan(run.base, "base", options, fresh)


def of_stage(run: Run, name: str) -> Plan:
    """The plan of a stage, whose parents must be complete."""
    stage = run.recipe.stage[name]
    start = run.stage(stage.starts_from) if stage.starts_from else run.base
    parents = {
        "04_final": run.data("04_final").fingerprint(),
        "start": store.require_manifest(start).fingerprint,
    }
    for asked, part in needed(stage).items():
        parents[asked] = store.require_manifest(run.folder / part).fingerprint
    options = {**stage.model_dump(mode="json"), "seed": run.recipe.seed}
    return Plan(run.stage(name), "stage", options, parents)


def of_evaluation(run: Run) -> dict[str, str]:
    """What an evaluation is made of, as its last file has it; every stage must be complete."""
    parents = [run.stage(name) for name in run.recipe.stage]
    parents += [run.critics] if run.recipe.critic is not None else []
    made = {
        "evaluate": run.recipe.evaluate.model_dump(mode="json"),
        "seed": run.recipe.seed,
        "04_final": run.data("04_final").fingerprint(),
        "parents": [store.require_manifest(part).fingerprint for part in parents],
    }
    return {"made_of": store.fingerprint(made)}


def standing(run: Run) -> dict[str, bool]:
    """Every part of a run, in the order in which they are made, and whether it is complete.

    Raises:
        DriftError: a part is complete and was made otherwise, and the run does not rebuild.
    """
    done = _data(run)
    parts = {f"data/{stage}": stage in done for stage in DATA}
    parts |= _models(run, "04_final" in done)
    judged = all(parts.values()) and read_json(run.folder / EVALUATED) == of_evaluation(run)
    report = judged and (run.folder / "report.html").exists()
    return parts | {"evaluation": judged, "report.html": report}


def require(run: Run, command: str, words: str) -> None:
    """That what a command reads is there.

    Args:
        run: looked at, not changed.
        command: "run" and those that make data need nothing, the others what comes before them.
        words: the recipe and the options of the command, to be repeated in advice.

    Raises:
        StoreError: something is missing; names the command that makes it.
        DriftError: a stage was made by another recipe.
    """
    if command in ("run", "curate", "write", "estimate"):
        return
    if run.data("04_final").manifest() is None:
        raise _missing(run.data("04_final").path, "curate", words)
    if command in ("train", "audit", "rows"):
        return
    for part, complete in _models(run, True).items():
        if not complete:
            raise _missing(run.folder / part, "train", words)
    if command in ("report", "label") and not any(path.exists() for path in _judgements(run)):
        raise _missing(run.folder / "evaluation", "evaluate", words)


def _missing(what: Path, command: str, words: str) -> StoreError:
    return StoreError(
        f"{what} is not complete yet. Run `haiga {command} {words}` first, or `haiga run {words}` "
        "for everything."
    )


def _judgements(run: Run) -> list[Path]:
    return [run.folder / "evaluation" / f"{name}.json" for name in ("summary", "retrieval")]


class _MissingError(Exception):
    """Stops a look at the data folders where work would begin."""


class _Seen(Folder):
    """A folder that is only looked at."""

    only_seen = True

    def forget(self) -> None:
        raise _MissingError(DATA[0])

    def is_complete(
        self,
        stage: str,
        options: Mapping[str, Any],
        parents: Mapping[str, str],
        *,
        code: str = "1",
    ) -> bool:
        if super().is_complete(stage, options, parents, code=code):
            return True
        raise _MissingError(stage)


class _Look(Run):
    """A run whose data folders stop whoever would fill them."""

    def data(self, stage: str) -> Folder:
        return _Seen(super().data(stage).path, rebuild=self.rebuild)


def _data(run: Run) -> tuple[str, ...]:
    """The data folders that are complete; asked by the code that would make them."""
    if run.recipe.source is None:
        return tuple(stage for stage in DATA if run.data(stage).manifest() is not None)
    try:
        make_data(_Look(run.recipe, run.folder, lambda event: None, run.rebuild))
    except _MissingError as stop:
        return DATA[: DATA.index(str(stop))]
    return DATA


def _models(run: Run, data: bool) -> dict[str, bool]:
    fresh = run.recipe.model.tower == FRESH
    base = (data or not fresh) and store.is_complete(*of_base(run), rebuild=run.rebuild)
    parts = {"base": base}
    if run.recipe.critic is not None:
        parts["critics"] = data and store.is_complete(*of_critics(run), rebuild=run.rebuild)
    for name, stage in run.recipe.stage.items():
        start = f"stages/{stage.starts_from}" if stage.starts_from else "base"
        ready = data and all(parts[part] for part in (start, *needed(stage).values()))
        parts[f"stages/{name}"] = ready and store.is_complete(
            *of_stage(run, name), rebuild=run.rebuild
        )
    return parts
