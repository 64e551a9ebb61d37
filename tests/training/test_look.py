"""Looks at the world's own language model, which writes poems about scenes told in words."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from haiga import events
from haiga.batches.render import Branch, Rendered
from haiga.curation.groups import question
from haiga.errors import ModelError
from haiga.models import adapters
from haiga.models.adapters import load_stage, save_base
from haiga.models.assemble import assemble
from haiga.models.generate import generate
from haiga.objectives import OBJECTIVES, Loss, Objective
from haiga.recipe.schema import Stage, Watch
from haiga.records import Answer, Group, assistant
from haiga.rewards import Sample
from haiga.training import cadence
from haiga.training.forward import Forward, columns_named
from haiga.training.look import looked_at, looking, measured, watched
from haiga.training.parts import Material, vlm
from haiga.training.run import planned, settings_of, train_stage
from haiga.world.base import WEIGHTS
from haiga.world.poets import POETS, tags
from haiga.world.scenes import scene

ASK = "Write a haiku about this print: three lines of five, seven and five syllables."
LORA = ((".*lora_.*", 2e-2), (".*", "frozen"))


def group(number, task="haiku"):
    truth = scene(3, number)
    told = tags(truth, "en", np.random.default_rng(number))
    poem = POETS["haiku"](truth, "en", np.random.default_rng(number + 1))
    answers = (Answer((assistant(poem),)),)
    meta = {"scene": truth.to_dict()}
    id_, asked = f"g{number}/{task}", (question(0, ASK, told),)
    return Group(id_, asked, answers, task=task, cluster=f"c{number}", meta=meta)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    save_base(assemble(WEIGHTS / "tower", WEIGHTS / "language"), folder)
    return folder


def stage(objective="cross_entropy", **changed):
    given = {
        "tasks": ("haiku",),
        "pictures": False,
        "objective": {"name": objective},
        "adapter": {"r": 4, "alpha": 8.0},
        "trainable": LORA,
        "steps": 12,
        "batch": 8,
        "watch": {"every": 2, "pictures": 6},
    }
    return Stage.model_validate(given | changed)


def material(base, folder, chosen, emit=lambda event: None, held=8):
    return Material(
        stage=chosen,
        start=base,
        train=[group(number) for number in range(16)],
        validation=[group(100 + number) for number in range(held)],
        pictures={},
        features=folder / "features",
        references=folder / "references",
        seed=1,
        emit=emit,
    )


def first_look(base, folder, chosen):
    told = replace(material(base, folder, chosen), needs=frozenset())
    job = vlm(told)
    rows, _ = planned(chosen, job.train, job.validation)
    return job, looking(job, told, rows)(job.model, 0)


def test_a_look_counts_what_the_model_writes(base, tmp_path):
    chosen = stage(rejected="mismatched", objective="dpo")
    held = material(base, tmp_path, chosen).validation
    job, look = first_look(base, tmp_path, chosen)
    asked = [held[at] for at in (0, 1, 2, 4, 5, 6)]  # six of eight, evenly
    texts = generate(job.vlm, [each.prompt for each in asked], [[]] * 6, max_new_tokens=40)
    samples = [Sample(each, text) for each, text in zip(asked, texts, strict=True)]
    for name, value in measured(samples).items():
        assert getattr(look, name) == value, name
    assert look.answers == 6
    assert look.parsed == look.ended == 1.0  # it has learned to write poems
    assert look.named > 0.9

    chosen_rows = [row for row in job.validation if row.id in {each.id for each in asked}]
    batch = job.collate(chosen_rows, -1)
    with torch.no_grad():
        job.model.eval()
        logps = Forward(job.model, columns_named(["answer_logps"]), torch.float32)(batch)
    own = logps["answer_logps"].double()
    assert look.desirable == pytest.approx(float(own.mean()), abs=1e-3)
    assert look.spread == pytest.approx(float(own.std(correction=0)), abs=1e-3)
    assert look.gap is None  # nobody has given it another side
    assert look.kl == pytest.approx(0.0, abs=1e-3)  # a fresh adapter changes nothing


def test_a_look_leaves_no_trace(base, tmp_path):
    told = material(base, tmp_path, stage())
    job = vlm(told)
    job.model.train()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    look = looking(job, told, looked_at(job.validation, 32))
    assert look(job.model, 3) == look(job.model, 3)
    assert torch.equal(torch.rand(1), expected)
    assert job.model.training


def test_a_look_has_room_where_prompt_and_answer_just_fit(base, tmp_path):
    told = material(base, tmp_path, stage())
    job = vlm(told)
    rows = looked_at(job.validation, 6)
    longest = max(len(row.prefix) for row in rows)
    job.model.config.get_text_config().max_position_embeddings = longest + 3
    seen = []
    look = looking(job, replace(told, emit=seen.append), rows)(job.model, 0)
    assert look.ended < 1  # none has room for a poem
    assert look.answers == 6


def test_a_prompt_that_fills_a_models_positions_is_a_sentence(base, tmp_path):
    told = material(base, tmp_path, stage())
    job = vlm(told)
    rows = looked_at(job.validation, 6)
    job.model.config.get_text_config().max_position_embeddings = 5
    with pytest.raises(ModelError, match="do not fit in the model's 5 positions"):
        looking(job, told, rows)(job.model, 0)


def test_rows_of_a_small_micro_batch_are_looked_at_in_parts(base, tmp_path):
    told = material(base, tmp_path, stage(micro_batch=1))
    job = vlm(told)
    rows = looked_at(job.validation, 6)
    sizes = []

    def collate(rows, step):
        sizes.append(len(rows))
        return job.collate(rows, step)

    spied = replace(job, collate=collate)
    parts = looking(spied, told, rows)(job.model, 0)
    assert sizes == [4, 2]
    whole = looking(job, material(base, tmp_path, stage()), rows)(job.model, 0)
    assert (parts.parsed, parts.form, parts.words) == (whole.parsed, whole.form, whole.words)


def test_the_distance_from_the_start_is_seen(base, tmp_path):
    told = material(base, tmp_path, stage())
    job = vlm(told)
    look = looking(job, told, looked_at(job.validation, 32))
    for name, weight in job.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight.data, std=0.02)
    assert look(job.model, 1).kl > 0.1


def of_kind(seen, kind):
    return [event for event in seen if event["kind"] == kind]


def test_an_objective_that_ruins_the_writing_is_stopped_and_the_best_is_saved(
    base, tmp_path, monkeypatch
):
    def unlearn(token_logps):
        return Loss(token_logps.sum(), token_logps.numel())

    monkeypatch.setitem(OBJECTIVES, "unlearn", Objective(unlearn))
    folder, told = tmp_path / "stages" / "bad", material(base, tmp_path, stage("unlearn"))
    said = train_stage("bad", told, folder)
    seen = events.read(folder / "events.jsonl")
    (stopped,) = of_kind(seen, "stopped")
    looks = {event["step"]: event for event in of_kind(seen, "look")}
    assert stopped["step"] < 12
    assert said == stopped["text"]
    last, kept = looks[stopped["step"]], looks[stopped["kept"]]
    assert last["parsed"] <= 0.5 or last["variety"] <= 0.5 or last["form"] <= kept["form"] / 2
    assert not (folder / "resume").exists()

    saved = adapters.load(folder / "model", load_stage(base))
    asked = [told.validation[at] for at in (0, 1, 2, 4, 5, 6)]
    texts = generate(saved, [each.prompt for each in asked], [[]] * 6, max_new_tokens=40)
    samples = [Sample(each, text) for each, text in zip(asked, texts, strict=True)]
    for name, value in measured(samples).items():
        assert kept[name] == value, name


def test_a_healthy_stage_is_not_stopped(base, tmp_path):
    folder = tmp_path / "stages" / "good"
    told = material(base, tmp_path, stage(trainable=((".*lora_.*", 1e-3), (".*", "frozen"))))
    assert train_stage("good", told, folder) is None
    seen = events.read(folder / "events.jsonl")
    assert [event["step"] for event in of_kind(seen, "look")] == [0, 2, 4, 6, 8, 10, 12]
    assert of_kind(seen, "look")[-1]["desirable"] > of_kind(seen, "look")[0]["desirable"]


@pytest.mark.parametrize(("every", "steps"), [(None, [0, 3, 5]), (5, [0, 3, 5, 5])])
def test_people_read_what_the_looks_have_written(base, tmp_path, every, steps):
    """Nothing is written twice: samples of their own are for those who ask for them."""
    folder = tmp_path / "stages" / "read"
    chosen = stage("dpo", rejected="mismatched", steps=5, sample_every=every, watch={"every": 3})
    told = material(base, tmp_path, chosen)
    train_stage("read", told, folder)
    samples = of_kind(events.read(folder / "events.jsonl"), "sample")
    assert [sample["step"] for sample in samples] == [step for step in steps for _ in range(4)]
    wanted = {group.id: group.answers[0].text for group in told.validation}
    assert all(sample["reference"] == wanted[sample["id"]] for sample in samples)
    others = [sample["rejected"] for sample in samples]  # those of other groups
    assert all(text != sample["reference"] for text, sample in zip(others, samples, strict=True))
    assert set(others) <= set(wanted.values())
    assert all(sample["text"] for sample in samples[:4])


def test_a_look_beside_references_sees_both_sides(base, tmp_path):
    folder = tmp_path / "stages" / "dpo"
    told = material(base, tmp_path, stage("dpo", rejected="mismatched", steps=2))
    assert train_stage("dpo", told, folder) is None
    seen = events.read(folder / "events.jsonl")
    before, after = of_kind(seen, "look")
    held = of_kind(seen, "validation")[-1]
    assert after["gap"] > before["gap"]
    assert held["margin"] > 0
    assert after["kl"] > before["kl"] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("objective", "changed", "expected"),
    [
        ("dpo", {}, Watch()),
        ("grpo", {}, Watch()),
        ("nll", {}, Watch()),
        ("cross_entropy", {}, None),
        ("cross_entropy", {"watch": True}, Watch()),
        ("cross_entropy", {"watch": {"pictures": 3}}, Watch(pictures=3)),
        ("dpo", {"watch": False}, None),
        ("bradley_terry", {}, None),
        ("siglip", {"part": "tower"}, None),
        ("nll", {"part": "language"}, None),
    ],
)
def test_who_is_watched(objective, changed, expected):
    assert watched(stage(objective, **{"watch": None} | changed)) == expected


ROWS = [
    Rendered(str(at), (1,) * 20, (Branch((2,) * 10, (True,) * 10),), ("chosen",), ())
    for at in range(64)
]


@pytest.mark.parametrize(
    ("changed", "every"),
    [
        # 32 prompts of 20 + 10, a quarter of that again, and 11 * 10 written: 4720; a step reads
        # 8 * 30, three times over: 720. So a look is worth 6.6 steps, and a twentieth of 2400 steps
        # are 18 looks: the most are taken.
        ({"steps": 2400, "watch": None}, 200),
        ({"steps": 800, "watch": None}, 160),  # 6 looks, one of them before the first step
        ({"steps": 60, "watch": None}, 30),  # not one could be paid for; two are taken
        ({"steps": 400, "batch": 16, "watch": None}, 80),  # half as dear: 5 after the start
        ({"steps": 400, "watch": {"pictures": 16}}, 80),
        ({"steps": 60, "watch": {"every": 7}}, 7),
        ({"steps": 60, "watch": False}, 0),
    ],
)
def test_how_often(changed, every):
    settings = settings_of(stage("dpo", **changed), ROWS, ROWS, seed=0)
    assert settings.watch_every == every
    assert settings.watch_stops
    assert settings.keep == "last"


@pytest.mark.parametrize(
    ("held", "steps", "every"),
    [
        # 64 rows read cost 64 / (3 * 8) = 2.7 steps: a tenth of 240 steps are nine validations.
        (64, 240, 30),
        (64, 160, 27),  # 6
        (64, 60, 15),  # 2 could be paid for; four are taken
        (8, 60, 8),
        (64, 3, 1),
        (0, 60, 8),
    ],
)
def test_how_often_a_stage_is_validated(held, steps, every):
    settings = settings_of(stage("dpo", steps=steps), ROWS, ROWS[:held], seed=0)
    assert settings.validate_every == every
    set_by_hand = stage("dpo", steps=steps, validate_every=7)
    assert settings_of(set_by_hand, ROWS, ROWS[:held], seed=0).validate_every == 7


@pytest.mark.parametrize(
    ("changed", "pictures"),
    [
        ({"steps": 394, "watch": None}, 32),  # a twentieth is 19.7: three looks of 6.56
        ({"steps": 393, "watch": None}, 16),
        ({"steps": 20, "watch": None}, 16),  # there are no fewer
        ({"steps": 20, "watch": {"pictures": 5}}, 5),
        ({"steps": 20, "watch": {"every": 5}}, 32),  # who says when has said what it may cost
        ({"steps": 20, "watch": False}, 0),
    ],
)
def test_at_how_much(changed, pictures):
    rows, _ = planned(stage("dpo", **changed), ROWS, ROWS)
    assert len(rows) == pictures


def test_a_policys_step_writes_its_samples():
    rewarded = {"rewards": ({"name": "form"},), "samples": 4}
    # 8 prompts: learned from 3 * (20 + 40), written 20 + 11 * 40: 640 each.
    once = cadence.cost(stage("grpo", rollout=rewarded), ROWS[:32], ROWS)
    assert once == pytest.approx(4720 / (8 * 640))
    # A rollout of two epochs in four parts: an eighth of the writing, and a quarter of an epoch.
    more = rewarded | {"epochs": 2, "minibatches": 4}
    often = cadence.cost(stage("grpo", rollout=more), ROWS[:32], ROWS)
    assert often == pytest.approx(4720 / (8 * (180 / 4 + 460 / 8)))


@given(st.integers(1, 5000), st.floats(0.01, 100))
def test_all_looks_take_a_twentieth_unless_there_are_but_two_after_the_start(steps, cost):
    every = cadence.apart(steps, cost)
    later = -(-steps // every)  # the last one after the last step
    assert later <= 12
    assert later >= min(2, steps)
    assert later <= 2 or (1 + later) * cost <= steps / 20 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("changed", "held", "why"),
    [({"watch": False}, 8, "watch = false"), ({}, 0, "nothing is held out for validation")],
)
def test_a_stage_that_nobody_watches_says_so(base, tmp_path, changed, held, why):
    seen = []
    told = material(base, tmp_path, stage(**changed), seen.append, held)
    assert looking(vlm(told), told, []) is None
    assert seen[-1]["text"] == f"Nobody watches what this stage writes: {why}."


def test_form_is_of_poems_and_truth_of_what_is_known():
    poem = group(1).answers[0].text
    unknown = replace(group(1), meta={}, task="describe")
    assert measured([Sample(group(1), poem)])["form"] == 1.0
    assert measured([Sample(group(1), poem)])["named"] > 0
    told = measured([Sample(unknown, poem), Sample(unknown, "boat boat boat boat boat")])
    assert told["form"] is None
    assert told["named"] is None
    assert told["variety"] == pytest.approx((1 + 1 / 3) / 2)
