from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

import tiny
from haiga.batches.groups import collate
from haiga.batches.render import render
from haiga.models import adapters, branches
from haiga.models.assemble import assemble
from haiga.models.branches import hidden_states
from haiga.models.embeddings import tower_features
from haiga.models.fit import pixels
from haiga.models.score import add_score_head
from haiga.objectives import OBJECTIVES
from haiga.objectives.advantages import Baseline
from haiga.recipe.bind import bind
from haiga.recipe.schema import Rollout
from haiga.records import IMAGE, Answer, Group, Picture, assistant, user
from haiga.rewards import Scored
from haiga.rewards.combine import Part
from haiga.training import rollout
from haiga.training.advantage import ADVANTAGES, Seen
from haiga.training.forward import Forward, columns_for
from haiga.training.references import starting_copy
from haiga.training.rollout import Policy, batches
from haiga.training.written import last_baseline


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return (
        tiny.tiny_tower(tmp_path_factory.mktemp("tower")),
        tiny.tiny_language_model(tmp_path_factory.mktemp("lm")),
    )


@pytest.fixture
def vlm(folders):
    opened = adapters.attach(assemble(*folders), r=2, alpha=4)
    for name, weight in opened.model.named_parameters():
        weight.requires_grad_("lora_" in name)
    return opened


def group(number):
    return Group(
        id=f"g{number}",
        prompt=(user(IMAGE, f"print {number}"),),
        answers=(Answer((assistant("the crane"),)),),
        pictures=(Picture(f"p{number}"),),
        task="haiku",
    )


def letters(samples):
    """A reward that any text has: how many of its characters are an e."""
    return [Scored(sample.text.count("e") / (1 + len(sample.text))) for sample in samples]


def policy(vlm, folder, reward=letters, needs=("advantages",), emit=None, **changed):
    groups = [group(number) for number in range(6)]
    rows = [render(vlm.processor, each, vlm.picture_tokens) for each in groups]
    view = pixels(vlm.processor.image_processor, [Image.new("RGB", (60, 30), "red")])
    with torch.no_grad():
        features = tower_features(vlm.model, view)

    def collated(part):
        return replace(collate(part, 0), features=features.repeat(len(part), 1, 1))

    options = {"samples": 3, "max_new_tokens": 5, "rewards": ({"name": "form"},)} | changed
    settings = Rollout(**options)
    return Policy(
        vlm=vlm,
        rows=rows,
        groups={each.id: each for each in groups},
        collate=collated,
        pictures={},
        parts=(Part("letters", reward),),
        worth=bind(ADVANTAGES, settings.advantage, "advantage"),
        needs=frozenset(needs),
        settings=settings,
        start=starting_copy(vlm.model),
        dtype=torch.float32,
        folder=folder,
        batch=4,
        micro=3,
        seed=5,
        emit=emit or (lambda event: None),
    )


ALL = ("advantages", "old_token_logps", "ref_token_logps")


