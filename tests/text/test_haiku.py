import pytest

from haiga.errors import DataError
from haiga.text import japanese
from haiga.text.haiku import form

POND = "An old silent pond\nA frog jumps into the pond\nSplash! Silence again"


@pytest.fixture
def no_dictionary(monkeypatch):
    japanese._read_by_dictionary.cache_clear()
    for reader in ("_tagger", "_talker"):
        monkeypatch.setattr(japanese, reader, lambda: None)
    yield
    japanese._read_by_dictionary.cache_clear()


def test_english():
    judged = form(POND, "en")
    assert judged.verdict == "pass"
    assert judged.lines == tuple(POND.split("\n"))
    assert judged.counts == ({5}, {7}, {5})


def test_breaks():
    assert form(POND.replace("\n", " / "), "en").verdict == "pass"
    assert form(f"\n{POND}\n\n".replace("\n", "\r\n"), "en").verdict == "pass"
    assert form("either/or and his/hers", "en").lines == ("either/or and his/hers",)


@pytest.mark.parametrize(
    "poem",
    [
        "",
        POND.replace("old ", ""),
        POND.replace("frog", "froggy"),
        POND + " now",
        "Here is a haiku:\n" + POND,
        POND.rsplit("\n", 1)[0],
        POND.replace("\n", " "),
    ],
)
def test_english_fails(poem):
    assert form(poem, "en").verdict == "fail"


def test_a_variant_is_enough():
    assert (
        form("fire and fire and\nthe fire of every autumn\nfire and fire and", "en").verdict
        == "pass"
    )


@pytest.mark.parametrize("breaks", ["\n", " / ", "／", "　", " "])
def test_japanese(breaks, no_dictionary):
    judged = form(breaks.join(("古池や", "蛙飛びこむ", "水の音")), "ja")
    assert (judged.verdict, judged.counts) == ("pass", ({5}, {7}, {5}))


def test_japanese_by_any_reading_of_the_lexicon(no_dictionary):
    # 夜 is よる or よ, and a poet takes the one that fits.
    judged = form("ふるいけや\nかわずとびこむ\n夜はながし", "ja")
    assert (judged.verdict, judged.counts[2]) == ("pass", {5, 6})


def test_japanese_possible(monkeypatch):
    """Where only the dictionary's second reading has the count."""
    best = {"一": [5], "二": [6, 7], "三": [5]}
    monkeypatch.setattr(
        japanese, "morae", lambda line, readings, nbest=1: frozenset(best[line][:nbest])
    )
    judged = form("一\n二\n三", "ja")
    assert (judged.verdict, judged.counts[1]) == ("possible", {6, 7})


def test_japanese_unknown_and_fail(no_dictionary):
    unknown = form("憂鬱や\nかわずとびこむ\nみずのおと", "ja")
    assert (unknown.verdict, unknown.counts[0]) == ("unknown", None)
    # An unreadable line does not save a poem that fails in another, or has four lines.
    assert form("憂鬱や\nかわずとびこむ\nみずおと", "ja").verdict == "fail"
    assert form("憂鬱や\nか\nみずおと\nみず", "ja").verdict == "fail"


def test_readings_of_the_caller(no_dictionary):
    poem = "憂鬱や\nかわずとびこむ\nみずのおと"
    assert form(poem, "ja", {"憂鬱": "ゆううつ"}).verdict == "pass"


def test_unknown_language():
    with pytest.raises(DataError, match='language "fr"; it is known for: en, ja'):
        form(POND, "fr")
