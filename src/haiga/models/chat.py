"""The chat template of an assembled model: the language model's own, with eyes.

Content parts are rendered in their order, a picture place where a picture stands. The language
model must go on reading the turns it was trained on, so the text is its own, to the letter; this
is checked by rendering both.
"""

from __future__ import annotations

from typing import Any, Final

from haiga.errors import ModelError

_CHATML: Final = """\
{%- if messages[0]['role'] != 'system' %}{{- SYSTEM }}{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['role'] == 'assistant' %}
{%- generation %}
{%- if message['content'] is string %}{{- message['content'] }}{%- else %}
{%- for part in message['content'] %}{{- PART }}{%- endfor %}{%- endif %}
{{- '<|im_end|>' }}
{%- endgeneration %}
{%- else %}
{%- if message['content'] is string %}{{- message['content'] }}{%- else %}
{%- for part in message['content'] %}{{- PART }}{%- endfor %}{%- endif %}
{{- '<|im_end|>' }}
{%- endif %}
{{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

_FLATTEN: Final = """\
{%- set flat = namespace(messages=[], text='') %}
{%- for message in messages %}
{%- if message['content'] is string %}{%- set flat.messages = flat.messages + [message] %}
{%- else %}{%- set flat.text = '' %}
{%- for part in message['content'] %}{%- set flat.text = flat.text + (PART) %}{%- endfor %}
{%- set flat.messages = flat.messages + [dict(message, content=flat.text)] %}{%- endif %}
{%- endfor %}
{%- set messages = flat.messages %}
"""

_PLAIN: Final = """\
{{- BEGIN }}
{%- for message in messages %}
{%- if message['role'] == 'assistant' %}
{%- generation %}
{%- if message['content'] is string %}{{- message['content'] }}{%- else %}
{%- for part in message['content'] %}{{- PART }}{%- endfor %}{%- endif %}
{{- END }}
{%- endgeneration %}
{%- else %}
{%- if message['content'] is string %}{{- message['content'] }}{%- else %}
{%- for part in message['content'] %}{{- PART }}{%- endfor %}{%- endif %}
{%- endif %}
{{- '\\n' }}
{%- endfor %}"""

_PART: Final = "IMAGE if part['type'] == 'image' else part['text']"

_PROBES: Final = (
    [("user", "A crane?")],
    [("system", "Be brief."), ("user", " 鶴 \n")],
    [("user", "one"), ("assistant", "two"), ("user", "three")],
    [("system", "s"), ("user", "u"), ("assistant", "a")],
)


def with_pictures(tokenizer: Any, image_token: str) -> str:
    """The tokenizer's chat template, extended to content parts with pictures.

    Where its own template writes plain ChatML (perhaps with a standing system text, as Qwen2.5
    does), the new one writes the same and marks the assistant's tokens (`{% generation %}`);
    formatting of tool calls is left out. Any other template is kept as it is, behind a preamble
    that flattens the parts. A tokenizer with ChatML's tokens and no template gets ChatML.

    Raises:
        ModelError: the tokenizer has neither a template nor ChatML's tokens.
    """
    own = tokenizer.chat_template
    if isinstance(own, dict):
        own = own["default"]
    part = _PART.replace("IMAGE", repr(image_token))
    if not own:
        tokens = tokenizer.get_vocab()
        if "<|im_start|>" not in tokens or "<|im_end|>" not in tokens:
            raise ModelError(
                "The language model has no chat template and no ChatML tokens (<|im_start|>, "
                "<|im_end|>). Use an instruct version of it, or give its tokenizer a template."
            )
        return _CHATML.replace("PART", part).replace("SYSTEM", "''")
    system = _render(tokenizer, own, _PROBES[0]).split("<|im_start|>user\n")[0]
    chatml = _CHATML.replace("PART", part).replace("SYSTEM", repr(system))
    if all(
        _render(tokenizer, chatml, probe, open_turn) == _render(tokenizer, own, probe, open_turn)
        for probe in _PROBES
        for open_turn in (False, True)
    ):
        return chatml
    return _FLATTEN.replace("PART", part) + own


def without_places(tokenizer: Any) -> str:
    """The tokenizer's chat template for a design in which pictures take no place among the words.

    A language model that knows no turns, as GPT-2, is given plain ones: the token that begins a
    text, what is asked, a line break, the answer, the token that ends a text.

    Raises:
        ModelError: the tokenizer has neither a template nor tokens that begin and end a text.
    """
    tokens = tokenizer.get_vocab()
    if tokenizer.chat_template or {"<|im_start|>", "<|im_end|>"} <= tokens.keys():
        return with_pictures(tokenizer, "")
    if tokenizer.bos_token is None or tokenizer.eos_token is None:
        raise ModelError(
            "The language model's tokenizer has no chat template, and no tokens that begin and end "
            "a text. Give it a template, or a bos_token and an eos_token."
        )
    plain = _PLAIN.replace("PART", _PART.replace("IMAGE", "''"))
    ends = {"BEGIN": repr(tokenizer.bos_token), "END": repr(tokenizer.eos_token)}
    return plain.replace("BEGIN", ends["BEGIN"]).replace("END", ends["END"])


def _render(
    tokenizer: Any, template: str, probe: list[tuple[str, str]], open_turn: bool = False
) -> str:
    messages = [{"role": role, "content": content} for role, content in probe]
    try:
        return str(
            tokenizer.apply_chat_template(
                messages, chat_template=template, tokenize=False, add_generation_prompt=open_turn
            )
        )
    except Exception as error:  # some templates refuse a system turn by raising
        return f"refused: {error}"
