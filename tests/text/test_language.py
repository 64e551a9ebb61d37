from haiga.text.language import identify


def test_kana_decide():
    assert identify("古池や蛙飛びこむ水の音") == "ja"
    assert identify("ラーメン OK") == "ja"


def test_the_rest_is_classified():
    assert identify("The old pond lies silent under the morning mist.") == "en"
    assert identify("Der alte Teich liegt still im Nebel des Morgens.") == "de"
    assert identify("我们在河边看见了一条船", ["en", "ja", "zh"]) == "zh"


def test_a_japanese_word_in_english_is_english():
    assert identify("The haiku uses the word かわず, which is an old word for a frog.") == "en"


def test_candidates():
    assert identify("old pond", ["en", "ja"]) == "en"
    assert identify("古池や", ["en"]) == "en"


def test_no_letters():
    assert identify("") == identify("12 — !") == "und"
