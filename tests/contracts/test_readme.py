"""What the README tells people to type exists: make targets, commands, options and recipes."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from haiga.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: str) -> list[str]:
    """Lines of code blocks, fenced or indented, that begin with `make ` or `haiga `."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"^ {4}.*$", page, flags=re.MULTILINE)
    lines = (line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines())
    return [line for line in lines if line.startswith(("make ", "haiga "))]


def faults(line: str) -> list[str]:
    """What is wrong with one line; empty where a person can type it."""
    program, *words = shlex.split(line, comments=True)
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        return [f"no target {word}" for word in words if "=" not in word and word not in targets]
    if not words or words[0] not in (known := get_command(app).commands):
        return [f"no command {words[:1]}"]
    options = {each for parameter in known[words[0]].params for each in parameter.opts}
    found = [f"no option {word}" for word in words if word[:2] == "--" and word not in options]
    paths = [word for word in words if word.endswith(".toml")]
    return found + [f"no recipe {path}" for path in paths if not (ROOT / path).is_file()]


def test_the_readme_has_its_two_commands():
    assert {line.split("#")[0].strip() for line in commands(PAGES[0].read_text("utf-8"))} >= {
        "make demo",
        "make test",
    }


def test_every_command_of_a_page_exists():
    wrong = {
        f"{page.name}: {line}": found
        for page in PAGES
        for line in commands(page.read_text("utf-8"))
        if (found := faults(line))
    }
    assert not wrong


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("make demo", []),
        ("haiga run recipes/smoke.toml --set stage.sft.steps=4  # a comment", []),
        ("make tea", ["no target tea"]),
        ("haiga brew", ["no command ['brew']"]),
        ("haiga run recipes/none.toml --wet", ["no option --wet", "no recipe recipes/none.toml"]),
    ],
)
def test_the_check_can_fail(line, wrong):
    assert faults(line) == wrong


def test_blocks_are_found():
    page = "text\n```sh\n$ haiga run a.toml\nls\n```\nhaiga lies outside\n```\nmake test\n```\n"
    assert commands(page) == ["haiga run a.toml", "make test"]
