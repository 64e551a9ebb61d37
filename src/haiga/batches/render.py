"""From a group to token ids: the chat template, the picture places, and what is learned.

Everything that comes from data is text and stays text: a caption cannot open a turn or add a
picture place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from jinja2.exceptions import TemplateError

from haiga.errors import DataError, PlaceholderError, TooLongError
from haiga.records import IMAGE, MAX_PICTURES, Group, Message, message_to_dict

Template: TypeAlias = Callable[[Sequence[Message], bool], str]


@dataclass(frozen=True, slots=True)
class Branch:
    """The tokens of one answer, and which of them are learned."""

    ids: tuple[int, ...]
    learn: tuple[bool, ...]
    """True on assistant tokens, each turn's closing marker included."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One group as token ids: the prompt once, and each answer as its continuation."""

    id: str
    prefix: tuple[int, ...]
    """The prompt with the generation prompt; a picture fills as many places as it has features."""
    answers: tuple[Branch, ...]
    kinds: tuple[str, ...]
    picture_ids: tuple[str, ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest of the plain sequences, prefix and one answer."""
        return len(self.prefix) + max((len(answer.ids) for answer in self.answers), default=0)


def render(tokenizer: Any, group: Group, image_tokens: int | Sequence[int]) -> Rendered:
    """Token ids of a group by the chat template of a tokenizer, or of a whole processor.

    `image_tokens` is the number of feature positions of a picture, one for all or one for each; 0
    where pictures stand beside the words and the template writes no place for them.
    The loss falls on assistant turns only, also when an answer has user turns in between; the
    closing marker of a turn is learned, the line break after it is not.

    Raises PlaceholderError where picture places and pictures of the row do not match, and
    DataError where there are more than `records.MAX_PICTURES`, where a text holds a control token,
    or where the template rewrites earlier turns.
    """
    placed = image_tokens != 0 and bool(group.pictures or _images(group.prompt))
    image_token = image_token_of(tokenizer) if placed else None
    _check_row(tokenizer, group, image_token)
    sizes = _sizes(group, image_tokens)
    template = _template(tokenizer)
    prompt = template(group.prompt, True)
    prefix = _tokens(tokenizer, prompt)[0]
    places = sum(id == _image_id(tokenizer, image_token) for id in prefix)
    if placed and places != len(group.pictures):
        raise PlaceholderError(
            f"Row {group.id}: the chat template wrote {places} picture places for "
            f"{len(group.pictures)} pictures. Use a template that writes one for each image part."
        )
    branches = tuple(
        _branch(tokenizer, template, group, index, prompt, prefix)
        for index in range(len(group.answers))
    )
    return Rendered(
        id=group.id,
        prefix=_expand(prefix, _image_id(tokenizer, image_token), sizes),
        answers=branches,
        kinds=tuple(answer.kind for answer in group.answers),
        picture_ids=tuple(picture.id for picture in group.pictures),
    )


def fit_length(
    rendered: Iterable[Rendered], max_tokens: int, overflow: Literal["drop", "stop"]
) -> tuple[list[Rendered], dict[str, str]]:
    """The rows whose prefix and longest answer have at most `max_tokens` tokens, whole.

    Nothing is ever cut: a cut picture place breaks the row, and a cut answer teaches never to end.
    Returns the kept rows and `{id: reason}` of the others; with "stop" the first of them raises
    TooLongError.
    """
    kept: list[Rendered] = []
    dropped: dict[str, str] = {}
    for row in rendered:
        if row.longest <= max_tokens:
            kept.append(row)
            continue
        reason = (
            f"{row.longest} tokens ({len(row.prefix)} of the prompt) where {max_tokens} are allowed"
        )
        if overflow == "stop":
            raise TooLongError(
                f"Row {row.id} has {reason}. Raise max_tokens, shorten the row, "
                'or set overflow = "drop".'
            )
        dropped[row.id] = reason
    return kept, dropped


def image_token_of(tokenizer: Any) -> str:
    """The text of the picture place, one token of the vocabulary; DataError where it is not."""
    token = getattr(tokenizer, "image_token", None)
    inner = _inner(tokenizer)
    if not token:
        raise DataError(
            "The tokenizer does not say which token stands for a picture. "
            "Set its image_token, as models.assemble does."
        )
    if len(inner.encode(token, add_special_tokens=False)) != 1:
        raise DataError(
            f"The picture place {token!r} is more than one token of this tokenizer. "
            "Add it as a special token, or choose a reserved one such as '<|image_pad|>'."
        )
    return str(token)


def _image_id(tokenizer: Any, image_token: str | None) -> int:
    return -1 if image_token is None else int(_inner(tokenizer).convert_tokens_to_ids(image_token))


def _images(messages: Iterable[Message]) -> int:
    return sum(message.images for message in messages)


def _check_row(tokenizer: Any, group: Group, image_token: str | None) -> None:
    if _images(group.prompt) != len(group.pictures):
        raise PlaceholderError(
            f"Row {group.id}: the prompt has {_images(group.prompt)} picture places and the row "
            f"{len(group.pictures)} pictures. Give one image part for each picture."
        )
    if len(group.pictures) > MAX_PICTURES:
        raise DataError(
            f"Row {group.id}: it has {len(group.pictures)} pictures, where at most {MAX_PICTURES} "
            "are read. Split it into several rows."
        )
    for answer in group.answers:
        if _images(answer.messages):
            raise PlaceholderError(
                f"Row {group.id}: an answer has a picture place. Pictures belong in the prompt."
            )
        if not any(message.role == "assistant" for message in answer.messages):
            raise DataError(f"Row {group.id}: an answer has no assistant turn to learn from.")
    image_token = image_token or getattr(tokenizer, "image_token", None)
    control = _control_tokens(tokenizer) - {image_token}
    turns = [*group.prompt, *(turn for answer in group.answers for turn in answer.messages)]
    for turn in turns:
        # Neighbouring texts are joined by the template, so a token split over two parts counts.
        text = "".join("\0" if part is IMAGE else str(part) for part in turn.parts)
        for candidate in (text, turn.text):
            if image_token and image_token in candidate:
                raise PlaceholderError(
                    f"Row {group.id}: its text holds the picture place {image_token!r}. "
                    "Remove it: only image parts may stand for pictures."
                )
        found = next((token for token in sorted(control) if token in text), None)
        if found:
            raise DataError(
                f"Row {group.id}: its text holds the control token {found!r}. Remove it: "
                "a text must not open or close a turn."
            )


def _control_tokens(tokenizer: Any) -> set[str]:
    tokenizer = _inner(tokenizer)
    added = tokenizer.added_tokens_decoder.values()
    return {*tokenizer.all_special_tokens, *(str(token) for token in added if token.special)}


def _sizes(group: Group, image_tokens: int | Sequence[int]) -> list[int]:
    if isinstance(image_tokens, int):
        return [image_tokens] * len(group.pictures)
    if len(image_tokens) != len(group.pictures):
        raise PlaceholderError(
            f"Row {group.id}: {len(image_tokens)} feature counts for "
            f"{len(group.pictures)} pictures."
        )
    return list(image_tokens)


def _template(tokenizer: Any) -> Template:
    """The chat template: a conversation as text, and whether it ends with the words that start an
    assistant's turn."""
    parts = _takes_parts(tokenizer)

    def text(messages: Sequence[Message], open_turn: bool) -> str:
        rows = [
            message_to_dict(message)
            if parts
            else {"role": message.role, "content": _as_string(tokenizer, message)}
            for message in messages
        ]
        return str(
            tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=open_turn)
        )

    return text


