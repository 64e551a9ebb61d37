"""Published benchmarks: one file each, and one line in this table."""

from __future__ import annotations

from typing import Final

from haiga.evaluation.benchmarks.base import Benchmark
from haiga.evaluation.benchmarks.chair import CHAIR
from haiga.evaluation.benchmarks.mmbench import MMBENCH
from haiga.evaluation.benchmarks.mmmu import MMMU
from haiga.evaluation.benchmarks.pope import POPE
from haiga.evaluation.benchmarks.pope_built import POPE_BUILT
from haiga.evaluation.benchmarks.realworldqa import REALWORLDQA
from haiga.evaluation.benchmarks.seed_bench import SEED_BENCH

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "pope": POPE,
    "pope_built": POPE_BUILT,
    "chair": CHAIR,
    "mmmu": MMMU,
    "mmbench": MMBENCH,
    "seed_bench": SEED_BENCH,
    "realworldqa": REALWORLDQA,
}
