import pytest

from haiga.text.article import with_article
from haiga.text.plurals import plural, plurals, singular

NOUNS = {
    "dog": "dogs", "wine glass": "wine glasses", "pony": "ponies", "day": "days", "box": "boxes",
    "bench": "benches", "knife": "knives", "person": "people", "sheep": "sheep", "bus": "buses",
    "toothbrush": "toothbrushes", "stop sign": "stop signs", "skis": "skis", "vase": "vases",
    "horse": "horses", "suitcase": "suitcases", "axe": "axes", "orange": "oranges",
}  # fmt: skip


@pytest.mark.parametrize(("one", "several"), NOUNS.items())
def test_one_and_several(one, several):
    assert plural(one) == several
    if " " not in one and one != "axe":  # axes are of an ax as well
        assert singular(several) == one


@pytest.mark.parametrize("word", ["glass", "bus", "this", "tennis", "grass", "gas", "is", "a"])
def test_what_is_no_plural_stays(word):
    assert singular(word) == word


def test_a_word_that_is_its_own_plural_stands_once():
    assert plurals("sheep") == ("sheep",)


@pytest.mark.parametrize(
    "said",
    ["an umbrella", "a unicorn", "an hourglass", "a university", "a ukulele", "a user",
     "an orange", "a one-way sign", "a traffic light", "an unopened box", "a uniform", "an urn",
     "a ewe", "a utensil", "an oven", "an elephant", "a horse", "an unidentified thing",
     "a European", "an honest man", "a herb"],
)  # fmt: skip
def test_a_and_an(said):
    assert with_article(said.split(" ", 1)[1]) == said
