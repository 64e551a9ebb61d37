from itertools import combinations

import pytest

from haiga.errors import DataError
from haiga.world.lexicon import LEXICONS, lexicon
from haiga.world.scenes import HOURS, SEASONS, SETTINGS, THINGS, WEATHERS

NAMES = {
    "things": THINGS,
    "seasons": SEASONS,
    "settings": SETTINGS,
    "hours": HOURS,
    "weathers": WEATHERS,
}


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("kind", NAMES)
def test_every_name_of_the_world_has_forms(language, kind):
    table = lexicon(language, kind)
    assert tuple(table) == NAMES[kind]
    assert all(forms and all(forms) for forms in table.values())


@pytest.mark.parametrize("language", ["en", "ja"])
def test_no_form_belongs_to_two_names(language):
    owners = {
        (kind, name): set(forms)
        for (of, kind), table in LEXICONS.items()
        if of == language
        for name, forms in table.items()
    }
    for a, b in combinations(owners, 2):
        assert not owners[a] & owners[b], (a, b)


def test_forms_by_hand():
    assert {"pine", "pines", "pine trees"} <= set(lexicon("en", "things")["pine"])
    assert {"舟", "ふね"} <= set(lexicon("ja", "things")["boat"])
    assert {"snow", "frost"} <= set(lexicon("en", "seasons")["winter"])
    assert all(
        "fall" not in forms for forms in lexicon("en", "seasons").values()
    )  # "leaves fall" names no season


def test_an_unknown_lexicon_is_refused_by_name():
    with pytest.raises(DataError, match="no lexicon fr/things"):
        lexicon("fr", "things")
    with pytest.raises(DataError, match="en/things"):
        lexicon("en", "moods")
