"""Pictures that end their process, hang or raise, and runs that are stopped: what each costs."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import poison
from haiga.curation import measurements
from haiga.curation.engines import ENGINES
from haiga.curation.measurements import measured
from haiga.errors import DataError, HaigaError, RecipeError, StoreError
from haiga.recipe.bind import bind
from haiga.store import Parts

WORDS = [f"picture {n}" for n in range(20)]
MEASURE = """
import signal
import sys
from functools import partial
from pathlib import Path
from haiga.curation import measurements
from haiga.curation.engines.local import local

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
measurements.SHARD = 4
folder, *ids = sys.argv[1:]
engine = partial(local, workers=2, seconds=30)
measurements.measured(
    Path(folder) / "measurements", "test/1", ids, Path(folder), "poison:measure", engine=engine
)
"""


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("MEASURED_LOG", str(tmp_path / "log"))
    monkeypatch.setattr(measurements, "SHARD", 4)
    return tmp_path / "log"


def _run(folder, words, name="local", measure="poison:measure", **options):
    ids = poison.add(folder, words)
    engine = partial(ENGINES[name], **options)
    values = measured(folder / "measurements", "test/1", ids, folder, measure, engine=engine)
    return [values[id_] for id_ in ids]


def test_each_poison_costs_one_picture_and_is_named(tmp_path, log):
    words = [*WORDS[:9], "segfault", "exit", WORDS[9], "hang", "raise", "print", *WORDS[10:]]
    values = _run(tmp_path, words, workers=2, seconds=0.7)
    assert [each for each in values if "error" in each] == [
        {"error": "Measuring it ended its process (SIGSEGV)."},
        {"error": "Measuring it ended its process (exit code 3)."},
        {"error": "Measuring it took more than 0.7 s."},
        {"error": "Measuring failed with RuntimeError: a strange picture."},
    ]
    assert [each.get("said", "bad") for each in values if "error" not in each] == [
        word for word in words if word.split()[0] in ("picture", "print")
    ]
    # What ends its process gets a second chance; nothing else is measured twice.
    seen = poison.counted(log)
    assert {word: seen.count(word) for word in words if seen.count(word) != 1} == {
        "segfault": 2,
        "exit": 2,
        "hang": 2,
    }
    log.unlink()
    assert _run(tmp_path, words) == values
    assert poison.counted(log) == ["raise"]


def test_a_picture_is_not_blamed_for_what_happened_once(tmp_path, log, monkeypatch):
    values = _run(tmp_path, [*WORDS, f"once {tmp_path / 'mark'}"], measure="poison:once")
    assert not any("error" in each for each in values)


def test_a_measure_that_ends_every_process_is_an_operators_fault(tmp_path, log):
    with pytest.raises(DataError, match=r"8 of the first 8 pictures.*\(SIGSEGV\)"):
        _run(tmp_path, [f"segfault {n}" for n in range(12)], workers=1)


def test_a_process_that_cannot_begin_is_a_sentence(tmp_path, log, capfd):
    with pytest.raises(HaigaError, match=r"ended before it began: ended its process \(exit code"):
        _run(tmp_path, WORDS, measure="no_such_module:measure", workers=1)
    assert "No module named 'no_such_module'" in capfd.readouterr().err


def test_a_missing_picture_is_a_sentence(tmp_path, log):
    with pytest.raises(StoreError, match="There is no picture"):
        measured(tmp_path, "t/1", ["0" * 32], tmp_path, "poison:measure", engine=ENGINES["local"])


def test_no_process_is_left_and_no_more_is_begun_than_there_are_shards(tmp_path, log):
    before = _children()
    _run(tmp_path, WORDS[:3], workers=8, measure="poison:process")
    assert len(set(poison.counted(log))) == 1
    assert _children() == before


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_and_measures_nothing_twice(end, tmp_path, log):
    words = [f"slow 0.05 {n}" for n in range(40)]
    ids = poison.add(tmp_path, words)
    paths = os.pathsep.join([str(Path(poison.__file__).parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", MEASURE, str(tmp_path), *ids],
        env={**os.environ, "PYTHONPATH": paths},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    folder = tmp_path / "measurements" / "test-1"
    while len(list(folder.glob("*.parquet"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    began = time.monotonic()
    os.killpg(process.pid, end) if end == signal.SIGINT else process.kill()
    process.wait()
    assert time.monotonic() - began < 1
    kept = len(Parts(folder))
    assert kept % 4 == 0
    assert 12 <= kept < 40
    _wait(lambda: not _group(process.pid))  # its own processes end with it
    once = poison.counted(log)
    assert len(once) <= kept + 2 * 4  # two shards were in flight
    _run(tmp_path, words, workers=2)
    again = poison.counted(log)[len(once) :]
    assert len(again) == len(set(again)) == 40 - kept
    assert len(Parts(folder)) == 40


def _wait(until, seconds=10.0):
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def _children():
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def _group(pid):
    """The living processes of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(group) == pid and state != "Z":
            found.append(stat)
    return found


@pytest.mark.parametrize("option", [{"workers": 0}, {"workers": -1}, {"seconds": 0}, {"w": 1}])
def test_an_option_that_cannot_be_is_a_sentence(option):
    with pytest.raises(RecipeError, match=rf"engine\.{next(iter(option))}: "):
        bind(ENGINES, {"name": "local", **option}, "engine")
