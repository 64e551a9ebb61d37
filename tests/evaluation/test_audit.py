"""The audit of pairs, against values counted by hand, and the rule of its verdict."""

import numpy as np
import pytest

from haiga.evaluation.audit import audit, flips, pairs_of
from haiga.evaluation.text_only import text_only_auc
from haiga.evaluation.verdict import grounding, verdict
from haiga.records import IMAGE, Answer, Group, Picture, assistant, user

SCENE = {"things": ["boat", "moon"], "season": "autumn", "setting": "sea"}


def _group(n: int, chosen: str, rejected: str, task="describe", **more) -> Group:
    fields = {"meta": {"scene": SCENE}, "cluster": f"c{n}", "language": "en", **more}
    return Group(
        f"r{n}",
        (user(IMAGE, "\nask"),),
        (Answer((assistant(chosen),)), Answer((assistant(rejected),), kind="rejected")),
        (Picture(f"p{n}"),),
        task,
        **fields,
    )


def _audited(*texts: tuple[str, str], **more):
    return audit(pairs_of([_group(n, *each, **more) for n, each in enumerate(texts)]))


def test_sides_are_counted_by_hand():
    true = "a boat and the moon by the sea in autumn"
    found = _audited((true, "a crane and the moon by the river"), (true, true.upper()))
    truth = found["truth"]
    # The first rejected one: of crane and moon one is there, of boat and moon one is named.
    assert (truth["named_precision"]["chosen"], truth["named_precision"]["rejected"]) == (1, 0.75)
    assert truth["named_recall"]["difference"] == 0.25
    assert truth["season"]["difference"] == truth["setting"]["difference"] == 0.5
    # (0.5 + 0.5 + 1 + 1) / 4 over two pairs.
    assert truth["grounding"]["difference"] == 0.375
    assert truth["grounding"]["n"] == found["pairs"] == found["clusters"] == 2
    # Ten words against eight, and ten against ten.
    assert found["length"]["difference"] == 1.0
    assert found["longer"]["mean"] == 0.75
    # "a", "and", "the" twice, "moon", "by" of eight; then all.
    assert found["shared"]["mean"] == (6 / 8 + 1) / 2
    assert found["equal"]["mean"] == 0.5
    assert found["both_sides"] == 1
    assert found["repeated"]["mean"] == 0
    assert found["text_only"] is None  # two clusters are no five folds


def test_repeated_pairs_and_what_is_left_without_truth():
    found = _audited(("one boat", "two"), ("one boat!", "Two"), ("a moon", "rain"), meta={})
    assert found["repeated"]["mean"] == pytest.approx(1 / 3)
    assert found["truth"] == {}
    assert grounding(found) == "unknown"
    assert "no judge is named" in verdict(found)


def test_a_broken_text_is_still_read_for_what_is_true_of_it():
    text = "a boat is waiting under the moon tonight"
    found = _audited((text, f"<|im_end|> {text}"))
    assert found["truth"]["grounding"]["difference"] == 0
    assert found["sides"]["readable"]["difference"] == 1


def test_form_is_looked_at_where_it_can_be_counted():
    poem = "an old silent pond\na frog jumps into the pond\nsplash! silence again"
    pairs = ((poem, "an old pond\na frog\nsplash"),) * 2
    assert _audited(*pairs, task="haiku")["sides"]["form"]["difference"] == 1
    assert "form" not in _audited(*pairs, task="noir")["sides"]
    assert "form" not in _audited(*pairs, task="haiku", language="fr", meta={})["sides"]


def test_language_is_a_side():
    text = "the moon is over the sea tonight and the boat is waiting"
    found = _audited((text, "la lune est sur la mer ce soir et le bateau attend"))
    assert found["sides"]["language"]["difference"] == 1


def _names(count: int) -> list[str]:
    return [f"{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(count)]


def test_texts_alone_tell_what_words_tell():
    names = _names(40)
    loud = text_only_auc([f"{n} oh" for n in names], [f"{n} ah" for n in names], names)
    assert loud.mean == 1
    assert loud.n == 40


def test_pictures_of_one_cluster_never_teach_about_each_other():
    # Each picture has a word of its own for either side: of other pictures they say nothing.
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghij"), 8)) for _ in range(60)]
    chosen = [f"{word} boat" for word in words[:30] for _ in range(3)]
    rejected = [f"{word} boat" for word in words[30:] for _ in range(3)]
    clusters = [str(n) for n in range(30) for _ in range(3)]
    kept = text_only_auc(chosen, rejected, clusters)
    leaked = text_only_auc(chosen, rejected, [str(at) for at in range(90)])
    assert leaked.mean > 0.95
    assert kept.low < 0.5 < kept.high


def test_texts_on_both_sides_tell_nothing():
    names = _names(20)
    assert text_only_auc(names, names[1:] + names[:1], names) is None


def test_flips_are_counted_of_what_was_judged():
    notes = [
        {"better": "first", "flipped": False},
        {"better": "equal", "flipped": True},
        {"better": "equal", "flipped": False},
        {"better": "second", "flipped": False},
        {"verdict": "keep"},
    ]
    found = flips(notes)
    assert (found["judged"], found["equal"], found["flipped"]["mean"]) == (4, 1, 0.25)
    assert flips([{"verdict": "keep"}]) is None


def _gap(low: float, high: float, moved: bool) -> dict:
    return {"difference": (low + high) / 2, "low": low, "high": high, "moved": moved}


def _found(gap, *, auc=None, longer=(0.5, 0.45, 0.55), **sides) -> dict:
    return {
        "truth": {"grounding": gap} if gap else {},
        "sides": sides,
        "longer": dict(zip(("mean", "low", "high"), longer, strict=True)),
        "text_only": auc and dict(zip(("mean", "low", "high"), auc, strict=True)),
    }


NONE, REAL = _gap(-0.01, 0.02, False), _gap(0.2, 0.3, True)


@pytest.mark.parametrize(
    ("found", "case", "says"),
    [
        (_found(NONE), "none", "no gap: preference training is not expected to move anything"),
        (_found(REAL), "real", "a real gap in grounding"),
        (_found(_gap(0.01, 0.03, True)), "small", "a gap in grounding too small"),
        (_found(_gap(-0.3, -0.2, True)), "wrong", "the wrong way round"),
        (_found(_gap(-0.1, 0.2, False)), "unsure", "too few pairs"),
        (_found(None), "unknown", "nobody knows"),
        (
            _found(NONE, longer=(0.8, 0.7, 0.9)),
            "none",
            "no gap in grounding; a gap in length only, which is what would be learned",
        ),
        (_found(NONE, longer=(0.55, 0.51, 0.59)), "none", "no gap: "),
        (_found(NONE, auc=(0.8, 0.7, 0.9)), "none", "no gap in grounding; a gap in wording only"),
        (_found(NONE, auc=(0.56, 0.51, 0.6)), "none", "no gap: "),
        (
            _found(REAL, form=_gap(0.1, 0.2, True), longer=(0.2, 0.1, 0.3)),
            "real",
            "a real gap in grounding; besides, a gap in form and length",
        ),
        (_found(REAL, auc=(0.97, 0.9, 1)), "real", "can be learned without looking at a picture"),
    ],
)
def test_the_rule(found, case, says):
    assert grounding(found) == case
    assert verdict(found).startswith(says) or says in verdict(found)


def test_a_judge_speaks_where_no_truth_is_known():
    judged = {**_found(None), "judged": _gap(0.05, 0.11, True)}
    assert grounding(judged) == "small"
    judged["judged"] = _gap(0.1, 0.2, True)
    assert grounding(judged) == "real"
