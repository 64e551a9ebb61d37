"""Conversations as they are published, as prompts and answers; each shape a pure function of a row.

A shape reads the columns that it names; all others are what the row says besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from haiga.records import IMAGE, Answer, Group, Message, Part, assistant, message_to_dict

MARKER: Final = "<image>"
_ROLES: Final = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "system": "system",
}  # fmt: skip


class RowFault(Exception):  # noqa: N818 - not an error: it names a reason for which a row is set aside
    """Why a row cannot be used."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A question with its answers, and its pictures as the row holds them."""

    prompt: tuple[Message, ...]
    answers: tuple[Answer, ...]
    pictures: tuple[Any, ...] = ()
    """Bytes, a path, or a dict of both, as `datasets` has it."""
    caption: str = ""
    """Words on the pictures that answer no question."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One published form of rows."""

    read: Callable[[Mapping[str, Any]], Talk]
    """Raises RowFault where a row has another form."""
    columns: tuple[str, ...]


def llava(row: Mapping[str, Any]) -> Talk:
    """LLaVA's `conversations` of "from" and "value", for pretraining and for instructions.

    `<image>` stands before or after the words; a row without a picture has no `image`.
    https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md
    """
    return conversation(turns_of(row, "conversations"), pictures_of(row))


def messages(row: Mapping[str, Any]) -> Talk:
    """The chat of transformers and TRL: `messages`, or `prompt` with `completion` (and `label`) or
    with `chosen` and `rejected`; a preference may also repeat its prompt in both of its sides.

    https://huggingface.co/docs/trl/dataset_formats
    """
    inside: list[Any] = []
    if row.get("messages") is not None:
        turns = _chat(row, "messages", "user", inside)
        return conversation(turns, pictures_of(row) or tuple(inside))
    sides = {key: _chat(row, key, "assistant", inside) for key in _SIDES if row.get(key)}
    if row.get("prompt") is not None:
        prompt = _chat(row, "prompt", "user", inside)
    elif {"chosen", "rejected"} <= set(sides):
        prompt, sides["chosen"], sides["rejected"] = shared(sides["chosen"], sides["rejected"])
    else:
        raise RowFault("neither messages nor a prompt")
    kinds = {**_SIDES, "completion": "rejected" if row.get("label") is False else "chosen"}
    answers = [Answer(side, kinds[key], "source") for key, side in sides.items()]
    return checked(Talk(prompt, tuple(answers), pictures_of(row) or tuple(inside)))


_SIDES: Final = {"completion": "chosen", "chosen": "chosen", "rejected": "rejected"}
LLAVA: Final = Shape(llava, ("conversations", "image", "images"))
MESSAGES: Final = Shape(
    messages,
    ("messages", "prompt", "completion", "label", "chosen", "rejected", "image", "images"),
)


def conversation(turns: tuple[Message, ...], pictures: tuple[Any, ...]) -> Talk:
    """All turns after the first question are the answer; a picture that comes later moves that on.

    A group's pictures stand in its prompt, so that the prompt ends with the question that shows
    the last one.
    """
    last = max((at for at, turn in enumerate(turns) if turn.images), default=0)
    places = [at for at, turn in enumerate(turns) if turn.role == "assistant" and at > last]
    if not places:
        raise RowFault("no answer")
    answer = Answer(turns[places[0] :], source="source")
    return checked(Talk(turns[: places[0]], (answer,), pictures))


def shared(
    chosen: tuple[Message, ...], rejected: tuple[Message, ...]
) -> tuple[tuple[Message, ...], tuple[Message, ...], tuple[Message, ...]]:
    """What two conversations have in common at their beginning, and how each goes on."""
    common = 0
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        common += 1
    if not common or chosen[common - 1].role != "user":
        raise RowFault("chosen and rejected answer different questions")
    return chosen[:common], chosen[common:], rejected[common:]


def pair(
    prompt: tuple[Message, ...], chosen: str, rejected: str, pictures: tuple[Any, ...]
) -> Talk:
    """A question with one answer of each kind."""
    answers = (
        Answer((assistant(chosen),), "chosen", "source"),
        Answer((assistant(rejected),), "rejected", "source"),
    )
    return checked(Talk(prompt, answers, pictures))


def ask(text: str) -> tuple[Message, ...]:
    """A question in which `<image>` marks the places of pictures."""
    return (Message("user", marked(text)),)


def marked(text: str) -> tuple[Part, ...]:
    """Text and picture places, in order."""
    parts: list[Part] = []
    for at, words in enumerate(text.split(MARKER)):
        parts += [IMAGE] * bool(at) + [words] * bool(words)
    return tuple(parts)


