import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_samples import POEM, sample

from haiga.rewards.texts import USUAL, closeness, diversity, form, language, length, variety
from haiga.text import haiku, japanese

JAPANESE = "秋の海\n舟は月を追って\n波の先に"


def value(reward, text=POEM, options=None, **asked):
    return reward([sample(text, **asked)], **(options or {}))[0].value


def test_an_exact_poem_is_worth_one_and_any_other_nothing():
    assert value(form) == 1
    assert value(form, POEM.replace("old", "older")) == 0
    assert value(form, "") == 0
    assert value(form, "ふるいけや\nかわずとびこむ\nみずのおと", language="ja") == 1


@pytest.mark.parametrize(
    ("lines", "near"),
    [
        (["autumn on the sea", "the older boat follows the moon", "out beyond the waves"], 16),
        (["on the sea", "the old boat follows the moon", "out beyond the waves"], 15),
        (["autumn on the sea", "the old boat follows the moon"], 12),
        (["autumn on the sea", "the old boat follows the moon", "out beyond the waves", "now"], 16),
        ([], 0),
        (["the boat and the moon"] * 9, 0),  # 2 + 6 x 5 too many, 2 too few: below zero
    ],
)  # fmt: skip
def test_closeness_by_hand(lines, near):
    assert closeness(lines, "en") == pytest.approx(near / 17)


def test_part_of_the_reward_goes_to_poems_that_come_near():
    near = POEM.replace("old", "older")
    assert value(form, near, {"partial": 0.5}) == pytest.approx(0.5 * 16 / 17)
    assert value(form, POEM, {"partial": 0.5}) == 1


def test_a_japanese_poem_is_counted_as_it_is_usually_read():
    # 5-7-6: one mora too many
    text = "ふるいけや\nかわずとびこむ\nみずのおとだ"
    assert value(form, text, {"partial": 0.5}, language="ja") == pytest.approx(0.5 * 16 / 17)


def test_a_reading_that_is_merely_possible_is_not_rewarded(monkeypatch):
    def morae(line, readings=None, *, nbest=1):
        usual = {"鰻": 3, "蛙": 2, "秋": 5, "海": 5}[line]
        return frozenset({usual}) if nbest == 1 else frozenset({usual, 5, 7})

    monkeypatch.setattr(japanese, "morae", morae)
    monkeypatch.setitem(USUAL, "ja", morae)
    text = "秋\n鰻\n海"
    assert haiku.form(text, "ja").verdict == "possible"
    assert value(form, text, {"partial": 0.5}, language="ja") == pytest.approx(0.5 * 13 / 17)
    assert value(form, text, language="ja") == 0


def test_a_form_that_cannot_be_counted_has_no_score_and_says_why(monkeypatch):
    monkeypatch.setattr(japanese, "morae", lambda line, readings=None, *, nbest=1: None)
    scored = form([sample("秋\n鰻\n海", language="ja")])[0]
    assert scored.value is None
    assert "cannot be counted" in scored.why
    scored = form([sample("un étang", language="fr"), sample()])
    assert [each.value for each in scored] == [None, 1]
    assert '"fr"' in scored[0].why


@pytest.mark.parametrize(
    ("count", "expected"), [(0, 0), (2, 0.5), (4, 1), (6, 1), (9, 0.5), (12, 0), (30, 0)]
)
def test_length_by_hand(count, expected):
    assert value(length, "a " * count, {"minimum": 4, "maximum": 6}) == pytest.approx(expected)
    assert value(length, "舟" * count, {"minimum": 4, "maximum": 6}) == pytest.approx(expected)


def test_a_band_that_is_upside_down_is_refused():
    scored = length([sample()], minimum=6, maximum=4)[0]
    assert (scored.value, "from 6 to 4 words" in scored.why) == (None, True)


def test_language():
    assert value(language) == 1
    assert value(language, POEM, language="ja") == 0
    assert value(language, JAPANESE, language="ja") == 1
    assert value(language, "") == 0


def test_variety_by_hand():
    assert value(variety, "a b c d") == 1
    assert value(variety, "a b a b a b", {"n": 2}) == pytest.approx(2 / 5)
    assert value(variety, " … ") == 0


def test_diversity_by_hand():
    texts = ["a b c", "a b d", "", "a b c"]
    # "a b c" has "a b" in three and "b c" in two of four; the others have 1 of 2 and 1 of 2.
    scored = diversity([sample(text) for text in texts])
    assert [each.value for each in scored] == pytest.approx([1 - 3 / 6, 1 - 2 / 6, 0, 1 - 3 / 6])


def test_diversity_compares_within_a_group():
    samples = [sample("a b", id="1"), sample("a b", id="2"), sample("c d", id="1"), sample(id="3")]
    scored = diversity(samples)
    assert [each.value for each in scored] == [1, None, 1, None]
    assert "only sample" in scored[1].why


TEXT = st.text("ab 舟海\n", max_size=40)


@given(st.lists(TEXT, min_size=2, max_size=5))
def test_scores_are_shares_and_repeating_another_never_pays(texts):
    samples = [sample(text) for text in texts]
    for reward, options in (
        (form, {"partial": 0.9}), (length, {"minimum": 2, "maximum": 5}), (variety, {}),
        (diversity, {}),
    ):  # fmt: skip
        assert all(0 <= each.value <= 1 for each in reward(samples, **options))
    before = diversity(samples)[0].value
    assert diversity([*samples, samples[0]])[0].value <= before


@given(TEXT)
def test_a_poem_that_misses_the_form_is_worth_less_than_one(text):
    if value(form, text) == 0:
        assert value(form, text, {"partial": 1.0}) < 1
