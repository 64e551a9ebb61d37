"""What a source found as a row of 00_raw, and the row's own texts as texts of a task.

A conversation travels in one column as JSON text, untouched, until its answers become texts beside
a teacher's (02_captioned) and its prompt that of a group (04_final).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from haiga.recipe.checks import CHAT, SOURCE_TASK
from haiga.records import Answer, Message, assistant, message_to_dict, messages_from
from haiga.sources import Found
from haiga.store import PictureFiles


def raw_rows(things: Sequence[Found], files: PictureFiles) -> list[dict[str, Any]]:
    """Rows of 00_raw, their pictures stored in `files`; with a "reason" where one is at fault."""
    ids = iter(files.add_all([picture for thing in things for picture in thing.pictures]))
    return [_raw_row(thing, list(islice(ids, len(thing.pictures)))) for thing in things]


def _raw_row(thing: Found, pictures: list[str]) -> dict[str, Any]:
    row = {
        "id": thing.id,
        "pictures": pictures,
        "caption": thing.caption,
        "language": thing.language,
        "meta": json.dumps(thing.meta, ensure_ascii=False),
        "conversation": _conversation(thing),
    }
    return {**row, "reason": thing.fault, "measurements": "{}"} if thing.fault else row


def _conversation(thing: Found) -> str:
    if not thing.answers:
        return ""
    answers = [
        {"kind": each.kind, "source": each.source, "messages": _dicts(each.messages)}
        for each in thing.answers
    ]
    return json.dumps({"prompt": _dicts(thing.prompt), "answers": answers}, ensure_ascii=False)


def _dicts(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    return [message_to_dict(message) for message in messages]


def own_texts(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """The source's own texts: its answers, and its caption where no rule has set that aside."""
    texts = []
    if row.get("conversation"):
        for each in json.loads(row["conversation"])["answers"]:
            said = [m.text for m in messages_from(each["messages"]) if m.role == "assistant"]
            text = {"task": CHAT, "source": each["source"] or "source", "text": "\n".join(said)}
            turns = json.dumps(each["messages"], ensure_ascii=False)
            texts.append({**text, "kind": each["kind"], "turns": turns})
    if row["caption"] and not row["caption_fault"]:
        texts.append({"task": SOURCE_TASK, "source": "source", "text": row["caption"]})
    return texts


def own_prompt(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The source's own question."""
    return messages_from(json.loads(row["conversation"])["prompt"])


def answer_of(text: Mapping[str, Any]) -> Answer:
    """A text as an answer: a teacher's words, or the turns of a conversation."""
    turns = text.get("turns")
    messages = messages_from(json.loads(turns)) if turns else (assistant(text["text"]),)
    return Answer(messages, kind=text.get("kind") or "chosen", source=text["source"])


def paired(texts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A task's texts, so that its k-th rejected answer belongs to its k-th chosen one.

    Chosen answers that have a rejected one come first, in the order of those; where one has
    several, all but its first stand at the end.
    """
    first: dict[str, Mapping[str, Any]] = {}
    for text in texts:
        if text.get("of"):
            first.setdefault(text["of"], text)
    chosen = {text["text"]: text for text in texts if not text.get("of")}
    partners = [of for of in first if of in chosen]
    ahead = [chosen[of] for of in partners] + [first[of] for of in partners]
    return [*ahead, *(text for text in texts if all(text is not each for each in ahead))]
