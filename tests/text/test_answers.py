import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.text.answers import choice, yes_no


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes", "yes"),
        ("No.", "no"),
        ("**Yes**, there is.", "yes"),
        ("“Yes.”", "yes"),
        ("The answer is yes.", "yes"),
        ("The correct answer is no.", "no"),
        ("Answer:\nNo", "no"),
        ("Yes. There is no doubt.", "yes"),
        ("I would say no, since it is a ship.", "no"),
        ("There is no boat in the picture.", "no"),
        ("It isn’t there.", "no"),
        ("はい、あります。", "yes"),
        ("はいです", "yes"),
        ("あります。", "yes"),
        ("いいえ。", "no"),
        ("答えはいいえです", "no"),
        ("舟はありません。", "no"),
        ("Oui.", "yes"),
        ("Nein", "no"),
        ("不是", "no"),
        # neither
        ("", None),
        ("There is a man.", None),
        ("A noble man, yesterday", None),
        ("a boat with no sail", None),
        ("これはいぬです。", None),
        ("いやになる", None),
        ("Well. Yes", None),
        # both
        ("Yes/No", None),
        ("yes or no", None),
        # does not know
        ("I am not sure.", None),
        ("Not sure", None),
        ("No idea.", None),
        ("I cannot tell from the picture.", None),
        ("Maybe yes", None),
        ("分かりません。", None),
    ],
)
def test_yes_no(text, said):
    assert yes_no(text) == said


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("A", "A"),
        ("b", "B"),
        ("(c)", "C"),
        ("**D**", "D"),
        ("B. a red boat", "B"),
        ("A: the boat", "A"),
        ("(C) because it is red", "C"),
        ("The answer is A because it is red", "A"),
        ("Option A is correct", "A"),
        ("The final answer is: **B**", "B"),
        ("Answer: C", "C"),
        ("答えはCです", "C"),
        ("正解：B", "B"),
        ("I think it's C", "C"),
        ("Option B is wrong, so the answer is C because A fails", "C"),
        ("B is wrong. (A)", "A"),
        ("I'd go with B, not A", "B"),
        # letters that are no answers
        ("", None),
        ("NBA players", None),
        ("The USA flag and a GDP chart", None),
        ("A boat on the river", None),
        ("The answer is A boat", None),
        ("Answer: Cats", None),
        ("The answer is not B", None),
        ("either (A) or (B)", None),
        ("A and B", None),
        ("A. B. C. D.", None),
        ("E", None),
    ],
)
def test_choice(text, letter):
    assert choice(text) == letter


def test_choice_by_the_text_of_an_option():
    assert choice("It shows a red boat.", options=["a boat", "a red boat"]) == "B"
    assert choice("赤い舟です", options=["赤い舟", "猫"]) == "A"
    assert choice("a cat or a dog", options=["a cat", "a dog"]) is None
    assert choice("concatenate", options=["cat", "dog"]) is None


@given(st.text(max_size=60))
def test_every_text_has_a_verdict(text):
    assert yes_no(text) in ("yes", "no", None)
    assert choice(text) in ("A", "B", "C", "D", None)


@given(st.text("aeiou xyz,.", max_size=40))
def test_text_without_capitals_chooses_nothing_unless_it_is_one_letter(text):
    assert choice(text) is None or len(text.strip(" ,.")) == 1
