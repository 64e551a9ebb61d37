import json
import math

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from training_fakes import (
    CROSS_ENTROPY,
    ROWS,
    Small,
    batches_of,
    groups_of,
    resumable,
    rows,
    small_logps,
)

from haiga import events
from haiga.errors import GuardError, TrainingError
from haiga.objectives import Loss, Objective
from haiga.training.forward import COLUMNS, Forward, columns_for
from haiga.training.gradients import accumulate
from haiga.training.loop import fit
from haiga.training.settings import Hooks, Settings

pytestmark = pytest.mark.usefixtures("small_column")


def gradient(parts: list[list[int]], objective: Objective = CROSS_ENTROPY) -> torch.Tensor:
    model = Small().double()
    forward = Forward(model, columns_for(objective.function), torch.float32)
    sums = accumulate(Accelerator(), forward, objective, [rows(p) for p in parts], 0, 0)
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad]) / sums.count


WHOLE = [list(range(ROWS))]
SPLITS = [
    [[0], list(range(1, ROWS))],
    [[i] for i in range(ROWS)],
    [[5, 2], [0, 1, 3, 4, 6, 7, 8], [9, 10, 11]],
]


@pytest.mark.parametrize("parts", SPLITS)
def test_the_gradient_is_that_of_the_whole_batch_for_any_split(parts):
    torch.testing.assert_close(gradient(parts), gradient(WHOLE), rtol=1e-10, atol=1e-12)


def test_a_mean_of_means_would_be_another_gradient():
    """What gradient accumulation usually does, where rows have unequal lengths."""
    means = torch.stack([gradient([[i]]) for i in range(ROWS)]).mean(0)
    whole = gradient(WHOLE)
    cosine = nn.functional.cosine_similarity(means, whole, dim=0)
    assert cosine < 0.99
    exact = gradient([[i] for i in range(ROWS)])
    assert nn.functional.cosine_similarity(exact, whole, dim=0) > 1 - 1e-9


def run(model=None, settings=None, batches=None, objective=CROSS_ENTROPY, folder=None, **hooks):
    model = model or Small()
    seen = []
    fit(
        model,
        groups_of(model),
        objective,
        batches or batches_of(6, 4),
        settings or Settings(steps=8),
        folder=folder,
        hooks=Hooks(emit=seen.append, **hooks),
    )
    return model, seen


def of_kind(seen, kind):
    return [event for event in seen if event["kind"] == kind]


def test_it_learns_and_says_so():
    model, seen = run(settings=Settings(steps=60, warmup_share=0.1))
    steps = of_kind(seen, "step")
    assert steps[-1]["loss"] < steps[0]["loss"] - 0.5
    assert [event["step"] for event in steps] == list(range(1, 61))
    assert all(event["seconds"] > 0 and event["tokens_per_second"] > 0 for event in steps)
    assert steps[-1]["eta_seconds"] == 0
    assert max(event["lr"] for event in steps) == pytest.approx(1e-2)
    started = seen[0]
    assert started["kind"] == "started"
    assert (started["effective_batch"], started["micro_batches"]) == (6, 2)
    assert started["total"] - started["trainable"] == model.embedding.weight.numel()
    assert seen[-1]["kind"] == "finished"
    json.dumps(seen, allow_nan=False)


def test_frozen_weights_do_not_move():
    model, _ = run()
    torch.testing.assert_close(model.embedding.weight, Small().embedding.weight, rtol=0, atol=0)
    assert not torch.equal(model.layer.weight, Small().layer.weight)


def test_bfloat16_keeps_weights_and_loss_in_float32():
    model, seen = run(settings=Settings(steps=2, dtype="bfloat16"))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    exact = of_kind(run(settings=Settings(steps=2))[1], "step")[0]["loss"]
    rounded = of_kind(seen, "step")[0]["loss"]
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=1e-2)


def crossed(token_logps, answer_logps):
    """Every token with every row: no sum over micro-batches, and columns of unequal lengths."""
    return Loss(-token_logps.sum() * answer_logps.exp().sum(), token_logps.numel())


@pytest.mark.parametrize("parts", SPLITS)
def test_columns_of_unequal_lengths_are_cut_as_they_were_joined(parts, monkeypatch):
    def by_row(model, batch):
        kept = batch.targets >= 0
        logps = model(batch.input_ids).log_softmax(-1)
        own = logps.gather(-1, batch.targets.clamp(min=0)[..., None])[..., 0]
        return own.masked_fill(~kept, 0.0).sum(1) / 30

    monkeypatch.setitem(COLUMNS, "answer_logps", by_row)
    whole = gradient(WHOLE, Objective(crossed, additive=False))
    torch.testing.assert_close(gradient(parts, Objective(crossed, additive=False)), whole)


class Poison:
    """The objective of the loop's tests, with a NaN where we want one."""

    def __init__(self, where: str):
        self.where = where

    def __call__(self, token_logps: torch.Tensor) -> Loss:
        total, metrics = -token_logps.sum(), {}
        if self.where == "loss":
            total = total * math.nan
        if self.where == "metric":
            metrics = {"margin": (torch.tensor(math.nan), 3)}
        if self.where == "gradient":
            total = total + (token_logps.sum() * 0).abs().sqrt()
        return Loss(total, token_logps.numel(), metrics)


