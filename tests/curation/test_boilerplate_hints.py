"""Hints only say where a pattern need not be tried: what any pattern finds, it finds with them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.curation import boilerplate

PATTERNS = list(boilerplate._HINTS)
AROUND = st.text(alphabet="a .İıſK/続é0", max_size=6)


def _found_by_all(text):
    reasons = ("an address", "a file name", "markup")
    for pattern, reason in zip(PATTERNS, reasons, strict=False):
        if pattern.search(text):
            return f"contains {reason}"
    phrase, nothing = PATTERNS[3:]
    return "boilerplate" if phrase.search(text) or nothing.fullmatch(text) else None


@pytest.mark.parametrize("at", range(len(PATTERNS)))
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_fits_a_pattern_is_found(at, data):
    text = data.draw(st.from_regex(PATTERNS[at], fullmatch=PATTERNS[at] is boilerplate._NOTHING))
    text = data.draw(AROUND) + text + data.draw(AROUND)
    assert boilerplate.found(text) == _found_by_all(text)


@pytest.mark.parametrize("phrase", boilerplate._PHRASES)
@settings(max_examples=8, deadline=None)
@given(st.data())
def test_every_phrase_is_found_however_it_is_written(phrase, data):
    text = data.draw(st.from_regex(re.compile(phrase, re.IGNORECASE)))
    assert boilerplate.found(text) == _found_by_all(text)


@settings(deadline=None)
@given(st.text())
def test_anything_else_is_as_without_hints(text):
    assert boilerplate.found(text) == _found_by_all(text)