def checked(talk: Talk) -> Talk:
    """The talk with a place for every picture, if it is one that can be learned from.

    Pictures without any place come first, as LLaVA and TRL have it.

    Raises:
        RowFault: turns out of order, an empty answer, two equal answers, or places and pictures
            that differ in number.
    """
    _check_order(talk.prompt, ("user",))
    places = sum(turn.images for turn in talk.prompt)
    if not talk.answers:
        raise RowFault("no answer")
    for answer in talk.answers:
        _check_order((talk.prompt[-1], *answer.messages), ("assistant",))
        for turn in answer.messages:
            if turn.images or (turn.role == "assistant" and MARKER in turn.text):
                raise RowFault("a picture's place in an answer")
            if not turn.text.strip():
                raise RowFault("an empty turn")
    if len({answer.messages for answer in talk.answers}) < len(talk.answers):
        raise RowFault("two answers are equal")
    if not places and talk.pictures:
        return replace(talk, prompt=_with_places(talk.prompt, len(talk.pictures)))
    if places != len(talk.pictures):
        raise RowFault(f"{places} places for {len(talk.pictures)} pictures")
    return talk


def _check_order(turns: Sequence[Message], last: tuple[str, ...]) -> None:
    rest = turns[1:] if turns and turns[0].role == "system" else turns
    expected = ["user", "assistant"] * len(rest)
    if [turn.role for turn in rest] != expected[: len(rest)]:
        raise RowFault("turns out of order")
    if not rest or rest[-1].role not in last:
        raise RowFault("no question" if last == ("user",) else "no answer")


def _with_places(prompt: tuple[Message, ...], count: int) -> tuple[Message, ...]:
    at = next(at for at, turn in enumerate(prompt) if turn.role == "user")
    parts: tuple[Part, ...] = (*[IMAGE] * count, "\n" + prompt[at].text)
    return (*prompt[:at], Message("user", parts), *prompt[at + 1 :])


def turns_of(row: Mapping[str, Any], column: str) -> tuple[Message, ...]:
    """LLaVA's turns in a column; a list that holds nothing but such a list is that list."""
    turns = row.get(column)
    if isinstance(turns, list) and len(turns) == 1 and isinstance(turns[0], list):
        turns = turns[0]
    if not isinstance(turns, list) or not turns:
        raise RowFault(f"no {column}")
    return tuple(turn_of(turn) for turn in turns)


def turn_of(turn: Any) -> Message:
    """One of LLaVA's turns."""
    if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
        raise RowFault("a turn without words")
    role = _role(turn.get("from"))
    return Message(role, marked(turn["value"]) if role == "user" else (turn["value"],))


def _role(name: Any) -> Any:
    if name not in _ROLES:
        raise RowFault(f"a turn of {name!r}")
    return _ROLES[name]


def pictures_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What stands under `images` or `image`: many, one or none."""
    value = row.get("images")
    value = row.get("image") if value is None else value
    if value is None or value == "":
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def text_of(row: Mapping[str, Any], column: str) -> str:
    """The text in a column."""
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise RowFault(f"no {column}")
    return value


def _chat(row: Mapping[str, Any], column: str, role: str, inside: list[Any]) -> tuple[Message, ...]:
    """The messages in a column, or a plain text in that role; pictures in them go to `inside`."""
    value = row[column]
    if isinstance(value, str):
        value = [{"role": role, "content": value}]
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise RowFault(f"{column} are no messages")
    return tuple(_message(each, inside) for each in value)


def _message(message: Mapping[str, Any], inside: list[Any]) -> Message:
    role, content = _role(message.get("role")), message.get("content")
    if isinstance(content, str):
        return Message(role, marked(content) if role == "user" else (content,))
    if not isinstance(content, list):
        raise RowFault("a turn without words")
    return Message(role, tuple(_part(part, inside) for part in content))


def _part(part: Any, inside: list[Any]) -> Part:
    # Its type is asked, not which keys there are: Arrow fills the missing ones with null.
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind != "image":
        raise RowFault(f"a part of the type {kind!r}")
    held = next((part[key] for key in ("image", "path", "url") if part.get(key)), None)
    if held is not None:
        inside.append(held)
    return IMAGE


def as_messages(group: Group, pictures: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
    """A group as rows that TRL reads: the inverse of `messages`.

    Pairs where there are answers of both kinds, the k-th of one beside the k-th of the other (or
    the only one); else a conversation for each chosen answer, and an unpaired row for each
    rejected one.
    """
    images = [{"bytes": pictures[each.id], "path": None} for each in group.pictures]
    prompt = _dicts(group.prompt)
    sides = [[_dicts(a.messages) for a in group.answers if a.kind == kind] for kind in _PAIR]
    if all(sides):
        most = max(map(len, sides))
        chosen, rejected = (side * most if len(side) == 1 else side for side in sides)
        for good, bad in zip(chosen, rejected, strict=True):
            yield {"images": images, "prompt": prompt, "chosen": good, "rejected": bad}
        return
    for good in sides[0]:
        yield {"images": images, "messages": prompt + good}
    for bad in sides[1]:
        yield {"images": images, "prompt": prompt, "completion": bad, "label": False}


_PAIR: Final = ("chosen", "rejected")


def _dicts(turns: Sequence[Message]) -> list[dict[str, Any]]:
    """Without null keys: TRL takes a part whose `image` is there, though null, for a filled one."""
    rows = [message_to_dict(turn) for turn in turns]
    return [
        {**row, "content": [{k: v for k, v in p.items() if v is not None} for p in row["content"]]}
        for row in rows
    ]
