import json
from importlib import import_module
from itertools import islice

import numpy as np
import pytest

from haiga.curation import captions, pictures
from haiga.sources import SOURCES
from haiga.sources.floating_world import describe_in_words, floating_world
from haiga.world import faults
from haiga.world.scenes import scene

# The package's attribute of this name is the function.
room = import_module("haiga.sources.floating_world")


@pytest.fixture
def serial(monkeypatch):
    """Everything in this process: a pool takes seconds to start."""
    monkeypatch.setattr(room, "_CHUNK", 10**6)


def test_the_table_has_it():
    assert SOURCES["floating_world"] is floating_world


def test_going_on_gives_the_same_items(serial):
    options = {"prints": 24, "faults": 0.6, "texts": 6, "languages": ("en", "ja")}
    whole = list(floating_world(3, "en", 0, **options))
    assert len(whole) == 30
    for skip in (1, 23, 24, 27, 30):
        assert list(floating_world(3, "en", skip, **options)) == whole[skip:]
    assert {item.language for item in whole[:24]} == {"en"}
    assert [item.language for item in whole[24:28]] == ["en", "ja", "en", "ja"]
    assert len({item.id for item in whole}) == 30


def test_another_seed_is_another_world(serial):
    ours, theirs = (next(floating_world(seed, "en", 0, prints=1)) for seed in (1, 2))
    assert ours.pictures != theirs.pictures


def test_workers_give_what_one_process_gives(monkeypatch):
    monkeypatch.setattr(room, "_CHUNK", 4)
    together = list(floating_world(5, "ja", 0, prints=12, faults=0.3))
    monkeypatch.setattr(room, "_CHUNK", 100)
    assert together == list(floating_world(5, "ja", 0, prints=12, faults=0.3))


def test_faults_are_those_of_the_ledger(serial):
    share, count = 0.5, 60
    items = list(floating_world(8, "en", 0, prints=count, faults=share))
    truth = faults.ledger(8, count, share)
    assert {at: item.meta["fault"] for at, item in enumerate(items) if item.meta["fault"]} == truth
    assert len(truth) == pytest.approx(share * count, abs=12)  # three standard deviations


def test_without_faults_nothing_is_spoilt(serial):
    for item in floating_world(8, "en", 0, prints=5):
        assert item.meta["fault"] is None
        assert captions.fault(item.caption, "en", [captions.words, captions.plain]) is None


def _chosen(monkeypatch, kind: str, at: int) -> None:
    monkeypatch.setattr(
        room.fault_maker, "choose", lambda seed, index, share, kinds: kind if index == at else None
    )


def test_a_near_duplicate_is_another_impression_of_the_print_before_it(serial, monkeypatch):
    for seed in range(4):
        _chosen(monkeypatch, "near_duplicate", 1)
        original, copy = islice(floating_world(seed, "en", 0, prints=2), 2)
        assert copy.pictures[0][0] != original.pictures[0][0]
        assert copy.meta["scene"] == original.meta["scene"]
        one, two = (pictures.measure(item.pictures[0][0]) for item in (original, copy))
        assert (int(one["phash"], 16) ^ int(two["phash"], 16)).bit_count() <= 8


def test_a_wrong_caption_is_another_scenes(serial, monkeypatch):
    plain = next(floating_world(4, "en", 0, prints=1))
    _chosen(monkeypatch, "wrong_caption", 0)
    wrong = next(floating_world(4, "en", 0, prints=1))
    assert wrong.pictures == plain.pictures
    assert wrong.meta["scene"] == plain.meta["scene"]
    assert wrong.caption != plain.caption


def test_junk_takes_the_captions_place(serial, monkeypatch):
    for seed in range(6):
        _chosen(monkeypatch, "junk_caption", 0)
        item = next(floating_world(seed, "en", 0, prints=1))
        assert captions.plain(item.caption, "en")


def test_texts_describe_scenes_without_pictures(serial):
    items = list(floating_world(2, "ja", 0, prints=1, texts=30))[1:]
    assert all(item.pictures == () and item.caption == "" for item in items)
    described = [item.meta["description"] for item in items]
    assert 20 <= sum(bool(each) for each in described) < 30
    assert items[0].meta["scene"] == scene(2, 1).to_dict()


def test_words_are_true_to_their_scene():
    truth = scene(1, 1)
    seen = {describe_in_words(truth, "en", np.random.default_rng(n)) for n in range(20)}
    assert "" in seen
    assert any(thing in text for text in seen for thing in truth.things)
    assert len(seen) > 10


def test_what_it_finds_is_plain(serial):
    for item in floating_world(2, "en", 0, prints=2, faults=1.0):
        assert json.loads(json.dumps(item.meta)) == item.meta
