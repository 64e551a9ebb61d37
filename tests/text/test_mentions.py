from hypothesis import given
from hypothesis import strategies as st

from haiga.text.mentions import find

LEXICON = {
    "boat": ["boat", "boats", "舟"],
    "bird": ["bird", "鳥"],
    "torii": ["torii", "鳥居"],
    "fan": ["fan", "扇"],
    "red lantern": ["red lantern", "赤提灯"],
    "lantern": ["lantern", "提灯"],
}


def test_words_have_boundaries():
    assert find("An infant watches the BOATS.", LEXICON) == {"boat"}
    assert find("a fan-shaped birdcage", LEXICON) == {"fan"}
    assert find("fan_out fan2", LEXICON) == set()


def test_a_longer_form_hides_a_shorter_inside_it():
    assert find("鳥居", LEXICON) == {"torii"}
    assert find("鳥居に鳥", LEXICON) == {"torii", "bird"}
    assert find("赤提灯", LEXICON) == {"red lantern"}
    assert find("a red  lantern", LEXICON) == {"red lantern"}


def test_overlapping_forms_both_count():
    assert find("甲乙丙", {"a": ["甲乙"], "b": ["乙丙"]}) == {"a", "b"}


def test_one_form_may_have_two_names():
    assert find("鶴が飛ぶ", {"crane": ["鶴"], "bird": ["鶴", "鳥"]}) == {"crane", "bird"}


def test_scripts_meet():
    assert find("boatに乗る", LEXICON) == {"boat"}
    assert find("ｂｏａｔ", LEXICON) == {"boat"}


def test_nothing():
    assert find("", LEXICON) == find("a boat", {}) == find("a boat", {"x": [], "y": [""]}) == set()


@given(st.text("ab舟鳥居 ", max_size=30))
def test_names_come_from_the_lexicon_and_their_forms_from_the_text(text):
    found = find(text, LEXICON)
    assert all(any(form in text for form in LEXICON[name]) for name in found)
    assert ("舟" in text) == ("boat" in found)
