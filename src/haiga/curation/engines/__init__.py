"""Who measures the pictures, shard by shard. One file and one line in the table for each engine.

Only the names of shards and counts pass through an engine: a shard's pictures are read where they
are measured, and its measurements are written there. So the same shards give the same files on any
engine, and what an engine adds is the way to the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from haiga.curation.engines.cluster import ray
from haiga.curation.engines.local import local
from haiga.curation.engines.shards import Done, Engine, Shard, measure_shard

ENGINES: dict[str, Callable[..., Iterator[Done]]] = {"local": local, "ray": ray}
"""Name -> `(shards, *, options)`: what became of each shard, in their order."""

__all__ = ["ENGINES", "Done", "Engine", "Shard", "measure_shard"]
