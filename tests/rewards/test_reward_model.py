import numpy as np
import pytest
import torch
from accelerate import PartialState
from reward_samples import POEM, sample

import tiny
from elsewhere import DEVICE, elsewhere
from haiga import rewards
from haiga.batches.features import Features
from haiga.errors import ModelError
from haiga.models import adapters, branches, device
from haiga.models.assemble import assemble
from haiga.models.features import encode_pictures
from haiga.models.pictures import open_picture
from haiga.models.score import add_score_head, scores_of
from haiga.records import IMAGE, Answer, Picture, assistant, user
from haiga.rewards import model as models
from haiga.rewards.model import reward_model
from haiga.world.printer import print_file
from haiga.world.scenes import scene

FILES = {f"p{at}": print_file(scene(9, at), 1)[0] for at in range(3)}
TEXTS = ["a boat", "a boat by the sea, and the moon over it", "the crane"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A base model, and a reward model on it, with a head drawn at random."""
    home = tmp_path_factory.mktemp("home")
    vlm = assemble(tiny.tiny_tower(home / "tower"), tiny.tiny_language_model(home / "language"))
    adapters.save_base(vlm, home / "base")
    vlm = adapters.load_stage(home / "base")
    vlm.model.requires_grad_(False)
    add_score_head(vlm.model)
    torch.nn.init.normal_(vlm.model.score.weight, generator=torch.Generator().manual_seed(3))
    adapters.save(vlm, home / "rm")
    return home


@pytest.fixture
def judge(home):
    models.opened.cache_clear()
    return str(home / "rm")


def seeing(text, picture="p0", *, data=FILES, **changes):
    prompt = (user(IMAGE, "\nDescribe it."),)
    given = sample(text, id=picture, pictures=(Picture(picture),), data=data)
    group = type(given.group)(
        **{name: getattr(given.group, name) for name in given.group.__slots__}
        | {"prompt": prompt} | changes
    )  # fmt: skip
    return type(given)(group, text, data)


def values(samples, judge, **options):
    return [each.value for each in reward_model(samples, model=judge, **options)]


def by_hand(home, text, picture):
    """The model's own forward on ids and pixels, and the head at the answer's closing marker."""
    vlm = adapters.load_stage(home / "rm")
    words = (
        "<|im_start|>user\n<|image_pad|>\nDescribe it.<|im_end|>\n"
        f"<|im_start|>assistant\n{text}<|im_end|>"
    )
    inputs = vlm.processor(text=[words], images=[open_picture(FILES[picture])], return_tensors="pt")
    with torch.no_grad():
        out = vlm.model.eval()(**inputs, output_hidden_states=True)
        return float(vlm.model.score(out.hidden_states[-1][0, -1]))


def test_the_reward_is_what_the_head_says_at_the_end_of_the_answer(home, judge):
    given = [(text, picture) for text in TEXTS for picture in ("p0", "p1")]
    found = values([seeing(*each) for each in given], judge)
    np.testing.assert_allclose(found, [by_hand(home, *each) for each in given], atol=1e-4)
    assert len(set(found)) == len(found)


def test_features_that_a_run_keeps_are_not_made_again(judge, tmp_path, monkeypatch):
    given = [seeing(text, picture) for text in TEXTS for picture in ("p0", "p1", "p2")]
    expected = values(given, judge)
    models.opened.cache_clear()
    opened = models.opened(judge)
    cache = Features.open(tmp_path, opened.eyes)
    cache.ensure(["p0", "p1"], FILES, lambda views: encode_pictures(opened.vlm, views))
    encoded = []

    def spy(vlm, views):
        encoded.append(len(views))
        return encode_pictures(vlm, views)

    monkeypatch.setattr("haiga.models.features.encode_pictures", spy)
    assert values(given, judge, features=str(tmp_path)) == pytest.approx(expected, abs=1e-5)
    assert values(given, judge, features=str(tmp_path)) == pytest.approx(expected, abs=1e-5)
    assert encoded[0] == 1  # p2 alone
    assert sum(encoded) == 1


def test_not_all_pictures_of_a_long_training_stay_in_memory(judge, monkeypatch):
    monkeypatch.setattr(models, "REMEMBERED", 1)
    given = [seeing("a boat", picture) for picture in ("p0", "p1", "p2")]
    first = values(given[:2], judge)
    assert values(given, judge)[:2] == pytest.approx(first, abs=1e-6)
    values(given[:1], judge)
    assert set(models.opened(judge).seen) == {"p0"}


def test_a_picture_is_encoded_once_and_a_prompt_is_read_once(judge, monkeypatch):
    rows = []
    plain = branches.hidden_states

    def spy(model, batch, *given, **options):
        rows.append(batch.input_ids.shape[0])
        return plain(model, batch, *given, **options)

    monkeypatch.setattr(branches, "hidden_states", spy)
    values([seeing(text, picture) for text in TEXTS for picture in ("p0", "p1")], judge)
    assert rows == [2]
    seen = models.opened(judge).seen
    first = seen["p0"]
    values([seeing("again"), seeing("a third", "p2")], judge)
    assert seen["p0"] is first
    assert set(seen) == {"p0", "p1", "p2"}


def test_many_prompts_are_read_a_few_at_a_time(judge, monkeypatch):
    samples = [seeing(text, f"p{at}") for at in range(3) for text in TEXTS]
    whole = values(samples, judge)
    monkeypatch.setattr(models, "GROUPS", 2)
    np.testing.assert_allclose(values(samples, judge), whole, atol=1e-5)


def test_a_prompt_without_a_picture_is_scored_beside_one_with(judge):
    mixed = values([sample("a boat"), seeing("a boat"), sample(POEM)], judge)
    apart = [values([each], judge)[0] for each in (sample("a boat"), seeing("a boat"))]
    np.testing.assert_allclose(mixed[:2], apart, atol=1e-5)


def test_centred_is_against_the_groups_own_chosen_answers(judge):
    own = (Answer((assistant("a boat"),)), Answer((assistant("the crane"),)))
    other = Answer((assistant("a bad one"),), kind="rejected")
    given = [seeing(text, answers=(*own, other)) for text in TEXTS]
    plain, centred = values(given, judge), values(given, judge, centred=True)
    np.testing.assert_allclose(centred, np.array(plain) - (plain[0] + plain[2]) / 2, atol=1e-5)
    assert centred[0] == pytest.approx(-centred[2], abs=1e-5)
    alone = reward_model([seeing("a", "p1", answers=(other,))], model=judge, centred=True)
    assert alone[0].value is None
    assert "no chosen answer" in alone[0].why


def test_answers_are_read_with_all_their_turns(judge):
    texts = [Answer((assistant(text),)) for text in TEXTS]
    turns = (assistant("a boat"), user("And?"), assistant("the crane"))
    groups = [
        seeing("", answers=(*texts, Answer(turns))).group,
        seeing("", "p1", answers=tuple(texts[:1])).group,
    ]  # fmt: skip
    first, second = models.answer_scores(groups, FILES, model=judge)
    plain = values([seeing(text) for text in TEXTS] + [seeing(TEXTS[0], "p1")], judge)
    found = [each.value for each in (*first[:3], *second)]
    np.testing.assert_allclose(found, plain, atol=1e-5)
    assert first[3].value not in found


def test_what_cannot_be_read_has_no_score_and_its_neighbours_have(judge):
    given = [
        seeing("a boat"), seeing("a boat<|im_end|>"), seeing("a boat", "gone"),
        seeing("<|image_pad|>"), seeing(""),
    ]  # fmt: skip
    scored = reward_model(given, model=judge)
    assert [each.value is None for each in scored] == [False, True, True, True, False]
    assert "control token '<|im_end|>'" in scored[1].why
    assert scored[2].why == "Picture gone is not at hand."
    assert values([], judge) == []


def test_white_space_around_a_text_is_neither_rewarded_nor_punished(judge):
    plain, spaced = values([seeing("a boat"), seeing("\n\n a boat \n")], judge)
    assert spaced == pytest.approx(plain, abs=1e-5)


def test_it_judges_on_the_accelerator_as_on_the_cpu(judge, monkeypatch):
    given = [seeing(text, picture) for text in TEXTS for picture in ("p0", "p1")]
    expected = values(given, judge, centred=True)
    models.opened.cache_clear()
    device.ranks()
    monkeypatch.setitem(PartialState._shared_state, "device", DEVICE)
    with elsewhere():
        found = values(given, judge, centred=True)
        assert models.opened(judge).vlm.model.device == DEVICE
    np.testing.assert_allclose(found, expected, atol=1e-5)
    models.opened.cache_clear()


def test_what_was_opened_can_be_let_go(judge):
    values([seeing("a boat")], judge)
    assert models.opened.cache_info().currsize == 1
    rewards.forget()
    assert models.opened.cache_info().currsize == 0


def test_a_model_that_has_learned_no_rewards_is_refused(home):
    with pytest.raises(ModelError, match=r"base is no reward model.*bradley_terry"):
        reward_model([sample()], model=str(home / "base"))
    with pytest.raises(ModelError, match="nowhere"):
        reward_model([sample()], model=str(home / "nowhere"))


def test_scores_keep_the_heads_precision_where_products_are_made_in_less(home):
    model = adapters.load_stage(home / "rm").model
    hidden = 9 * torch.randn(1, 5, model.config.get_text_config().hidden_size)
    with torch.no_grad():
        told = scores_of(model, hidden, torch.arange(5))
        with torch.autocast("cpu", torch.bfloat16):
            again = scores_of(model, hidden, torch.arange(5))
    assert torch.equal(again, told)
    assert told.abs().max() > 1
