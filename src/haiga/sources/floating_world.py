"""The floating world as a source: prints with a caption, and the truth beside them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from haiga.sources.base import Found
from haiga.world import faults as fault_maker
from haiga.world.poets import POETS
from haiga.world.printer import print_file
from haiga.world.scenes import scene

_WORKERS = 2
_CHUNK = 32


def floating_world(
    seed: int, language: str, skip: int, *, prints: int = 1000, faults: float = 0.0
) -> Iterator[Found]:
    """`prints` pictures of the world with this seed, a share `faults` of them spoilt.

    Each print stands on its own (it depends on the seed and its index only), so that any number of
    processes may draw them and an interrupted gathering goes on where it stopped.
    """
    indices = range(skip, prints)
    if len(indices) <= _CHUNK:
        yield from (_print(seed, language, faults, index) for index in indices)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_WORKERS, mp_context=context) as pool:
        jobs = (
            [(seed, language, faults, index) for index in indices[at : at + _CHUNK]]
            for at in range(0, len(indices), _CHUNK)
        )
        for chunk in pool.map(_print_chunk, jobs):
            yield from chunk


def _print_chunk(jobs: list[tuple[int, str, float, int]]) -> list[Found]:
    return [_print(*job) for job in jobs]


def _print(seed: int, language: str, faults: float, index: int) -> Found:
    fault = fault_maker.choose(seed, index, faults)
    # A near-duplicate is another impression of the print before it, under its own number.
    origin = index - 1 if fault == "near_duplicate" and index else index
    truth = scene(seed, origin)
    rng = np.random.default_rng((seed, index, 0xF00D))
    data, suffix = print_file(truth, seed)
    if fault in fault_maker.FAULTS:
        data, suffix = fault_maker.FAULTS[fault](data, suffix, rng)
    told = scene(seed, index + 1_000_003) if fault == "wrong_caption" else truth
    caption = POETS["describe"](told, language, rng)
    if fault == "junk_caption":
        caption = fault_maker.junk_caption(rng)
    return Found(
        id=f"{seed}-{index:06d}",
        pictures=((data, suffix),),
        caption=caption,
        language=language,
        meta={"scene": truth.to_dict(), "fault": fault},
    )
