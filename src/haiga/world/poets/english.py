"""The grammar of the English haiku: how phrases make lines, and lines a poem.

Lowercase and nearly unpunctuated. Every word has one syllable count in the CMU Pronouncing
Dictionary; words on which speakers differ (fire, hour, flower, every) are left out.
"""

from __future__ import annotations

import re
from typing import Final

from haiga.world.poets.english_phrases import TABLES
from haiga.world.poets.lines import Grammar

_VOCABULARY: Final = {
    1: """
    a age air all an and as at back be bends bent boat bows breath bridge but by calls calm
    came can carp cat child clear climbs close come comes cool could crane crow dark dawn
    day deep down dream dreams drift drifts drum dusk edge else end ends fall fan far field
    find first for friend frog from frost gate glows go goes gone guest half hangs has haste
    have heart heat here high holds home horse how I in is it its keep kite knew knows late
    leans leaps leaves left let lies like load lone long look looks lose man me mist moon
    more much my name near need new night no none noon now of off old on once one own pale
    past path peace peak pine plum put rain red rest rests right rocks say says sea self
    shines shore sit sits sky sleep sleeps slope slow small snow so soft some sound spring
    stands stay stays steep still stones stood stream sways swims tall the then there thin
    thoughts to town tugs turns wait waits walked walks was waves way what where while white
    whole wide wild wind with word words world would yard yawns years young
    """,
    2: """
    above across again alone along answer asleep autumn awhile bamboo behind below beside
    beyond blossoms cherry daybreak drifting empty endless even forget garden gentle hurry
    lantern listens lonely lotus maple maples meadow midday midnight morning mountain
    nightfall nothing only open opens over paper passes patient promise question returns
    river silence silent singing sleeping slowly someone stranger summer sunrise sunset
    thinking tired twilight under unseen upon village waiting wander willow winter without
    wooden
    """,
    3: """
    afternoon butterfly cicadas forgotten nobody pagoda remembers riverbank umbrella
    """,
}
SYLLABLES: Final = {word: count for count, words in _VOCABULARY.items() for word in words.split()}


def syllables(phrase: str) -> int:
    """Syllables of a phrase made of this vocabulary; KeyError for a word that it lacks."""
    return sum(SYLLABLES[word] for word in re.findall(r"[A-Za-z]+", phrase))


_FREE: Final = {
    "how": (
        "now", "alone", "unseen", "awhile", "again", "once more", "half asleep", "in silence",
        "all alone", "for no one", "in no haste", "like a guest", "without a sound",
        "without a word", "and says nothing", "as in a dream", "for a long while",
    ),
    "so": (
        "alone", "so still", "in silence", "half asleep", "all alone", "on its own",
        "without a sound", "as in a dream", "and no one else",
    ),
    "two": (
        "wait", "rest", "sleep", "so still", "alone", "at rest", "in silence", "half asleep",
        "all alone", "without a sound", "as in a dream", "and no one else", "and nothing else",
    ),
    "end": (
        "peace", "no more", "so still", "nothing more", "and silence", "half asleep",
        "and no one else", "and nothing else", "without a word", "and then nothing else",
        "and no one comes back", "and so much silence",
    ),
    "adj": (
        "late", "long", "soft", "slow", "still", "pale", "calm", "silent", "gentle", "lonely",
        "empty",
    ),
    "calm": ("still", "pale", "calm", "cool", "silent", "lonely", "empty", "gentle"),
    "who": ("no one", "nobody", "someone", "a stranger", "the old man", "a child", "some friend"),
    "whom": ("no one", "someone", "a stranger", "my friend", "nobody", "my old self"),
    "acts": (
        "waits", "says a word", "comes back home", "walks alone", "stands still", "knows my name",
        "remembers", "looks back", "has come far", "stays for long",
    ),
    "what": ("silence", "a dream", "the past", "one breath", "a promise", "a question", "old age"),
    "rest": ("my thoughts", "old words", "the long path", "no one home", "no answer", "peace"),
    "mood": (
        "nothing else to say", "no one says a word", "and so much silence",
        "the world holds its breath", "so far from my home", "the whole world listens",
        "once more I come late", "here I lose my name", "I forget my name",
        "what was I thinking", "how long have I stood", "no need to hurry",
        "my heart is at rest", "I have no answer", "the long way back home",
        "my thoughts wander off", "someone else was here", "I could stay for years",
        "the path ends right here", "I put down my load",
    ),
    "musing": (
        "I have nothing left to say", "no one comes along the path",
        "someone I once knew was here", "all my thoughts have gone to sleep",
        "I have walked so far alone", "even my old heart is still",
        "here the long path has an end", "how much silence there can be",
        "what I came for, I forget", "the whole world is half asleep",
        "I sit down and say nothing", "nobody remembers me",
    ),
}  # fmt: skip

