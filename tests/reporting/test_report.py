import functools
import io
import re

import numpy as np
import pytest
from PIL import Image

from haiga.evaluation.checks import CHECKS, Part
from haiga.evaluation.conditions import CONDITIONS
from haiga.reporting.facts import RunFacts
from haiga.reporting.moved import differences, largest
from haiga.reporting.page import SIDE, thumbnail
from haiga.reporting.report import contact_sheet, render, write_report
from haiga.reporting.verdict import Said, plain
from haiga.reporting.verdict import verdict as said_of
from haiga.reporting.words import Piece, duration, interval, marked, percent, points, spent
from haiga.store import Manifest

SCENE = {"id": "0", "season": "autumn", "setting": "sea", "things": ["boat", "moon"]}


@functools.cache
def picture(side=400):
    noise = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def row(i, answer, **changes):
    return {
        "id": f"i{i}",
        "answer": answer,
        "reference": "a reference",
        "truth": {"scene": SCENE},
        "task": "haiku",
        "language": "en",
        "key": "k",
    } | changes


def cell(mean, n=200):
    return {"mean": mean, "low": max(0, mean - 0.05), "high": min(1, mean + 0.05), "n": n}


def compared(check="named_precision", against="blind", kind="condition", **changes):
    return {
        "stage": "sft",
        "check": check,
        "against": against,
        "kind": kind,
        "difference": 0.5,
        "low": 0.4,
        "high": 0.6,
        "n": 200,
        "p": 0.001,
        "p_holm": 0.01,
        "moved": True,
        "detectable": 0.08,
        "sentence": f"{check} against {against} in words",
    } | changes


def facts(**changes):
    manifest = Manifest(
        stage="01_filtered",
        options={},
        parents={},
        code="1",
        fingerprint="ab",
        counts={"in": 600, "kept": 540, "dropped": 60},
        reasons={"too small": 40, "duplicate": 20},
        quality=None,
        seconds=1.0,
        made_at="2026-01-01T00:00:00+00:00",
    )
    cells = {name: {c: cell(0.7 if name == "full" else 0.2) for c in CHECKS} for name in CONDITIONS}
    given = {
        "name": "floating",
        "made": {"model": "tiny", "fingerprint": "ab12"},
        "recipe": {"seed": 42},
        "manifests": [manifest],
        "events": {
            "sft": [
                {"kind": "step", "step": i + 1, "loss": 3.0 - i / 50, "lr": 1e-3} for i in range(80)
            ]
            + [{"kind": "validation", "step": 40, "loss": 2.4, "train_loss": 2.2}]
            + [{"kind": "warning", "step": 40, "text": "losses part"}] * 2
            + [{"kind": "sample", "step": s, "id": "i0", "text": f"poem {s}"} for s in range(40)]
        },
        "summary": {"sft": cells},
        "comparisons": [compared(), compared("season")],
        "answers": {
            "sft": {
                "full": [row(i, "the boat\nand a cat") for i in range(30)],
                "blind": [row(i, "") for i in range(30)],
            }
        },
        "pictures": {f"i{i}": picture() for i in range(30)},
        "ledger": [{"model": "poet", "dollars": 0.25, "tokens_in": 10, "tokens_out": 5}] * 4,
        "seconds": {"train": 61.0},
    }
    return RunFacts(**(given | changes))


CURVE = [{"confidence": 0.7, "accuracy": 0.6, "n": 40}, {"confidence": 0.9, "accuracy": 1, "n": 9}]
CRITIC = {
    "f1": cell(0.91), "accuracy": cell(0.9), "calibration_error": cell(0.03), "curve": CURVE,
    "ceiling": {"haiku": cell(0.8), "noir": cell(0.95)},
}  # fmt: skip
MODEL = {"accuracy": cell(0.77, 120), "calibration_error": cell(0.04), "curve": CURVE, "rows": []}


