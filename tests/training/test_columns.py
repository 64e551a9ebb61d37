from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from haiga.errors import TrainingError
from haiga.objectives import OBJECTIVES
from haiga.training import forward
from haiga.training.forward import COLUMNS, Forward, columns_for, needs


@dataclass(frozen=True)
class Answers:
    input_ids: Tensor
    answer_of: Tensor
    group_of: Tensor
    features: Tensor | None = None
    pixel_values: Tensor | None = None
    temperature: float = 1.0


def answers() -> Answers:
    return Answers(torch.zeros(1, 4), torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 0]))


def test_needs_are_read_off_the_signature():
    def objective(answer_logps, answer_lengths, *, beta: float = 0.1):
        raise NotImplementedError

    assert needs(objective) == ["answer_logps", "answer_lengths"]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_of_the_table_can_be_computed(name):
    assert callable(columns_for(OBJECTIVES[name].function))


def test_a_column_that_nobody_computes_is_named():
    with pytest.raises(TrainingError, match="'advantage'"):
        columns_for(lambda advantage: None)


def test_answers_are_sums_of_their_tokens_computed_once(monkeypatch):
    calls = []

    def token_logps(model, batch):
        calls.append(batch)
        return torch.tensor([-1.0, -2.0, -3.0, -4.0, -5.0])

    monkeypatch.setitem(COLUMNS, "token_logps", token_logps)
    columns = columns_for(lambda token_logps, answer_logps, answer_lengths: None)
    batch = answers()
    made = columns(nn.Identity(), batch)
    assert made["answer_logps"].tolist() == [-3.0, -12.0]
    assert made["answer_lengths"].tolist() == [2, 3]
    assert calls == [batch]


def test_token_logps_hands_the_pictures_to_the_shared_prefix_forward(monkeypatch):
    given = {}

    def fake(model, batch, features, *, pixel_values):
        given.update(features=features)
        return torch.zeros(1, 4, 2)

    monkeypatch.setattr(forward.branches, "hidden_states", fake)
    monkeypatch.setattr(forward.branches, "logps_of", lambda *a, temperature: torch.zeros(5))
    features = torch.ones(1, 2, 3)
    columns = columns_for(OBJECTIVES["cross_entropy"].function)
    columns(nn.Identity(), replace(answers(), features=features))
    assert torch.equal(given["features"], features)


def test_half_precision_columns_are_widened(monkeypatch):
    class Head(nn.Linear):
        pass

    monkeypatch.setitem(COLUMNS, "token_logps", lambda model, batch: model(torch.ones(2, 3))[:, 0])
    columns = columns_for(OBJECTIVES["cross_entropy"].function)
    torch.manual_seed(0)
    head = Head(3, 1)
    exact = Forward(head, columns, torch.float32)(answers())["token_logps"]
    rounded = Forward(head, columns, torch.bfloat16)(answers())["token_logps"]
    assert rounded.dtype is torch.float32
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, rtol=0.02, atol=0.02)
