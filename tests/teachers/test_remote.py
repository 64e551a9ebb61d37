"""Both remote teachers against providers on loopback that answer as the real ones do."""

import io
import json

import pytest
from PIL import Image

from haiga.errors import BusyError, RecipeError, TeacherError
from haiga.recipe.bind import bind
from haiga.teachers import TEACHERS, Request, http
from haiga.teachers.client import Pace, text_of
from providers import KEY, Reply, chat, claude, fault, page, served, shown

SCHEMA = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}


def picture(width: int, height: int, form: str = "PNG", turned: bool = False) -> bytes:
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    exif[0x010E] = "a place"
    buffer = io.BytesIO()
    image.save(buffer, form, exif=exif)
    return buffer.getvalue()


def question(**fields) -> Request:
    return Request(**{"task": "haiku", "prompt": "A haiku.", "language": "en", **fields})


def teacher(name: str, url: str, **options):
    own = {
        "anthropic": {"model": "claude-haiku-5-5", "max_dollars": 1.0, "base_url": url},
        "openai_compatible": {"model": "gpt-6-luna", "base_url": f"{url}/v1"},
    }
    return TEACHERS[name](**{**own[name], **options})


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


BOTH = pytest.mark.parametrize(
    ("name", "good"), [("anthropic", claude("a poem")), ("openai_compatible", chat("a poem"))]
)


def test_claude_is_asked_as_its_api_wants_it():
    with served(claude("old pond")) as provider:
        claude_ = teacher("anthropic", provider.url, effort="low", max_tokens=64)
        request = question(pictures=(picture(1792, 448),), system="Be brief.", schema=SCHEMA)
        response = claude_.ask(request)
    (asked,), (headers,) = provider.asked, provider.headers
    assert provider.paths == ["/v1/messages"]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["anthropic-version"] == "2026-10-21"
    image, text = asked["messages"][0]["content"]
    assert text == {"type": "text", "text": "A haiku."}
    assert image["source"]["media_type"] == "image/jpeg"
    assert image["transformations"] == {"oversized_image": "error"}
    assert shown(image["source"]["data"]).size == (896, 224)
    del asked["messages"]
    assert asked == {
        "model": "claude-haiku-5-5",
        "max_tokens": 64,
        "system": "Be brief.",
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    }
    assert (response.text, response.stop) == ("old pond", "end")
    assert (response.tokens_in, response.tokens_out) == (1100, 40)
    assert response.model == "claude-haiku-5-5-20261015"


def test_a_chat_is_asked_as_servers_want_it():
    with served(chat("old pond")) as provider:
        local = teacher("openai_compatible", provider.url, temperature=0.5, max_tokens=64)
        request = question(pictures=(picture(600, 300),), system="Be brief.", schema=SCHEMA, seed=3)
        response = local.ask(request)
    (asked,), (headers,) = provider.asked, provider.headers
    assert provider.paths == ["/v1/chat/completions"]
    assert headers["authorization"] == f"Bearer {KEY}"
    system, user = asked.pop("messages")
    assert system == {"role": "system", "content": "Be brief."}
    address = user["content"][0]["image_url"]["url"]
    assert address.startswith("data:image/jpeg;base64,")
    assert shown(address).size == (600, 300)  # never enlarged
    assert user["content"][1] == {"type": "text", "text": "A haiku."}
    wanted = {"name": "haiku", "schema": SCHEMA, "strict": True}
    assert asked == {
        "model": "gpt-6-luna",
        "max_tokens": 64,
        "temperature": 0.5,
        "seed": 3,
        "response_format": {"type": "json_schema", "json_schema": wanted},
    }
    assert (response.tokens_in, response.tokens_out) == (1000, 30)
    assert (response.tokens_cached, response.tokens_written) == (200, 700)


def test_openais_own_models_are_told_how_much_to_reason_and_to_keep_nothing():
    """What OpenAI keeps by itself of GPT-5.6 and later costs a quarter more."""
    with served(chat("old pond")) as provider:
        gpt = TEACHERS["openai"](
            model="gpt-6-luna",
            max_dollars=1.0,
            reasoning_effort="none",
            temperature=0.5,
            max_tokens=64,
            base_url=f"{provider.url}/v1",
        )
        assert gpt.ask(question(seed=3)).text == "old pond"
    (asked,) = provider.asked
    del asked["messages"]
    assert asked == {
        "model": "gpt-6-luna",
        "max_completion_tokens": 64,
        "temperature": 0.5,
        "reasoning_effort": "none",
        "prompt_cache_options": {"mode": "explicit"},
        "seed": 3,
    }
    assert provider.paths == ["/v1/chat/completions"]
    assert (gpt.local, gpt.key, gpt.max_dollars) == (False, "OPENAI_API_KEY", 1.0)
    assert gpt.tokens_in(question(pictures=(picture(256, 256),))) == 77


