import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.curation import captions
from haiga.world.poets import POETS
from haiga.world.scenes import scene

HAIKU = "an old silent pond\na frog jumps into the pond\nsplash silence again"


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("one two three four", "en", "under 5 words"),
        ("one two three four five", "en", None),
        ("word " * 200, "en", None),
        ("word " * 201, "en", "over 200 words"),
        ("舟と月", "ja", "under 5 characters"),
        ("舟と 月と\n松", "ja", None),  # five characters, blanks aside
        ("月" * 201, "ja", "over 200 characters"),
    ],
)
def test_words_at_their_thresholds(text, language, reason):
    assert captions.words(text, language) == reason


@pytest.mark.parametrize(
    "text",
    [
        "A print of 3.5 by 2.5 feet, ca. 1830.",
        "Red/white/blue banners and/or boats.",
        "old pond / a frog leaps in / the sound of water",
        "The boat.It drifts, i.e. it is free.",
        "Sam, 1000 cranes; a dog, 12 cats.",
        "Mt. Fuji at dawn... and No. 7",
        "古池や 蛙飛びこむ 水の音",
        "Combs, networks and Jpn. lanterns",
        "a jpeg of a gif",
        "a log in the river, more to see more of",
        "An advertisement for soap, with a picture of a lion",
        "accede, facade: words of hexadecimal letters",
        "5 < 6 and tea & cake",
    ],
)
def test_plain_leaves_plain_text_alone(text):
    assert captions.plain(text, "en") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A boat https://example.org/1", "contains an address"),
        ("www.prints.example has more", "contains an address"),
        ("Photo: NBA.com", "contains an address"),
        ("写真はukiyo-e.jpより", "contains an address"),
        ("/home/someone/pictures/boat", "contains a file name"),
        ("saved in C:\\prints\\boats", "contains a file name"),
        ("\\\\server\\share\\boats", "contains a file name"),
        ("IMG_0042", "contains a file name"),
        ("DSC01234", "contains a file name"),
        ("boat-2.JPG", "contains a file name"),
        ("Click here to see more!!!", "boilerplate"),
        ("Untitled", "boilerplate"),
        ("write to me@prints.example", "contains an address"),
        ("PXL_20240131 at sea", "contains a file name"),
        ("20240131_174503", "contains a file name"),
        ("Screenshot 2024-01-31", "contains a file name"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "contains a file name"),
        ("a boat<br/>and a pine", "contains markup"),
        ("tea &amp; cake", "contains markup"),
        ("詳しくはこちら", "boilerplate"),
        ("Mehr erfahren", "boilerplate"),
        ("Image 12", "boilerplate"),
        ("thumbnail", "boilerplate"),
    ],
)  # fmt: skip
def test_plain_finds_what_the_web_writes(text, reason):
    assert captions.plain(text, "en") == reason


def test_a_long_text_without_spaces_takes_no_time():
    started = time.perf_counter()
    for text in ("月" * 50_000, "/" * 50_000, "a." * 25_000, "a/" * 25_000, "-" * 50_000,
                 "ab" * 25_000, "a1" * 25_000, "<a " * 16_000):  # fmt: skip
        captions.plain(text, "ja")
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("A red bridge over a river in the rain", "en", None),
        ("雨の川にかかる赤い橋", "ja", None),
        ("雨の川にかかる赤い橋", "en", "not in en"),
        ("A red bridge over a river in the rain", "ja", "not in ja"),
    ],
)
def test_language(text, language, reason):
    assert captions.language(text, language) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A boat, no. 12 of 36 (ca. 1831)", None),
        ("古池や、蛙飛びこむ、水の音。", None),
        ("abcdefg!!!", None),  # 3 of 10
        ("abcdef!!!", "special characters"),  # 3 of 9
        ("★★★ boat ★★★", "special characters"),
        ("a caf\u00c3\u00a9 by the sea", "broken characters"),
        ("a caf\ufffd by the sea", "broken characters"),
        ("café by the sea", None),
    ],
)
def test_special_characters(text, reason):
    assert captions.special(text, "en") == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("boat boat boat boat boat", "repeats itself"),  # two of three runs were there before
        ("a boat on a river and a boat on a lake", None),  # two of nine
        ("rain rain rain", None),  # once
        ("wow aaaaaaaa", "repeats a character"),
        ("wow aaaaaaa", None),
        ("見る見る見る見る", "repeats itself"),
        ("春の海ひねもすのたりのたりかな", None),
    ],
)
def test_repetition(text, reason):
    assert captions.repetition(text, "en") == reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"lang": "en"}, None),
        ({"page_language": "en-GB", "lang": "fr"}, None),  # the first that is there
        ({"LANGUAGE": "fr"}, "not in the language of its page"),
        ({"LANGUAGE": "jpn,eng"}, "not in the language of its page"),
        ({"lang": "eng"}, None),
        ({"lang": "und"}, None),
        ({"lang": ""}, None),
        ({"lang": 3}, None),
        ({}, None),
    ],
)
def test_the_language_of_the_page(said, reason):
    assert captions.page("A red bridge over a river in the rain", "de", said) == reason
    fault = captions.fault("A red bridge over a river in the rain", "de", [captions.page], said)
    assert fault == reason


PROSE = [captions.RULES[name] for name in ("words", "plain", "special", "repetition", "language")]


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("poet", ["haiku", "bare", "describe"])
def test_rules_for_prose_lose_no_poem(poet, language):
    for at in range(60):
        poem = POETS[poet](scene(3, at), language, np.random.default_rng(at))
        assert captions.fault(poem, language, PROSE) is None, poem


@pytest.mark.parametrize(
    ("poem", "language"),
    [
        (HAIKU, "en"),
        ("worldly world of dew\nand yet within every drop\nthe dew of the world", "en"),
        ("古池や\n蛙飛びこむ\n水の音", "ja"),
        ("露の世は\n露の世ながら\nさりながら", "ja"),
        ("春の海\nひねもすのたり\nのたりかな", "ja"),
    ],
)
def test_nor_one_that_everybody_knows(poem, language):
    assert captions.fault(poem, language, PROSE) is None


@given(st.text(max_size=200), st.sampled_from(["en", "ja", "de"]))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_a_rule(text, language):
    for name in ("words", "plain", "special", "repetition"):
        reason = captions.ask(captions.RULES[name], text, language)
        assert reason is None or reason


def test_form_says_why():
    assert captions.form(HAIKU, "en") is None
    assert captions.form("an old pond\na frog\nsplash", "en") == "not 5-7-5"
    assert captions.form("ふるいけや\nかわずとびこむ\nみずのおと", "ja") is None
    assert captions.form("ふるいけ\nかわず\nみず", "ja") == "not 5-7-5"


def test_every_verdict_has_a_reason(monkeypatch):
    for verdict in ("possible", "unknown", "fail"):
        monkeypatch.setattr(
            captions, "haiku_form", lambda text, language, v=verdict: type("F", (), {"verdict": v})
        )
        assert captions.form("", "ja")


def test_the_first_rule_that_fails_is_the_reason():
    rules = [captions.plain, captions.words]
    assert captions.fault("IMG_0042", "en", rules) == "contains a file name"
    assert captions.fault("a boat", "en", rules) == "under 5 words"
    assert captions.fault(" \n", "en", []) == "empty"
    assert captions.fault("a boat", "en", []) is None
