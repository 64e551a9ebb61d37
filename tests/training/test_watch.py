"""The rules by which a stage is warned and stopped, on looks worked by hand."""

import json
from dataclasses import asdict, replace

import pytest

from haiga.training import watch
from haiga.training.watch import Look, halved, reasons_to_stop, warnings, worth

START = Look(
    step=0,
    answers=32,
    parsed=1.0,
    ended=1.0,
    language=1.0,
    variety=1.0,
    distinct=0.5,
    words=12.0,
    wanted=12.0,
    form=0.75,
    named=0.75,
    desirable=-20.0,
    spread=5.0,
    gap=3.0,
    kl=0.0,
)


def later(step, **changed):
    return replace(START, step=step, **changed)


def test_worth_is_what_can_be_read_times_how_true_and_how_varied_it_is():
    assert worth(START) == pytest.approx((0.75 + 0.75 + 1.0 + 0.5) / 4)
    assert worth(later(9, parsed=0.5)) == pytest.approx(0.375)
    captions = later(9, form=None, named=None)
    assert worth(captions) == pytest.approx(0.75)
    # Noise is varied, and worth nothing: it cannot be read.
    assert worth(later(9, parsed=0.0, variety=1.0, distinct=1.0)) == 0


def test_the_collapse_of_the_source_is_seen():
    """34 of 200 answers could be read."""
    start = replace(START, answers=200)
    sentence = halved("parsed", start, replace(start, step=90, parsed=34 / 200))
    assert sentence == "17% of the answers can be read, and at the start it was 100%"


@pytest.mark.parametrize(
    ("before", "after", "answers", "speaks"),
    [
        (1.0, 0.5, 32, True),
        (1.0, 0.51, 32, False),
        (0.25, 0.125, 32, False),  # two standard errors are 0.153
        (0.25, 0.0625, 32, True),  # a fall of 0.1875
        (0.25, 0.125, 200, True),  # 0.061
        (0.0, 0.0, 32, False),
        (None, 0.0, 32, False),
        (0.9, None, 32, False),
    ],
)
def test_half_and_further_than_chance(before, after, answers, speaks):
    start = replace(START, form=before, answers=answers)
    assert (halved("form", start, replace(start, form=after)) is not None) is speaks


def test_one_look_warns_and_two_in_a_row_stop():
    bad = {"parsed": 0.25}
    looks = [START, later(10, **bad)]
    assert warnings(looks) == ["25% of the answers can be read, and at the start it was 100%."]
    assert reasons_to_stop(looks) == []
    looks.append(later(20, **bad))
    assert warnings(looks) == []  # it has been said
    assert reasons_to_stop(looks) == [
        "25% of the answers can be read, and at the start it was 100%"
    ]
    assert reasons_to_stop(looks, may=False) == []


def test_what_recovers_goes_on_and_is_warned_again():
    looks = [START, later(10, form=0.1), later(20), later(30, form=0.1)]
    assert reasons_to_stop(looks) == []
    assert len(warnings(looks)) == 1


def test_a_start_alone_says_nothing():
    assert warnings([START]) == reasons_to_stop([START]) == []
    assert reasons_to_stop([]) == []


def test_everything_may_become_unlikely_as_long_as_the_writing_holds():
    """A healthy KTO falls far; only what it writes tells it from a collapse."""
    far = {"desirable": -25.5, "gap": 9.0}
    looks = [START, later(10, **far), later(20, **far)]
    assert "fell from -20.0 to -25.5, further than their spread of 5.0" in warnings(looks[:2])[0]
    assert "lead over the undesirable ones grew from 3.0 to 9.0" in warnings(looks[:2])[0]
    assert reasons_to_stop(looks) == []
    worse = {"named": 0.4, "form": 0.5}  # (0.5 + 0.4 + 1 + 0.5) / 4
    looks = [START, later(10, **far, **worse), later(20, **far, **worse)]
    assert "is worth 0.60 and was worth 0.75" in reasons_to_stop(looks)[0]


@pytest.mark.parametrize(
    "near", [{"desirable": -25.0, "gap": 9.0}, {"desirable": -99.0, "gap": 3.0}, {"gap": None}]
)
def test_a_fall_within_the_spread_or_of_both_sides_alike_is_no_sign(near):
    assert warnings([START, later(10, **near)]) == []


def test_an_objective_without_a_gradient_is_stopped_at_once():
    assert reasons_to_stop([START, later(60, still=49)]) == []
    assert reasons_to_stop([START, later(60, still=50)]) == [
        "the gradient has been 0 for 50 steps, with a loss near 0"
    ]
    assert watch.is_still(loss=0.0001, norm=0.0)
    assert watch.is_still(loss=-0.0009, norm=4e-4)
    assert not watch.is_still(loss=0.5, norm=0.0)
    assert not watch.is_still(loss=0.0001, norm=0.01)


def test_one_safe_word_is_a_collapse_and_brevity_that_was_asked_for_is_none():
    assert "of the length" in warnings([START, later(10, words=1.0)])[0]
    wordy = replace(START, words=40.0)
    assert warnings([wordy, replace(wordy, step=10, words=12.0)]) == []
    assert warnings([wordy, replace(wordy, step=10, words=6.0)]) != []


@pytest.mark.parametrize("share", watch.SHARES)
def test_each_share_has_its_rule(share):
    assert share in watch.RULES
    changed = {"words": 0.0} if share == "length" else {share: 0.0}
    looks = [START, later(1, **changed), later(2, **changed)]
    assert any(watch.SHARES[share] in reason for reason in reasons_to_stop(looks))


def test_looks_go_through_json_without_loss():
    look = later(7, named=None, kl=1 / 3, still=2)
    (again,) = watch.restored(json.loads(json.dumps([asdict(look)])))
    assert again == look
    assert "named" not in watch.numbers(look)
    assert watch.numbers(look)["kl"] == 1 / 3


def test_what_a_person_is_told_at_the_end():
    assert watch.ending(180, 90, ["a", "b"]) == (
        "stopped at step 180: a; b; the model of step 90 is kept, whose answers were worth most"
    )
    assert watch.ending(180, 90, []).startswith("the model of step 90 is kept")
    assert watch.ending(180, 0, []).startswith("the model of step 0, the start, is kept")


def test_a_fall_is_told_once_with_what_it_did_to_the_writing():
    far = {"desirable": -25.5, "gap": 9.0}
    assert len(warnings([START, later(10, **far)])) == 1
    (told,) = warnings([START, later(10, **far, form=0.5, named=0.4)])
    assert told.endswith("what it writes is worth 0.60 and was worth 0.75.")
