"""The page on a run's data: made by the run, linked from its report, and kept up to date."""

import json

import pytest

from haiga.pipeline import health
from haiga.pipeline.run import Run
from haiga.recipe.load import load


@pytest.fixture
def run(home) -> Run:
    (folder,) = (home / "runs").iterdir()
    return Run(load(home / "recipe.toml"), folder, lambda event: None)


def test_a_run_has_the_page_and_its_report_links_to_it(run):
    found = json.loads((run.folder / "health.json").read_text("utf-8"))
    assert found["rows"] == run.data("04_final").manifest().counts["kept"]
    assert found["stages"][0]["stage"] == "00_raw"
    assert {each["task"] for each in found["texts"]}
    assert "data:image/jpeg" in (run.folder / "health.html").read_text("utf-8")
    assert 'href="health.html"' in (run.folder / "report.html").read_text("utf-8")


def test_it_is_made_once_and_again_where_the_data_changed(run, monkeypatch):
    page = run.folder / "health.html"
    page.write_text("as it was")
    assert health.look(run) == page
    assert page.read_text() == "as it was"
    monkeypatch.setattr(health, "VERSION", 0)
    health.look(run)
    assert page.read_text().startswith("<!doctype html>")
