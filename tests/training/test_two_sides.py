from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from haiga.records import IMAGE, Answer, Group, Picture, assistant, user, without_pictures
from haiga.training.preferences import limited, one_sided, strangers, two_sided, with_mismatched


def group(number, texts, task="haiku", cluster="", picture=None, language="en"):
    return Group(
        id=f"{number}/{task}",
        prompt=(user(IMAGE),),
        answers=tuple(Answer((assistant(text),)) for text in texts),
        pictures=(Picture(picture or f"p{number}"),),
        task=task,
        language=language,
        cluster=cluster,
    )


def sides(made):
    return [[(answer.kind, answer.text) for answer in each.answers] for each in made]


def test_another_tasks_answers_to_the_same_picture_are_rejected():
    groups = [group(1, ["a", "b"]), group(1, ["x", "y", "z"], "bare"), group(2, ["c"])]
    made, dropped = two_sided(groups, "bare", ["haiku"], seed=0)
    assert sides(made) == [[("chosen", "a"), ("chosen", "b"), ("rejected", "x"), ("rejected", "y")]]
    assert list(dropped) == ["2/haiku"]


def test_a_control_without_pictures_has_the_rejected_answers_of_its_own_rows():
    groups = [
        without_pictures(group(number, [text], task))
        for number, task, text in (
            (1, "haiku", "a"), (1, "bare", "x"), (2, "haiku", "b"), (2, "bare", "y"),
        )
    ]  # fmt: skip
    made, dropped = two_sided(groups, "bare", ["haiku"], seed=0)
    assert sides(made) == [
        [("chosen", "a"), ("rejected", "x")],
        [("chosen", "b"), ("rejected", "y")],
    ]
    assert not dropped


def test_the_same_poets_later_half_stands_against_its_earlier():
    made, dropped = two_sided([group(1, ["a", "b", "c", "d"])], "same", ["haiku"], seed=0)
    assert sides(made) == [[("chosen", "a"), ("chosen", "b"), ("rejected", "c"), ("rejected", "d")]]
    assert not dropped


def test_mismatched_answers_are_those_of_another_picture():
    groups = [group(1, ["a"]), group(2, ["b"])]
    made, _ = two_sided(groups, "mismatched", ["haiku"], seed=0)
    assert sides(made) == [
        [("chosen", "a"), ("rejected", "b")],
        [("chosen", "b"), ("rejected", "a")],
    ]


def test_a_limit_holds_for_each_side_alone():
    groups = [group(1, ["a", "b", "c"]), group(2, ["x", "y", "z"])]
    made, _ = two_sided(groups, "mismatched", ["haiku"], seed=0)
    (one, _) = [limited(each, 2) for each in made]
    assert sides([one]) == [[*(("chosen", t) for t in "ab"), *(("rejected", t) for t in "xy")]]
    assert limited(made[0], None) == made[0]


def test_a_sources_own_rejected_answers_are_given():
    rated = replace(
        group(1, ["a", "x", "b"]),
        answers=tuple(
            Answer((assistant(text),), kind)
            for text, kind in (("a", "chosen"), ("x", "rejected"), ("b", "chosen"))
        ),
    )
    made, dropped = two_sided([rated, group(2, ["c"])], "given", ["haiku"], seed=0)
    assert sides(made) == [[("chosen", "a"), ("rejected", "x")]]
    assert list(dropped) == ["2/haiku"]


def test_what_learns_to_write_sees_no_rejected_answer():
    bad = Answer((assistant("x"),), "rejected")
    mixed = group(1, ["a"])
    groups = [replace(mixed, answers=(*mixed.answers, bad)), replace(group(2, []), answers=(bad,))]
    kept, dropped = one_sided(groups)
    assert sides(kept) == [[("chosen", "a")]]
    assert dropped == {"2/haiku": "no chosen answer"}


def test_equal_chosen_and_rejected_are_named_and_dropped():
    groups = [group(1, ["a"]), group(1, ["a"], "bare")]
    made, dropped = two_sided(groups, "bare", ["haiku"], seed=0)
    assert made == []
    assert dropped == {"1/haiku": "every rejected answer is equal to a chosen one"}


def test_one_equal_answer_among_others_is_named_too():
    groups = [group(1, ["a", "b"]), group(1, ["x", "b"], "bare")]
    made, dropped = two_sided(groups, "bare", ["haiku"], seed=0)
    assert sides(made) == [[("chosen", "a"), ("rejected", "x")]]
    assert dropped == {"1/haiku, rejected answer 2": "it is equal to a chosen one"}


def test_a_mismatched_answer_hangs_beside_the_others():
    groups, _ = two_sided(
        [group(1, ["a"]), group(1, ["x"], "bare"), group(2, ["b"]), group(2, ["y"], "bare")],
        "bare",
        ["haiku"],
        seed=0,
    )
    assert sides(with_mismatched(groups, seed=1)) == [
        [("chosen", "a"), ("rejected", "x"), ("mismatched", "b")],
        [("chosen", "b"), ("rejected", "y"), ("mismatched", "a")],
    ]


def test_the_reference_point_hangs_on_another_stranger_than_the_rejected_answers():
    groups = [group(number, [f"{number}a", f"{number}b"]) for number in range(5)]
    rejected, _ = two_sided(groups, "mismatched", ["haiku"], seed=3)
    for own in with_mismatched(rejected, seed=3):
        writer = {
            kind: {answer.text[0] for answer in own.answers if answer.kind == kind}
            for kind in ("chosen", "rejected", "mismatched")
        }
        assert len(set().union(*writer.values())) == 3, writer
    assert with_mismatched(rejected, seed=3) == with_mismatched(rejected, seed=3)
    # The rejected answers of another task leave the stranger that a group had before.
    alone = [g.answers[-1].text for g in with_mismatched(groups, seed=3)]
    assert alone == [g.answers[0].text for g in strangers(groups, seed=3)]


def test_an_answer_that_is_rejected_already_is_no_reference_point():
    pair, _ = two_sided([group(1, ["a"]), group(2, ["b"])], "mismatched", ["haiku"], seed=0)
    assert with_mismatched(pair, seed=0) == pair


def test_whoever_has_no_stranger_stays_alone():
    alone = [group(1, ["a"], cluster="c"), group(2, ["b"], cluster="c")]
    assert strangers(alone, seed=0) == [None, None]
    assert with_mismatched(alone, seed=0) == alone


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["en", "ja"])), max_size=12),
    st.integers(0, 5),
)
def test_a_stranger_has_another_picture_and_the_same_language(kinds, seed):
    groups = [
        group(at, [str(at)], picture=f"p{picture}", language=language)
        for at, (picture, language) in enumerate(kinds)
    ]
    found = strangers(groups, seed)
    assert found == strangers(groups, seed)
    for own, other in zip(groups, found, strict=True):
        possible = [g for g in groups if g.language == own.language and g.pictures != own.pictures]
        assert (other is None) == (not possible)
        assert other is None or (other.language, other.pictures) != (own.language, own.pictures)
        assert other is None or other in possible
