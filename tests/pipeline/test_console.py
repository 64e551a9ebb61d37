import io

import pytest

from haiga.training.progress import console, sentence, time_left

STARTED = {
    "kind": "started",
    "trainable": 250,
    "total": 1000,
    "effective_batch": 16,
    "settings": {"steps": 4},
    "dtype": "float32",
    "device": "cpu",
    "resumed_from": 0,
}
EVENTS = [
    STARTED,
    *[
        {"kind": "step", "step": s, "loss": 2.5 - s, "lr": 1e-3, "eta_seconds": 61.0}
        for s in (1, 2, 3, 4)
    ],
    {"kind": "validation", "step": 4, "loss": 1.5, "train_loss": 1.25},
    {"kind": "warning", "step": 4, "text": "rising [bold]"},
    {"kind": "sample", "step": 4, "text": "an old pond"},
    {"kind": "finished", "step": 4, "seconds": 3.2},
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_short_lines():
    stream = io.StringIO()
    sink = console(stream, every=2)
    for event in EVENTS:
        sink(event)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("training 250 of 1,000 parameters (25.0%), batches of 16, 4 steps")
    assert [line.split("  ")[0] for line in lines[1:3]] == ["step 2", "step 4"]
    assert "0:01:01 left" in lines[1]
    assert lines[3:] == [
        "step 4  validation 1.5000  training 1.2500",
        "warning: rising [bold]",
        "finished 4 steps in 0:00:03",
    ]


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    sink = console(stream)
    for event in EVENTS:
        sink(event)
    shown = stream.getvalue()
    assert "4/4" in shown
    assert "0:01:01 left" in shown
    assert "warning: rising [bold]" in shown


def test_going_on_is_said():
    assert "going on after step 3" in sentence(STARTED | {"resumed_from": 3})


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0:00:00"), (3661, "1:01:01")])
def test_time_left(seconds, text):
    assert time_left(seconds) == text
