"""What a source found as a row of 00_raw, and the row's own texts as texts of a task.

A conversation travels in one column as JSON text, untouched, until its answers become texts beside
a teacher's (02_captioned) and its prompt that of a group (04_final).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from haiga.recipe.checks import CHAT, SOURCE_TASK
from haiga.records import Answer, Message, message_to_dict, messages_from
from haiga.sources import Found
from haiga.store import PictureFiles


def raw_row(thing: Found, files: PictureFiles) -> dict[str, Any]:
    """A row of 00_raw, its pictures stored in `files`; with a "reason" where it is at fault."""
    row = {
        "id": thing.id,
        "pictures": [files.add(data, suffix) for data, suffix in thing.pictures],
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


def own_answer(text: Mapping[str, str]) -> Answer:
    """A text of a conversation as the answer that it was."""
    turns = messages_from(json.loads(text["turns"]))
    return Answer(turns, kind=text["kind"], source=text["source"])
