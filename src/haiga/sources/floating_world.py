"""The floating world as a source: prints with a caption, and the truth beside them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from random import Random

import numpy as np
from numpy.random import Generator

from haiga.sources.base import Found
from haiga.world import faults as fault_maker
from haiga.world.poets import POETS, tags
from haiga.world.printer import print_file
from haiga.world.scenes import Scene, scene

_WORKERS = 2
_CHUNK = 32


def floating_world(
    seed: int,
    language: str,
    skip: int,
    *,
    prints: int = 1000,
    faults: float = 0.0,
    kinds: tuple[str, ...] = fault_maker.KINDS,
    texts: int = 0,
    languages: tuple[str, ...] = (),
) -> Iterator[Found]:
    """`prints` pictures of the world with this seed, a share `faults` of them spoilt.

    `kinds` names the faults, all equally often; `haiga.world.faults.EVERY` lists what there is.

    After them come `texts` scenes without a picture, described in words: what the world's language
    model grows up on; `languages` take turns in them, in place of the recipe's one.

    Each item stands on its own (it depends on the options and its index only), so that any number
    of processes may draw them and an interrupted gathering goes on where it stopped.
    """
    jobs = [(seed, language, faults, kinds, at, prints) for at in range(skip, prints)]
    if len(jobs) <= _CHUNK:
        yield from map(_print, jobs)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(_WORKERS, context, initializer=_leave_with_parent) as pool:
            yield from pool.map(_print, jobs, chunksize=_CHUNK)
    spoken = languages or (language,)
    for at in range(max(skip, prints), prints + texts):
        yield _words(seed, spoken[at % len(spoken)], at)


def _leave_with_parent() -> None:
    """End this worker when its parent is killed; it would wait for work for ever."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _print(job: tuple[int, str, float, tuple[str, ...], int, int]) -> Found:
    seed, language, faults, kinds, index, prints = job
    fault = fault_maker.choose(seed, index, faults, kinds)
    # A near-duplicate is another impression of the print before it, under its own number.
    origin = index - 1 if fault == "near_duplicate" and index else index
    truth = scene(seed, origin)
    data, suffix = print_file(truth, seed)
    if fault:
        data, suffix = fault_maker.spoil(fault, data, suffix, seed, index)
    told = scene(seed, prints + index) if fault == fault_maker.WRONG_CAPTION else truth
    caption = POETS["describe"](told, language, np.random.default_rng((seed, index, 1)))
    if fault and fault in fault_maker.TEXT_FAULTS:
        caption = fault_maker.TEXT_FAULTS[fault](caption, Random(index))
    return Found(
        id=f"{seed}-{index:06d}",
        pictures=((data, suffix),),
        caption=caption,
        language=language,
        meta={"scene": truth.to_dict(), "fault": fault},
    )


def _words(seed: int, language: str, index: int) -> Found:
    truth = scene(seed, index)
    description = describe_in_words(truth, language, np.random.default_rng((seed, index, 2)))
    meta = {"scene": truth.to_dict(), "description": description}
    return Found(f"{seed}-{index:06d}", (), language=language, meta=meta)


def describe_in_words(truth: Scene, language: str, rng: Generator) -> str:
    """A scene in place of its picture, in one of four forms; an eighth of them say nothing.

    Half are bags of words, each word several times over and in no order. That is what the patches
    of a picture are to a language model once a projector has found the words for them.
    """
    kind = rng.random()
    if kind < 0.12:
        return ""
    if kind < 0.3:
        return tags(truth, language, rng)
    if kind < 0.45:
        return POETS["describe"](truth, language, rng)
    comma, space = ("、", "") if language == "ja" else (", ", " ")
    words = sorted(set(tags(truth, language, rng).split(comma)))
    bag = [word for word in words for _ in range(int(rng.integers(1, 7)))]
    rng.shuffle(bag)
    return (space or "、").join(bag[:48])
