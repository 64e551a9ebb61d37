import numpy as np
import pytest

from haiga.curation import duplicates, semantic
from haiga.curation.verdicts import Alike, Sameness, verdicts


def _vectors(count: int, kinds: int, noise: float, seed: int = 0) -> np.ndarray:
    """Unit vectors in loose bundles: those of a bundle are alike, in part."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(kinds, 16))
    made = centres[rng.integers(0, kinds, count)] + noise * rng.normal(size=(count, 16))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def _compared(vectors: np.ndarray, cosine: float) -> list[list[int]]:
    products = vectors @ vectors.T
    return [[i, j] for i in range(len(vectors)) for j in range(i + 1, len(vectors))
            if products[i, j] >= cosine]  # fmt: skip


def test_few_are_all_compared(monkeypatch):
    monkeypatch.setattr(semantic, "_BLOCK", 64)
    vectors = _vectors(300, 60, 0.2)
    made = semantic.near(vectors, 0.95)
    wanted = _compared(vectors, 0.95)
    assert 100 < len(wanted) == len(made.pairs)
    assert made.pairs.tolist() == wanted
    assert (made.clusters, made.found) == (0, made.true)
    assert semantic.near(vectors[:0], 0.95).pairs.shape == (0, 2)


def test_many_are_looked_for_in_clusters_until_enough_is_found(monkeypatch):
    monkeypatch.setattr(semantic, "EXACT", 100)
    monkeypatch.setattr(semantic, "_SAMPLE", 400)
    vectors = _vectors(1500, 200, 0.3)
    made = semantic.near(vectors, 0.9)
    wanted = {tuple(pair) for pair in _compared(vectors, 0.9)}
    found = set(map(tuple, made.pairs.tolist()))
    assert made.clusters == 39
    assert found <= wanted
    assert len(found) >= 0.98 * len(wanted) > 500  # the goal is that of a sample
    assert made.found >= semantic.GOAL * made.true
    again = semantic.near(vectors, 0.9)
    assert (again.pairs == made.pairs).all()


def test_probes_are_doubled_where_two_find_too_little(monkeypatch):
    monkeypatch.setattr(semantic, "EXACT", 100)
    rng = np.random.default_rng(1)
    loose = rng.normal(size=(900, 6)).astype(np.float32)
    loose /= np.linalg.norm(loose, axis=1, keepdims=True)
    made = semantic.near(loose, 0.8)  # no bundles: neighbours lie on both sides of every border
    assert made.probes > 2
    assert made.found >= semantic.GOAL * made.true


def test_rows_fall_when_all_their_pictures_are_alike_to_those_of_one():
    rows = [[0, 1], [2], [3, 4], [1, 5], [6]]
    pairs = np.array([(0, 2), (0, 3), (0, 5), (4, 6)])
    # Row 1 shows what 0 shows. 2 shows one of them, and something else. 3 shares a picture with 0,
    # and its other is alike. 4 is like that something else of 2, which stands.
    fallen, clusters = duplicates.linked(rows, pairs, ["a", "b", "c", "d", "e"])
    assert fallen == [-1, 0, -1, 0, 2]
    assert clusters == [0, 0, 0, 0, 0]


def test_rows_of_one_cluster_stay_together():
    fallen, clusters = duplicates.linked([[0], [1], [2]], np.array([(1, 2)]), ["a", "b", "a"])
    assert fallen == [-1, -1, 1]
    assert clusters == [0, 0, 0]
    none = np.zeros((0, 2), dtype=np.int64)
    assert duplicates.linked([[0], [1]], none, ["a", "b"]) == ([-1, -1], [0, 1])


HASHES = {"p": 0, "q": 2**64 - 1, "r": 0xFFFFFFFF, "s": 0xFFFF0000FFFF0000}


def _rows(*names: str) -> tuple[list[dict], dict[str, dict]]:
    rows = [{"id": f"row{at}", "pictures": [name], "conversation": ""}
            for at, name in enumerate(names)]  # fmt: skip
    return rows, {name: {"phash": f"{value:016x}"} for name, value in HASHES.items()}


def test_what_an_encoder_finds_alike_falls_with_its_cosine():
    asked = []

    def alike(ids):
        asked.append(list(ids))
        return Alike(np.array([(0, 2)]), 0.95, {1: "broken"})

    rows, values = _rows("p", "q", "p", "r")
    found = verdicts(rows, values, [], Sameness(2, alike), {})
    assert asked == [["p", "q", "r"]]  # what has fallen already is not looked at
    assert found == [
        {"cluster": "row0"},
        {"reason": "unreadable"},
        {"reason": "same file as another", "duplicate_of": "row0"},
        {"reason": "semantic duplicate (cosine >= 0.95)", "duplicate_of": "row0"},
    ]


def test_a_copy_with_words_stays_in_the_place_of_one_without():
    rows, values = _rows("p", "q", "p", "q", "p")
    for row, words in zip(rows, ["", "", "A boat.", "", "Rain."], strict=True):
        row["caption"] = words
    found = verdicts(rows, values, [], Sameness(2), {})
    same = {"reason": "same file as another"}
    assert found == [
        {**same, "duplicate_of": "row2"},
        {"cluster": "row1"},
        {"cluster": "row2"},
        {**same, "duplicate_of": "row1"},
        {**same, "duplicate_of": "row2"},
    ]


@pytest.mark.parametrize(("distance", "goes"), [(2, False), (3, True)])
def test_what_another_set_shows_goes_first(distance, goes):
    rows, values = _rows("p", "p", "q")
    found = verdicts(rows, values, [], Sameness(distance), {"pope": np.array([7], dtype=np.uint64)})
    leaks = [each.get("reason", "") == f"also in pope (Hamming <= {distance})" for each in found]
    assert leaks == [goes, goes, False]
    assert found[2] == {"cluster": "row2"}


def test_a_set_without_pictures_shows_nothing():
    rows, values = _rows("p", "q")
    found = verdicts(rows, values, [], Sameness(8), {"pope": np.array([], dtype=np.uint64)})
    assert found == [{"cluster": "row0"}, {"cluster": "row1"}]