@pytest.mark.parametrize("where", ["loss", "metric", "gradient"])
def test_a_nan_stops_before_the_weights_move(where):
    model = Small()
    with pytest.raises(GuardError, match=rf"{where}.* is nan at step 0.*row-"):
        run(model, objective=Objective(Poison(where)))
    for name, parameter in Small().named_parameters():
        assert torch.equal(parameter, dict(model.named_parameters())[name])


def test_a_metric_without_examples_is_absent():
    def one_sided(token_logps):
        metrics = {"kl": (torch.tensor(0.0), 0), "nll": (-token_logps.detach().sum(), 2)}
        return Loss(-token_logps.sum(), token_logps.numel(), metrics)

    _, seen = run(objective=Objective(one_sided))
    assert "kl" not in of_kind(seen, "step")[0]
    assert "nll" in of_kind(seen, "step")[0]


def test_a_wrong_start_stops():
    with pytest.raises(GuardError, match="must start at"):
        run(objective=Objective(CROSS_ENTROPY.function, at_start=math.log(2)))


def test_a_step_without_loss_is_an_error():
    empty = rows([0])
    empty.targets.fill_(-1)
    with pytest.raises(TrainingError, match="No token of step 0"):
        run(batches=lambda step: [empty])


def test_nothing_to_learn_is_an_error():
    with pytest.raises(GuardError, match="No parameter is trained"):
        run(Small().requires_grad_(False))


def test_checkpointing_where_there_is_none_is_an_error():
    with pytest.raises(TrainingError, match="Small does not support"):
        run(settings=Settings(steps=1, gradient_checkpointing=True))


def test_validation_and_its_warning():
    """Trained on six rows, validated on noise: training falls, validation rises."""
    noise = rows(range(6, 12))
    noise.targets[noise.targets >= 0] += 5
    noise.targets.remainder_(11)
    settings = Settings(steps=60, warmup_share=0.0, validate_every=20)
    _, seen = run(
        settings=settings, batches=lambda step: [rows(range(6))], validation=lambda: [noise]
    )
    validations = of_kind(seen, "validation")
    assert [event["step"] for event in validations] == [20, 40, 60]
    assert validations[-1]["train_loss"] < validations[0]["train_loss"]
    assert "rows by heart" in of_kind(seen, "warning")[-1]["text"]


def test_validation_is_exact_and_moves_nothing():
    noted, model = [], Small(dropout=0.5)
    settings = Settings(steps=1, validate_every=1)
    _, seen = run(model, settings, validation=lambda: [rows([0, 1]), rows([2])])
    with torch.no_grad():
        model.eval()
        logps = small_logps(model, rows([0, 1, 2]))
    noted = of_kind(seen, "validation")[0]
    assert noted["loss"] == pytest.approx(float(-logps.mean()))


@pytest.mark.parametrize("where", ["loss", "metric"])
def test_a_nan_in_validation_stops_too(where):
    class HeldOut(Poison):
        def __call__(self, token_logps):
            held_out = not token_logps.requires_grad
            return (
                super().__call__(token_logps) if held_out else CROSS_ENTROPY.function(token_logps)
            )

    settings = Settings(steps=4, validate_every=2)
    with pytest.raises(GuardError, match=rf"validation's {where}.* is nan at step 2.*row-"):
        run(objective=Objective(HeldOut(where)), settings=settings, validation=lambda: [rows([3])])


def test_samples_and_the_first_batch():
    firsts = []
    _, seen = run(
        settings=Settings(steps=4, sample_every=3),
        sample=lambda model, step: [{"id": "a", "text": f"{step} {model.training}"}],
        first=lambda model, batch: firsts.append(batch.ids),
    )
    assert [event["text"] for event in of_kind(seen, "sample")] == ["3 False", "4 False"]
    assert len(firsts) == 1


def crash_at(step: int):
    """The run ends before this step, as if the power went."""

    def before(now: int) -> None:
        if now == step:
            raise KeyboardInterrupt

    return before


def test_resume_goes_on_to_the_bit(tmp_path):
    whole = resumable(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        resumable(tmp_path / "cut", before=crash_at(8))
    resumed = resumable(tmp_path / "cut")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    logs = [events.read(tmp_path / name / "events.jsonl") for name in ("whole", "cut")]
    for kind in ("step", "validation"):
        kept = ("step", "loss", "lr", "grad_norm", "train_loss")
        told = [[{k: e.get(k) for k in kept} for e in of_kind(log, kind)] for log in logs]
        assert told[0] == told[1]
    assert [e["resumed_from"] for e in of_kind(logs[1], "started")] == [0, 6]


def test_a_finished_run_does_nothing_more(tmp_path):
    first = resumable(tmp_path)
    asked = []
    second = resumable(tmp_path, before=asked.append)
    assert asked == []  # a policy would answer them, and write over what it has learned from
    assert torch.equal(first.layer.weight, second.layer.weight)
    log = events.read(tmp_path / "events.jsonl")
    assert len(of_kind(log, "step")) == 20
    assert len(of_kind(log, "finished")) == 1


def test_other_settings_do_not_go_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        resumable(tmp_path, before=crash_at(8))
    model = Small(dropout=0.3)
    with pytest.raises(TrainingError, match=r"weight_decay = 0\.1, now it is 0\.0"):
        run(model, Settings(steps=20, watch_every=2), folder=tmp_path)
