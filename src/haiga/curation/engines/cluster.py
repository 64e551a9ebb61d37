"""The engine of many machines: Ray hands out the shards, each is measured as on one machine.

Every machine has haiga installed and sees the run's folder under the same name. Ray moves names of
files and counts; a machine that is lost takes no more than the shards it was at, and these are
handed out again. What a picture does to its process, `supervised` sees to on every machine.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from haiga.curation.engines.shards import Done, Shard, measure_shard
from haiga.curation.engines.supervised import Supervised
from haiga.errors import HaigaError, RecipeError
from haiga.recipe.values import Seconds

RETRIES: Final = 3
"""How often a shard is handed out again whose machine was lost."""


def ray(shards: Iterable[Shard], *, address: str = "", seconds: Seconds = 60.0) -> Iterator[Done]:
    """What became of each shard, in their order.

    `address` is that of a cluster, "auto" on one of its machines; "" is what RAY_ADDRESS names, or
    else a cluster of this machine alone. A core measures one shard at a time.

    Raises:
        RecipeError: Ray is not installed.
        DataError, StoreError: as on one machine; see `engines.local`.
        HaigaError: there is no cluster at that address, or it lost a shard again and again.
    """
    cluster = _ray()
    ours = not cluster.is_initialized()
    if ours:
        _join(cluster, address)
    try:
        yield from _in_order(cluster, iter(shards), seconds)
    finally:
        if ours:
            cluster.shutdown()


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise RecipeError(
            "engine.name: 'ray' needs Ray, which is not installed. Install it with: "
            "pip install 'haiga[scale]'"
        ) from error
    return ray


def _join(cluster: Any, address: str) -> None:
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if host:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        cluster.init(address=address or None, log_to_driver=False, logging_level="error")
    except (OSError, ValueError, RuntimeError) as error:
        raise HaigaError(
            f"There is no Ray cluster at {address or 'RAY_ADDRESS'} ({error}). Start one with "
            "'ray start --head', or leave engine.address out to use this machine alone."
        ) from error


def _in_order(cluster: Any, shards: Iterator[Shard], seconds: float) -> Iterator[Done]:
    task = cluster.remote(num_cpus=1, max_retries=RETRIES)(_task)
    running: dict[Any, int] = {}
    ready: dict[int, Done] = {}
    due: list[int] = []  # the numbers handed out and not yet given back, in order
    while True:
        room = 2 * int(cluster.cluster_resources().get("CPU", 1)) - len(due)
        for shard in islice(shards, max(room, 0)):
            running[task.remote(shard, seconds)] = shard.number
            due.append(shard.number)
        if not due:
            return
        if running:
            (reference,), _ = cluster.wait(list(running))
            ready[running.pop(reference)] = _result(cluster, reference)
        while due and due[0] in ready:
            yield ready.pop(due.pop(0))


def _result(cluster: Any, reference: Any) -> Done:
    try:
        result = cluster.get(reference)
    except cluster.exceptions.RayError as error:
        raise HaigaError(
            f"The cluster gave a shard up after it was handed out {RETRIES + 1} times: {error}. "
            "What was measured is kept; run the same command again."
        ) from error
    if isinstance(result, HaigaError):
        raise result
    return Done(*result)


def _task(shard: Shard, seconds: float) -> Any:
    """A shard on the machine that it was given to; what people should read comes back as it is."""
    try:
        return measure_shard(shard, _worker(shard.measure, shard.pictures, seconds))
    except HaigaError as error:
        return error


@cache
def _worker(measure: str, pictures: Path, seconds: float) -> Supervised:
    """The process that this one of Ray's keeps for its shards."""
    return Supervised(measure, pictures, seconds)
