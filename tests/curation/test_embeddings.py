"""An encoder remembers, by its weights, its preprocessing, and what it was shown."""

import numpy as np
import pytest
import torch

from haiga.curation import embeddings
from haiga.curation.embeddings import Encoder
from haiga.models.pictures import open_picture
from haiga.models.towers import load_towers, picture_embeds, text_embeds
from made import picture
from tiny_towers import tiny_towers

FILES = {"a" * 32: picture(0), "b" * 32: picture(1), "c" * 32: b"broken"}
TEXTS = ["a red boat", "雪の朝"]


@pytest.fixture(scope="module", params=["clip", "siglip"])
def towers(request, tmp_path_factory):
    return tiny_towers(tmp_path_factory.mktemp(request.param), request.param)


def test_vectors_are_those_of_the_towers_and_one_bad_picture_costs_itself(towers, tmp_path):
    encoder = Encoder("tiny", towers, tmp_path)
    faults = encoder.see(list(FILES), FILES)
    assert list(faults) == ["c" * 32]
    assert "not a picture" in faults["c" * 32]
    encoder.read(TEXTS)
    loaded = load_towers(towers)
    views = [open_picture(FILES[id]) for id in ("b" * 32, "a" * 32)]
    torch.testing.assert_close(
        torch.from_numpy(encoder.pictures(["b" * 32, "a" * 32])), picture_embeds(loaded, views)
    )
    torch.testing.assert_close(
        torch.from_numpy(encoder.texts(TEXTS[::-1])), text_embeds(loaded, TEXTS[::-1])
    )
    assert np.allclose(np.linalg.norm(encoder.pictures(["a" * 32]), axis=1), 1)


def test_what_was_seen_and_read_is_not_asked_again(towers, tmp_path, monkeypatch):
    first = Encoder("tiny", towers, tmp_path)
    first.see(["a" * 32], FILES)
    first.read(TEXTS)
    for name in ("picture_embeds", "text_embeds"):
        monkeypatch.setattr(embeddings, name, lambda *_, **__: pytest.fail("asked again"))
    again = Encoder("another name", towers, tmp_path)
    assert again.see(["a" * 32], FILES) == {}
    again.read(TEXTS)
    assert np.array_equal(again.texts(TEXTS), first.texts(TEXTS))
    assert (first.stamp[:5], first.facts["key"]) == ("tiny@", again.facts["key"])


def test_other_weights_have_a_memory_of_their_own(towers, tmp_path):
    other = tiny_towers(tmp_path / "other", "clip", seed=1)
    keys = {Encoder("tiny", each, tmp_path).facts["key"] for each in (towers, other)}
    assert len(keys) == 2
