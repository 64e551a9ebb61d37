from dataclasses import replace

import pytest
import torch

import tiny
from haiga.batches.groups import collate
from haiga.batches.render import Branch, Rendered
from haiga.models import adapters
from haiga.models.assemble import assemble
from haiga.training.forward import Forward, columns_for
from haiga.training.references import (
    answer_keys,
    as_it_started,
    known_answers,
    model_key,
    of_rows,
    starting_copy,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return (
        tiny.tiny_tower(tmp_path_factory.mktemp("tower")),
        tiny.tiny_language_model(tmp_path_factory.mktemp("lm")),
    )


@pytest.fixture
def vlm(folders):
    return adapters.attach(assemble(*folders), r=2, alpha=4)


def row(number):
    answers = tuple(Branch((number + 5, 7, k + 1), (True, True, k == 0)) for k in range(2))
    return Rendered(f"r{number}", (1, 2, 3 + number), answers, ("chosen", "rejected"), ())


ROWS = [row(number) for number in range(5)]


def references(vlm, rows, file, batch=2):
    seen = []
    known = known_answers(
        vlm.model,
        rows,
        lambda part: collate(part, 0),
        file,
        batch=batch,
        dtype=torch.float32,
        progress=lambda done, total: seen.append((done, total)),
    )
    return known, seen


def logps(vlm, rows):
    def wanted(answer_logps): ...

    return Forward(vlm.model, columns_for(wanted), torch.float32)(collate(rows, 0))["answer_logps"]


def change(vlm):
    for name, weight in vlm.model.named_parameters():
        if "lora_B" in name or "multi_modal_projector" in name:
            weight.data.add_(0.3)


def test_they_are_what_the_model_says_before_its_first_step(vlm, tmp_path):
    known, _ = references(vlm, ROWS, tmp_path / "r.jsonl")
    torch.testing.assert_close(of_rows(known, ROWS), logps(vlm, ROWS).detach())
    assert not of_rows(known, ROWS).requires_grad


def test_what_is_on_disk_is_not_computed_again(vlm, tmp_path):
    file = tmp_path / "r.jsonl"
    known, seen = references(vlm, ROWS[:3], file)
    assert seen == [(2, 3), (3, 3)]
    with file.open("a") as lines:
        lines.write('["cut by a cra')
    change(vlm)  # so that computing again would show
    again, seen = references(vlm, ROWS, file)
    assert seen == [(2, 2)]
    assert {key: again[key] for key in known} == known
    once_more, seen = references(vlm, ROWS, file)  # what came behind the cut line can be read
    assert (once_more, seen) == (again, [])


def test_pairs_that_share_a_side_have_the_other_computed_alone(vlm, tmp_path):
    """DPO after KTO on the same pairs, or on the same chosen answers, reads nothing twice."""
    file = tmp_path / "r.jsonl"
    known, _ = references(vlm, ROWS, file)
    change(vlm)  # so that computing again would show
    other = Branch((9, 8, 7), (True, True, True))
    rows = [replace(each, answers=(other, each.answers[0])) for each in ROWS]
    again, seen = references(vlm, rows, file)
    assert {key: again[key] for key in known} == known
    assert seen[-1] == (5, 5)
    with torch.no_grad():
        fresh = logps(vlm, [replace(each, answers=(other,)) for each in ROWS])
    torch.testing.assert_close(of_rows(again, rows)[::2], fresh)
    assert of_rows(again, rows)[1::2].tolist() == of_rows(known, ROWS)[::2].tolist()
    assert len(file.read_text().splitlines()) == 15


def test_the_same_row_twice_is_read_once(vlm, tmp_path):
    _, seen = references(vlm, [*ROWS, *ROWS], tmp_path / "r.jsonl", batch=5)
    assert seen == [(5, 5)]


def test_an_answer_is_known_by_its_tokens_not_by_its_name():
    assert answer_keys(replace(ROWS[0], id="other")) == answer_keys(ROWS[0])
    strangers = answer_keys(replace(ROWS[0], picture_ids=("p",)))
    assert not set(strangers) & set(answer_keys(ROWS[0]))
    assert len({key for row in ROWS for key in answer_keys(row)}) == 10


def test_the_adapter_is_no_part_of_the_model_that_it_starts_from(vlm):
    before = model_key(vlm.model, "float32")
    for name, weight in vlm.model.named_parameters():
        if "lora_B" in name:
            weight.data.add_(0.3)
    assert model_key(vlm.model, "float32") == before != model_key(vlm.model, "bfloat16")
    assert model_key(vlm.model, "float32", "cropped") != model_key(vlm.model, "float32", "padded")


def test_the_model_as_it_started_is_there_again_after_it_has_learned(vlm):
    for name, weight in vlm.model.named_parameters():
        weight.requires_grad_("lora_" in name or "language_model.norm" in name)
    before = logps(vlm, ROWS).detach()
    start = starting_copy(vlm.model)
    assert [name.rsplit(".", 2)[-2:] for name in start] == [["norm", "weight"]]
    with torch.no_grad():
        for name, weight in vlm.model.named_parameters():
            if weight.requires_grad and "lora_A" not in name:
                weight.add_(0.3)
    learned = logps(vlm, ROWS).detach()
    assert not torch.allclose(learned, before)
    with as_it_started(vlm.model, start), torch.no_grad():
        torch.testing.assert_close(logps(vlm, ROWS), before)
    torch.testing.assert_close(logps(vlm, ROWS).detach(), learned, rtol=0, atol=0)


def test_what_the_rules_froze_of_an_adapter_stays_frozen(vlm):
    for name, weight in vlm.model.named_parameters():
        weight.requires_grad_("lora_B" in name)
    before = {name for name, weight in vlm.model.named_parameters() if weight.requires_grad}
    with as_it_started(vlm.model, {}), torch.no_grad():
        logps(vlm, ROWS)
    assert {n for n, weight in vlm.model.named_parameters() if weight.requires_grad} == before
