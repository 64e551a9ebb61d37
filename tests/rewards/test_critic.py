import json
import pickle

import numpy as np
import pytest
from reward_samples import sample
from safetensors.numpy import load_file, save_file

from haiga.errors import DataError, ModelError
from haiga.rewards import critic as critics
from haiga.rewards.critic import (
    NO_STYLE,
    fit,
    load,
    probabilities,
    save,
    shared_clusters,
    spoiled,
    temperature_of,
    twins,
)
from haiga.rewards.reliability import (
    calibration_error,
    macro_f1,
    reliability,
    reliability_curve,
    style_scores,
)
from haiga.rewards.style import style
from haiga.world.poets import POETS
from haiga.world.scenes import scene

STYLES = ("haiku", "noir", "describe", "museum", "bare")
TOLD_APART = ("haiku", "noir", "describe", "museum")


def texts_of(styles, language="en", world=3, count=60):
    """Texts, styles and clusters: each style on each of `count` scenes."""
    rows = [
        (
            POETS[name](scene(world, i), language, np.random.default_rng((world, i, at))),
            name,
            str(i),
        )
        for i in range(count)
        for at, name in enumerate(styles)
    ]
    return tuple(list(column) for column in zip(*rows, strict=True))


@pytest.fixture(scope="module")
def critic():
    return fit(*texts_of(TOLD_APART), seed=1)


def test_probabilities_are_shares_of_the_styles_and_of_none(critic):
    texts, styles, _ = texts_of(TOLD_APART, world=4, count=40)
    shares = probabilities(critic, texts)
    assert critic.styles == ("", "describe", "haiku", "museum", "noir")
    assert shares.shape == (160, 5)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert np.mean([critic.styles[at] for at in shares.argmax(axis=1)] == np.array(styles)) > 0.97
    assert probabilities(critic, []).shape == (0, 5)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "…", "alibi alibi alibi alibi", "autumn autumn autumn\nautumn autumn", "qwj xkcd",
     "moon\nmoon\nmoon", "俳句", "match the I lit alibi guilty was"],
)  # fmt: skip
def test_what_is_in_no_style_pays_in_none(critic, text):
    shares = dict(zip(critic.styles, probabilities(critic, [text])[0], strict=True))
    assert max(shares, key=shares.get) == NO_STYLE
    assert shares["haiku"] < 0.4


def test_without_broken_texts_an_empty_one_would_be_a_poem(critic, monkeypatch):
    monkeypatch.setattr(critics, "spoiled", lambda text, rng: "0 1 2 3 4 5")
    shares = probabilities(fit(*texts_of(TOLD_APART), seed=1), [""])
    assert shares[0, critic.styles.index("haiku")] > 0.5


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_poet_is_told_from_another_as_far_as_words_go(language):
    # A bare poem is a haiku whose thing is false or whose count is off, half of the time: the
    # words of that half tell nothing, so that no honest critic is right or sure everywhere.
    made = fit(*texts_of(STYLES, language, count=100), seed=1)
    found = reliability(made, *texts_of(STYLES, language, world=4, count=150), seed=1)
    assert 0.75 < found.f1.low < found.f1.mean < found.f1.high < 0.97
    assert found.f1.n == found.accuracy.n == 750
    assert found.calibration_error.mean < 0.05
    assert found.ceiling["noir"].mean > 0.9
    assert 0.5 < found.ceiling["haiku"].mean < 0.9


def test_the_temperature_of_logits_that_are_thrice_too_large_is_three():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5000, 4)) * 2
    truth = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # drawn by their softmax
    assert temperature_of(3 * logits, truth) == pytest.approx(3, rel=0.08)
    assert temperature_of(logits / 2, truth) == pytest.approx(0.5, rel=0.08)


def test_the_temperature_of_faultless_logits_is_that_of_one_text_more():
    # 50 texts of each of two styles, all right by 7: the best probability is 51/52, the odds 51.
    truth = np.repeat([0, 1], 50)
    logits = np.where(np.arange(2) == truth[:, None], 7.0, 0.0)
    assert temperature_of(logits, truth) == pytest.approx(7 / np.log(51), rel=1e-3)


def test_temperature_calibrates():
    """Told that it is surer than it is, a critic errs more."""
    made = fit(*texts_of(STYLES, count=100), seed=1)
    held_out = texts_of(STYLES, world=4, count=150)
    error = reliability(made, *held_out).calibration_error.mean
    for temperature in (0.2, 5.0):
        off = type(made)(**{**vars(made), "temperature": made.temperature * temperature})
        assert reliability(off, *held_out).calibration_error.mean > error + 0.03


