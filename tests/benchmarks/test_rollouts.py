"""The first rollouts and the last, over several runs."""

from pathlib import Path

import pytest

from haiga import events

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import rollouts

    return rollouts


def test_means_of_both_ends_over_runs(driver, tmp_path):
    for run, gain in (("a", 0.1), ("b", 0.3)):
        sink = events.to_jsonl(tmp_path / run / "stages/grpo/events.jsonl")
        for at in range(10):
            reward = 0.2 + gain * (at >= 5)
            sink(
                {"kind": "rollout", "reward": reward, "reward/form": reward, "kl": 0.5 * (at >= 5)}
            )
        events.to_jsonl(tmp_path / run / "stages/sft/events.jsonl")({"kind": "step", "step": 1})
    lines = driver.table([driver.rolled(tmp_path / run) for run in "ab"])
    assert lines[0] == "| rollouts, first and last | form | kl | reward, run by run |"
    assert lines[2:] == ["| grpo | 20, 40 | 0.0, 0.5 | +0.10, +0.30 |"]
