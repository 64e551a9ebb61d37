import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.curation.health import Counts, quantile, summary


def row(at: int, text: str, *, cluster: str = "", size=(300, 200), language="en") -> dict:
    picture = f"p{at}"
    return {
        "id": f"r{at}",
        "language": language,
        "cluster": cluster or f"r{at}",
        "pictures": [picture],
        "measurements": json.dumps({picture: dict(zip(("width", "height"), size, strict=True))}),
        "answers": [{"task": "describe", "text": text}],
    }


def counted(*rows: dict) -> dict:
    kept = Counts()
    for each in rows:
        kept.row(each)
    return summary(kept, kept)


def test_pictures_are_counted_by_shorter_side_aspect_and_shape():
    found = counted(row(0, "boat"), row(1, "moon", size=(224, 900)), row(2, "pine", size=(50, 50)))
    sides = {each["from"]: each["kept"] for each in found["pictures"]["shorter_side"]}
    assert sides == {0: 1, 128: 1, 224: 1, 336: 0, 448: 0, 672: 0, 1024: 0}
    aspects = {each["from"]: each["kept"] for each in found["pictures"]["aspect"]}
    assert aspects == {1.0: 1, 1.25: 0, 1.5: 1, 2.0: 0, 3.0: 1}
    assert found["pictures"]["shape"] == {"wide": 1, "tall": 1, "square": 1}


def test_a_picture_that_could_not_be_measured_is_not_counted():
    kept = Counts()
    kept.picture({"error": "It is damaged."})
    assert summary(kept, kept)["pictures"]["measured"] == 0


def test_lengths_are_words_or_characters():
    found = counted(
        row(0, "one"), row(1, "one two three"), row(2, "one two"), row(3, "雪の 朝", language="ja")
    )
    assert found["texts"] == [
        {
            "task": "describe",
            "language": "en",
            "unit": "words",
            "n": 3,
            "p5": 1,
            "median": 2,
            "p95": 3,
        },
        {
            "task": "describe",
            "language": "ja",
            "unit": "characters",
            "n": 1,
            "p5": 3,
            "median": 3,
            "p95": 3,
        },
    ]
    assert found["languages"]["rows"] == {"en": 3, "ja": 1}
    assert found["languages"]["texts_look_like"]["ja"] == 1


def test_concepts_have_a_head_and_a_tail_and_what_is_everywhere_is_none():
    texts = ["print boat moon", "print boat pine", "print crane", "print", "print"]
    found = counted(*(row(at, text) for at, text in enumerate(texts)))["concepts"]
    assert found["head"] == [("boat", 2), ("crane", 1), ("moon", 1), ("pine", 1)]
    assert found["everywhere"] == ["print"]
    assert (found["different"], found["once"], found["tail"]) == (4, 3, [])
    assert found["by_rank"] == [[1, 2], [2, 1], [3, 1], [4, 1]]
    assert found["head_share"] == pytest.approx(2 / 5)


def test_rows_that_show_nearly_the_same_are_clusters():
    found = counted(row(0, "a", cluster="x"), row(1, "b", cluster="x"), row(2, "c"))
    assert found["clusters"] == {"clusters": 1, "rows_in_them": 2, "largest": 2}


@given(st.lists(st.integers(0, 50), min_size=1), st.sampled_from([0.05, 0.5, 0.95]))
def test_a_quantile_is_a_value_that_so_many_do_not_exceed(values, share):
    found = quantile(Counter(values), share)
    assert found in values
    assert sum(each <= found for each in values) >= share * len(values)
    assert sum(each < found for each in values) < share * len(values)