def test_a_broken_text_keeps_its_layout():
    rng = np.random.default_rng(0)
    text = "autumn on the sea\nthe moon — it is late"
    broken = {spoiled(text, rng) for _ in range(300)}
    lines = {each for each in broken if each.count("\n") == 1 and each.count(" — ") == 1}
    assert "moon moon moon moon\nmoon moon — moon moon moon" in lines
    assert any(sorted(each.split()) == sorted(text.split()) and each != text for each in lines)
    assert {"", "autumn"} <= broken - lines
    assert {spoiled("", rng) for _ in range(20)} == {""}


def test_two_fits_are_one_and_another_seed_is_another():
    given = texts_of(TOLD_APART, count=30)
    one, same, other = fit(*given, seed=1), fit(*given, seed=1), fit(*given, seed=2)
    np.testing.assert_array_equal(one.weights, same.weights)
    assert one.temperature == same.temperature
    assert not np.array_equal(one.weights, other.weights)


def test_a_saved_critic_says_the_same(critic, tmp_path):
    save(critic, tmp_path / "critic.safetensors")
    again = load(tmp_path / "critic.safetensors")
    texts = [*texts_of(TOLD_APART, world=5)[0], "", "two\nlines", "俳句"]
    np.testing.assert_array_equal(probabilities(again, texts), probabilities(critic, texts))
    assert (again.styles, again.temperature) == (critic.styles, critic.temperature)
    assert shared_clusters(again, critic) == 60
    save(again, tmp_path / "twice.safetensors")
    first, second = (tmp_path / name for name in ("critic.safetensors", "twice.safetensors"))
    assert first.read_bytes() == second.read_bytes()


def changed(critic, path, **facts):
    save(critic, path)
    arrays = load_file(path)
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        written = json.loads(file.metadata()["critic"]) | facts
    for name in list(arrays):
        if name in facts:
            arrays[name] = written.pop(name)
    save_file(arrays, path, metadata={"critic": json.dumps(written)})


@pytest.mark.parametrize(
    "facts",
    [
        {"styles": ["", "haiku", "museum", "noir"]},
        {"styles": ["", "haiku", "museum", "noir", "noir"]},
        {"styles": ["", "haiku", "museum", "noir", 4]},
        {"grams": {"words": ["a"], "characters": ["b"]}},
        {"grams": {"words": None}},
        {"grams": {"letters": ["a"]}},
        {"grams": []},
        {"temperature": 0.0},
        {"temperature": "1"},
        {"weights": np.full((3, 5), 1.0)},
        {"bias": np.full(5, np.nan)},
        {"bias": np.full(6, 1.0)},
    ],
)
def test_a_critic_whose_parts_do_not_fit_is_refused(critic, tmp_path, facts):
    changed(critic, tmp_path / "odd", **facts)
    with pytest.raises(ModelError, match=r"odd cannot be read as a style critic: .*Fit it again"):
        load(tmp_path / "odd")


