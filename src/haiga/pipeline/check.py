"""What would go wrong, before anything is spent.

Every component is bound, every task has its instruction, and models are put together on paper,
without their weights. Nothing is run, and nothing comes from a network. How the sections of a
recipe fit together is checked when it is read (`recipe.checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from haiga.curation import captions, pictures
from haiga.curation.engines import ENGINES
from haiga.errors import HaigaError, RecipeError
from haiga.evaluation.conditions import CONDITIONS, Item
from haiga.objectives import OBJECTIVES, Objective, needs
from haiga.objectives.bind import bind_objective
from haiga.pipeline import balancing, gating, judging, likeness, rating, teaching
from haiga.pipeline.run import FRESH, checkpoint
from haiga.pipeline.writers import writers
from haiga.recipe.bind import bind, options
from haiga.recipe.checks import CHAT, SOURCE_TASK
from haiga.recipe.names import did_you_mean, listed
from haiga.recipe.schema import Recipe, Stage
from haiga.records import user
from haiga.sources import SOURCES
from haiga.teachers import TEACHERS
from haiga.teachers.tasks import instructions

PAIR_COLUMNS: Final = frozenset(
    {
        "image_embeds",
        "patch_embeds",
        "text_embeds",
        "logit_scale",
        "logit_bias",
        "picture_ids",
        "caption_ids",
        "true_captions",
    }
)
"""Columns of pictures beside captions: the part 'tower' computes these and no others."""
UNREAD: Final[Mapping[str, tuple[str, ...]]] = {
    "vlm": (),
    "tower": ("adapter", "answers", "max_tokens", "overflow", "pictures", "sample_every", "watch"),
    "language": ("adapter", "augment", "sample_every", "watch"),
}
"""The settings of a stage for which a part has no use."""


def check(recipe: Recipe) -> list[str]:
    """Notes on a recipe that can be run.

    Raises:
        RecipeError: all faults together, each with its path.
    """
    faults = list(filter(None, _faults(recipe)))
    # Only what is in order by itself can be put together.
    faults = faults or list(filter(None, _paper_faults(recipe)))
    if faults:
        raise RecipeError("\n".join(faults))
    # Here, because it brings transformers with it, which takes seconds.
    from haiga.pipeline.notes import notes

    return list(notes(recipe))


def _faults(recipe: Recipe) -> Iterator[str | None]:
    yield from _data_faults(recipe)
    yield from judging.faults(recipe)
    yield from rating.faults(recipe)
    yield from _model_faults(recipe)
    for name, stage in recipe.stage.items():
        yield from _objective_faults(f"stage.{name}", stage)
        yield from _part_faults(recipe, f"stage.{name}", stage)
    for condition in recipe.evaluate.conditions:
        if condition not in CONDITIONS:
            near = did_you_mean(condition, list(CONDITIONS))
            yield f"evaluate.conditions: there is no condition {condition!r}{near}"
    yield from _benchmark_faults(recipe)


def _benchmark_faults(recipe: Recipe) -> Iterator[str]:
    if recipe.evaluate.benchmarks:
        # Here, because it brings transformers with it, which takes seconds.
        from haiga.pipeline import benchmarks

        yield from benchmarks.faults(recipe)


def _data_faults(recipe: Recipe) -> Iterator[str | None]:
    languages = [recipe.language]
    if recipe.source is not None:
        fault = _bound(SOURCES, recipe.source, "source")
        yield fault
        if fault is None:
            languages += _source_option(recipe, "languages") or ()
            yield from _size_faults(recipe)
        yield from _unwritten(recipe, languages)
    if recipe.teach is not None:
        asked = writers(recipe.teach)
        unbound = [_bound(TEACHERS, writer.component, writer.path) for writer in asked]
        yield from unbound if any(unbound) else teaching.faults(recipe.teach, recipe)
    yield _bound(ENGINES, recipe.engine, "engine")
    if recipe.curate.balance is not None:
        yield from balancing.faults(recipe.curate.balance)
    if recipe.curate.similarity is not None:
        yield from gating.faults(recipe.curate.similarity)
    yield from likeness.faults(recipe.curate)
    for at, rule in enumerate(recipe.curate.pictures):
        yield _bound(pictures.RULES, rule, f"curate.pictures.{at}")
    texts = {"captions": recipe.curate.captions}
    texts |= {f"texts.{task}": rules for task, rules in recipe.curate.texts.items()}
    for path, rules in texts.items():
        for at, rule in enumerate(rules):
            yield from _text_rule_faults(rule, f"curate.{path}.{at}", languages)


def _unwritten(recipe: Recipe, languages: list[str]) -> Iterator[str | None]:
    """Tasks that a group would need and for which there are no words to ask."""
    tasks = {SOURCE_TASK: "source"}
    tasks |= dict.fromkeys(recipe.teach.tasks if recipe.teach else (), "teach.tasks")
    for task, path in tasks.items():
        for language in dict.fromkeys(languages):
            yield _said(partial(instructions, task, language), path)


def _text_rule_faults(
    rule: Mapping[str, Any], path: str, languages: list[str]
) -> Iterator[str | None]:
    fault = _bound(captions.RULES, rule, path)
    yield fault
    for language in dict.fromkeys(languages if fault is None else ()):
        # Asked about nothing, a rule still says whether it knows the language.
        yield _said(partial(captions.ask, bind(captions.RULES, rule, path), "", language), path)


def _size_faults(recipe: Recipe) -> Iterator[str]:
    """Where a source says how much it holds: that it is enough."""
    prints, texts = _source_option(recipe, "prints"), _source_option(recipe, "texts")
    if prints is None or texts is None:
        return
    split = recipe.split
    if split.held_out + split.validation >= prints + texts:
        yield (
            f"split: {split.held_out} held out and {split.validation} for validation leave nothing "
            f"to train on; the source gives {prints + texts} at most"
        )
    for name, stage in recipe.stage.items():
        if stage.part == "language" and stage.pictures and not texts:
            yield (
                f"stage.{name}.part: a language model learns from texts without pictures, and "
                "source.texts is 0"
            )
        elif stage.part != "language" and stage.pictures and not prints:
            yield f"stage.{name}: it learns from pictures, and source.prints is 0"


def _source_option(recipe: Recipe, name: str) -> Any:
    """An option of the source as it will be, or None where the source has no such option."""
    source = recipe.source or {}
    return source.get(name, options(SOURCES[source["name"]]).get(name))


def _model_faults(recipe: Recipe) -> Iterator[str | None]:
    section = recipe.model
    names = {"model.tower": section.tower, "model.language_model": section.language_model}
    decoder = section.design != "llava" and section.tower != FRESH
    if FRESH in names.values() and len(set(names.values())) > 1 and not decoder:
        yield f"model: {FRESH!r} makes both models; give it as tower and as language_model"
    for path, name in names.items():
        if name != FRESH:
            yield _said(partial(checkpoint, name), path)


def _objective_faults(path: str, stage: Stage) -> Iterator[str]:
    try:
        objective = bind_objective(stage.objective, f"{path}.objective")
    except HaigaError as error:
        yield str(error)
        return
    if _is_of_pairs(objective) != (stage.part == "tower"):
        takes = listed(name for name, each in OBJECTIVES.items() if _is_of_pairs(each))
        yield (
            f"{path}.objective.name: {stage.objective['name']} does not train the part "
            f"{stage.part!r}; the part 'tower' takes {takes}, and no other part does"
        )


def _is_of_pairs(objective: Objective) -> bool:
    return bool(PAIR_COLUMNS & set(needs(objective.function)))


def _part_faults(recipe: Recipe, path: str, stage: Stage) -> Iterator[str]:
    if (stage.part == "vlm") == (recipe.model.tower == FRESH):
        yield (
            f"{path}.part: the part 'vlm' is trained from two checkpoints that are there, 'tower' "
            f"and 'language' from {FRESH!r}; this is {stage.part!r} from {recipe.model.tower!r}"
        )
    for field in UNREAD[stage.part]:
        if getattr(stage, field) != Stage.model_fields[field].default:
            yield f"{path}.{field}: the part {stage.part!r} has no use for it; leave it out"
    if stage.part == "vlm" and stage.augment is not None and not stage.pictures:
        yield f"{path}.augment: a stage without pictures has none to change; leave it out"


def _paper_faults(recipe: Recipe) -> Iterator[str | None]:
    """What only the models can tell: whether they fit together, and the rules on them."""
    # Here, because they bring transformers with them, which takes seconds.
    from haiga.pipeline import learned, learning
    from haiga.pipeline import plan as paper

    fault = paper.design_fault(recipe.model)
    if fault:
        yield fault
        return
    lacking = [
        fault for name, stage in recipe.stage.items() for fault in learning.faults(name, stage)
    ]
    lacking = [*lacking, *learned.faults(recipe), *_style_faults(recipe)]
    if lacking:
        yield from lacking
        return
    if recipe.model.tower == FRESH:
        for name, stage in recipe.stage.items():
            yield _said(partial(paper.fit_fresh, stage), f"stage.{name}.trainable")
        return
    known = not paper.unknown(recipe.model)
    fault = _said(partial(paper.plan, recipe, ()), "model") if known else None
    fault = fault or _said(partial(paper.read_local, recipe.model), "model")
    yield fault
    if fault is not None or not known:
        return
    for name in recipe.stage:
        yield _said(partial(paper.plan, recipe, (name,)), f"stage.{name}")
    yield from _room_faults(recipe, paper.plan(recipe, ()).picture_tokens)


def _style_faults(recipe: Recipe) -> Iterator[str]:
    """That other words can stand in the place of those that ask for the evaluated tasks."""
    from haiga.pipeline import learning

    if recipe.source is None:
        return  # words that somebody else has written
    items = [
        Item(task, (user(instructions(task, recipe.language)[0]),), task=task,
             language=recipe.language)
        for task in recipe.evaluate.tasks or learning.last_tasks(recipe)
        if task != CHAT  # which asks in the source's words
    ]  # fmt: skip
    for name in recipe.evaluate.conditions:
        if CONDITIONS[name].tells == "style":
            fault = _said(partial(CONDITIONS[name].transform, items, 0), "evaluate.conditions")
            if fault is not None:
                yield fault


def _room_faults(recipe: Recipe, picture: int) -> Iterator[str]:
    """That a picture, and an answer beside it, have room."""
    from haiga.pipeline import plan as paper

    for name, stage in recipe.stage.items():
        if stage.pictures and stage.max_tokens <= picture:
            yield (
                f"stage.{name}.max_tokens: a picture alone takes {picture}, so that no row would "
                f"be left; it is {stage.max_tokens}"
            )
    room = paper.positions(recipe.model)
    answers = {"evaluate": recipe.evaluate.max_new_tokens}
    for name, stage in recipe.stage.items():
        if stage.rollout is not None:
            answers[f"stage.{name}.rollout"] = stage.rollout.max_new_tokens
    for path, answer in answers.items():
        if room is not None and picture + answer >= room:
            yield (
                f"{path}.max_new_tokens: {answer} and a picture of {picture} do not fit in the "
                f"language model's {room} positions"
            )


def _bound(
    table: Mapping[str, Callable[..., Any]], component: Mapping[str, Any], path: str
) -> str | None:
    return _said(lambda: bind(table, component, path), "")


def _said(attempt: Callable[[], object], path: str) -> str | None:
    try:
        attempt()
    except HaigaError as error:
        return f"{path}: {error}" if path else str(error)
    return None
