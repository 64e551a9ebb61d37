"""docs/sources.md names every source, and its examples can be written into a recipe."""

import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from haiga.recipe.bind import bind, options
from haiga.sources import NOTES, SOURCES, VERSIONS

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
EXAMPLES = [
    tomllib.loads(textwrap.dedent(block))["source"]
    for block in re.findall(r"(?:^    .*\n|^\n)+", PAGE, re.MULTILINE)
    if "[source]" in block
    for block in re.split(r"(?=    \[source\])", block)
    if block.strip()
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_examples_bind(example):
    bind(SOURCES, example, "source")


def test_every_source_and_its_options_are_named():
    assert len(EXAMPLES) >= 7
    for name, source in SOURCES.items():
        assert f"`{name}`" in PAGE
        if name != "floating_world":
            assert all(f"{option} =" in PAGE or f"`{option}`" in PAGE for option in options(source))


def test_the_tables_beside_it_speak_of_sources():
    assert {*NOTES, *VERSIONS} <= set(SOURCES)
