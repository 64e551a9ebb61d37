from haiga.text.terms import terms


def test_terms_are_words_that_say_what_a_text_is_about():
    assert terms("The Red boat, and a boat's sail under it in 1832.") == {
        "red",
        "boat",
        "boat's",
        "sail",
    }


def test_without_spaces_they_stand_between_the_hiragana():
    assert terms("夕暮れの富士山とカラス、雪") == {"夕暮", "富士山", "カラス", "雪"}


def test_width_and_case_do_not_matter():
    assert terms("ＢＯＡＴ") == terms("boat") == {"boat"}
    assert terms("a to 12 !") == frozenset()
