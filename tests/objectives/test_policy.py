import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.objectives import OBJECTIVES
from haiga.objectives.advantages import k1
from haiga.objectives.policy import kl, ppo, reinforce, rloo, value

# Two answers, of three tokens and of one. Ratios to the old policy: 1, 2, 1/2 and 3/2.
OLD = torch.tensor([-1.0, -2.0, -3.0, -4.0], dtype=torch.float64)
RATIOS = torch.tensor([1.0, 2.0, 0.5, 1.5], dtype=torch.float64)
NEW = OLD + RATIOS.log()
ADVANTAGES = torch.tensor([1.0, 1.0, -1.0, -2.0], dtype=torch.float64)
ANSWER_OF = torch.tensor([0, 0, 0, 1])


def means(loss):
    return {name: float(total) / n for name, (total, n) in loss.metrics.items()}


def test_reinforce_by_hand():
    loss = reinforce(OLD, ADVANTAGES, ANSWER_OF)
    # 1 + 2 - 3 for the first answer, -2 * 4 for the second; two answers.
    assert float(loss.total) == pytest.approx(1 + 2 - 3 - 8)
    assert loss.count == 2
    assert means(loss) == {"surprisal": 2.5}


@pytest.mark.parametrize(
    ("average", "total", "count"), [("token", -8, 4), ("sequence", -8, 2), (4, -2, 2)]
)
def test_reinforce_averages(average, total, count):
    loss = reinforce(OLD, ADVANTAGES, ANSWER_OF, average=average)
    assert (float(loss.total), loss.count) == (pytest.approx(total), count)


def test_ppo_by_hand():
    loss = ppo(NEW, OLD, ADVANTAGES, ANSWER_OF, clip_low=0.2, clip_high=0.4)
    # 1; 2 is clipped to 1.4; min(-0.5, -0.8) = -0.8; min(-3, -2.6) = -3: clipping never flatters.
    assert float(loss.total) == pytest.approx(-(1 + 1.4 - 0.8 - 3))
    assert loss.count == 4
    good = (column[1:2] for column in (NEW, OLD, ADVANTAGES, ANSWER_OF))
    assert float(ppo(*good, clip_low=0.2, clip_high=0.4).total) == pytest.approx(-1.4)
    found = means(loss)
    assert (found["clipped_low"], found["clipped_high"]) == (0.25, 0.25)
    assert found["surprisal"] == pytest.approx(-float(NEW.mean()))
    # (w - 1) - log w on samples of the old policy.
    expected = (1 - math.log(2) - 0.5 + math.log(2) + 0.5 - math.log(1.5)) / 4
    assert found["kl_to_old"] == pytest.approx(expected)


def test_rloo_by_hand():
    """One ratio of an answer: 1 * 2 / 2 = 1, and 3/2; one advantage, the mean of its tokens'."""
    loss = rloo(NEW, OLD, ADVANTAGES, ANSWER_OF)
    # 1 * 1/3; min(1.5 * -2, 1.2 * -2) = -3.
    assert float(loss.total) == pytest.approx(-(1 / 3 - 3))
    assert loss.count == 2
    found = means(rloo(NEW, OLD, -ADVANTAGES, ANSWER_OF))
    assert (found["clipped_low"], found["clipped_high"]) == (0, 0.5)
    assert found["surprisal"] == pytest.approx(-float(NEW.mean()))


def test_grpo_by_hand():
    """The table's `grpo` is `ppo` with each answer's tokens averaged first."""
    loss = OBJECTIVES["grpo"].function(NEW, OLD, ADVANTAGES, ANSWER_OF, clip_high=0.4)
    assert float(loss.total) == pytest.approx(-((1 + 1.4 - 0.8) / 3 - 3))
    assert loss.count == 2


def test_a_constant_length_keeps_tokens_equal_and_answers_counted():
    loss = ppo(NEW, OLD, ADVANTAGES, ANSWER_OF, clip_low=0.2, clip_high=0.4, average=10)
    assert float(loss.total) == pytest.approx(-(1 + 1.4 - 0.8 - 3) / 10)
    assert loss.count == 2


def test_a_fresh_policy_has_the_gradient_of_reinforce():
    logps = [OLD.clone().requires_grad_() for _ in range(2)]
    ppo(logps[0], OLD, ADVANTAGES, ANSWER_OF, average=1).total.backward()
    reinforce(logps[1], ADVANTAGES, ANSWER_OF).total.backward()
    torch.testing.assert_close(logps[0].grad, logps[1].grad)


def test_what_is_clipped_teaches_nothing():
    logps = NEW.clone().requires_grad_()
    ppo(logps, OLD, ADVANTAGES, ANSWER_OF).total.backward()
    assert [float(each) != 0 for each in logps.grad] == [True, False, False, True]


