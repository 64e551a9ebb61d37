"""The loop looks at what a model writes, stops where that goes to ruin, and keeps the best."""

import functools
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from training_fakes import CROSS_ENTROPY, ROWS, Small, batches_of, groups_of, look

from haiga import events
from haiga.objectives import Loss, Objective
from haiga.training import checkpoint
from haiga.training.loop import fit
from haiga.training.settings import Hooks, Settings

pytestmark = pytest.mark.usefixtures("small_column")


def away(token_logps):
    """An objective that leads away from all that is known: the log-probability itself."""
    return Loss(token_logps.sum(), token_logps.numel())


def flat(token_logps):
    """An objective that has nothing to teach."""
    return Loss(token_logps.sum() * 0, token_logps.numel())


RUIN, NOTHING = Objective(away), Objective(flat)


@functools.cache
def taught():
    """A model that has learned its rows."""
    model = Small()
    settings = Settings(steps=40, warmup_share=0.0)
    fit(model, groups_of(model, 5e-2), CROSS_ENTROPY, batches_of(ROWS, ROWS), settings)
    return model.state_dict()


SETTINGS = Settings(steps=24, watch_every=2, checkpoint_every=3, warmup_share=0.3, weight_decay=0.1)


def train(folder, objective, settings=SETTINGS, before=lambda step: None, watch=look, rate=1e-1):
    model = Small(dropout=0.2)
    model.load_state_dict(taught())
    inner = batches_of(6, 4)

    def batches(step):
        before(step)
        return inner(step)

    log = events.to_jsonl(folder / "events.jsonl")
    hooks = Hooks(log, watch=watch)
    said = fit(
        model, groups_of(model, rate), objective, batches, settings, folder=folder, hooks=hooks
    )
    return model, said, events.read(folder / "events.jsonl")


def of_kind(seen, kind):
    return [event for event in seen if event["kind"] == kind]


def weights(model):
    return {name: value for name, value in model.state_dict().items() if "embedding" not in name}


def same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_the_model_has_learned_something_to_lose():
    model = Small()
    model.load_state_dict(taught())
    assert look(model, 0).parsed > 0.9


def test_ruin_is_warned_then_stopped_and_the_best_is_put_back(tmp_path):
    model, said, seen = train(tmp_path, RUIN)
    looks, (stopped,) = of_kind(seen, "look"), of_kind(seen, "stopped")
    assert [event["step"] for event in looks] == list(range(0, stopped["step"] + 1, 2))
    assert stopped["step"] < 24
    assert of_kind(seen, "step")[-1]["step"] == of_kind(seen, "finished")[0]["step"]
    assert of_kind(seen, "finished")[0]["step"] == stopped["step"]
    (warning,) = of_kind(seen, "warning")
    assert warning["step"] == stopped["step"] - 2
    assert "of the answers can be read" in warning["text"]
    best = max(looks, key=lambda event: (event["parsed"], event["step"]))
    assert stopped["kept"] == best["step"]
    assert said == stopped["text"]
    assert said.startswith(f"stopped at step {stopped['step']}: ")
    assert f"the model of step {best['step']} is kept" in said
    assert all(event["seconds"] > 0 for event in looks)
    same(weights(model), load_file(tmp_path / "resume" / checkpoint.BEST))
    assert look(model, 0).parsed == best["parsed"]


def test_a_healthy_stage_runs_to_its_end_and_keeps_its_last_weights(tmp_path):
    model, said, seen = train(tmp_path, CROSS_ENTROPY)
    assert said is None
    assert not of_kind(seen, "warning") + of_kind(seen, "stopped") + of_kind(seen, "kept")
    assert len(of_kind(seen, "step")) == 24
    assert len(of_kind(seen, "look")) == 13
    last = load_file(checkpoint.latest(tmp_path / "resume") / "tensors.safetensors")
    same(weights(model), {k[6:]: v for k, v in last.items() if k.startswith("model.")})


def test_looking_moves_nothing(tmp_path):
    watched, _, _ = train(tmp_path / "one", CROSS_ENTROPY)
    blind, _, seen = train(tmp_path / "two", CROSS_ENTROPY, watch=None)
    assert not of_kind(seen, "look")
    same(weights(watched), weights(blind))


def test_a_stage_may_ask_for_the_best_and_may_refuse_to_be_stopped(tmp_path):
    settings = replace(SETTINGS, watch_stops=False)
    model, said, seen = train(tmp_path / "last", RUIN, settings)
    assert said is None
    assert len(of_kind(seen, "step")) == 24
    assert of_kind(seen, "warning")
    assert look(model, 0).parsed < 0.5
    model, said, seen = train(tmp_path / "best", RUIN, replace(settings, keep="best"))
    (kept,) = of_kind(seen, "kept")
    assert kept["step"] == 24
    assert said.startswith(f"the model of step {kept['kept']} is kept")
    same(weights(model), load_file(tmp_path / "best" / "resume" / checkpoint.BEST))
    assert look(model, 0).parsed > 0.9


def test_fifty_steps_without_a_gradient_are_enough(tmp_path):
    settings = Settings(steps=90, watch_every=30, weight_decay=0.0)
    _, said, seen = train(tmp_path, NOTHING, settings)
    assert said.startswith("stopped at step 60: the gradient has been 0 for 60 steps")
    assert len(of_kind(seen, "step")) == 60


def crash_at(step):
    def before(now):
        if now == step:
            raise KeyboardInterrupt

    return before


def told(seen):
    return [
        {key: value for key, value in event.items() if "seconds" not in key and "second" not in key}
        for event in seen
        if event["kind"] != "started"
    ]


@pytest.mark.parametrize("objective", [RUIN, CROSS_ENTROPY])
@pytest.mark.parametrize("crash", [1, 4, 5])
def test_a_crash_changes_nothing_of_what_is_seen_and_kept(tmp_path, objective, crash):
    whole, said, seen = train(tmp_path / "whole", objective)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", objective, before=crash_at(crash))
    again, said_again, seen_again = train(tmp_path / "cut", objective)
    same(weights(whole), weights(again))
    assert said == said_again
    assert told(seen) == told(seen_again)
    best = [load_file(tmp_path / n / "resume" / checkpoint.BEST) for n in ("whole", "cut")]
    same(*best)


def test_a_stopped_stage_that_goes_on_stays_stopped(tmp_path):
    """Killed after it was stopped, and before its model was saved."""
    first, said, seen = train(tmp_path, RUIN)
    second, said_again, seen_again = train(tmp_path, RUIN)
    assert said == said_again
    assert told(seen) == told(seen_again)
    same(weights(first), weights(second))


def test_the_best_of_another_run_is_not_taken_over(tmp_path):
    train(tmp_path, CROSS_ENTROPY)
    for place in (tmp_path / "resume").glob("step-*"):
        place.rename(tmp_path / place.name)
    model, _, seen = train(tmp_path, RUIN)
    assert of_kind(seen, "started")[-1]["resumed_from"] == 0
    (stopped,) = of_kind(seen, "stopped")
    assert stopped["kept"] <= stopped["step"]
    same(weights(model), load_file(tmp_path / "resume" / checkpoint.BEST))


def test_other_looks_do_not_go_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, CROSS_ENTROPY, before=crash_at(8))
    with pytest.raises(Exception, match="watch_every = 2, now it is 5"):
        train(tmp_path, CROSS_ENTROPY, replace(SETTINGS, watch_every=5))