def test_who_rewarded_and_who_judged_stand_with_their_intervals():
    told = facts(
        critics={"rewarding": CRITIC, "evaluating": CRITIC}, reward_models={"rm": MODEL},
        summary={"sft": {"full": {"style": cell(0.6)}}},
    )  # fmt: skip
    html = render(told)
    for words in (
        "Critics of style", "ceiling, noir", "<td>evaluating</td>", "91.0<small>86 to 96</small>",
        "Reward models", "77.0<small>72 to 82</small>", "<td>120</td>", "rewarded by",
    ):  # fmt: skip
        assert words in html
    assert "no judge, human or machine" not in html
    plain = render(facts())
    assert "Who rewarded" not in plain
    assert "no judge, human or machine" in plain


def test_what_preference_moved_stands_with_its_intervals():
    nats = {"mean": 1.5, "low": -0.25, "high": 3.25, "n": 40}
    found = dict.fromkeys(("margin", "margin_per_token", "chosen_gain"), nats)
    found |= {name: cell(0.8, 40) for name in ("preferred", "likelier", "likelier_before")}
    html = render(facts(preferences={"dpo": {**found, "unread": 2, "rows": []}}))
    for words in (
        "What preference moved", "<td>dpo</td>", "80.0<small>75 to 85</small>",
        "+1.50<small>[-0.25, 3.25]</small>", "40 (2 groups too long)",
    ):  # fmt: skip
        assert words in html
    assert "What preference moved" not in render(facts())


@pytest.fixture(scope="module")
def page():
    return render(facts())


def test_the_page_fetches_nothing(page):
    outside = re.sub(r"data:[a-z+/]+;base64,[A-Za-z0-9+/=]+", "", page)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link", outside, re.IGNORECASE)
    assert set(re.findall(r'src="(.{11})', page)) == {"data:image/"}


def test_the_page_stays_small(page):
    # Noise is the worst case for JPEG; prints take a quarter of it.
    assert len(page) < 3_000_000


def test_captions_are_data_never_markup():
    evil = "<script>alert('x')</script>"
    hostile = facts(
        name=evil,
        made={"model": evil},
        recipe={"x": evil},
        answers={"sft": {"full": [row(0, f"boat {evil}", reference=evil)]}},
        events={"sft": [{"kind": "sample", "step": 1, "text": evil}]},
        ledger=[{"model": evil}],
        comparisons=[compared(sentence=evil)],
    )
    html = render(hostile)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 9


@pytest.mark.parametrize(
    "words",
    [
        "floating", "ab12", "too small 40", "duplicate 20", "losses part", "Checks, not quality",
        "named_precision against blind in words", "1 more comparison", "1 min 01 s", "1.00",
        "(empty)", "poem 39", "uses its pictures",
    ],
)  # fmt: skip
def test_the_page_says(page, words):
    assert words in page


def test_warnings_are_given_once(page):
    assert page.count("losses part") == 1


def test_things_named_are_marked_true_or_false(page):
    assert '<b class="true">boat</b>' in page
    assert '<b class="false">cat</b>' in page


def test_marked_keeps_every_letter():
    pieces = marked(row(0, "The Boats, catkins\nand a cat"))
    assert "".join(piece.text for piece in pieces) == "The Boats, catkins\nand a cat"
    assert [piece for piece in pieces if piece.mark] == [
        Piece("Boats", "true"), Piece("cat", "false"),
    ]  # fmt: skip
    assert marked(row(0, "月と猫", language="ja")) == [
        Piece("月", "true"), Piece("と"), Piece("猫", "false"),
    ]  # fmt: skip
    assert marked(row(0, "a boat", truth={})) == [Piece("a boat")]


def test_the_contact_sheet_takes_the_first_that_have_a_picture():
    some = facts(pictures={f"i{i}": picture(20) for i in range(3, 30)}, shown=5)
    assert [each["id"] for each in contact_sheet(some)] == [f"i{i}" for i in range(3, 8)]


def test_thumbnails_are_small_jpegs():
    import base64

    kind, data = thumbnail(picture(900)).split(";base64,")
    shown = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "data:image/jpeg"
    assert shown.format == "JPEG"
    assert max(shown.size) == SIDE


