import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from haiga.curation.classifier import Classifier
from haiga.curation.review import Decision, key_of
from haiga.curation.safety import Found, Looking, classifier, head, judged, metadata, safe
from haiga.errors import DataError, ModelError
from made import picture

VECTORS = {"p0": [1.0, 0.0], "p1": [0.0, 1.0]}
ENCODER = SimpleNamespace(
    see=lambda ids, files: {"p2": "It is damaged."} if "p2" in ids else {},
    pictures=lambda ids: np.array([VECTORS[id] for id in ids], dtype=np.float32).reshape(-1, 2),
)
NEVER = Looking(lambda name: ENCODER, lambda name: pytest.fail(name), {})


def row(*pictures: str, **meta) -> dict:
    return {"id": "r", "pictures": list(pictures), "meta": json.dumps(meta)}


def save(path, *layers) -> str:
    tensors = {}
    for at, (weight, bias) in enumerate(layers):
        # 10 comes after 2, as it does in a Sequential of many layers.
        tensors[f"layers.{(0, 2, 10)[at]}.weight"] = torch.tensor(weight)
        tensors[f"layers.{(0, 2, 10)[at]}.bias"] = torch.tensor(bias)
    save_file(tensors, path)
    return str(path)


def test_a_head_is_linear_layers_with_relu_between_and_a_sigmoid(tmp_path):
    # p0: relu([1, -1]) = [1, 0] -> 1 + 0 - 1 = 0 -> 1/2; p1: relu([-1, 1]) = [0, 1] -> 1 -> 0.731
    weights = save(
        tmp_path / "h.safetensors", ([[1.0, -1.0], [-1.0, 1.0]], [0.0, 0.0]), ([[1.0, 2.0]], [-1.0])
    )
    found = head([row("p0", "p1", "p2")], NEVER, weights=weights, tower="any", threshold=0.6)
    assert found["p0"] == [Found("unsafe", 0.5, 0.6)]
    assert found["p1"][0].score == pytest.approx(1 / (1 + np.exp(-1)))
    assert (found["p0"][0].unsafe, found["p1"][0].unsafe) == (False, True)
    assert "p2" not in found  # it cannot be opened, and other rules have their say about it
    assert head([], NEVER, weights=weights, tower="any") == {}


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([([[1.0, 0.0, 0.0]], [0.0])], "takes vectors of 3 numbers, and any gives 2"),
        ([([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])], "is no head"),
        ([([[1.0, 0.0]], [0.0]), ([[1.0, 0.0]], [0.0])], "is no head"),
        ([], "is no head: .* it has none"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(tmp_path, layers, says):
    weights = save(tmp_path / "h.safetensors", *layers)
    with pytest.raises(ModelError, match=says):
        head([row("p0")], NEVER, weights=weights, tower="any")


def test_a_pickle_is_not_read(tmp_path):
    torch.save({"0.weight": torch.ones(1, 2)}, tmp_path / "h.pt")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        head([row("p0")], NEVER, weights=str(tmp_path / "h.pt"), tower="any")


def test_what_a_source_says_is_a_number():
    rows = [
        row("p0", face_bboxes=[[0, 0, 1, 1]], json={"punsafe": 0.2}, NSFW="UNSURE"),
        row("p1", face_bboxes=[], json={"punsafe": 0.9}, NSFW=""),
        row("p2"),
        row("p3", face_bboxes=None, json="none", NSFW=False),
    ]
    faces = metadata(rows, NEVER, key="face_bboxes")
    assert {id: each[0].unsafe for id, each in faces.items()} == {"p0": True, "p1": False}
    shares = metadata(rows, NEVER, key="json.punsafe", limit=0.5)
    assert {id: each[0].score for id, each in shares.items()} == {"p0": 0.2, "p1": 0.9}
    words = metadata(rows, NEVER, key="NSFW")
    assert {id: each[0].unsafe for id, each in words.items()} == {
        "p0": True,
        "p1": False,
        "p3": False,
    }


def test_of_two_rows_with_one_picture_the_worse_word_counts():
    rows = [row("p0", punsafe=0.9), row("p0", punsafe=0.1)]
    assert metadata(rows, NEVER, key="punsafe")["p0"][0].score == 0.9


def test_what_is_unsafe_goes_until_a_person_clears_it():
    def check(rows, looking):
        return metadata(rows, looking, key="faces")

    rows = [row("p0", "p1", faces=2)]
    values, entries = judged(rows, lambda id: id != "p1", [check], NEVER, {})
    assert values == {"p0": {"faces": 2.0, "unsafe": "unsafe: faces"}, "p1": {}}
    assert safe(values["p0"]) == "unsafe: faces"
    assert [(each.picture, each.why) for each in entries] == [
        ("p0", "faces 2, where less than 1 may stay")
    ]
    said = {key_of(["p0"], "safety", "faces"): Decision(True, "they agreed", "safety")}
    values, _ = judged(rows, lambda id: True, [check], NEVER, said)
    assert (safe(values["p0"]), values["p0"]["cleared"]) == (None, "they agreed")


def test_a_label_must_not_hide_a_measurement():
    def check(rows, looking):
        return metadata(rows, looking, key="width")

    with pytest.raises(DataError, match="'width' is measured of every picture"):
        judged([row("p0", width=3)], lambda id: True, [check], NEVER, {})


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=16, id2label={0: "normal", 1: "nsfw"},
        label2id={"normal": 0, "nsfw": 1},
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_a_classifier_says_how_likely_its_labels_are_and_says_it_once(tiny, tmp_path, monkeypatch):
    files = {"a" * 32: picture(0), "b" * 32: picture(1), "c" * 32: b"broken"}
    known = Classifier("tiny", tiny, tmp_path)
    looking = Looking(NEVER.encoder, lambda name: known, files)
    both = {"normal": 0.5, "nsfw": 0.5}
    found = classifier([row(*files)], looking, model="tiny", limits=both)
    assert set(found) == {"a" * 32, "b" * 32}
    for each in found.values():
        assert sum(one.score for one in each) == pytest.approx(1, abs=1e-6)
    again = Classifier("tiny", tiny, tmp_path)
    monkeypatch.setattr(again, "_encode", lambda views: pytest.fail("asked again"))
    assert again.scores(["a" * 32], files, ["nsfw"])["a" * 32]["nsfw"] == found["a" * 32][1].score


def test_a_label_that_a_classifier_has_not_is_named(tiny, tmp_path):
    with pytest.raises(ModelError, match=r"tiny has no label 'nsf' \(did you mean 'nsfw'\?\)"):
        Classifier("tiny", tiny, tmp_path).scores([], {}, ["nsf"])