_LINES: Final = {
    "season": (
        "{season:kigo}",
        "{season:kigo}",
        "{season:name} again",
        "it is {season:name} now",
        "it is {season:name} again",
        "{season:name} has come back",
        "{season:name} {hour:hour} again",
        "{adj} {season:name} {hour:hour}",
        "the {adj} {season:name} {hour:hour}",
        "{season:name} {hour:hour}, {weather:air}",
        "{hour:hour} in {season:name}",
        "one {hour:hour} in {season:name}",
        "the {weather:air} of {season:name}",
        "{season:name}, and {weather:air}",
        "{weather:air}, late {season:name}",
    ),
    "season_place": (
        "{season:name} {setting:where}",
        "{season:name} {setting:where}",
        "late {season:name} {setting:where}",
        "the {season:name} {setting:place}",
        "the {calm} {season:name} {setting:place}",
        "{calm} {season:name} {setting:place}",
    ),
    "season_comes": (
        "{season:name} comes {setting:where}",
        "{season:name} comes back {setting:where}",
        "once more {season:name} {setting:where}",
        "all of {season:name} {setting:where}",
        "late {season:name} {setting:where}",
        "{season:name} {hour:hour} {setting:where}",
        "{season:name} {weather:air} {setting:where}",
        "{hour:hour}, {season:name} {setting:where}",
    ),
    "thing": (
        "{X:np} {X:does} {how}",
        "{X:np} {X:does} {how}",
        "{X:np} {X:does}",
        "{X:np} {so}",
        "only {X:np}",
        "no one but {X:np}",
    ),
    "and_thing": (
        "{X:np} {X:does} {how}",
        "{X:np} {X:does}",
        "{X:np} {so}",
        "only {X:np}",
        "and {X:np}",
        "and {X:np} {so}",
        "and then {X:np}",
        "with {X:np}",
    ),
    "thing_long": (
        "{X:np} {X:does} {how}",
        "{X:np} {X:does} {how}",
        "{X:np} {so}",
        "no one here but {X:np}",
    ),
    "thing_where": (
        "{X:ground}{X:np} {setting:where}",
        "{X:ground}{setting:where}, {X:np}",
        "{X:noun} {X:over} the {setting:place}",
        "{X:np} {X:over} the {setting:place}",
    ),
    "thing_does_where": (
        "{X:ground}{X:np} {X:does} {setting:where}",
        "{X:ground}{setting:where} {X:np} {X:does}",
        "{X:ground}{X:np} {setting:where}",
        "{X:np} {X:does} {X:over} the {setting:place}",
        "{X:over} the {setting:place} {X:np} {X:does}",
    ),
    # What comes last here is what bends: whoever has named two things can still make up the count.
    "pair": (
        "{X:noun} and {Y:noun} {two}",
        "{X:noun} and {Y:noun} {two}",
        "{X:noun} and {Y:noun}",
        "{X:noun}, {Y:noun}, {end}",
        "{X:noun} {X:does} and {Y:noun} {Y:does}",
        "{X:noun} {X:does}, and {Y:noun} {Y:does}",
    ),
    "pair_where": (
        "{X:ground}{Y:ground}{X:noun} and {Y:noun} {setting:where}",
        "{X:ground}{Y:ground}{setting:where}, {X:noun} and {Y:noun}",
    ),
    "place": (
        "the {setting:place} says nothing",
        "the {setting:place} goes on",
        "the {setting:place} goes on and on",
        "the {setting:place} sleeps on",
        "how still the {setting:place}",
        "how {calm} the {setting:place}",
        "so wide the {setting:place}",
        "the {setting:place} has no words",
        "the {setting:place} at {hour:hour}",
    ),
    "now": (
        "{mood}",
        "{hour:hour} comes slowly",
        "the {hour:hour} is so still",
        "the {adj} {hour:hour} goes on",
        "{adj} {hour:hour}, {weather:air}",
        "{hour:hour} without a sound",
        "{weather:air} without end",
        "the {weather:air} stays on",
        "nothing but {weather:air}",
        "{weather:air}, then silence",
    ),
    "mood": ("{mood}", "{mood}", "{who} {acts}", "{who} {acts} {how}"),
    "rest": ("I wait for {whom}", "nothing but {what}", "{what}, and {rest}", "{what} and {rest}"),
    "musing": (
        "{musing}",
        "{who} {acts}, {who} {acts}",
        "{who} {acts} without a word",
        "I came here to find {what}",
        "what I look for is {what}",
        "{what}, {rest}, and nothing else",
        "nothing is left but {what}",
        "I wait here for {whom}, {so}",
        "I would like to keep {what}",
    ),
}  # fmt: skip

_STRUCTURES: Final = {
    0: (("mood", "musing", "rest"), ("rest", "musing", "mood")),
    1: (
        ("season", "thing_does_where:X", "now"),
        ("season_place", "thing_long:X", "now"),
        ("thing_where:X", "musing", "season"),
    ),
    2: (
        ("season", "thing_does_where:X", "and_thing:Y"),
        ("season", "thing_long:X", "thing_where:Y"),
        ("thing:X", "thing_does_where:Y", "season"),
        ("season_place", "thing_long:X", "and_thing:Y"),
        ("season_place", "pair:XY", "now"),
        ("thing:X", "season_comes", "and_thing:Y"),
        ("thing_where:X", "thing_long:Y", "season"),
        ("season", "pair_where:XY", "now"),
        ("place", "pair:XY", "season"),
    ),
    3: (
        ("season_place", "pair:XY", "and_thing:Z"),
        ("season", "pair_where:XY", "and_thing:Z"),
        ("thing:X", "pair_where:YZ", "season"),
    ),
}

GRAMMAR: Final = Grammar(
    count=syllables,
    tables={**TABLES, **{name: {"": phrases} for name, phrases in _FREE.items()}},
    lines=_LINES,
    structures=_STRUCTURES,
    cut=" —",
)
