from haiga.reporting.facts import RunFacts
from haiga.reporting.plots import looks
from haiga.reporting.report import render
from haiga.reporting.words import looking


def test_a_watched_stage_has_a_row_of_its_loss_and_of_what_it_writes():
    seen = [
        {"kind": "look", "step": 0, "parsed": 1.0, "form": 0.5, "desirable": -20.0, "seconds": 1.0},
        {"kind": "step", "step": 1, "loss": 0.7, "lr": 0.1, "seconds": 3.0},
        {"kind": "look", "step": 1, "parsed": 0.2, "form": 0.1, "desirable": -40.0, "seconds": 1.0},
        {"kind": "stopped", "step": 1, "kept": 0, "text": "stopped"},
    ]
    plain = {"sft": [{"kind": "step", "step": 1, "loss": 2.0}]}
    assert looks(plain) is None
    drawn = looks({**plain, "kto": seen})
    assert drawn == looks({**plain, "kto": seen})
    words = ("what it writes", "nats an answer", "can be read", "5-7-5", "desirable", "kept")
    for word in words:
        assert f"<!-- {word} -->".encode() in drawn, word
    assert b"<!-- distinct-2 -->" not in drawn
    assert b"<!-- sft -->" not in drawn


def test_a_stage_that_was_watched_and_stopped_says_so():
    events = {
        "kto": [
            {"kind": "look", "step": 0, "parsed": 1.0, "seconds": 1.0},
            {"kind": "step", "step": 1, "loss": 0.7, "seconds": 39.0},
            {"kind": "stopped", "step": 1, "kept": 0, "text": "stopped at step 1: it was <bad>"},
        ],
        "sft": [{"kind": "step", "step": 1, "loss": 0.7, "seconds": 9.0}],
    }
    assert looking(events) == "Looking took 2 % of the time of kto."
    assert looking({"sft": events["sft"]}) == ""
    html = render(RunFacts(name="floating", made={}, events=events))
    assert "Looking took 2 % of the time of kto." in html
    assert "stopped at step 1: it was &lt;bad&gt;" in html
    assert "What each watched stage wrote" in html
    assert "What each watched stage wrote" not in render(RunFacts(name="floating", made={}))
