"""Ids of groups: what the model sees, what it learns, and what a caption may not do."""

from __future__ import annotations

from typing import Any

import pytest

from haiga.batches.render import Branch, Rendered, fit_length, render
from haiga.errors import DataError, PlaceholderError, TooLongError
from haiga.records import IMAGE, MAX_PICTURES, Answer, Group, Message, Picture, assistant, user
from tiny import CHATML, tiny_tokenizer

PARTS = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- for part in message['content'] %}"
    "{%- if part['type'] == 'image' %}{{- '<|image_pad|>' }}"
    "{%- else %}{{- part['text'] }}{%- endif %}"
    "{%- endfor %}{{- '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
IMAGE_ID = 263


def tokenizer(template: str = PARTS) -> Any:
    made = tiny_tokenizer()
    made.image_token = "<|image_pad|>"
    made.chat_template = template
    return made


def group(*answers: tuple[Message, ...], prompt: tuple[Message, ...], pictures: int = 0) -> Group:
    made = tuple(Answer(messages, kind=f"k{i}") for i, messages in enumerate(answers))
    return Group("row-7", prompt, made, tuple(Picture(f"p{i}") for i in range(pictures)))


def learned(coder: Any, branch: Branch) -> str:
    return coder.decode([id for id, learn in zip(branch.ids, branch.learn, strict=True) if learn])


@pytest.mark.parametrize("template", [PARTS, CHATML])
def test_one_picture_one_answer(template: str) -> None:
    coder = tokenizer(template)
    found = render(
        coder, group((assistant("the moon"),), prompt=(user(IMAGE, "Look"),), pictures=1), 3
    )
    pad = "<|image_pad|>" * 3
    assert coder.decode(found.prefix) == (
        f"<|im_start|>user\n{pad}Look<|im_end|>\n<|im_start|>assistant\n"
    )
    (branch,) = found.answers
    assert coder.decode(branch.ids) == "the moon<|im_end|>\n"
    assert learned(coder, branch) == "the moon<|im_end|>"
    # "the", " ", "m", "o", "o", "n", the marker; the line break is not learned.
    assert branch.learn == (True,) * 7 + (False,)
    assert (found.id, found.kinds, found.picture_ids) == ("row-7", ("k0",), ("p0",))


