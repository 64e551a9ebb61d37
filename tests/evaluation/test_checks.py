import pytest

from haiga.evaluation.checks import CHECKS, Part, clusters, named, readable, score
from haiga.evaluation.conditions import Item
from haiga.records import Picture, user
from haiga.world.scenes import THINGS

SCENE = {"season": "autumn", "setting": "sea", "things": ["boat", "moon", "pine"]}
POEM = "autumn on the sea\nthe old boat follows the moon\nout beyond the waves"


def item(task="haiku", truth=True, **changes):
    return Item(
        id=changes.pop("id", "1"),
        prompt=(user("Write."),),
        truth={"scene": SCENE} if truth else {},
        task=task,
        **changes,
    )


def part(check, answer, asked=None):
    return CHECKS[check].score([asked or item()], [answer])[0]


@pytest.mark.parametrize(
    ("check", "answer", "expected"),
    [
        ("named_precision", POEM, Part(2, 2)),
        ("named_recall", POEM, Part(2, 3)),
        ("season", POEM, Part(1)),
        ("setting", POEM, Part(1)),
        ("form", POEM, Part(1)),
        ("parsed", POEM, Part(1)),
        ("distinct", POEM, Part(1)),
        ("named_precision", POEM.replace("moon", "cat"), Part(1, 2)),
        ("named_recall", POEM.replace("moon", "cat"), Part(1, 3)),
        ("season", POEM.replace("autumn", "winter"), Part(0)),
        ("season", POEM.replace("old", "winter"), Part(0)),
        ("setting", POEM.replace("old", "village"), Part(0)),
        ("setting", POEM.replace("sea", "wind").replace("waves", "clouds"), Part(0)),
        ("named_precision", "autumn on the sea\nnothing at all can be seen\nbut the grey water",
         Part(0, 1)),
        ("form", "autumn\nsea\nboat", Part(0)),
    ],
)  # fmt: skip
def test_worked_values(check, answer, expected):
    assert part(check, answer) == expected


@pytest.mark.parametrize("check", list(CHECKS))
@pytest.mark.parametrize(
    "answer",
    ["", "  \n ", POEM + "<|im_end|>", "assistant\n" + POEM, "user: " + POEM,
     "the boat and the moon", "秋の海\n舟は月追う\n波の先"],
)  # fmt: skip
def test_what_cannot_be_read_scores_nothing_and_stays_in_the_denominator(check, answer):
    scored = part(check, answer)
    assert scored.numerator == 0
    assert scored.denominator == (3 if check == "named_recall" else 1)


def test_naming_everything_pays_in_recall_and_costs_precision():
    every = "\n".join(", ".join(THINGS[i::3]) for i in range(3))
    every = f"There is a picture of {every} together in the night".replace("\n", " and ")
    asked = item(task="describe")
    assert named(asked, every, "things") == set(THINGS)
    assert part("named_precision", every, asked) == Part(3, 20)
    assert part("named_recall", every, asked) == Part(3, 3)


def test_japanese_answers_are_held_to_the_same_truth():
    asked = item(language="ja")
    poem = "秋の海\n舟は月を追って\n波の先"
    assert readable(asked, poem)
    assert part("named_precision", poem, asked) == Part(2, 2)
    assert part("season", poem, asked) == Part(1)


def test_checks_apply_where_the_truth_is_known_and_form_to_haiku():
    unknown = item(truth=False)
    for check in ("named_precision", "named_recall", "season", "setting"):
        assert part(check, POEM, unknown) is None
    for check in ("form", "parsed", "distinct"):
        assert part(check, POEM, unknown) == Part(1)
    assert part("form", "A boat under the moon.", item(task="describe")) is None


def test_distinct_counts_a_text_once_whatever_its_case_and_stops():
    items = [item(id=str(i)) for i in range(3)]
    parts = CHECKS["distinct"].score(items, [POEM, POEM.upper() + ".", POEM.replace("old", "new")])
    assert parts == [Part(1), Part(0), Part(1)]


def test_score_is_a_ratio_of_sums_over_all_items():
    scored = score([Part(1, 1), Part(0, 3), Part(2, 4), None], ["a", "b", "c", "d"])
    assert scored.mean == pytest.approx(3 / 8)
    assert scored.n == 3
    assert scored.low < 3 / 8 < scored.high
    assert score([None], ["a"]) is None


def test_no_interval_has_no_width_where_everything_failed():
    scored = score([Part(0, 3)] * 200, [str(i) for i in range(200)])
    assert (scored.mean, scored.low, scored.n) == (0, 0, 200)
    assert scored.high == pytest.approx(0.0189, abs=2e-4)  # z²/(n + z²)


def test_items_that_share_a_cluster_do_not_narrow_the_interval():
    parts = [Part(i % 2) for i in range(100)]
    alone = score(parts, [str(i) for i in range(100)])
    shared = score(parts, [str(i % 4) for i in range(100)])
    assert shared.high - shared.low > 1.5 * (alone.high - alone.low)


def test_clusters_fall_back_on_the_picture():
    asked = [item(cluster="c"), item(pictures=(Picture("p"),)), item(id="x")]
    assert clusters(asked) == ["c", "p", "item x"]


def test_parts_of_an_answer_are_bootstrapped_and_stay_shares():
    parts = [Part(value) for value in (0.2, 0.9, 0.7, 1.0)]
    scored = score(parts, ["a", "b", "c", "d"])
    assert scored.mean == pytest.approx(0.7)
    assert (scored.high, scored.n) == (1.0, 4)  # Student's t would end at 1.24
    assert 0 < scored.low < 0.2
    assert (score(parts[:1], ["a"]).low, score(parts[:1], ["a"]).high) == (0, 1)


def test_one_answer_to_everything_keeps_an_interval():
    # Wilson's upper bound at 0 of 40 is 0.0876: so many clusters could have missed as much.
    scored = score([Part(0.9)] * 80, [str(at // 2) for at in range(80)])
    missed = 1.96**2 / (40 + 1.96**2)
    assert scored.mean == pytest.approx(0.9)
    assert scored.low == pytest.approx(0.9 * (1 - missed), abs=1e-4)
    assert scored.high == pytest.approx(0.9 + 0.1 * missed, abs=1e-4)
