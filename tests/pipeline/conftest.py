import shutil
from pathlib import Path

import pytest

import tiny_runs


@pytest.fixture(scope="session")
def run_once(tmp_path_factory) -> tuple[Path, tiny_runs.Said]:
    """A home with one finished run, and what the command said. Not to be changed."""
    home = tiny_runs.prepare(tmp_path_factory.mktemp("home"))
    said = tiny_runs.haiga(home, "run", "recipe.toml")
    assert said.code == 0, said.err
    return home, said


@pytest.fixture(scope="session")
def finished(run_once) -> Path:
    return run_once[0]


@pytest.fixture
def home(finished, tmp_path) -> Path:
    """A copy of the finished run's home, to be changed."""
    return shutil.copytree(finished, tmp_path / "home", copy_function=shutil.copy2)