def test_equal_to_the_tokenizers_own_conversation() -> None:
    coder = tokenizer()
    prompt = (Message("system", ("Be brief.",)), user("a ", IMAGE, " b ", IMAGE))
    found = render(
        coder, group((assistant("c"),), (assistant("d e"),), prompt=prompt, pictures=2), 1
    )
    for branch, text in zip(found.answers, ("c", "d e"), strict=True):
        rows = [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a "},
                    {"type": "image"},
                    {"type": "text", "text": " b "},
                    {"type": "image"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
        ]
        whole = coder.apply_chat_template(rows, tokenize=True)["input_ids"]
        assert [*found.prefix, *branch.ids] == whole


def test_pictures_of_several_sizes() -> None:
    coder = tokenizer()
    found = render(
        coder,
        group((assistant("c"),), prompt=(user(IMAGE, "and", IMAGE),), pictures=2),
        (2, 5),
    )
    text = coder.decode(found.prefix)
    assert "<|image_pad|>" * 2 + "and" + "<|image_pad|>" * 5 + "<|im_end|>" in text
    assert found.prefix.count(IMAGE_ID) == 7


def test_only_assistant_turns_are_learned() -> None:
    coder = tokenizer()
    turns = (assistant("One."), user("Another, the last one"), assistant("Two"))
    (branch,) = render(coder, group(turns, prompt=(user("Write"),)), 0).answers
    runs = "".join("x" if learn else " " for learn in branch.learn).split()
    assert [len(run) for run in runs] == [5, 4]
    assert learned(coder, branch) == "One.<|im_end|>Two<|im_end|>"
    assert not branch.learn[-1]


def test_equal_to_generation_masks() -> None:
    """The masks of a template with {% generation %} are the same, closing markers apart."""
    coder = tokenizer()
    turns = (assistant("One the"), user("More"), assistant("Two"))
    (branch,) = render(coder, group(turns, prompt=(user("Write"),)), 0).answers
    marked = (
        "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\\n' }}"
        "{%- if message['role'] == 'assistant' %}"
        "{% generation %}{{- message['content'] + '<|im_end|>' }}{% endgeneration %}"
        "{%- else %}{{- message['content'] + '<|im_end|>' }}{%- endif %}"
        "{{- '\\n' }}{%- endfor %}"
    )
    rows = [{"role": turn.role, "content": turn.text} for turn in (user("Write"), *turns)]
    coded = coder.apply_chat_template(
        rows, chat_template=marked, return_dict=True, return_assistant_tokens_mask=True
    )
    size = len(branch.ids)
    assert coded["input_ids"][-size:] == list(branch.ids)
    assert [bool(x) for x in coded["assistant_masks"][-size:]] == list(branch.learn)


def test_japanese_bytes_are_learned_whole() -> None:
    coder = tokenizer()
    (branch,) = render(coder, group((assistant("古池や"),), prompt=(user("書いて"),)), 0).answers
    assert learned(coder, branch) == "古池や<|im_end|>"
    assert sum(branch.learn) == 3 * 3 + 1


def test_a_whole_processor_serves_too() -> None:
    coder = tokenizer()

    class Processor:
        tokenizer = coder
        image_token = "<|image_pad|>"
        apply_chat_template = staticmethod(coder.apply_chat_template)

    asked = group((assistant("c"),), prompt=(user(IMAGE),), pictures=1)
    assert render(Processor(), asked, 4) == render(coder, asked, 4)


# -------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("places", [0, 2])
def test_places_and_pictures_must_agree(places: int) -> None:
    asked = group((assistant("c"),), prompt=(user(*[IMAGE] * places, "x"),), pictures=1)
    with pytest.raises(PlaceholderError, match=rf"row-7.*{places} picture places"):
        render(tokenizer(), asked, 3)


@pytest.mark.parametrize(
    "parts", [("a <|image_pad|> b",), ("<|image_", "pad|>"), ("<|image_", IMAGE, "pad|>")]
)
def test_a_text_cannot_add_a_place(parts: tuple[Any, ...]) -> None:
    pictures = sum(part is IMAGE for part in parts)
    asked = group((assistant("c"),), prompt=(user(*parts),), pictures=pictures)
    with pytest.raises(PlaceholderError, match=r"row-7.*its text holds the picture place"):
        render(tokenizer(), asked, 3)


def test_a_caption_cannot_add_a_place() -> None:
    asked = group((assistant("see <|image_pad|>"),), prompt=(user("x"),))
    with pytest.raises(PlaceholderError, match="row-7"):
        render(tokenizer(), asked, 3)


def test_a_caption_cannot_open_a_turn() -> None:
    asked = group((assistant("x<|im_end|>\n<|im_start|>user\nhi"),), prompt=(user("x"),))
    with pytest.raises(DataError, match=r"row-7.*control token '<\|im_end\|>'"):
        render(tokenizer(), asked, 3)


def test_pictures_belong_in_the_prompt() -> None:
    answer = (assistant("a"), user(IMAGE), assistant("b"))
    with pytest.raises(PlaceholderError, match="Pictures belong in the prompt"):
        render(tokenizer(), group(answer, prompt=(user("x"),)), 3)


def test_more_pictures_than_one_prompt_may_have() -> None:
    many = MAX_PICTURES + 1
    asked = group((assistant("a"),), prompt=(user(*[IMAGE] * many),), pictures=many)
    with pytest.raises(DataError, match=r"row-7: it has 9 pictures, where at most 8 are read"):
        render(tokenizer(), asked, 3)


def test_an_answer_without_an_assistant() -> None:
    with pytest.raises(DataError, match="no assistant turn"):
        render(tokenizer(), group((user("a"),), prompt=(user("x"),)), 3)


def test_a_template_that_drops_pictures() -> None:
    blind = PARTS.replace("<|image_pad|>", "")
    asked = group((assistant("c"),), prompt=(user(IMAGE),), pictures=1)
    with pytest.raises(PlaceholderError, match="wrote 0 picture places for 1"):
        render(tokenizer(blind), asked, 3)


def test_a_template_that_rewrites_the_prompt() -> None:
    fickle = PARTS.replace(
        "<|im_start|>assistant\\n' }}{%- endif", "<|im_start|>think\\n' }}{%- endif"
    )
    with pytest.raises(DataError, match=r"row-7, answer 0.*not the beginning"):
        render(tokenizer(fickle), group((assistant("c"),), prompt=(user("x"),)), 3)


def test_a_tokenizer_without_a_picture_token() -> None:
    asked = group((assistant("c"),), prompt=(user(IMAGE),), pictures=1)
    bare = tiny_tokenizer()
    with pytest.raises(DataError, match="image_token"):
        render(bare, asked, 3)
    bare.image_token = "<image>"
    with pytest.raises(DataError, match="more than one token"):
        render(bare, asked, 3)


# ---------------------------------------------------------------------------------------- length


def sized(id: str, prefix: int, *answers: int) -> Rendered:
    branches = tuple(Branch((1,) * size, (True,) * size) for size in answers)
    return Rendered(id, (2,) * prefix, branches, ("chosen",) * len(answers), ())


def test_fit_counts_prefix_and_longest_answer() -> None:
    rows = [sized("fits", 6, 1, 4), sized("over", 6, 1, 5), sized("also", 9, 1)]
    kept, dropped = fit_length(rows, 10, "drop")
    assert [each.id for each in kept] == ["fits", "also"]
    assert kept[0] is rows[0]
    assert dropped == {"over": "11 tokens (6 of the prompt) where 10 are allowed"}


def test_fit_stops() -> None:
    with pytest.raises(TooLongError, match="Row over has 11 tokens"):
        fit_length([sized("over", 6, 5)], 10, "stop")
