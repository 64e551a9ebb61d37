"""Texts ranked by rewards: one of them is the rejected answer of a better one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.curation.ranking import Ranking, ranked
from haiga.errors import DataError, RecipeError
from haiga.pipeline.audit import look
from haiga.pipeline.check import check
from haiga.pipeline.data import make_data
from haiga.pipeline.ranking import rankings
from haiga.pipeline.run import Run
from haiga.recipe.load import load
from haiga.store import read_groups
from haiga.text.mentions import find
from haiga.text.pairing import Scored, widest
from haiga.training.preferences import two_sided
from haiga.world.lexicon import lexicon

RECIPE = Path(__file__).parents[2] / "recipes" / "smoke.toml"
RANK = "{ bare = { rewards = [{ name = 'true_to_picture' }], gap = 0.5 } }"


@pytest.mark.parametrize(
    ("scored", "gap", "length", "pair"),
    [
        ([("aa", 1.0), ("bb", 0.2), ("cc", 0.5)], 0.3, 1.5, ("aa", "bb")),
        ([("aa", 1.0), ("bbbb", 0.0), ("ccc", 0.5)], 0.3, 1.5, ("ccc", "bbbb")),
        ([("aa", 1.0), ("bb", 0.8)], 0.3, 1.5, None),
        ([("aaa", 1.0), ("bbbb", 0.0), ("ccc", 0.0)], 0.3, 1.5, ("aaa", "ccc")),
        ([("aa", 1.0)], 0.3, 1.5, None),
        ([], 0.3, 1.5, None),
    ],
)
def test_the_widest_gap_among_texts_of_like_length(scored, gap, length, pair):
    assert widest([Scored(*each) for each in scored], gap, length) == pair


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=9), st.floats(0, 1)), max_size=6),
    st.floats(0.01, 1),
    st.floats(1, 3),
)
def test_a_pair_keeps_what_was_asked_of_it(scored, gap, length):
    found = widest([Scored(*each) for each in scored], gap, length)
    if found is not None:
        good, bad = found
        assert max(len(good), len(bad)) <= length * min(len(good), len(bad)) + 1e-9
        best = {text: {s for t, s in scored if t == text} for text in found}
        assert max(best[good]) - min(best[bad]) >= gap


def test_texts_with_a_rejected_answer_and_those_of_other_tasks_stay_as_they_are():
    texts = [
        {"task": "haiku", "source": "a", "text": "one"},
        {"task": "haiku", "source": "a", "text": "two"},
        {"task": "haiku", "source": "a", "text": "six"},
        {"task": "haiku", "source": "a", "text": "bad", "kind": "rejected", "of": "six"},
        {"task": "bare", "source": "a", "text": "one"},
    ]
    ranking = Ranking(lambda row, own: [float(text == "two") for text in own], 0.5, 1.25)
    found = ranked({}, texts, {"haiku": ranking})
    assert found[0] == {**texts[0], "score": 0.0, "kind": "rejected", "of": "two"}
    assert found[1] == {**texts[1], "score": 1.0}
    assert found[2:] == texts[2:]


def _run(folder, *more):
    recipe = load(
        RECIPE,
        [
            "source.prints=40",
            "source.faults=0.0",
            "curate.hamming=0",
            "curate.texts={}",
            "split.held_out=4",
            "split.validation=2",
            "teach.tasks=['bare']",
            "teach.answers=4",
            "stage.sft.tasks=['bare']",
            "stage.sft.rejected='given'",
            "stage.sft.objective={ name = 'orpo' }",
            f"curate.rank={RANK}",
            *more,
        ],
    )
    return Run(recipe, folder, lambda event: None)


def test_the_truer_of_four_poems_is_preferred_and_the_audit_sees_the_gap(tmp_path):
    run = _run(tmp_path)
    check(run.recipe)
    make_data(run)
    groups = read_groups(run.data("04_final").path, "train", ["bare"])
    pairs, _ = two_sided(groups, "given", ["bare"], 0)
    assert len(pairs) >= len(groups) // 2
    for group in pairs:
        scene = group.meta["scene"]
        chosen, rejected = (
            next(a.text for a in group.answers if a.kind == kind) for kind in ("chosen", "rejected")
        )
        true, false = (
            set(find(text, lexicon("en", "things"))) & set(scene["things"])
            for text in (chosen, rejected)
        )
        assert true
        assert len(true) >= len(false)
        assert max(len(chosen), len(rejected)) <= 1.25 * min(len(chosen), len(rejected))
    found = look(run)["sft"]
    assert found["grounding"] == "real"
    row = next(iter(run.data("03_quality_checked").rows()))
    assert all(text["score"] is not None for text in row["answers"] if text["task"] == "bare")


def test_a_reward_that_cannot_score_stops_with_its_reason(tmp_path):
    """Rows of a source that does not say what its pictures show."""
    run = _run(tmp_path)
    score = rankings(run)["bare"].score
    row = {"id": "1", "pictures": ["0"], "language": "en", "meta": "{}"}
    assert score(row, ["a boat"]) == [None]
    with pytest.raises(DataError, match=r"texts to be ranked under curate\.rank\.bare failed, so"):
        score(row, ["a boat"] * 9)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["curate.rank={bare={rewards=[{name='clip',model='stage:rm'}]}}"], "made by the run"),
        (
            ["curate.rank={bare={rewards=[{name='trueth'}]}}"],
            r"rank\.bare\.rewards\.0\.name: there",
        ),
        (["teach.answers=1"], r"curate\.rank\.bare: of one text there is no pair"),
        (["curate.rank={bar={rewards=[{name='form'}]}}"], r"curate\.rank\.bar: "),
    ],
)
def test_what_cannot_be_ranked_is_said_before(tmp_path, more, sentence):
    with pytest.raises(RecipeError, match=sentence):
        check(_run(tmp_path, *more).recipe)
