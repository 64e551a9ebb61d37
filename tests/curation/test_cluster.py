"""Ray's engine on a cluster of two machines that the test starts: the same bytes, whatever dies."""

import os
import threading
import time
from functools import partial
from pathlib import Path

import pytest

import poison
from haiga.curation import measurements
from haiga.curation.engines import ENGINES
from haiga.curation.measurements import measured
from haiga.errors import HaigaError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'haiga[scale]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own
WORDS = [f"slow 0.04 {n}" for n in range(60)]
POISON = ["segfault", "exit", "hang", "raise", "unreadable"]


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    # A machine's processes find what its own path holds, here the measures of tests.
    paths = [str(Path(poison.__file__).parent), os.environ.get("PYTHONPATH", "")]
    changed = pytest.MonkeyPatch()
    changed.setenv("PYTHONPATH", os.pathsep.join(paths))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 8e7})
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=8e7)
    made.wait_for_nodes()
    yield made
    made.shutdown()
    changed.undo()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(measurements, "SHARD", 4)


def _run(folder, words, name, **options):
    ids = poison.add(folder, words)
    engine = partial(ENGINES[name], seconds=1.0, **options)
    where = folder / name
    values = measured(where, "test/1", ids, folder, "poison:measure", engine=engine)
    files = {path.name: path.read_bytes() for path in where.rglob("*") if path.is_file()}
    return [values[id_] for id_ in ids], files


def test_both_engines_write_the_same_bytes_and_know_the_same_of_a_poisoned_shard(cluster, tmp_path):
    words = [*WORDS[:10], *POISON, *WORDS[10:20]]
    here = _run(tmp_path, words, "local")
    there = _run(tmp_path, words, "ray", address=cluster.address)
    assert there == here
    assert sum("error" in each for each in there[0]) == len(POISON)
    assert len(there[1]) == 7


def test_a_machine_that_dies_loses_nothing(cluster, tmp_path):
    victim = sorted(cluster.worker_nodes, key=lambda node: node.unique_id)[-1]

    def kill():
        end = time.monotonic() + 60
        while len(list((tmp_path / "ray").rglob("*.parquet"))) < 3 and time.monotonic() < end:
            time.sleep(0.02)
        cluster.remove_node(victim, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    there = _run(tmp_path, WORDS, "ray", address=cluster.address)
    killer.join()
    assert there == _run(tmp_path, WORDS, "local")
    assert len(there[1]) == 15


def test_no_cluster_at_an_address_is_a_sentence(tmp_path):
    with pytest.raises(HaigaError, match=r"no Ray cluster at 127.0.0.1:9 \("):
        _run(tmp_path, WORDS, "ray", address="127.0.0.1:9")
