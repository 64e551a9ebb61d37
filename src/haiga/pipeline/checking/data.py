"""The source, the teachers, and the rules of curation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from haiga.curation import captions, pictures
from haiga.curation.engines import ENGINES
from haiga.pipeline import balancing, gating, likeness, ranking, safeguarding, teaching
from haiga.pipeline.checking.said import bound, said
from haiga.pipeline.writers import writers
from haiga.recipe.bind import bind, options
from haiga.recipe.checks import SOURCE_TASK
from haiga.recipe.schema import Recipe
from haiga.sources import SOURCES
from haiga.teachers import TEACHERS
from haiga.teachers.tasks import instructions


def faults(recipe: Recipe) -> Iterator[str | None]:
    """Components that cannot be bound, tasks without words, and sets too small to split."""
    languages = [recipe.language]
    if recipe.source is not None:
        fault = bound(SOURCES, recipe.source, "source")
        yield fault
        if fault is None:
            languages += _source_option(recipe, "languages") or ()
            yield from _size_faults(recipe)
        yield from _unwritten(recipe, languages)
    if recipe.teach is not None:
        asked = writers(recipe.teach)
        unbound = [bound(TEACHERS, writer.component, writer.path) for writer in asked]
        yield from unbound if any(unbound) else teaching.faults(recipe.teach, recipe)
    yield bound(ENGINES, recipe.engine, "engine")
    yield from safeguarding.faults(recipe.curate)
    if recipe.curate.balance is not None:
        yield from balancing.faults(recipe.curate.balance)
    if recipe.curate.similarity is not None:
        yield from gating.faults(recipe.curate.similarity)
    yield from likeness.faults(recipe.curate)
    yield from ranking.faults(recipe)
    for at, rule in enumerate(recipe.curate.pictures):
        yield bound(pictures.RULES, rule, f"curate.pictures.{at}")
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
            yield said(partial(instructions, task, language), path)


def _text_rule_faults(
    rule: Mapping[str, Any], path: str, languages: list[str]
) -> Iterator[str | None]:
    fault = bound(captions.RULES, rule, path)
    yield fault
    for language in dict.fromkeys(languages if fault is None else ()):
        # Asked about nothing, a rule still says whether it knows the language.
        yield said(partial(captions.ask, bind(captions.RULES, rule, path), "", language), path)


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
