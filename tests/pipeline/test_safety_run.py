"""Safety checks in a run: what leaves is listed, and stays once a person has cleared it."""

import csv
import json

import pytest
import torch
from safetensors.torch import save_file

from haiga.errors import RecipeError
from haiga.pipeline.check import check
from haiga.pipeline.data import make_data
from haiga.pipeline.run import Run
from haiga.recipe.load import load
from made import picture

RECIPE = """
name = "safe"
language = "en"

[source]
name = "folder"
path = "{home}/prints"

[curate]
safety = [
  {{ name = "metadata", key = "faces" }},
  {{ name = "head", weights = "{home}/head.safetensors", tower = "world:tower", label = "odd" }},
]

[split]
held_out = 1
validation = 1

[model]
tower = "world:tower"
language_model = "world:language"
image_token = "<|image_pad|>"
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "prints").mkdir()
    rows = []
    for at in range(6):
        (tmp_path / "prints" / f"{at}.png").write_bytes(picture(at))
        rows.append(
            {"file_name": f"{at}.png", "caption": f"print {at}", "faces": [[0, 1]] * (at == 2)}
        )
    text = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "prints" / "metadata.jsonl").write_text(text, encoding="utf-8")
    # A head that never minds: sigmoid(-9).
    head = {"0.weight": torch.zeros(1, 160), "0.bias": torch.tensor([-9.0])}
    save_file(head, tmp_path / "head.safetensors")
    (tmp_path / "recipe.toml").write_text(RECIPE.format(home=tmp_path), encoding="utf-8")
    return tmp_path


def test_what_leaves_is_measured_listed_and_comes_back_when_it_is_cleared(home):
    said: list = []
    make_data(Run(load(home / "recipe.toml"), home / "run", said.append))
    filtered = Run(load(home / "recipe.toml"), home / "run", said.append).data("01_filtered")
    (gone,) = filtered.dropped()
    assert (gone["id"], gone["reason"]) == ("2.png", "unsafe: faces")
    (values,) = json.loads(gone["measurements"]).values()
    assert values["faces"] == 1.0
    assert 0 < values["odd"] < 0.001
    assert any("1 picture waits for a person" in event.get("text", "") for event in said)
    path = home / "run" / "data" / "review.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["task"] == "safety"
    assert (path.parent / line["picture"]).read_bytes() == picture(2)
    text = path.read_text("utf-8-sig").rstrip("\n").removesuffix(",,") + ",accept,a mask\n"
    path.write_text(text, encoding="utf-8")
    make_data(Run(load(home / "recipe.toml"), home / "run", said.append, rebuild=True))
    assert not list(filtered.dropped())
    assert {row["id"] for row in filtered.rows()} == {f"{at}.png" for at in range(6)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('[{ name = "metadata" }]', "curate.safety.0.key: metadata needs this option"),
        ('[{ name = "head", weights = "x", tower = "world:tree" }]', "curate.safety.0.tower"),
        ('[{ name = "classifer", model = "x", limits = {} }]', "did you mean 'classifier'"),
    ],
)
def test_checks_that_cannot_be_are_named_beforehand(home, change, says):
    with pytest.raises(RecipeError, match=says):
        check(load(home / "recipe.toml", [f"curate.safety={change}"]))
