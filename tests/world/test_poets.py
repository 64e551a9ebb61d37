import re

import numpy as np
import pytest

from haiga.errors import DataError
from haiga.text import english as english_text
from haiga.text import japanese as japanese_text
from haiga.text.haiku import form
from haiga.text.mentions import find
from haiga.world.lexicon import lexicon
from haiga.world.poets import (
    LANGUAGES,
    POETS,
    bare,
    describe,
    haiku,
    haiku_with_reading,
    museum,
    noir,
    tags,
)
from haiga.world.poets.english import SYLLABLES, syllables
from haiga.world.poets.haiku import BROKEN_FORMS, GRAMMARS
from haiga.world.poets.japanese import morae, reading
from haiga.world.poets.japanese_phrases import READINGS
from haiga.world.poets.lines import Grammar, plan, write
from haiga.world.scenes import SEASONS, SETTINGS, THINGS, scene

SCENES = [scene(11, index) for index in range(500)]
BOTH = pytest.mark.parametrize("language", LANGUAGES)
KINDS = {"seasons": "season", "settings": "setting", "hours": "hour", "weathers": "weather"}


def rng(index=0):
    return np.random.default_rng((7, index))


def written(voice, language):
    return [POETS[voice](each, language, rng(i)) for i, each in enumerate(SCENES)]


def named(text, language, kind):
    return find(text, lexicon(language, kind))


def counts(poem, language):
    return tuple(GRAMMARS[language].count(line) for line in poem.split("\n"))


def test_english_haiku_are_5_7_5_by_the_dictionary():
    for poem in written("haiku", "en"):
        lines = poem.split("\n")
        assert counts(poem, "en") == (5, 7, 5)
        for line, count in zip(lines, (5, 7, 5), strict=True):
            assert count in english_text.syllables(line), poem


def test_every_english_word_has_the_count_that_the_dictionary_gives():
    # The CMU dictionary lists a second "spring", of two syllables, that nobody says.
    assert {
        word for word, count in SYLLABLES.items() if english_text.syllables(word) != {count}
    } <= {"spring"}
    assert len(SYLLABLES) <= 350


@BOTH
def test_haiku_pass_the_judge_of_form(language):
    verdicts = {form(poem, language).verdict for poem in written("haiku", language)}
    assert verdicts == {"pass"}


def test_syllables_by_hand():
    assert syllables("a butterfly rests") == 5
    assert syllables("beside the sleeping river —") == 7
    assert syllables("umbrella, then silence") == 6
    assert syllables("I wait for no one") == 5  # the only capital


def test_japanese_haiku_are_5_7_5_in_kana():
    for i, each in enumerate(SCENES):
        poem, kana = haiku_with_reading(each, rng(i))
        assert poem == haiku(each, "ja", rng(i))
        lines = kana.split("\n")
        assert [japanese_text.morae(line, {}) for line in lines] == [{5}, {7}, {5}], poem
        assert re.fullmatch("[ぁ-ん、\n]+", kana)


def test_japanese_poems_read_the_same_to_the_text_room():
    for poem in written("haiku", "ja"):
        for line in poem.split("\n"):
            assert japanese_text.morae(line, READINGS) == {morae(line)}, line


def test_morae_by_hand():
    assert reading("提灯ひとつ") == "ちょうちんひとつ"
    assert morae("提灯ひとつ") == 7
    assert morae("蝶の影") == 5
    assert reading("野原に舟") == "のはらにふね"
    with pytest.raises(ValueError, match="鰻"):
        reading("鰻かな")


@BOTH
def test_haiku_are_true_to_their_scene(language):
    for each, poem in zip(SCENES, written("haiku", language), strict=True):
        things = named(poem, language, "things")
        assert things <= set(each.things), poem
        assert 1 <= len(things) <= 3, poem
        assert named(poem, language, "seasons") == {each.season}, poem
        assert named(poem, language, "settings") == {each.setting}, poem
        assert named(poem, language, "hours") <= {each.hour}, poem
        assert named(poem, language, "weathers") <= {each.weather}, poem


@BOTH
def test_haiku_mostly_name_two_things(language):
    poems = written("haiku", language)
    two = sum(len(named(poem, language, "things")) == 2 for poem in poems)
    assert 0.55 < two / len(poems) < 0.8


@BOTH
def test_every_thing_fits_in_a_haiku_of_every_season_and_setting(language):
    for thing in THINGS:
        for season in SEASONS:
            for setting in SETTINGS:
                base = {**SCENES[0].to_dict(), "season": season, "setting": setting}
                each = type(SCENES[0]).from_dict({**base, "things": [thing]})
                poem = haiku(each, language, rng())
                assert counts(poem, language) == (5, 7, 5)
                assert named(poem, language, "things") == {thing}


@pytest.mark.parametrize("voice", ["haiku", "noir", "describe", "museum"])
@BOTH
def test_texts_are_distinct(voice, language):
    texts = written(voice, language)
    assert len(set(texts)) >= 0.95 * len(texts)


@pytest.mark.parametrize("voice", POETS)
@BOTH
def test_voices_depend_on_scene_language_and_generator_alone(voice, language):
    assert written(voice, language)[:50] == written(voice, language)[:50]
    others = {POETS[voice](SCENES[0], language, rng(i)) for i in range(20)}
    assert len(others) > 1


