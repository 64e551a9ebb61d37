import pytest

from haiga.errors import DataError
from haiga.evaluation import preferences
from haiga.evaluation.preferences import Likely
from haiga.records import Answer, Group, Picture, assistant, user


def group(at, chosen=1):
    answers = [Answer((assistant(f"good {n}"),), "chosen") for n in range(chosen)]
    answers += [Answer((assistant(f"bad {n}"),), "rejected") for n in range(chosen)]
    return Group(f"g{at}", (user("Write."),), tuple(answers), (Picture(f"p{at}"),), "haiku")


def test_what_was_learned_of_two_pairs_by_hand(tmp_path):
    groups = [group(0), group(1)]
    before = {"g0": Likely((-10.0, -12.0), (4, 6)), "g1": Likely((-9.0, -6.0), (3, 3))}
    now = {"g0": Likely((-8.0, -15.0), (4, 6)), "g1": Likely((-10.5, -6.0), (3, 3))}
    found = preferences.judge("dpo", "k", groups, now, before, tmp_path)
    # Gains: 2 and -3, a margin of 5; -1.5 and 0, a margin of -1.5.
    assert preferences.margins(found["rows"], per_token=False) == [5.0, -1.5]
    assert found["margin"]["mean"] == 1.75
    assert preferences.margins(found["rows"], per_token=True) == [2 / 4 + 3 / 6, -1.5 / 3]
    assert found["margin_per_token"]["mean"] == 0.25
    assert found["preferred"]["mean"] == 0.5
    assert found["chosen_gain"]["mean"] == 0.25
    # Per token: -2.5 against -2 and -3 against -2 before; -2 against -2.5 and -3.5 against -2 now.
    assert found["likelier_before"]["mean"] == 0.0
    assert found["likelier"]["mean"] == 0.5
    assert found["preferred"]["n"] == found["margin"]["n"] == 2
    assert found["unread"] == 0
    assert preferences.read(tmp_path) == {"dpo": found}


def test_the_start_itself_has_learned_nothing(tmp_path):
    said = {"g0": Likely((-3.0, -4.0, -5.0, -2.0), (2, 2, 2, 2))}
    found = preferences.judge("dpo", "k", [group(0, chosen=2)], said, said, tmp_path)
    assert found["preferred"]["mean"] == found["margin"]["mean"] == 0.0
    texts = [(row["chosen"]["text"], row["rejected"]["text"]) for row in found["rows"]]
    assert texts == [("good 0", "bad 0"), ("good 1", "bad 1")]
    assert found["likelier"]["mean"] == 0.5


def test_a_group_that_could_not_be_read_is_counted(tmp_path):
    said = {"g0": Likely((-3.0, -4.0), (2, 2))}
    found = preferences.judge("dpo", "k", [group(0), group(1)], said, said, tmp_path)
    assert (found["unread"], found["preferred"]["n"]) == (1, 1)
    with pytest.raises(DataError, match=r"of 1 held-out groups .* none could be read"):
        preferences.judge("dpo", "k", [group(1)], said, said, tmp_path)