def test_a_file_is_data_and_nothing_in_it_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("It was run.",))

    contents = {
        "pickle": pickle.dumps(Trap()), "empty": b"", "text": b"[]",
        "deep": b"\x40\x9c\x00\x00\x00\x00\x00\x00" + b"[" * 40_000,
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=name):
            load(tmp_path / name)
    save_file({"weights": np.zeros(1)}, tmp_path / "other")
    with pytest.raises(ModelError, match="'critic'"):
        load(tmp_path / "other")
    with pytest.raises(ModelError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_twins_share_no_picture_and_nothing_is_lost():
    texts, styles, clusters = texts_of(TOLD_APART, count=41)
    one, other = twins(clusters, seed=3)
    assert sorted([*one, *other]) == list(range(len(texts)))
    assert (len(one), len(other)) == (21 * 4, 20 * 4)
    assert not {clusters[at] for at in one} & {clusters[at] for at in other}
    assert (one, other) == twins(clusters, seed=3) != twins(clusters, seed=4)

    def made(places):
        return fit(*([column[at] for at in places] for column in (texts, styles, clusters)))

    halves = made(one), made(other)
    assert shared_clusters(*halves) == 0
    assert shared_clusters(halves[0], halves[0]) == 21


@pytest.mark.parametrize(
    ("styles", "sentence"),
    [
        (["noir"] * 12, "there is only noir"),
        ([], "there is only none"),
        (["noir"] * 8 + ["haiku"] * 4, "5 pictures or more in each style: 'haiku' has 4"),
        (["noir"] * 6 + [""] * 6, "A text has no style"),
    ],
)
def test_what_a_critic_cannot_be_made_of(styles, sentence):
    texts = [f"some words {at}" for at in range(len(styles))]
    with pytest.raises(DataError, match=sentence):
        fit(texts, styles)


def test_texts_of_one_picture_are_one():
    with pytest.raises(DataError, match="'haiku' has 1"):
        fit(
            ["some words"] * 24,
            ["noir", "haiku"] * 12,
            ["" if i % 2 else str(i) for i in range(24)],
        )


def test_macro_f1_by_hand():
    # haiku: 2 right, 1 missed, 1 too many: 4/6; noir: 1 right, 1 missed, 0 too many: 2/3;
    # the third, called once and never true, has no F1 of its own.
    truth = np.array([0, 0, 0, 1, 1])
    called = np.array([0, 0, 2, 1, 0])
    assert macro_f1(called, truth).mean == pytest.approx((4 / 6 + 2 / 3) / 2)
    perfect = macro_f1(truth, truth)
    assert (perfect.mean, perfect.high) == (1, 1)
    assert perfect.low == pytest.approx(0.566, abs=1e-3)  # Wilson, 5 of 5


def test_the_interval_of_f1_covers_what_is_true():
    """A critic that errs on a tenth of each style: F1 is 0.9; 95 % intervals hold it."""
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        truth = np.arange(120) % 2
        called = np.where(rng.random(120) < 0.1, 1 - truth, truth)
        score = macro_f1(called, truth, seed=seed)
        covered += score.low <= 0.9 <= score.high
    assert 0.90 <= covered / 200 <= 0.99


def test_calibration_error_is_the_mean_distance_over_the_bins():
    confidence = np.array([0.62, 0.68, 0.95, 1.0, 0.3])
    right = np.array([True, False, True, True, False])
    # Bins 0.6: |0.5 - 0.65| of 2; 0.9: |1 - 0.975| of 2; 0.3: |0 - 0.3| of 1.
    found = calibration_error(confidence, right)
    assert found.mean == pytest.approx((2 * 0.15 + 2 * 0.025 + 0.3) / 5)
    curve = reliability_curve(confidence, right)
    again = sum(each.n * abs(each.accuracy - each.confidence) for each in curve) / 5
    assert found.mean == pytest.approx(again)
    assert (found.n, found.low) == (5, 0)


@pytest.mark.parametrize(("off", "error"), [(0.0, 0.0), (0.2, 0.2)])
def test_the_interval_of_the_calibration_error_covers_what_is_true(off, error):
    rng = np.random.default_rng(0)
    low, high = [], []
    for seed in range(40):
        confidence = rng.uniform(0.55, 0.95, 400)
        right = rng.random(400) < confidence - off
        found = calibration_error(confidence, right, seed=seed)
        low.append(found.low <= error + 0.02)
        high.append(error <= found.high)
    assert np.mean(low) > 0.85
    assert np.mean(high) > 0.85


def test_reliability_curve_by_hand():
    confidence = np.array([0.62, 0.68, 0.95, 1.0, 0.3])
    right = np.array([True, False, True, True, False])
    low, middle, high = reliability_curve(confidence, right)
    assert (low.confidence, low.accuracy, low.n) == (0.3, 0, 1)
    assert (middle.confidence, middle.accuracy, middle.n) == (pytest.approx(0.65), 0.5, 2)
    assert (high.confidence, high.accuracy, high.n) == (pytest.approx(0.975), 1, 2)


def test_style_scores_tell_the_style_that_was_meant(critic):
    texts, styles, clusters = texts_of(TOLD_APART, world=4, count=30)
    own = style_scores(critic, texts, styles, clusters)
    wrong = style_scores(
        critic, texts, [{"haiku": "noir", "noir": "haiku"}.get(s, s) for s in styles]
    )
    assert list(own) == ["describe", "haiku", "museum", "noir"]
    assert min(own["haiku"].low, own["noir"].low) > 0.75 > 0.1 > wrong["noir"].high
    assert own["noir"].n == 30
    with pytest.raises(
        DataError, match=r"no style 'gothic'; it knows: describe, haiku, museum, noir\."
    ):
        style_scores(critic, texts[:1], ["gothic"])
    with pytest.raises(DataError, match="there are none"):
        reliability(critic, [], [])


def test_the_reward_is_the_probability_of_the_style_that_was_asked_for(critic, tmp_path):
    path = tmp_path / "critic.safetensors"
    save(critic, path)
    texts, styles, _ = texts_of(TOLD_APART, world=4, count=3)
    samples = [sample(text, task=name) for text, name in zip(texts, styles, strict=True)]
    scored = style(samples, critic=str(path))
    shares = probabilities(critic, texts)
    assert [each.value for each in scored] == [
        row[critic.styles.index(name)] for row, name in zip(shares, styles, strict=True)
    ]
    noir = style(samples, critic=str(path), style="noir")
    assert noir[0].value < 0.1 < noir[1].value
    odd = style(
        [sample(task="title"), sample(task=""), sample(task="title", meta={"style": "noir"})],
        critic=str(path),
    )
    assert [each.value is None for each in odd] == [True, True, False]
    assert "no style 'title'; it knows: describe, haiku, museum, noir" in odd[0].why
    assert style([], critic=str(path)) == []
    with pytest.raises(ModelError, match="elsewhere"):
        style(samples, critic=str(tmp_path / "elsewhere"))