def same(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.ids == b.ids
        for name in ("input_ids", *ALL):
            left, right = getattr(a, name), getattr(b, name)
            assert (left is None) == (right is None)
            assert left is None or torch.equal(left, right)


def test_what_is_noted_is_what_the_policy_says(vlm, tmp_path):
    made = batches(policy(vlm, tmp_path, needs=ALL))(0)
    assert [len(batch.ids) for batch in made] == [3, 1]

    def wanted(token_logps): ...

    for batch in made:
        assert batch.kinds == ("sample",) * 3 * len(batch.ids)
        now = Forward(vlm.model, columns_for(wanted), torch.float32)(batch)["token_logps"]
        torch.testing.assert_close(batch.old_token_logps, now.detach())
        # A fresh adapter changes nothing: the reference is the policy itself.
        torch.testing.assert_close(batch.ref_token_logps, batch.old_token_logps)
        assert not any(getattr(batch, name).requires_grad for name in ALL)


def test_a_sample_is_learned_from_at_the_temperature_that_it_was_drawn_at(vlm, tmp_path):
    def wanted(token_logps, old_token_logps): ...

    forward = Forward(vlm.model, columns_for(wanted), torch.float32)
    chosen = {"needs": ("advantages", "old_token_logps"), "temperature": 0.5, "epochs": 2}
    for batch in batches(policy(vlm, tmp_path, **chosen))(0):
        found = forward(batch)
        torch.testing.assert_close(found["old_token_logps"], found["token_logps"].detach())
        hidden = hidden_states(vlm.model, batch, batch.features)
        logits = vlm.model.get_output_embeddings()(hidden.flatten(0, 1)[batch.sources])
        truth = (logits / 0.5).log_softmax(-1).gather(1, batch.targets[:, None])[:, 0]
        torch.testing.assert_close(found["token_logps"], truth)


def test_samples_that_are_learned_from_once_are_not_read_again_beforehand(vlm, tmp_path):
    needs = ("advantages", "old_token_logps")
    (once, *_) = batches(policy(vlm, tmp_path / "once", needs=needs))(0)
    (twice, *_) = batches(policy(vlm, tmp_path / "twice", needs=needs, epochs=2))(0)
    assert (once.fresh, once.old_token_logps) == (True, None)
    assert not twice.fresh

    def wanted(token_logps, old_token_logps): ...

    forward = Forward(vlm.model, columns_for(wanted), torch.float32)
    for batch in (once, twice):
        found = forward(batch)
        torch.testing.assert_close(found["old_token_logps"], found["token_logps"].detach())
        assert found["token_logps"].requires_grad
        assert not found["old_token_logps"].requires_grad


def test_advantages_are_the_answers_own_at_each_of_its_tokens(vlm, tmp_path):
    for batch in batches(policy(vlm, tmp_path))(0):
        for answer in range(len(batch.kinds)):
            assert len(batch.advantages[batch.answer_of == answer].unique()) == 1
        each = torch.stack(
            [batch.advantages[batch.answer_of == a][0] for a in range(len(batch.kinds))]
        )
        torch.testing.assert_close(each.reshape(-1, 3).sum(1), torch.zeros(len(batch.ids)))


def test_a_rollout_in_memory_and_one_read_again_are_equal_to_the_bit(vlm, tmp_path):
    first = policy(vlm, tmp_path, needs=ALL, epochs=2, minibatches=2)
    of_step = batches(first)
    whole = [of_step(step) for step in range(4)]
    # Weights have moved since: what is noted must come from the file.
    for name, weight in vlm.model.named_parameters():
        if "lora_B" in name:
            weight.data.add_(0.1)
    again = batches(first)
    for step in (1, 2, 3):
        same(again(step), whole[step])
    seen = [row for step in (0, 1) for batch in whole[step] for row in batch.ids]
    assert len(seen) == len(set(seen)) == 4


def test_a_sampled_text_may_hold_any_line_break(vlm, tmp_path, monkeypatch):
    monkeypatch.setattr(rollout, "text_of", lambda vlm, ids: "one\u2028line\u0085")
    first = policy(vlm, tmp_path, epochs=2)
    of_step = batches(first)
    whole = [of_step(0), of_step(1)]
    same(batches(first)(1), whole[1])


def test_a_rollout_is_drawn_from_its_seed_and_number(vlm, tmp_path):
    one = batches(policy(vlm, tmp_path / "one"))
    two = batches(policy(vlm, tmp_path / "two"))
    same(one(0), two(0))
    same(one(1), two(1))
    assert not torch.equal(one(0)[0].input_ids, one(1)[0].input_ids)


def test_equal_rewards_teach_nothing_and_give_no_nan(vlm, tmp_path):
    def equal(samples):
        return [Scored(0.3) for _ in samples]

    for advantage in ("leave_one_out", "group_relative"):
        rolled = policy(vlm, tmp_path / advantage, equal, advantage={"name": advantage})
        for batch in batches(rolled)(0):
            assert torch.equal(batch.advantages, torch.zeros_like(batch.advantages))
            loss = OBJECTIVES["grpo"].function(
                batch.advantages, batch.advantages, batch.advantages, batch.answer_of
            )
            assert float(loss.total) == 0


def test_a_sample_that_could_not_be_scored_is_named_and_learns_nothing(vlm, tmp_path):
    events = []

    def failing(samples):
        return [
            Scored(None, "no such word") if at == 0 else Scored(float(at % 2))
            for at in range(len(samples))
        ]

    of_step = batches(policy(vlm, tmp_path, failing, emit=events.append))
    made = of_step(0)
    warning, told = events
    assert "'letters' cannot score every sample" in warning["text"]
    assert told["unscored"] == 1
    assert "no such word" in (tmp_path / "000000.jsonl").read_text()
    worth = [batch.advantages[batch.answer_of == 0] for batch in made]
    assert any(torch.equal(each, torch.zeros_like(each)) for each in worth)
    of_step(1)
    assert [event["kind"] for event in events] == ["warning", "rollout", "rollout"]


def test_prompts_whose_samples_are_rewarded_alike_are_counted(vlm, tmp_path):
    """Of four prompts the first has three equal samples and the third two, as one has no score."""
    given = [1, 1, 1, 0, 1, 0, None, 1, 1, None, 0, 1]
    told = []
    rolled = policy(
        vlm, tmp_path, lambda samples: [Scored(each) for each in given], emit=told.append
    )
    batches(rolled)(0)
    assert told[-1]["alike"] == 0.5


def test_policy_and_critic_are_read_in_one_pass_and_the_reference_in_another(
    vlm, tmp_path, monkeypatch
):
    add_score_head(vlm.model)
    passes, read = [], branches.hidden_states
    monkeypatch.setattr(
        branches, "hidden_states", lambda *a, **k: passes.append(1) or read(*a, **k)
    )
    needs = ("advantages", "old_token_logps", "old_token_values", "returns")
    options = {"advantage": {"name": "gae"}, "kl": 0.1, "epochs": 2}
    made = batches(policy(vlm, tmp_path, needs=needs, **options))(0)
    assert len(passes) == 2 * len(made)
    for batch in made:
        assert not batch.old_token_values.any()  # a new head says 0 of everything
        torch.testing.assert_close(batch.old_token_logps, batch.ref_token_logps)


def test_a_moving_baseline_goes_on_from_the_rollout_before(vlm, tmp_path):
    rolled = policy(vlm, tmp_path, advantage={"name": "moving_baseline", "decay": 0.5}, samples=1)
    of_step = batches(rolled)
    of_step(0), of_step(1)
    first, second = (last_baseline(tmp_path / f"{n:06d}.jsonl") for n in (0, 1))
    assert (first.seen, second.seen) == (1, 2)
    again = batches(rolled)
    again(1)
    assert last_baseline(tmp_path / "000001.jsonl") == second


def test_a_rank_without_rows_rolls_nothing_out_and_goes_on(vlm, tmp_path, monkeypatch):
    """Six prompts in batches of five, for two ranks: the second batch is one row."""
    second = SimpleNamespace(process_index=1, num_processes=2)
    monkeypatch.setattr(rollout, "ranks", lambda: second)
    mean = {"advantage": {"name": "moving_baseline"}, "samples": 1}
    rolled = replace(policy(vlm, tmp_path, **mean), batch=5)
    of_step = batches(rolled)
    assert [len(batch.ids) for batch in of_step(0)] == [2]
    assert of_step(1) == []
    files = [tmp_path / f"00000{number}.1.jsonl" for number in range(2)]
    assert last_baseline(files[0]) == last_baseline(files[1]) != Baseline()
    assert batches(rolled)(1) == []
    assert [len(batch.ids) for batch in of_step(2)] == [2]


def test_a_short_last_batch_leaves_no_step_without_rows(vlm, tmp_path):
    """Six prompts in batches of five: the second has one, and two minibatches."""
    rolled = replace(policy(vlm, tmp_path, minibatches=2, epochs=2), batch=5)
    of_step = batches(rolled)
    seen = [[row for batch in of_step(step) for row in batch.ids] for step in range(8)]
    assert [len(ids) for ids in seen] == [3, 2, 3, 2, 1, 1, 1, 1]
    assert len({*seen[0], *seen[1]}) == 5
    assert {row for ids in seen[4:] for row in ids} == {f"g{n}" for n in range(6)} - {
        *seen[0], *seen[1],
    }  # fmt: skip


def test_gae_without_a_critic_is_refused():
    from haiga.errors import TrainingError

    seen = Seen(
        rewards=torch.ones(2),
        scored=torch.tensor([True, True]),
        group_of=torch.tensor([0, 0]),
        answer_of=torch.tensor([0, 1]),
        token_kl=None,
        kl_weight=0.0,
        values=None,
        baseline=Baseline(),
    )
    with pytest.raises(TrainingError, match="critic"):
        ADVANTAGES["gae"](seen)


def test_the_distance_from_the_reference_is_taken_off_by_answer_and_by_token():
    seen = Seen(
        rewards=torch.tensor([1.0, 0.0]),
        scored=torch.tensor([True, True]),
        group_of=torch.tensor([0, 0]),
        answer_of=torch.tensor([0, 0, 1]),
        token_kl=torch.tensor([1.0, 2.0, 4.0]),
        kl_weight=0.1,
        values=torch.zeros(3),
        baseline=Baseline(),
    )
    # 1 - 0.3 = 0.7 against 0 - 0.4 = -0.4.
    torch.testing.assert_close(
        ADVANTAGES["leave_one_out"](seen).advantages, torch.tensor([1.1, 1.1, -1.1])
    )
    returns = ADVANTAGES["gae"](seen, lam=1.0).returns
    torch.testing.assert_close(returns, torch.tensor([0.7, 0.8, -0.4]))


def test_memory_does_not_grow_over_two_hundred_steps(vlm, tmp_path):
    import gc

    of_step = batches(policy(vlm, tmp_path, samples=2, max_new_tokens=2))
    parameters = [p for p in vlm.model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=1e-3)
    forward = Forward(vlm.model, columns_for(OBJECTIVES["reinforce"].function), torch.float32)
    counts = []
    for step in range(200):
        for batch in of_step(step):
            OBJECTIVES["reinforce"].function(**forward(batch)).total.backward()
        optimiser.step()
        optimiser.zero_grad()
        if step in (20, 199):
            gc.collect()
            counts.append(sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects()))
    assert counts[1] <= counts[0] + 8