def test_only_what_clipping_changes_counts_as_clipped():
    """A good answer that became rarer, and a bad one that became commoner, are still learned."""
    ratios, advantages = torch.tensor([0.5, 2.0]), torch.tensor([1.0, -1.0])
    loss = ppo(ratios.log(), torch.zeros(2), advantages, torch.tensor([0, 1]))
    assert float(loss.total) == pytest.approx(-0.5 + 2)
    assert (means(loss)["clipped_low"], means(loss)["clipped_high"]) == (0, 0)


def test_advantages_of_zero_teach_nothing():
    logps = NEW.clone().requires_grad_()
    ppo(logps, OLD, torch.zeros_like(OLD), ANSWER_OF).total.backward()
    assert not logps.grad.any()


@pytest.mark.parametrize("average", ["token", "sequence", 7])
@pytest.mark.parametrize("cut", [3, 4])
def test_whole_answers_add_up(average, cut):
    whole = ppo(NEW, OLD, ADVANTAGES, ANSWER_OF, average=average)
    parts = [
        ppo(NEW[at], OLD[at], ADVANTAGES[at], ANSWER_OF[at], average=average)
        for at in (slice(cut), slice(cut, None))
    ]
    torch.testing.assert_close(sum(part.total for part in parts), whole.total)
    assert sum(part.count for part in parts) == whole.count


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_kl_by_hand(estimator):
    loss = kl(NEW, OLD, ANSWER_OF, estimator=estimator)
    logs = RATIOS.log()
    expected = {"k2": (logs**2).sum() / 2, "k3": (1 / RATIOS - 1 + logs).sum()}
    torch.testing.assert_close(loss.total, expected[estimator])
    assert loss.count == 4
    assert means(loss) == {"kl": pytest.approx(float(expected["k3"]) / 4)}


def expected_gradient(estimate, logits, reference):
    """Gradient of the mean over a whole distribution, as many fresh samples would give it."""
    logps = logits.log_softmax(dim=0)
    (logps.detach().exp() * estimate(logps, reference)).sum().backward()
    return logits.grad


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_gradients_of_the_estimators_are_those_that_the_docstring_says(seed):
    generator = torch.Generator().manual_seed(seed)
    start, other = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    reference = other.log_softmax(dim=0)

    def leaf():
        return start.clone().requires_grad_()

    def term(estimator):
        each = torch.arange(5)

        def losses(logps, reference):
            # One answer for each token, so that the sum may be weighed from outside.
            parts = [
                kl(logps[i : i + 1], reference[i : i + 1], each[:1], estimator=estimator).total
                for i in range(5)
            ]
            return torch.stack(parts)

        return losses

    forward, reverse = leaf(), leaf()
    logps = forward.log_softmax(dim=0)
    (reference.exp() * (reference - logps)).sum().backward()
    logps = reverse.log_softmax(dim=0)
    (logps.exp() * (logps - reference)).sum().backward()
    torch.testing.assert_close(expected_gradient(term("k3"), leaf(), reference), forward.grad)
    torch.testing.assert_close(expected_gradient(term("k2"), leaf(), reference), reverse.grad)
    none = expected_gradient(k1, leaf(), reference)
    torch.testing.assert_close(none, torch.zeros_like(none), atol=1e-12, rtol=0)


def test_value_by_hand():
    # Errors 1, -2 and 3; old values 0, so that 3 is clipped to 1 and its error to 1: 3 is larger.
    values = torch.tensor([1.0, -2.0, 3.0])
    old, returns = torch.tensor([1.0, 0.0, 0.0]), torch.zeros(3)
    loss = value(values, old, returns, clip=1.0)
    assert float(loss.total) == pytest.approx((1 + 4 + 9) / 2)
    assert loss.count == 3
    assert means(loss) == {"value_error": 2.0, "value_clipped": 0.0}
    # From the other side the clipped error is the larger one, and has no gradient.
    near = value(torch.tensor([0.5]), torch.tensor([2.0]), torch.zeros(1), clip=1.0)
    assert float(near.total) == pytest.approx(1.0**2 / 2)
    assert means(near)["value_clipped"] == 1.0
    plain = value(torch.tensor([0.5]), torch.tensor([2.0]), torch.zeros(1), clip=math.inf)
    assert float(plain.total) == pytest.approx(0.5**2 / 2)


def test_no_tokens_are_no_loss():
    empty, none = torch.empty(0), torch.empty(0, dtype=torch.long)
    for average in ("token", "sequence", 3):
        loss = ppo(empty, empty, empty, none, average=average)
        assert (float(loss.total), loss.count) == (0.0, 0)
        assert {n for _, n in loss.metrics.values()} == {0}
    assert (float(rloo(empty, empty, empty, none).total), rloo(*[empty] * 3, none).count) == (0, 0)
