"""The predictions that docs/memory.md shows beside measured peaks."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import memory

    return memory


def test_predicted_peaks_are_near_the_measured_ones_and_in_the_doc(driver, capsys):
    driver.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    page = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if line not in page]
    ratios = {
        name: found.total / 1e9 / driver.MEASURED[name].gigabytes
        for name, found in driver.predicted().items()
    }
    # What grpo held beyond its prediction is not explained: docs/memory.md.
    assert ratios.pop("grpo") == pytest.approx(0.87, abs=0.01)
    assert ratios == pytest.approx(dict.fromkeys(ratios, 0.975), abs=0.02)