def verdict(given):
    return plain(said_of(given))


def test_the_verdict_follows_the_figures():
    assert "sft uses its pictures" in verdict(facts())
    assert "70 % are in the picture (95 % interval 65 to 75, 200 answers" in verdict(facts())
    unsure = facts(comparisons=[compared(), compared(against="grey", low=-0.01)])
    assert "it is not shown that sft uses its pictures" in verdict(unsure)
    unknown = facts(summary={"sft": {"full": {"parsed": cell(1)}}}, comparisons=[])
    assert "no check here tells whether sft uses them" in verdict(unknown)
    assert "Nothing has been evaluated" in verdict(facts(summary={}))


def test_a_style_that_was_not_asked_for_is_no_control_of_the_picture():
    conditions = {"full": 0.7, "blind": 0.2, "no_style": 0.72}
    cells = {name: {"named_precision": cell(mean)} for name, mean in conditions.items()}
    rows = [compared(), compared(against="no_style", low=-0.05)]
    said = verdict(facts(summary={"sft": cells}, comparisons=rows))
    assert "The only control that takes" in said
    assert "sft uses its pictures" in said


def test_the_verdict_counts_what_the_last_stage_moved():
    rows = [
        compared("season", "align", "stage", difference=-0.05),
        compared("form", "align", "stage", moved=False),
    ]
    assert verdict(facts(comparisons=[compared(), *rows])).endswith(
        "Against align, 1 of 2 checks moved: season \u22125.0 points."
    )
    assert "none of 1 checks moved" in verdict(facts(comparisons=[compared(), rows[1]]))


def unseen(check, **changes):
    """Facts of a run on pictures whose content nobody knows."""
    cells = {name: {check: cell(mean)} for name, mean in {"full": 0.8, "blind": 0.5}.items()}
    rows = [compared(check), compared(check, "align", "stage", difference=0.1)]
    return facts(summary={"sft": cells}, comparisons=rows, **changes)


def test_where_no_truth_is_known_a_judge_decides():
    judge = {"judge": {"name": "anthropic", "model": "claude-haiku-5-5"}, "status": "uncalibrated"}
    said = verdict(unseen("judged_grounding", judge=judge))
    assert said.startswith(
        "For saying what is in its picture, and nothing that is not, claude-haiku-5-5 gives an "
        "answer of sft 80 % of its points (95 % interval 75 to 85, 200 answers, failures counted; "
        "nobody has compared this judge with people). The only control that takes the picture"
    )
    assert "reaches 50 % (blind), and the difference" in said
    assert "sft uses its pictures. Against align, 1 of 1 checks moved: judged grounding +10" in said
    measured = verdict(unseen("judged_grounding", judge={**judge, "status": "measured"}))
    assert "nobody has compared" not in measured


def test_without_a_judge_an_encoder_tells_whether_answers_fit_their_pictures():
    own = {"encoder": "google/siglip", "references": cell(0.9), "believed": True}
    told = unseen("own_picture", measures={"own_picture": own})
    assert verdict(told).startswith(
        "As google/siglip sees it, an answer of sft fits its own picture better than 80 % of the "
        "other held-out ones, where chance is one half (95 % interval 75 to 85, 200 answers, "
        "failures counted; whether what it writes is right, nobody has looked)."
    )
    assert "reach 90 % (85 to 95): it can tell" in render(told)
    assert "no stranger to it" not in render(told)
    kin = unseen(
        "own_picture", measures={"own_picture": own}, made={"vision tower": "google/siglip"}
    )
    assert "Asked was google/siglip, through which the model sees as well" in render(kin)
    own |= {"references": cell(0.52), "believed": False}
    page = render(unseen("form", measures={"own_picture": own}))
    assert "google/siglip does not surely find the pictures of the very texts" in page
    assert "name a judge under [evaluate.judge]" in page
    assert "its scores are in no table" in page


