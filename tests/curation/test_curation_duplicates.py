import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.curation import duplicates, hamming

HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=12)


def _near(hashes: list[int], flips: list[list[int]]) -> list[int]:
    """The hashes, and copies of them with some bits flipped."""
    copies = []
    for value, bits in zip(hashes, flips, strict=False):
        for bit in bits:
            value ^= 1 << bit
        copies.append(value)
    return [*hashes, *copies]


@given(HASHES, st.lists(st.lists(st.integers(0, 63), max_size=12), max_size=12), st.integers(0, 64))
@settings(max_examples=150, deadline=None)
def test_near_pairs_equal_a_double_loop(hashes, flips, distance):
    hashes = _near(hashes, flips)
    naive = {
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (hashes[i] ^ hashes[j]).bit_count() <= distance
    }
    found = hamming.near_pairs(np.array(hashes, dtype=np.uint64), distance)
    assert found.shape == (len(naive), 2)
    assert set(map(tuple, found.tolist())) == naive


def test_near_pairs_over_the_borders_of_blocks(monkeypatch):
    hashes = np.random.default_rng(0).integers(0, 2**63, 50, dtype=np.uint64)
    hashes[::7] = hashes[3]
    whole = set(map(tuple, hamming.near_pairs(hashes, 26).tolist()))
    monkeypatch.setattr(hamming, "_BLOCK", 8)
    blocks = hamming.near_pairs(hashes, 26).tolist()
    assert len(whole) > 28
    assert len(blocks) == len(whole)
    assert set(map(tuple, blocks)) == whole


def _likenesses(seed: int, count: int, copies: int) -> np.ndarray:
    """Hashes as pictures have them (32 of 64 bits set), and copies that differ in 0 to 10 bits."""
    rng = np.random.default_rng(seed)
    bits = np.zeros((count, 64), dtype=np.uint8)
    bits[:, :32] = 1
    hashes = np.packbits(rng.permuted(bits, axis=1), axis=1).view(">u8").ravel().astype(np.uint64)
    for to, of in zip(rng.permutation(count)[:copies], rng.integers(0, count, copies), strict=True):
        flips = rng.permutation(64)[: rng.integers(0, 11)]
        hashes[to] = hashes[of] ^ np.uint64(sum(1 << int(bit) for bit in flips))
    return hashes


@pytest.mark.parametrize("distance", [0, 2, 7, 8])
def test_looking_up_finds_what_comparing_finds(monkeypatch, distance):
    hashes = _likenesses(distance, 900, 600)
    compared = hamming.near_pairs(hashes, distance)
    monkeypatch.setattr(hamming, "_BRUTE", 0)
    monkeypatch.setattr(hamming, "_PASS", 250)
    looked_up = hamming.near_pairs(hashes, distance)
    assert len(compared) > 25
    assert looked_up.tolist() == compared.tolist()


def test_a_distance_that_tables_cannot_promise_is_compared(monkeypatch):
    monkeypatch.setattr(hamming, "_BRUTE", 0)
    monkeypatch.setattr(hamming, "_looked_up", None)
    assert hamming.near_pairs(np.array([0, 511], dtype=np.uint64), 9).tolist() == [[0, 1]]


def test_survivors_of_a_chain():
    # A film: each frame is near the next only. 0 stays, 1 falls to it, 2 has no survivor near.
    chain = np.array([(0, 1), (1, 2), (2, 3), (3, 4)])
    assert duplicates.survivors(5, chain).tolist() == [-1, 0, -1, 2, -1]


@given(
    st.integers(1, 20).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.sets(
                st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(
                    lambda pair: pair[0] < pair[1]
                )
            ),
        )
    )
)
@settings(deadline=None)
def test_every_fallen_item_has_a_survivor_near_it_and_no_survivor_has(drawn):
    n, pairs = drawn
    of = duplicates.survivors(n, np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2))
    for item in range(n):
        near = {low for low, high in pairs if high == item and of[low] < 0}
        assert (of[item] in near) if of[item] >= 0 else not near


def test_clusters_are_components():
    pairs = np.array([(1, 4), (4, 5), (2, 3)])
    assert duplicates.clusters(7, pairs).tolist() == [0, 1, 2, 2, 1, 1, 6]
    assert duplicates.clusters(3, np.zeros((0, 2), dtype=np.int64)).tolist() == [0, 1, 2]


def _hex(*values: int) -> list[str]:
    return [f"{value:016x}" for value in values]


def test_rows_of_one_picture():
    rows = [_hex(0), _hex(0b111), _hex(2**64 - 1), _hex(0), _hex(2**64 - 1)]
    assert duplicates.find(rows, 2) == ([-1, -1, -1, 0, 2], [0, 0, 2, 0, 2])
    assert duplicates.find(rows, 3) == ([-1, 0, -1, 0, 2], [0, 0, 2, 0, 2])
    assert duplicates.find([], 2) == ([], [])


def test_what_is_too_far_to_drop_still_stays_on_one_side():
    rows = [_hex(0), _hex(0xFF), _hex(0x1FF << 40)]  # 8 and 9 bits from the first
    assert duplicates.find(rows, 2) == ([-1, -1, -1], [0, 0, 2])
    assert duplicates.find(rows, 9) == ([-1, 0, 0], [0, 0, 0])


def test_a_row_falls_only_when_all_its_pictures_are_shown():
    a, b, c = 0, 2**64 - 1, 0x00000000FFFFFFFF
    rows = [_hex(a, b), _hex(b), _hex(b, c), _hex(b, a)]
    assert duplicates.find(rows, 2) == ([-1, 0, -1, 0], [0, 0, 0, 0])


@given(st.lists(st.integers(0, 5), max_size=30))
@settings(deadline=None)
def test_equal_hashes_fall_to_the_first_of_them(kinds):
    far = [0, 2**64 - 1, 0xFFFFFFFF, 0xFFFFFFFF << 32, 0xFFFF0000FFFF0000, 0x0000FFFF0000FFFF]
    twins, clusters = duplicates.find([_hex(far[kind]) for kind in kinds], 4)
    first = [kinds.index(kind) for kind in kinds]
    assert clusters == first
    assert twins == [-1 if at == of else of for at, of in enumerate(first)]


def test_below_zero_no_row_repeats_another_and_copies_still_share_a_cluster():
    rows = [["0" * 16], ["0" * 16], ["f" * 16]]
    assert duplicates.find(rows, -1) == ([-1, -1, -1], [0, 0, 2])


def test_where_it_is_asked_the_finer_hash_decides_too():
    def row(coarse: int, fine: int) -> list[str]:
        return [f"{coarse:016x}{fine:064x}"]

    far = 2**200 - 1
    rows = [row(0, 0), row(0, far), row(1, 0b111), row(1, far), row(0, 0)]
    # Equal coarse hashes are not enough, and equal finer ones are not asked where coarse are far.
    assert duplicates.find(rows, 8, 2) == ([-1, -1, -1, 1, 0], [0, 0, 0, 0, 0])
    assert duplicates.find(rows, 8, 3) == ([-1, -1, 0, 1, 0], [0, 0, 0, 0, 0])
    assert duplicates.find(rows, 0, 3) == ([-1, -1, -1, -1, 0], [0, 0, 0, 0, 0])
    assert duplicates.find([["0" * 80, "f" * 80], ["f" * 80]], 8, 0)[0] == [-1, 0]
