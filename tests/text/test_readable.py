import pytest

from haiga.text.readable import readable

POEM = "an old silent boat\nthe moon follows it slowly\nuntil the wave ends"


@pytest.mark.parametrize(
    ("answer", "task", "language", "expected"),
    [
        (POEM, "haiku", "en", True),
        (POEM.replace("\n", "\n\n") + "\n", "haiku", "en", True),
        (POEM, "haiku", "ja", False),
        (POEM.replace("\n", " "), "haiku", "en", False),
        (POEM.replace("\n", " "), "describe", "en", True),
        (POEM + "\nand one line more", "haiku", "en", False),
        (POEM + "<|im_end|>", "haiku", "en", False),
        ("assistant\n" + POEM, "describe", "en", False),
        (" \n ", "describe", "en", False),
        ("秋の海\n舟は月を追って\n波の先", "haiku", "ja", True),
    ],
)
def test_an_answer_is_words_in_its_language_and_form(answer, task, language, expected):
    assert readable(answer, task, language) is expected
