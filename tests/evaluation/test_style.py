import numpy as np
import pytest

from haiga.errors import ModelError
from haiga.evaluation.checks import Part
from haiga.evaluation.conditions import Item
from haiga.evaluation.style import style_check
from haiga.records import user
from haiga.rewards.critic import fit, probabilities, save
from haiga.world.poets import POETS
from haiga.world.scenes import scene

STYLES = ("haiku", "noir", "museum")


def texts(style, world, count=24):
    rng = np.random.default_rng((world, 7))
    return [POETS[style](scene(world, at), "en", rng) for at in range(count)]


@pytest.fixture(scope="module")
def critic(tmp_path_factory):
    made = [(text, style, str(at)) for style in STYLES for at, text in enumerate(texts(style, 3))]
    fitted = fit(*(list(column) for column in zip(*made, strict=True)), seed=1)
    path = tmp_path_factory.mktemp("critics") / "evaluating.safetensors"
    save(fitted, path)
    return path, fitted


def item(task="noir", **changes):
    return Item(id="1", prompt=(user("Write."),), task=task, **changes)


def test_an_answer_counts_as_far_as_it_is_in_the_style_of_its_task(critic):
    path, fitted = critic
    answers = [texts("noir", 5, 1)[0], texts("haiku", 5, 1)[0]]
    parts = style_check(path).score([item(), item()], answers)
    own = probabilities(fitted, answers)[:, fitted.styles.index("noir")]
    assert [part.numerator for part in parts] == pytest.approx(own.tolist())
    assert parts[0].numerator > 0.5 > parts[1].numerator
    assert {part.denominator for part in parts} == {1.0}


def test_what_cannot_be_read_has_no_style_and_stays_in_the_denominator(critic):
    check = style_check(critic[0])
    noir = texts("noir", 5, 1)[0]
    given = [(item("haiku"), noir), (item(), ""), (item(), noir + "<|im_end|>")]
    assert check.score(*zip(*given, strict=True)) == [Part(0.0)] * 3


def test_it_applies_where_the_critic_knows_the_style(critic):
    check = style_check(critic[0])
    noir = texts("noir", 5, 1)[0]
    assert check.score([item("title"), item("")], [noir, noir]) == [None, None]
    told = item("title", truth={"style": "noir"})
    assert check.score([told], [noir]) == check.score([item()], [noir])
    assert check.score([], []) == []


def test_a_file_that_is_no_critic_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be read as a style critic"):
        style_check(tmp_path / "nothing")
