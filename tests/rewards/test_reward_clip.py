import numpy as np
import pytest
from reward_samples import sample

from haiga.errors import ModelError
from haiga.models.pictures import open_picture
from haiga.models.towers import load_towers, picture_embeds, text_embeds
from haiga.records import Picture
from haiga.rewards.clip import clip, opened
from haiga.world.base import WEIGHTS
from haiga.world.poets import POETS
from haiga.world.printer import print_file
from haiga.world.scenes import scene

TOWER = str(WEIGHTS / "tower")
SCENES = [scene(9, index) for index in range(12)]
FILES = {each.id: print_file(each, 1)[0] for each in SCENES}


def samples(texts, ids):
    return [
        sample(text, pictures=tuple(Picture(id) for id in names), data=FILES)
        for text, names in zip(texts, ids, strict=True)
    ]


def values(*given):
    return [each.value for each in clip(samples(*given), model=TOWER)]


def test_the_reward_is_the_cosine_of_text_and_picture():
    ids = [each.id for each in SCENES[:2]]
    texts = ["a boat by the sea", "a cat", "a cat"]
    towers = load_towers(TOWER)
    seen = picture_embeds(towers, [open_picture(FILES[id]) for id in ids])
    cosines = (text_embeds(towers, texts[:2]) @ seen.T).numpy()
    found = values(texts, [ids[:1], ids[1:], ids])
    expected = [cosines[0, 0], cosines[1, 1], cosines[1].mean()]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("voice", "least"), [("describe", 0.9), ("haiku", 0.6)])
def test_words_on_the_picture_are_nearer_than_words_on_another(voice, least):
    texts = [POETS[voice](each, "en", np.random.default_rng(i)) for i, each in enumerate(SCENES)]
    ids = [[each.id] for each in SCENES]
    own, other = values(texts, ids), values([*texts[1:], texts[0]], ids)
    assert np.mean(np.array(own) > np.array(other)) >= least


def test_a_picture_is_looked_at_once():
    opened.cache_clear()
    values(["a", "b", "c"], [[SCENES[0].id]] * 3)
    _, seen = opened(TOWER)
    first = seen[SCENES[0].id]
    values(["d", "e"], [[SCENES[0].id], [SCENES[1].id]])
    assert seen[SCENES[0].id] is first
    assert set(seen) == {SCENES[0].id, SCENES[1].id}


def test_a_sample_whose_picture_is_not_to_be_had_has_no_score_and_its_neighbours_have():
    good = SCENES[0].id
    given = samples(["a"] * 4, [["gone"], [good], [], [good, "torn"]])
    torn = {**FILES, "torn": FILES[good][:200]}
    given[3] = sample("a", pictures=given[3].group.pictures, data=torn)
    scored = clip(given, model=TOWER)
    assert [each.value is None for each in scored] == [True, False, True, True]
    assert [scored[at].why for at in (0, 2)] == [
        "Picture gone is not at hand.", "It is on no picture.",
    ]  # fmt: skip
    assert scored[3].why.startswith("Picture torn is")


def test_a_checkpoint_without_two_towers_is_refused():
    with pytest.raises(ModelError, match="has not a tower for pictures"):
        clip([sample()], model=str(WEIGHTS / "language"))
