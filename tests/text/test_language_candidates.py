"""Among candidates a text has the language that is first of them among all languages."""

import py3langid
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.text.language import TOLD_APART, identify, is_in

TEXTS = (
    "The old pond lies silent under morning mist",
    "Der alte Teich liegt still im Nebel",
    "Le vieil étang dort dans la brume",
    "Старый пруд 오래된 연못 我们在河边看见了 一条船",
    "12 — İstanbul x",
)
WORDS = st.sampled_from([word for text in TEXTS for word in text.split()])
"""None with kana: those decide by themselves."""


@settings(deadline=None)
@given(st.lists(WORDS, max_size=8), st.sets(st.sampled_from([*TOLD_APART, "xx"])))
def test_restricting_is_as_ranking(words, candidates):
    text = " ".join(words)
    ranked = [str(code) for code, _ in py3langid.rank(text)] if any(map(str.isalpha, text)) else []
    wanted = next((code for code in ranked if code in candidates), "und")
    assert identify(text, sorted(candidates)) == wanted


@pytest.mark.parametrize("candidates", [(), ("xx",), ("tlh", "xx")])
def test_no_known_candidate(candidates):
    assert identify("The old pond", candidates) == "und"


def test_a_language_that_is_not_told_apart_may_be_asked_for():
    assert is_in("Det var en gång en liten flicka som bodde i skogen", "sv")