def test_openai_behind_its_address_is_asked_the_same_way(monkeypatch):
    bodies = []
    answer = json.loads(chat("yes").body)
    monkeypatch.setattr(http, "post", lambda url, body, *_: bodies.append(body) or answer)
    openai = {"base_url": "https://api.openai.com/v1", "max_tokens": 9}
    for model in ("gpt-6-luna", "gpt-5.4"):
        TEACHERS["openai_compatible"](model=model, **openai).ask(question())
    new, old = bodies
    assert "max_tokens" not in new
    assert new["max_completion_tokens"] == old["max_completion_tokens"] == 9
    assert new["prompt_cache_options"] == {"mode": "explicit"}
    assert "prompt_cache_options" not in old  # models before know no such option


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<think>A boat?\nYes.</think>\n\nold pond", "old pond"),
        ("A boat? Yes.</think>old pond", "old pond"),  # opened in the prompt
        ("<think>A boat, a", ""),
        ("old <pond>", "old <pond>"),
    ],
)
def test_what_a_server_leaves_of_a_thought_is_not_the_answer(content, said):
    with served(chat(content)) as provider:
        assert teacher("openai_compatible", provider.url).ask(question()).text == said


def test_a_server_on_this_machine_needs_no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with served(chat("yes")) as provider:
        assert teacher("openai_compatible", provider.url).ask(question()).text == "yes"
    assert "authorization" not in provider.headers[0]


def test_a_picture_is_sent_upright_and_says_nothing_else():
    with served(claude("yes")) as provider:
        data = picture(200, 100, "JPEG", turned=True)
        teacher("anthropic", provider.url, side=100).ask(question(pictures=(data,)))
    sent = shown(provider.asked[0]["messages"][0]["content"][0]["source"]["data"])
    assert (sent.format, sent.size, dict(sent.getexif())) == ("JPEG", (50, 100), {})


@BOTH
def test_a_picture_that_cannot_be_read_is_never_left_out(name, good):
    with served(good) as provider, pytest.raises(TeacherError, match="cannot be shown"):
        teacher(name, provider.url).ask(question(pictures=(b"no picture",)))
    assert provider.asked == []


@pytest.mark.parametrize(
    ("reply", "stop", "says"),
    [
        (claude("", "refusal"), "refusal", "refused to answer"),
        (claude("old po", "max_tokens", (10, 3)), "length", "cut off after 3 tokens, its thinking"),
        (claude("old po", "pause_turn"), "pause_turn", "before its end \\('pause_turn'\\)"),
        (claude(""), "end", "answered with nothing"),
        (chat(None, refusal="I cannot."), "refusal", "refused to answer"),
        (chat("", "content_filter"), "refusal", "refused to answer"),
        (chat("old po", "length"), "length", "cut off after 30 tokens"),
    ],
)
def test_what_is_no_answer_comes_back_with_its_tokens(reply, stop, says):
    name = "anthropic" if b"stop_reason" in reply.body else "openai_compatible"
    with served(reply) as provider:
        response = teacher(name, provider.url).ask(question())
    assert response.stop == stop
    assert response.tokens_in > 0
    with pytest.raises(TeacherError, match=says):
        text_of(response)


def test_thinking_is_not_the_answer():
    body = json.loads(claude("old pond").body)
    body["content"].insert(0, {"type": "thinking", "thinking": "hmm", "signature": "s"})
    with served(Reply(json.dumps(body).encode())) as provider:
        assert teacher("anthropic", provider.url).ask(question()).text == "old pond"


BUSY = [
    (fault(429, "rate_limit_error", "slow down", retry_after="7"), 7.0, "429: slow down"),
    (fault(429, "rate_limit_error", "slow", retry_after_ms="1500"), 1.5, "429: slow"),
    (fault(429, "rate_limit_error", "slow", retry_after="soon"), None, "429: slow"),
    (fault(529, "overloaded_error", "Overloaded"), None, "529: Overloaded"),
    (fault(500, "api_error", "Internal"), None, "500: Internal"),
    (page(502), None, "502: <html>"),
    (fault(400, "odd", "again", x_should_retry="true"), None, "400: again"),
]


@BOTH
@pytest.mark.parametrize(("reply", "wait", "says"), BUSY)
def test_busy_servers_may_be_asked_again(name, good, reply, wait, says):
    with served(reply) as provider, pytest.raises(BusyError, match=says) as raised:
        teacher(name, provider.url).ask(question())
    assert raised.value.wait == wait


def test_a_date_says_how_long_to_wait():
    reply = fault(429, "rate_limit_error", "slow", retry_after="Fri, 01 Jan 2100 00:00:00 GMT")
    with served(reply) as provider, pytest.raises(BusyError) as raised:
        teacher("anthropic", provider.url).ask(question())
    assert raised.value.wait > 1e8


