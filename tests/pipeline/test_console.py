import io
import time
from types import SimpleNamespace

import pytest

from haiga.pipeline.console import console, sentence, time_left

STARTED = {
    "kind": "started",
    "stage": "sft",
    "trainable": 250,
    "total": 1000,
    "effective_batch": 16,
    "settings": {"steps": 4},
    "dtype": "float32",
    "device": "cpu",
    "resumed_from": 0,
}
EVENTS = [
    *[{"kind": "progress", "stage": "00_raw", "done": n, "total": 3} for n in (1, 2, 3)],
    STARTED,
    *[
        {"kind": "step", "stage": "sft", "step": s, "loss": 2.5 - s / 4, "eta_seconds": 61.0}
        for s in (1, 2, 3, 4)
    ],
    {"kind": "validation", "stage": "sft", "step": 4, "loss": 1.5, "train_loss": 1.25},
    {"kind": "warning", "stage": "sft", "step": 4, "text": "rising [bold]"},
    {"kind": "sample", "stage": "sft", "step": 4, "text": "an old pond"},
    {"kind": "finished", "stage": "sft", "step": 4, "seconds": 3.2},
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_a_few_plain_lines():
    stream = io.StringIO()
    sink = console(stream)
    for event in EVENTS:
        sink(event)
    assert stream.getvalue().splitlines() == [
        "00_raw: working",
        "sft: training 250 of 1,000 parameters, 4 steps of 16 groups, float32 on cpu",
        "sft: step 4: validation loss 1.5000, training 1.2500",
        "sft: warning: rising [bold]",
        "sft: 4 steps in 0:00:03",
    ]


def test_a_pipe_hears_of_a_long_stage_now_and_then(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: 60.0 * done)
    monkeypatch.setattr("haiga.pipeline.console.time", clock)
    stream = io.StringIO()
    sink = console(stream)
    for done in range(1, 14):
        sink({"kind": "progress", "stage": "00_raw", "done": done, "total": 3913})
    sink({"kind": "progress", "stage": "judge", "done": 13})
    assert stream.getvalue().splitlines() == [
        "00_raw: working",
        "00_raw: 6 of 3,913",
        "00_raw: 11 of 3,913",
        "judge: working",
    ]


def test_the_time_left_goes_by_this_session(monkeypatch):
    """Gone on with at 3,000 of 4,000, two a second."""
    monkeypatch.setenv("TERM", "xterm")
    now = [0.0]
    monkeypatch.setattr("haiga.pipeline.console.time", SimpleNamespace(monotonic=lambda: now[0]))
    stream = Terminal()
    sink = console(stream)
    for done in (3000, 3002, 3020):
        now[0] = (done - 3000) / 2
        sink({"kind": "progress", "stage": "00_raw", "done": done, "total": 4000})
    time.sleep(0.15)
    sink({"kind": "progress", "stage": "00_raw", "done": 4000, "total": 4000})
    assert "0:08:10 left" in stream.getvalue()


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    sink = console(stream)
    for event in EVENTS:
        sink(event)
        if event.get("step") == 4:
            time.sleep(0.15)  # the bar is drawn ten times a second
    shown = stream.getvalue()
    assert "loss 1.500, 0:01:01 left" in shown
    assert "sft: warning: rising [bold]" in shown
    assert "an old pond" not in shown


def test_going_on_is_said():
    assert sentence(STARTED | {"resumed_from": 3}).endswith("on cpu, going on after step 3")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0:00:00"), (3661, "1:01:01")])
def test_time_left(seconds, text):
    assert time_left(seconds) == text
