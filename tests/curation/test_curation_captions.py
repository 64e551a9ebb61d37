import time

import pytest

from haiga.curation import captions

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
    ],
)  # fmt: skip
def test_plain_finds_what_the_web_writes(text, reason):
    assert captions.plain(text, "en") == reason


def test_a_long_text_without_spaces_takes_no_time():
    started = time.perf_counter()
    for text in ("月" * 50_000, "/" * 50_000, "a." * 25_000, "a/" * 25_000, "-" * 50_000):
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