@BOTH
def test_bare_that_is_not_wrong_is_exact_and_names_nothing(language):
    poems = [bare(each, language, rng(i), wrong=0.0) for i, each in enumerate(SCENES)]
    for poem in poems:
        assert counts(poem, language) == (5, 7, 5)
        for kind in ("things", *KINDS):
            assert not named(poem, language, kind), (kind, poem)
    assert len(set(poems)) > 0.9 * len(poems)


@BOTH
def test_bare_that_is_wrong_is_wrong_in_fact_or_in_form(language):
    facts = forms = 0
    for i, each in enumerate(SCENES):
        poem = bare(each, language, rng(i), wrong=1.0)
        false = not named(poem, language, "things") <= set(each.things)
        broken = counts(poem, language) != (5, 7, 5)
        assert false != broken, poem
        facts += false
        forms += broken
    assert 200 < facts < 300
    assert facts + forms == 500


@BOTH
def test_the_dial_is_the_share_of_wrong_poems(language):
    wrong = 0
    for i, each in enumerate(SCENES):
        poem = bare(each, language, rng(i), wrong=0.3)
        wrong += counts(poem, language) != (5, 7, 5) or bool(named(poem, language, "things"))
    assert 0.23 < wrong / 500 < 0.37


@BOTH
def test_noir_names_true_things_only(language):
    for each, text in zip(SCENES, written("noir", language), strict=True):
        things = named(text, language, "things")
        assert things, text
        assert things <= set(each.things), text
        assert named(text, language, "settings") == {each.setting}, text
        for kind, of in KINDS.items():
            assert named(text, language, kind) <= {getattr(each, of)}, text


@BOTH
def test_a_label_names_all_things_the_setting_and_the_season_and_nothing_false(language):
    for each, text in zip(SCENES, written("museum", language), strict=True):
        assert named(text, language, "things") == set(each.things), text
        assert named(text, language, "settings") == {each.setting}, text
        assert named(text, language, "seasons") == {each.season}, text
        assert named(text, language, "hours") <= {each.hour}, text
        assert named(text, language, "weathers") <= {each.weather}, text


@BOTH
def test_descriptions_name_all_that_there_is(language):
    for each, text in zip(SCENES, written("describe", language), strict=True):
        assert named(text, language, "things") == set(each.things), text
        for kind, of in KINDS.items():
            assert named(text, language, kind) == {getattr(each, of)}, text
    assert describe(SCENES[0], language, rng(1)) != describe(SCENES[0], language, rng(2))


@BOTH
def test_tags_are_the_words_of_the_scene(language):
    comma = ", " if language == "en" else "、"
    for i, each in enumerate(SCENES):
        words = tags(each, language, rng(i)).split(comma)
        assert named(" ".join(words), language, "things") == set(each.things)
        assert len(set(words)) == 4 + len(each.things)
    assert tags(SCENES[0], language, rng(), keep=0.0) == ""
    kept = [
        len(set(tags(each, language, rng(i), 0.5).split(comma))) for i, each in enumerate(SCENES)
    ]
    assert 3.0 < np.mean(kept) < 4.0  # seven words on average, each kept half of the time
    assert any(
        len(words) > len(set(words))
        for words in (tags(each, language, rng(i)).split(comma) for i, each in enumerate(SCENES))
    )


@pytest.mark.parametrize("voice", POETS)
def test_an_unknown_language_is_refused(voice):
    with pytest.raises(DataError, match="fr"):
        POETS[voice](SCENES[0], "fr", rng())


SMALL = Grammar(
    count=len,
    tables={"a": {"": ("x", "yy")}, "b": {"boat": ("z", "zz", "zzz")}},
    lines={"line": ("{a}-{X:b}",), "two": ("{a}{a}",)},
    structures={},
    cut="",
)


def test_a_plan_lists_every_line_of_a_count():
    # "-" is 1 long: x-zz, yy-z are the lines of 4
    found = plan(SMALL, "{a}-{X:b}", {"X": "boat"}, 4)
    assert {"".join(piece for (piece,) in split) for split in found.splits} == {"x-zz", "yy-z"}
    assert found.upto == (1, 2)
    assert not plan(SMALL, "{a}-{X:b}", {"X": "boat"}, 9).splits
    assert not plan(SMALL, "{a}-{X:b}", {"X": "crow"}, 4).splits


def test_lines_are_drawn_evenly():
    generator = rng()
    lines = [write(SMALL, "two", {}, 3, generator) for _ in range(1000)]
    assert set(lines) == {"xyy", "yyx"}
    assert 420 < lines.count("xyy") < 580
    assert write(SMALL, "two", {}, 7, generator) is None


@pytest.mark.parametrize("voice", [noir, museum])
def test_sentences_begin_with_capitals_and_end(voice):
    for i, each in enumerate(SCENES[:100]):
        text = voice(each, "en", rng(i))
        assert text[0].isupper()
        assert text[-1] == "."


@BOTH
def test_forms_break_in_every_way(language):
    poems = (bare(each, language, rng(i), wrong=1.0) for i, each in enumerate(SCENES * 2))
    forms = {counts(poem, language) for poem in poems} - {(5, 7, 5)}
    assert forms <= set(BROKEN_FORMS)
    assert len(forms) >= 10
