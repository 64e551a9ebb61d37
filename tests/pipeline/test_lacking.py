"""What is installed by an extra of its own: a recipe that asks for it is told before it runs."""

import importlib.util
from pathlib import Path

import pytest

from haiga.pipeline import lacking
from haiga.pipeline.check import check
from haiga.recipe.load import load

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def bare(monkeypatch):
    """A machine on which no extra is installed."""
    gone = {"ray", "av", "pillow_heif", "fugashi"}
    found = importlib.util.find_spec
    monkeypatch.setattr(lacking, "find_spec", lambda name: None if name in gone else found(name))


def _notes(recipe, *options):
    return [note for note in check(load(RECIPES / recipe, options)) if "install" in note]


def test_ray_that_is_not_installed_is_named_with_what_installs_it(bare):
    assert _notes("smoke.toml", "engine.name=ray") == [
        "engine.name: it needs Ray, which is not installed here: pip install 'haiga[scale]'."
    ]
    assert _notes("smoke.toml") == []


def test_clips_need_what_reads_them(bare, tmp_path):
    other = 'curate.against={ clips = { name = "video", path = "x" } }'
    assert _notes("smoke.toml", 'source={ name = "video", path = "clips" }', other) == [
        f"{path}.name: it needs PyAV, which is not installed here: pip install 'haiga[video]'."
        for path in ("curate.against.clips", "source")
    ]


def test_telephones_pictures_in_the_folder_are_counted(bare, tmp_path, monkeypatch):
    for name in ("1.HEIC", "2.heif", "3.jpg", "sub/4.avif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    source = [f"source.path={tmp_path}"]
    assert _notes("any-pile.toml", *source) == [
        "source.path: 2 of its pictures are HEIC and would be dropped as unreadable: pillow-heif "
        "is not installed here: pip install 'haiga[heic]'."
    ]
    monkeypatch.setattr(lacking.features, "check", lambda name: False)
    assert "1 of its pictures are AVIF" in _notes("any-pile.toml", *source)[1]


def test_japanese_poems_are_counted_by_readings(bare):
    (haiku, bare_ones) = _notes("ukiyoe-haiku-ja.toml")
    assert haiku.startswith("curate.texts.haiku: poems with words whose reading")
    assert haiku.endswith("pip install 'haiga[ja]'.")
    assert bare_ones.startswith("curate.texts.bare: ")
    assert _notes("ukiyoe-haiku-en.toml") == []


def test_towers_of_curation_come_from_the_hub():
    gate = 'curate.similarity={ tower = "who/knows", towers = { ja = "who/else" } }'
    notes = check(load(RECIPES / "smoke.toml", [gate]))
    assert [note for note in notes if "hub" in note] == [
        "curate.similarity.tower: who/knows will be read from the hub, or from its cache.",
        "curate.similarity.towers.ja: who/else will be read from the hub, or from its cache.",
    ]