def _takes_parts(tokenizer: Any) -> bool:
    """Whether the template reads contents as lists of parts; many of text models want strings."""
    probe = [{"role": "user", "content": [{"type": "text", "text": "probe"}]}]
    try:
        text = tokenizer.apply_chat_template(probe, tokenize=False)
    except (TypeError, TemplateError):
        return False
    return "probe" in text and "'probe'" not in text


def _as_string(tokenizer: Any, message: Message) -> str:
    return "".join(
        image_token_of(tokenizer) if part is IMAGE else str(part) for part in message.parts
    )


def _inner(tokenizer: Any) -> Any:
    """The tokenizer of a processor, or itself."""
    return getattr(tokenizer, "tokenizer", tokenizer)


def _tokens(tokenizer: Any, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    coded = _inner(tokenizer)(text, add_special_tokens=False, return_offsets_mapping=True)
    return coded["input_ids"], coded["offset_mapping"]


def _branch(
    tokenizer: Any,
    template: Template,
    group: Group,
    index: int,
    prompt: str,
    prefix: Sequence[int],
) -> Branch:
    """The ids after the prompt's, and which of them an assistant says."""
    messages = group.answers[index].messages
    text = template((*group.prompt, *messages), False)
    ids, offsets = _tokens(tokenizer, text)
    where = f"Row {group.id}, answer {index}"
    if not text.startswith(prompt) or ids[: len(prefix)] != list(prefix):
        raise DataError(
            f"{where}: the rendered prompt is not the beginning of the rendered conversation, "
            "so that training would not meet what generation meets. Does the answer begin with "
            "a blank or a line break, or does the chat template rewrite earlier turns?"
        )
    spans = _learned_spans(template, group, index, prompt, text)
    learn = [any(a <= start < b for a, b in spans) for start, _ in offsets]
    starts = {start for start, _ in offsets}
    if any(a not in starts for a, _ in spans):
        raise DataError(f"{where}: a token spans the start of an assistant's turn.")
    return Branch(tuple(ids[len(prefix) :]), tuple(learn[len(prefix) :]))


def _learned_spans(
    template: Template, group: Group, index: int, prompt: str, text: str
) -> list[tuple[int, int]]:
    """Where in `text`, which begins with `prompt`, the assistant's turns of the answer stand,
    closing marker included."""
    messages = group.answers[index].messages
    spans = []
    for turn, message in enumerate(messages):
        if message.role != "assistant":
            continue
        before, through = prompt, text
        if turn > 0:
            before = template((*group.prompt, *messages[:turn]), True)
        if turn + 1 < len(messages):
            through = template((*group.prompt, *messages[: turn + 1]), False)
        if not (through.startswith(before) and text.startswith(through.rstrip())):
            raise DataError(
                f"Row {group.id}, answer {index}: the chat template renders turn {turn} otherwise "
                "when later turns follow, so that its tokens cannot be told apart."
            )
        spans.append((len(before), len(through.rstrip())))
    return spans


def _expand(ids: Sequence[int], image_id: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """Each picture place repeated as often as the picture has feature positions."""
    remaining = iter(sizes)
    return tuple(
        each for id in ids for each in ([id] * next(remaining) if id == image_id else [id])
    )
