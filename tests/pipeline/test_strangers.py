"""A model trained on other groups' pictures: all have a stranger's, and nothing else changes."""

from hypothesis import given
from hypothesis import strategies as st

from haiga.records import IMAGE, Answer, Group, Picture, assistant, user, with_strangers


def group(name, *pictures):
    prompt = (user(*[IMAGE] * len(pictures), "what?"),)
    shown = tuple(Picture(each) for each in pictures)
    return Group(id=name, prompt=prompt, answers=(Answer((assistant("a"),)),), pictures=shown)


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=2, unique=True), max_size=12))
def test_nobody_keeps_a_picture_and_as_much_is_seen(shown):
    groups = [group(str(at), *own) for at, own in enumerate(shown)]
    moved = with_strangers(groups)
    before = {each.id: each for each in groups}
    for each in moved:
        assert each.pictures != before[each.id].pictures
        assert len(each.pictures) == len(before[each.id].pictures)
        assert each.prompt == before[each.id].prompt
    assert {e.pictures for e in moved} == {before[e.id].pictures for e in moved}
    alone = {
        len(own)
        for own in shown
        if own and len({tuple(o) for o in shown if len(o) == len(own)}) == 1
    }
    assert len(moved) == sum(bool(own) and len(own) not in alone for own in shown)


def test_all_groups_of_a_picture_get_the_same_new_one():
    first, again, other = with_strangers([group("1", "a"), group("2", "a"), group("3", "b")])
    assert first.pictures == again.pictures == (Picture("b"),)
    assert other.pictures == (Picture("a"),)
