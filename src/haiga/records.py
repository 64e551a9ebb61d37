"""The records that cross rooms. Frozen, plain, and without behaviour beyond reading themselves.

A *group* is the unit of everything: one prompt with its pictures, and the answers that hang on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant"]


class _Image:
    """The place of one picture inside a message."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "IMAGE"

    def __reduce__(self) -> str:
        return "IMAGE"


IMAGE: Final = _Image()
Part: TypeAlias = str | _Image
MAX_PICTURES: Final = 8
"""Pictures of one prompt. A row with more is set aside when it is curated; elsewhere it is an
error, never a picture dropped in silence."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture by the digest of its file. Its bytes are read through a `Mapping[str, bytes]`."""

    id: str
    """xxh3-128 of the file's bytes, 32 hex digits."""
    width: int = 0
    """In pixels, upright (EXIF orientation applied); 0 where nobody has looked yet."""
    height: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: its parts in order, text and picture places."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def images(self) -> int:
        return sum(part is IMAGE for part in self.parts)


@dataclass(frozen=True, slots=True)
class Answer:
    """One continuation of a group's prompt. Loss falls on its assistant turns only."""

    messages: tuple[Message, ...]
    kind: str = "chosen"
    """"chosen", "rejected", "mismatched" or "sample"."""
    source: str = ""
    """Who wrote it: a teacher's name, "source", a model's stage."""

    @property
    def text(self) -> str:
        """The text of its last turn."""
        return self.messages[-1].text


@dataclass(frozen=True, slots=True)
class Group:
    """One prompt with its pictures, and the K answers that hang on it."""

    id: str
    prompt: tuple[Message, ...]
    answers: tuple[Answer, ...]
    pictures: tuple[Picture, ...] = ()
    task: str = ""
    """What the prompt asks for: "describe", "haiku", …; stages choose their groups by it."""
    language: str = "en"
    cluster: str = ""
    """Rows of one cluster (near-duplicates, one series) never straddle a split."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What the source knows: title, artist, licence, the floating world's truth."""


@dataclass(frozen=True, slots=True)
class Score:
    """A mean that never travels without its interval and its denominator."""

    mean: float
    low: float
    high: float
    n: int


def user(*parts: Part) -> Message:
    """A user's turn."""
    return Message("user", parts)


def assistant(text: str) -> Message:
    """An assistant's turn."""
    return Message("assistant", (text,))


def message_to_dict(message: Message) -> dict[str, Any]:
    """As transformers and TRL have it: `{"role", "content": [{"type": "image"}, …]}`."""
    content = [
        {"type": "image", "text": None} if part is IMAGE else {"type": "text", "text": part}
        for part in message.parts
    ]
    return {"role": message.role, "content": content}


def message_from_dict(row: Mapping[str, Any]) -> Message:
    """The inverse of `message_to_dict`; a plain string as content is one text part.

    Tests `type`, never the presence of a key: Arrow fills the missing keys of a struct with null.
    """
    content = row["content"]
    if isinstance(content, str):
        return Message(row["role"], (content,))
    return Message(
        row["role"],
        tuple(IMAGE if part["type"] == "image" else part["text"] for part in content),
    )


def messages_from(rows: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Messages of a conversation, in order."""
    return tuple(message_from_dict(row) for row in rows)


def without_pictures(group: Group) -> Group:
    """The same group with its pictures and their places removed from the prompt."""
    prompt = tuple(text_only(message) for message in group.prompt)
    return replace(group, prompt=prompt, pictures=())


def with_strangers(groups: Sequence[Group]) -> list[Group]:
    """The same groups, each with the pictures of another that shows as many and not the same.

    Sets of pictures change places in an order that hangs on their ids alone; all groups of a set
    get the same new one, so that as much is seen as before. Groups whose set is alone of its size
    are left out, as are those without pictures.
    """
    sets = sorted({g.pictures for g in groups if g.pictures}, key=lambda own: [p.id for p in own])
    new: dict[tuple[Picture, ...], tuple[Picture, ...]] = {}
    for size in {len(own) for own in sets}:
        alike = [own for own in sets if len(own) == size]
        if len(alike) > 1:
            new |= zip(alike, [*alike[1:], alike[0]], strict=True)
    return [
        replace(group, pictures=new[group.pictures]) for group in groups if group.pictures in new
    ]


def text_only(message: Message) -> Message:
    """The message without its picture places and the white space that set them apart."""
    if not message.images:
        return message
    return Message(message.role, tuple(p.strip() for p in message.parts if isinstance(p, str)))
