"""People label blind, and the judge is measured by them."""

import json

import pytest

from haiga import events
from haiga.evaluation.rating import labels
from haiga.evaluation.rating.asking import Judgements
from haiga.evaluation.rating.duels import orders
from haiga.evaluation.rating.hearing import Hearing, Settings
from haiga.evaluation.rating.labels import Sheet
from haiga.evaluation.rating.rubric import Bench, Better
from haiga.sources import SOURCES
from judges import items, picture, pictures, poem

COUNT = 12
BENCH = Bench({"name": "test"}, pictures(COUNT))
CELLS = {
    "sft": {"full": [poem((n + 5) % COUNT, 1) for n in range(COUNT)]},
    "dpo": {"full": ["", *(poem(n, 1) for n in range(1, COUNT))]},
}


@pytest.fixture
def pairs():
    hearing = Hearing(BENCH, items(COUNT), CELLS, {"dpo": "sft"}, Settings(), seed=0)
    return labels.draw(hearing.duels, None, seed=4)


def test_pairs_are_drawn_blind_and_by_the_seed(pairs):
    hearing = Hearing(BENCH, items(COUNT), CELLS, {"dpo": "sft"}, Settings(), seed=0)
    assert labels.draw(hearing.duels, None, seed=4) == pairs
    assert [each.key for each in labels.draw(hearing.duels, None, seed=5)] != [
        each.key for each in pairs
    ]
    assert labels.draw(hearing.duels, 5, seed=4) == pairs[:5]
    # sft and dpo against the references, dpo against sft; an empty answer is shown to nobody.
    assert len(pairs) == 3 * COUNT - 2
    assert len({pair.duel.item.id for pair in pairs[:COUNT]}) == COUNT
    turned = sum(pair.turned for pair in pairs)
    assert 8 < turned < len(pairs) - 8
    for pair in pairs:
        ours = pair.texts[1] if pair.turned else pair.texts[0]
        assert ours == pair.duel.ours


def test_an_answer_is_kept_at_once_and_the_last_one_holds(pairs, tmp_path):
    path = tmp_path / "anna.jsonl"
    sheet = Sheet(pairs, path, "anna")
    assert (sheet.first_open, sheet.labelled) == (0, 0)
    sheet.save(0, "left", 3.21)
    sheet.save(1, "equal", 1)
    rows = events.read(path)
    assert rows[0]["better"] == ("theirs" if pairs[0].turned else "ours")
    assert rows[1]["better"] == "equal"
    assert rows[0]["seconds"] == 3.2
    path.write_text(path.read_text() + '{"pair": "cut')  # a kill
    again = Sheet(pairs, path, "anna")
    assert (again.first_open, again.labelled) == (2, 2)
    again.save(0, "right", 1)
    assert labels.read(tmp_path)["anna"][pairs[0].key] == (1 if pairs[0].turned else -1)


def said_by_a_judge(pairs, votes) -> Judgements:
    """A judge that says in both orders who is better; None where it failed."""
    records = {}
    for pair, vote in zip(pairs, votes, strict=True):
        first, second = orders(BENCH, pair.duel)
        if vote is not None:
            one, other = {1: ("first", "second"), 0: ("equal", "equal"), -1: ("second", "first")}[
                vote
            ]
            records[first.key] = Better(evidence=[], better=one)
            records[second.key] = Better(evidence=[], better=other)
    return Judgements(records)


def test_agreement_with_people_and_among_them(pairs):
    few = pairs[:10]
    people = [1, 1, 1, 1, 1, -1, -1, -1, 0, 0]
    keyed = {pair.key: float(vote) for pair, vote in zip(few, people, strict=True)}
    judge = said_by_a_judge(few, [1, 1, 1, 1, -1, -1, -1, -1, 0, None])
    found = labels.measured({"anna": keyed}, pairs, BENCH, judge, seed=0)
    assert (found["labelled"], found["people"]) == (10, 1)
    # Nine were judged, eight alike; the failure is not the same.
    assert found["same"]["mean"] == 0.8
    assert found["same"]["low"] == pytest.approx(0.444, abs=1e-3)  # Clopper-Pearson of 8 of 10
    # By hand: squared differences sum to 4 over 9 pairs; columns 5, 3, 1 and 4, 4, 1 of 1, -1, 0.
    expected = (8 / 9 - (2 / 9) ** 2) + (8 / 9 - 0) + (2 / 9) ** 2
    assert found["kappa"]["mean"] == pytest.approx(1 - (4 / 9) / expected)
    assert found["kappa"]["low"] < found["kappa"]["mean"] < found["kappa"]["high"] <= 1
    assert found["ceiling"] is None
    both = labels.measured({"anna": keyed, "ben": keyed}, pairs, BENCH, judge, seed=0)
    assert both["ceiling"]["mean"] == 1
    assert sum(cell["n"] for cell in found["wins"].values()) == 10


def test_what_nobody_labelled_measures_nothing(pairs):
    found = labels.measured({}, pairs, BENCH, Judgements(), seed=0)
    assert (found["labelled"], found["same"], found["kappa"], found["wins"]) == (0, None, None, {})


def test_most_people_decide():
    said = {"a": {"x": 1.0, "y": 1.0}, "b": {"x": 1.0, "y": -1.0}, "c": {"x": -1.0}}
    assert labels.consensus(said) == {"x": 1.0, "y": 0.0}


def test_labels_become_pairs_that_a_source_reads(pairs, tmp_path):
    few = pairs[:3]
    agreed = {few[0].key: 1.0, few[1].key: -1.0, few[2].key: 0.0}
    rows = labels.preferences(pairs, agreed)
    assert [row["chosen"] for row in rows] == [few[0].duel.ours, few[1].duel.theirs]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "pictures").mkdir()
    for pair in few:
        data = picture(int(pair.duel.item.id.split()[1]))
        (tmp_path / "pictures" / pair.duel.item.pictures[0].id).write_bytes(data)
    found = list(SOURCES["rlaif_v"](0, "en", 0, data=str(tmp_path / "pairs.jsonl")))
    assert [each.fault for each in found] == ["", ""]
    assert [a.kind for a in found[0].answers] == ["chosen", "rejected"]
    assert found[0].answers[0].text == few[0].duel.ours
    assert found[0].pictures
