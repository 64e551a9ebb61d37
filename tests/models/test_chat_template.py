import pytest

import tiny
from haiga.errors import ModelError
from haiga.models.chat import with_pictures

PAD = "<|image_pad|>"
QWEN = (
    "{%- if messages[0]['role'] == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are Qwen, it\\'s you.<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{%- if message.role != 'system' or not loop.first %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""As Qwen2.5's, without the tools: a standing system text unless one is given."""
LLAMA = (
    "{%- for message in messages %}"
    "{{- '[' + message['role'] + '] ' + message['content'] | trim + '\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '[assistant] ' }}{%- endif %}"
)
PICTURES = [
    {"role": "user", "content": [
        {"type": "text", "text": "first "}, {"type": "image", "text": None},
        {"type": "text", "text": " then "}, {"type": "image"},
    ]},
    {"role": "assistant", "content": [{"type": "text", "text": "two prints"}]},
    {"role": "user", "content": "and?"},
]  # fmt: skip


@pytest.fixture
def tokenizer():
    return tiny.tiny_tokenizer()


def _render(tokenizer, template, messages, **options):
    return tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=False, **options
    )


@pytest.mark.parametrize("own", [tiny.CHATML, QWEN, LLAMA])
@pytest.mark.parametrize("open_turn", [False, True])
def test_text_is_rendered_as_the_language_model_knows_it(tokenizer, own, open_turn):
    tokenizer.chat_template = own
    template = with_pictures(tokenizer, PAD)
    for messages in (
        [{"role": "user", "content": "hi"}],
        [{"role": "system", "content": "s"}, {"role": "user", "content": " hi\n"}],
        [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "俳画 {{ x }}"},
        ],
    ):
        expected = _render(tokenizer, own, messages, add_generation_prompt=open_turn)
        assert _render(tokenizer, template, messages, add_generation_prompt=open_turn) == expected


def test_pictures_stand_where_they_stand(tokenizer):
    template = with_pictures(tokenizer, PAD)
    assert _render(tokenizer, template, PICTURES, add_generation_prompt=True) == (
        f"<|im_start|>user\nfirst {PAD} then {PAD}<|im_end|>\n"
        "<|im_start|>assistant\ntwo prints<|im_end|>\n"
        "<|im_start|>user\nand?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_the_standing_system_text_is_kept(tokenizer):
    tokenizer.chat_template = QWEN
    text = _render(tokenizer, with_pictures(tokenizer, PAD), PICTURES)
    assert text.startswith(
        "<|im_start|>system\nYou are Qwen, it's you.<|im_end|>\n<|im_start|>user\n"
    )
    assert text.count("<|im_start|>system") == 1


def test_another_kind_of_template_is_kept_behind_a_preamble(tokenizer):
    tokenizer.chat_template = LLAMA
    template = with_pictures(tokenizer, PAD)
    assert template.endswith(LLAMA)
    assert _render(tokenizer, template, PICTURES) == (
        f"[user] first {PAD} then {PAD}\n[assistant] two prints\n[user] and?\n"
    )


def test_assistant_tokens_are_marked(tiny_vlm):
    from PIL import Image

    messages = [{"role": m["role"], "content": m["content"]} for m in PICTURES]
    for message in messages:
        if not isinstance(message["content"], str):
            message["content"] = [
                part | {"image": Image.new("RGB", (9, 9))} if part["type"] == "image" else part
                for part in message["content"]
            ]
    coded = tiny_vlm.processor.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    ids, mask = coded["input_ids"][0], coded["assistant_masks"][0]
    learned = [id for id, marked in zip(ids, mask, strict=True) if marked]
    assert tiny_vlm.tokenizer.decode(learned) == "two prints<|im_end|>"
    assert sum(id == tiny_vlm.image_token_id for id in ids) == 32


def test_a_tokenizer_without_a_template_gets_chatml(tokenizer):
    tokenizer.chat_template = None
    text = _render(tokenizer, with_pictures(tokenizer, PAD), [{"role": "user", "content": "x"}])
    assert text == "<|im_start|>user\nx<|im_end|>\n"


def test_no_template_and_no_chatml():
    tokenizer = tiny.Qwen2Tokenizer(vocab={"a": 0}, merges=[])
    with pytest.raises(ModelError, match="no chat template and no ChatML tokens"):
        with_pictures(tokenizer, PAD)
