"""The data folders of a run, one after another; what is complete is not touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from haiga import sources
from haiga.curation import captions, fine, pictures
from haiga.curation import run as curation
from haiga.curation.engines import ENGINES
from haiga.curation.filtering import Rules, filter_rows
from haiga.curation.safety import safe
from haiga.curation.split import require_rows
from haiga.errors import DataError, RecipeError
from haiga.models.pictures import READERS
from haiga.pipeline import balancing, gathering, gating, likeness, ranking, safeguarding, tables
from haiga.pipeline.rewriting import cost_at_most
from haiga.pipeline.run import DATA, Run
from haiga.pipeline.teaching import cost, teach
from haiga.pipeline.writers import require_keys
from haiga.recipe.bind import bind
from haiga.recipe.names import listed

LATER = {"texts", "rank", "similarity", "balance", "safety", "semantic", "against", "fine"}
"""What of [curate] 01_filtered does not depend on."""


def make_data(run: Run) -> None:
    """00_raw to 04_final."""
    gather(run)
    curate(run)
    teach(run)
    finish(run)


def write(run: Run, words: str) -> None:
    """00_raw to 02_captioned: as far as a teacher is needed."""
    require_keys(run)
    gather(run)
    curate(run)
    teach(run)
    tables.funnel(run)
    print(f"Next: haiga curate {words}")


def estimate(run: Run, words: str) -> None:
    """00_raw and 01_filtered, which cost nothing, and what the teacher would cost then."""
    gather(run)
    curate(run)
    again = {f"{model}, written again at most": each for model, each in cost_at_most(run).items()}
    tables.costs({**cost(run), **again})
    print(f"Nothing was asked. Next: haiga teach {words}")


def gather(run: Run) -> None:
    """00_raw."""
    recipe = run.recipe
    if recipe.source is None:
        raise RecipeError(
            f"source: the recipe {recipe.name!r} names no source of pictures yet. Add a [source] "
            f"section; there are: {', '.join(sorted(sources.SOURCES))}."
        )
    options = {
        "source": recipe.source,
        "language": recipe.language,
        "seed": recipe.seed,
        "versions": sources.VERSIONS.get(recipe.source["name"], {}),
    }
    gathering.gather(run, run.data("00_raw"), recipe.source, "source", options)
    _require_any(run, "00_raw", "Look at what the source names.")


def curate(run: Run) -> None:
    """01_filtered."""
    section = run.recipe.curate
    looks = pictures.looks([rule["name"] for rule in section.pictures])
    looks += (fine,) if section.fine is not None else ()
    versions = [look.MEASURE for look in looks[1:]]
    rules = Rules(
        pictures=[
            *_rules(pictures.RULES, section.pictures, "curate.pictures"),
            *([safe] if section.safety else []),
        ],
        captions=_rules(captions.RULES, section.captions, "curate.captions"),
        same=likeness.sameness(run),
        looks=looks,
        others=likeness.others(run),
        models=safeguarding.models(run),
    )
    _look_again(run)
    options = {
        **section.model_dump(mode="json", exclude=LATER),
        "measure": pictures.MEASURE,
        # Named where they are taken, so that folders from before there were any still fit.
        **({"looks": versions} if versions else {}),
        **likeness.options(section),
        **safeguarding.options(run),
    }
    filter_rows(
        run.data("00_raw"),
        run.data("01_filtered"),
        options,
        rules=rules,
        engine=bind(ENGINES, run.recipe.engine, "engine"),
        emit=run.emit,
    )
    _require_rows(run, "01_filtered", "Change the rules under [curate], or the source.")


def _look_again(run: Run) -> None:
    """Have the data made again where 01_filtered lacked what is installed by now to read pictures.

    What was trained on them stays what it is, and so do they then.
    """
    made = run.data("01_filtered").manifest()
    here = [name for name, is_here in READERS.items() if is_here()]
    met = [name for name in here if made and pictures.lacking(name) in made.reasons]
    if not met:
        return
    text = f"what needed {listed(met)} to be read can be read now"
    if any(any(run.stage(name).glob("*.json")) for name in run.recipe.stage):
        text += "; a stage is trained on the rest, so another --workdir must have it"
    else:
        for stage in reversed(DATA[1:]):
            run.data(stage).forget()
    run.emit({"kind": "note", "stage": "01_filtered", "text": text})


def _require_rows(run: Run, stage: str, advice: str) -> None:
    """That a stage has left enough to go on with, before anybody is paid for it.

    Raises:
        DataError: every row was dropped, or as many as the split holds out are left.
    """
    _require_any(run, stage, advice)
    if made := run.data(stage).manifest():
        with _telling(run):
            require_rows(made.counts["kept"], _sizes(run))


def _require_any(run: Run, stage: str, advice: str) -> None:
    """That a stage has not dropped every row.

    Raises:
        DataError: it has; says for which reasons.
    """
    made = run.data(stage).manifest()
    if made is not None and made.counts["in"] and not made.counts["kept"]:
        why = ", ".join(f"{reason} {count}" for reason, count in made.reasons.items())
        raise DataError(
            f"Of {made.counts['in']} rows none is left: {why}. Each is in "
            f"data/{stage}/dropped.parquet with what was found. {advice}"
        )


@contextmanager
def _telling(run: Run) -> Iterator[None]:
    """What has left, and why, where too little came through."""
    try:
        yield
    except DataError:
        tables.funnel(run)
        raise


def _sizes(run: Run) -> dict[str, int]:
    """How many rows are kept apart, by split."""
    return {"held_out": run.recipe.split.held_out, "validation": run.recipe.split.validation}


def finish(run: Run) -> None:
    """03_quality_checked and 04_final."""
    _require_rows(
        run,
        "02_captioned",
        "Somebody must write about the pictures: a teacher under [teach], or the source itself.",
    )
    recipe = run.recipe
    texts = recipe.curate.texts
    rules = {task: _rules(captions.RULES, texts[task], f"curate.texts.{task}") for task in texts}
    checked = run.data("03_quality_checked")
    options = {"texts": recipe.curate.model_dump(mode="json")["texts"], **gating.options(run)}
    options |= ranking.options(run)
    gate = gating.gate(run, rules)
    curation.check_captions(
        run.data("02_captioned"),
        checked,
        options,
        rules=rules,
        gate=gate,
        rankings=ranking.rankings(run),
    )
    _require_rows(run, "03_quality_checked", "Change the rules of [curate.texts], or the voice.")
    split = recipe.split
    seed = recipe.seed if split.seed is None else split.seed
    sizes = _sizes(run)
    with _telling(run):
        curation.finalise(
            checked,
            run.data("04_final"),
            {"sizes": sizes, "seed": seed, **balancing.options(run)},
            sizes=sizes,
            seed=seed,
            balance=balancing.balance(run),
        )


def _rules(
    table: Mapping[str, Callable[..., str | None]], components: Any, path: str
) -> list[Callable[..., str | None]]:
    return [bind(table, component, f"{path}.{at}") for at, component in enumerate(components)]