NEVER = [
    (fault(401, "authentication_error", f"bad key {KEY}"), "did not accept the key"),
    (fault(400, "invalid_request_error", "too large"), r"refused the question \(400\): too large"),
    (fault(404, "not_found_error", "model: x"), r"\(404\): model: x"),
    (fault(429, "insufficient_quota", "pay first"), r"\(429\): pay first"),
    (fault(529, "overloaded_error", "no", x_should_retry="false"), r"\(529\): no"),
    (page(200), "something other than JSON: <html>"),
    (Reply(b'{"content": ['), "something other than JSON"),
    (Reply(b"[]"), "something other than JSON"),
    (Reply(b'{"content": "text", "choices": []}'), "of another form"),
    (Reply(b"", 302, {"location": "http://127.0.0.1:1/"}), r"refused the question \(302\)"),
]


@BOTH
@pytest.mark.parametrize(("reply", "says"), NEVER)
def test_what_would_be_the_same_again_is_not_asked_again(name, good, reply, says):
    with served(reply) as provider, pytest.raises(TeacherError, match=says) as raised:
        teacher(name, provider.url).ask(question())
    assert not isinstance(raised.value, BusyError)
    assert KEY not in str(raised.value)


@BOTH
def test_silence_and_broken_lines_are_busy(name, good, monkeypatch):
    slow = Reply(good.body, delay=0.3)
    client = http._client()
    monkeypatch.setattr(client, "_timeout", http.httpx2.Timeout(0.1))
    with served(slow, Reply(good.body, cut=True)) as provider:
        asked = teacher(name, provider.url)
        with pytest.raises(BusyError, match=r"did not answer in time \(ReadTimeout\)"):
            asked.ask(question())
        with pytest.raises(BusyError, match=r"cannot be reached \(RemoteProtocolError\)"):
            asked.ask(question())
    with pytest.raises(BusyError, match=r"cannot be reached \(ConnectError\)"):
        asked.ask(question())


def test_a_body_that_drips_for_ever_ends(monkeypatch):
    monkeypatch.setattr(http, "SECONDS", -1.0)
    with served(claude("late")) as provider, pytest.raises(BusyError, match="did not end"):
        teacher("anthropic", provider.url).ask(question())


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-schlüssel", "sk one"])
def test_a_key_that_cannot_be_sent_is_not_quoted(monkeypatch, key):
    monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    with served(claude("yes")) as provider, pytest.raises(TeacherError) as raised:
        teacher("anthropic", provider.url).ask(question())
    assert str(raised.value) == ("ANTHROPIC_API_KEY holds characters that no key has; set it anew.")
    assert provider.asked == []


@BOTH
def test_the_key_is_in_nothing_that_can_be_printed(name, good):
    assert KEY not in repr(teacher(name, "http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("size", "claude_tokens", "gpt_tokens"),
    # As measured on the models themselves, without the 77 tokens of the question (Claude).
    [((256, 256), 100, 77), ((512, 512), 361, 308), ((768, 768), 784, 692)],
)
def test_pictures_are_counted_as_the_provider_counts_them(size, claude_tokens, gpt_tokens):
    request = question(pictures=(picture(*size),))
    assert teacher("anthropic", "").tokens_in(request) == claude_tokens
    assert teacher("openai_compatible", "").tokens_in(request) == gpt_tokens
    other = teacher("openai_compatible", "", model="qwen")
    assert other.tokens_in(request) == claude_tokens


def test_a_telephones_picture_is_counted_and_shown():
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (280, 140), "teal")).save(buffer)
    with served(chat("a poem")) as provider:
        asked = teacher("openai_compatible", provider.url, model="qwen")
        request = question(pictures=(buffer.getvalue(),))
        assert asked.tokens_in(request) == 10 * 5
        assert asked.ask(request).text == "a poem"


def test_a_large_picture_is_counted_as_it_is_shown():
    request = question(pictures=(picture(1792, 1792), picture(28, 29)))
    assert teacher("anthropic", "").tokens_in(request) == 1024 + 2


def test_options_are_read_from_a_recipe():
    component = {
        "name": "anthropic",
        "model": "claude-haiku-5-5",
        "max_dollars": 5,
        "pace": {"at_once": 8, "per_minute": 50},
    }
    asked = bind(TEACHERS, component, "teach.teacher")()
    assert (asked.at_once, asked.pace, asked.max_dollars) == (8, Pace(8, 50), 5.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, r"teach.teacher.max_dollars: anthropic needs this option \(float\)$"),
        ({"max_dollars": 0}, "teach.teacher.max_dollars: must be greater than 0"),
        ({"max_dollars": 1, "effort": "huge"}, "teach.teacher.effort: must be 'low', 'medium'"),
        ({"max_dollars": 1, "pace": {"at_onc": 3}}, "teach.teacher.pace: Unexpected keyword"),
        ({"max_dollars": 1, "temperature": 0}, "takes no such option"),
    ],
)
def test_wrong_options_are_named(options, says):
    component = {"name": "anthropic", "model": "claude-haiku-5-5", **options}
    with pytest.raises(RecipeError, match=says):
        bind(TEACHERS, component, "teach.teacher")
