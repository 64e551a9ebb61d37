"""The providers' own SDKs as a second opinion: they send what we send, and read what we read."""

import pytest

from haiga.teachers import TEACHERS, Request
from providers import KEY, chat, claude, fault, served

REQUEST = Request("haiku", "A haiku.", "en", system="Be brief.", schema={"type": "object"}, seed=2)
NAMED = ("authorization", "anthropic-version", "content-type")


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def _named(headers):
    return {name: headers.get(name) for name in NAMED}


def test_anthropics_sends_the_same():
    sdk = pytest.importorskip("anthropic")
    with served(claude("old pond")) as provider:
        ours = TEACHERS["anthropic"](
            model="claude-haiku-5-5", max_dollars=1, effort="low", base_url=provider.url
        ).ask(REQUEST)
        with sdk.Anthropic(base_url=provider.url, max_retries=0) as client:
            theirs = client.messages.create(**provider.asked[0])
    assert provider.asked[0] == provider.asked[1]
    assert provider.paths[0] == provider.paths[1]
    assert _named(provider.headers[0]) == _named(provider.headers[1])
    assert (ours.text, ours.model) == (theirs.content[0].text, theirs.model)
    assert ours.tokens_in == theirs.usage.input_tokens


def test_openais_sends_the_same():
    sdk = pytest.importorskip("openai")
    with served(chat("old pond")) as provider:
        url = f"{provider.url}/v1"
        ours = TEACHERS["openai"](
            model="gpt-6-luna", max_dollars=1, reasoning_effort="low", base_url=url
        ).ask(REQUEST)
        with sdk.OpenAI(base_url=url, max_retries=0) as client:
            theirs = client.chat.completions.create(**provider.asked[0])
    assert provider.asked[0] == provider.asked[1]
    assert provider.paths[0] == provider.paths[1]
    assert _named(provider.headers[0]) == _named(provider.headers[1])
    assert (ours.text, ours.tokens_in) == (
        theirs.choices[0].message.content,
        theirs.usage.prompt_tokens,
    )


def test_the_played_faults_are_real_ones():
    sdk = pytest.importorskip("anthropic")
    replies = [fault(429, "rate_limit_error", "slow"), fault(529, "overloaded_error", "busy")]
    with (
        served(*replies) as provider,
        sdk.Anthropic(base_url=provider.url, max_retries=0) as client,
    ):
        for kind in (sdk.RateLimitError, sdk.OverloadedError):
            with pytest.raises(kind):
                client.messages.create(model="m", max_tokens=3, messages=[])
