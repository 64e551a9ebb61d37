"""The engine of one machine: a process for every core, each with one shard at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from haiga.curation.engines.shards import Done, Shard, measure_shard
from haiga.curation.engines.supervised import Supervised
from haiga.recipe.values import Count, Seconds


def local(
    shards: Iterable[Shard], *, workers: Count | None = None, seconds: Seconds = 60.0
) -> Iterator[Done]:
    """What became of each shard, in their order.

    `workers` processes decode (None: one for each core); one that ends or takes longer than
    `seconds` over a picture is begun anew. No more shards are handed out than are needed to keep
    them busy.

    Raises:
        DataError: most pictures fail; see `breaker`.
        StoreError: a picture is gone, or the disk is full.
        HaigaError: a process could not be started.
    """
    count = workers or _cores()
    idle: deque[Supervised] = deque()
    begun: list[Supervised] = []

    def measure(shard: Shard) -> Done:
        try:
            worker = idle.pop()
        except IndexError:
            worker = Supervised(shard.measure, shard.pictures, seconds)
            begun.append(worker)
        done = measure_shard(shard, worker)
        idle.append(worker)
        return done

    pending: deque[Future[Done]] = deque()
    pool = ThreadPoolExecutor(count)
    try:
        for shard in shards:
            pending.append(pool.submit(measure, shard))
            if len(pending) > 2 * count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for worker in begun:
            worker.stop()
        pool.shutdown(cancel_futures=True)
        for worker in begun:
            worker.end()


def _cores() -> int:
    with suppress(AttributeError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
