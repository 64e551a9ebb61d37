"""The benchmark against TRL runs, and stops where the two sides have not done the same work."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "preference_step.py"


@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="TRL is not installed")
def test_the_toy_form_compares_dpo() -> None:
    command = [sys.executable, str(SCRIPT), "--toy", "--works", "dpo"]
    done = subprocess.run(
        [*command, "--steps", "1", "--repeat", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "dpo" in line]
    assert [row[:2] for row in rows] == [["dpo", "cold"], ["dpo", "steady"]]
    for row in rows:
        peer, own, times = (float(cell) for cell in row[2:5])
        assert min(peer, own) > 0
        assert times == pytest.approx(peer / own, rel=0.2, abs=0.1)
        # haiga computes less: a prompt once, the head on answers only, references once.
        assert float(row[10]) < float(row[9])


def test_sides_that_differ_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from preference_step import agree

    one = {"known": -10.0, "losses": [0.6931], "lengths": []}
    agree("dpo", one, one)
    agree("dpo", one, one | {"losses": [0.69315]})
    for other in ({"losses": [0.6934]}, {"known": -10.001}, {"losses": [float("nan")]}):
        with pytest.raises(SystemExit, match="dpo"):
            agree("dpo", one, one | other)
    rolled = {"known": -10.0, "losses": [0.0], "lengths": [32.0, 32.0]}
    agree("grpo", rolled, rolled | {"losses": [0.1]})
    with pytest.raises(SystemExit, match="grpo"):
        agree("grpo", rolled, rolled | {"lengths": [32.0, 20.0]})