def test_every_number_of_the_verdict_leads_to_the_row_that_it_is_read_from():
    rows = [compared("form", "align", "stage", difference=0.05)]
    told = facts(comparisons=[compared(), *rows])
    page = render(told)
    pieces = said_of(told)
    assert not re.search(r"[0-9]", plain([each for each in pieces if not each.row]))
    for piece in pieces:
        if piece.row:
            assert page.count(f'id="{piece.row}"') == 1
            assert f'<a href="#{piece.row}">' in page
    assert Said("70 %", "score/sft/full/named_precision") in pieces
    assert Said("20 %", "score/sft/blind/named_precision") in pieces
    assert Said("form +5.0 points", "moved/sft/align/form") in pieces
    assert 'href="evaluation/answers/sft/full.jsonl"' in page


def test_an_empty_run_is_still_a_page():
    html = render(RunFacts(name="empty", made={}))
    for words in ("No data stage", "No training step", "No model has been", "No paid call"):
        assert words in html


def test_write_report(tmp_path):
    path = write_report(facts(answers={}, pictures={}), tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8").startswith("\n<!doctype html>".lstrip())


def test_numbers_as_people_read_them():
    assert interval({"low": 0.612, "high": 0.719}) == "61 to 72"
    assert interval({"low": 0.8462, "high": 0.8581}) == "84.6 to 85.8"
    assert [percent(x) for x in (0, 0.004, 0.5, 0.996, 1)] == [
        "0 %", "0.4 %", "50 %", "99.6 %", "100 %",
    ]  # fmt: skip
    assert points(-0.1234) == "\u221212.3 points"
    assert [duration(x) for x in (1.25, 59, 61, 7500)] == [
        "1.2 s", "59 s", "1 min 01 s", "2 h 05 min",
    ]  # fmt: skip


def test_spending_is_summed_by_model():
    rows = [{"model": "a", "dollars": 0.5, "tokens_in": 3}, {"model": "b", "dollars": 2}] * 2
    assert [(each["model"], each["calls"], each["dollars"]) for each in spent(rows)] == [
        ("b", 2, 4), ("a", 2, 1),
    ]  # fmt: skip
    assert spent(rows)[1]["tokens_in"] == 6
    machine = {"model": "A100", "dollars": 1.0, "hours": 0.5, "seconds": 1800.0}
    (found,) = spent([machine, machine])
    assert (found["calls"], found["hours"], found["dollars"]) == (0, 1.0, 2.0)


def test_the_largest_gains_and_losses_are_shown_beside_what_was_before():
    true, false, empty = "a boat\nand the\nmoon", "a crane\nin the\npine", ""
    before = {0: true, 1: false, 2: empty, 3: true}
    after = {0: false, 1: true, 2: true, 3: true}
    facts = RunFacts(
        name="x",
        made={},
        comparisons=[compared(against="align", kind="stage")],
        answers={
            name: {"full": [row(at, text) for at, text in texts.items()]}
            for name, texts in (("align", before), ("sft", after))
        },
        pictures={f"i{at}": picture() for at in range(4)},
        scores={
            name: {
                f"i{at}": {"named_precision": Part(text is true), "parsed": Part(text is not empty)}
                for at, text in texts.items()
            }
            for name, texts in (("align", before), ("sft", after))
        },
    )
    found = largest(facts)
    assert (found["check"], found["gains"][0]["was"], found["gains"][0]["now"]) == (
        "named_precision", 0, 1,
    )  # fmt: skip
    assert [each["id"] for each in found["gains"]] == ["i1", "i2"]
    assert [each["id"] for each in found["losses"]] == ["i0"]
    assert found["gains"][1]["before"] == []
    assert [each["unread"] for each in found["gains"]] == [[], ["align"]]
    assert largest(RunFacts(name="x", made={})) == {}


def test_differences_are_drawn_for_stages_alone():
    assert differences([compared()]) is None
    drawn = differences([compared(against="align", kind="stage"), compared()])
    assert drawn == differences([compared(against="align", kind="stage")])
    assert b"<svg" in drawn
