import copy
import re

from haiga.reporting.health import render, verdict
from made import picture

STAGE = {
    "stage": "00_raw",
    "in": 4,
    "kept": 4,
    "dropped": 0,
    "reasons": {},
    "quality": None,
    "seconds": 1.0,
}
FILTERED = STAGE | {
    "stage": "01_filtered",
    "kept": 1,
    "dropped": 3,
    "reasons": {"blank": 2, "unreadable": 1},
}
GATE = {"cosine": 0.25, "own_pass": 0.9, "shuffled_pass": 0.01}
FOUND = {
    "name": "prints",
    "rows": 1,
    "pictures": {
        "kept": 1,
        "measured": 3,
        "shorter_side": [
            {"from": 0, "to": 128, "kept": 0, "measured": 2},
            {"from": 128, "to": None, "kept": 1, "measured": 1},
        ],
        "aspect": [{"from": 1.0, "to": None, "kept": 1, "measured": 3}],
        "shape": {"wide": 1},
    },
    "texts": [
        {
            "task": "describe",
            "language": "en",
            "unit": "words",
            "n": 1,
            "p5": 3,
            "median": 3,
            "p95": 3,
        }
    ],
    "languages": {"rows": {"en": 1}, "texts_look_like": {"en": 1}},
    "concepts": {
        "different": 2,
        "once": 1,
        "head_share": 0.6,
        "head": [["boat", 2], ["moon", 1]],
        "tail": [],
        "everywhere": [],
        "by_rank": [[1, 2], [2, 1]],
    },
    "clusters": {"clusters": 0, "rows_in_them": 0, "largest": 1},
    "stages": [STAGE, FILTERED],
    "set_aside": {"01_filtered": {"the source's caption: boilerplate": 1}},
    "similarity": {},
    "balance": {},
    "review": {"waiting": 0, "accepted": 0, "rejected": 0},
}


def example(**changes) -> dict:
    measured = {"width": 96, "height": 96, "contrast": 0.01234}
    return {
        "id": "r0",
        "picture": picture(0),
        "measured": measured,
        "text": "",
        "language": "en",
    } | changes


GALLERY = {
    "kept": [example(text="<b>a boat</b>")],
    "01_filtered: blank": [example(), example(picture=b"no picture")],
    "01_filtered: unreadable": [example(picture=None, measured={"error": "It is empty."})],
}


def test_the_page_shows_each_reason_with_its_examples_and_their_measurements():
    page = render(FOUND, GALLERY)
    assert page.count("data:image/jpeg") == 2
    assert page.count("data:image/svg+xml") == 3
    assert "01_filtered: blank" in page
    assert "96 × 96 px" in page
    assert "contrast 0.0123" in page
    assert "cannot be opened" in page
    assert "It is empty." in page


def test_nothing_is_fetched_and_no_text_is_markup():
    page = render(FOUND, GALLERY)
    assert "&lt;b&gt;a boat&lt;/b&gt;" in page
    assert "<b>a boat" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)


def test_a_cap_is_told_with_what_came_of_it():
    balance = {"method": "expectation", "cap": 10, "rows": 50, "kept": 20, "without_concept": 1,
               "concepts": 9, "above_cap_before": 1, "above_cap_after": 1, "worst": 1.2,
               "median": 1.2, "head": [["boat", 30, 12, 1.2]]}  # fmt: skip
    page = render(FOUND | {"balance": balance}, GALLERY)
    assert "20 of 50 rows" in page
    assert "<td>boat</td><td>30</td><td>12</td><td>1.20</td>" in page


def test_an_empty_set_is_a_page_too():
    found = copy.deepcopy(FOUND)
    found |= {"rows": 0, "texts": [], "set_aside": {}, "stages": [STAGE | {"in": 0, "kept": 0}]}
    found["pictures"]["measured"] = 0
    found["concepts"]["by_rank"] = []
    page = render(found, {"kept": []})
    assert "Nothing was gathered." in page
    assert "There are no pictures." in page
    assert "data:image" not in page


def test_the_verdict_says_what_somebody_should_look_at():
    check = {"share": 0.02, "low": 0.0, "high": 0.1, "among": 1, "gallery": 50, "enough": False}
    known = {
        "tower": "world:tower",
        "key": "0" * 32,
        "precision": "float32",
        "enter": GATE,
        "reject": GATE,
    }
    found = FOUND | {
        "similarity": {"ja": known | {"retrieval": check}},
        "review": {"waiting": 3, "accepted": 0, "rejected": 0},
    }
    said = verdict(found)
    assert said.startswith("Of 4 rows gathered, 1 stayed (25 %). Most left for one reason: blank")
    assert "Only 2 % of the pictures find their text in 'ja'" in said
    assert "3 lines of data/review.csv wait" in said
    assert "1 of 50" in render(found, GALLERY)
