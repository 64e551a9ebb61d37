"""Whether a model's answer is an answer at all."""

from __future__ import annotations

import re
from typing import Final

from haiga.text.language import is_in

POEM_LINES: Final = 3
_JUNK: Final = re.compile(
    r"<\|.*?\|>|<image>|</?s>|<(?:pad|unk|bos|eos|start_of_turn|end_of_turn)>|\[/?INST\]|```|\ufffd"
    r"|^\s*(?:system|user|assistant|human)\s*(?::|$)",
    re.IGNORECASE | re.MULTILINE,
)


def readable(answer: str, task: str, language: str) -> bool:
    """Whether `answer` is one: words, in the language asked for, three lines where the task is a
    haiku, and no tokens of the chat template."""
    lines = [line for line in answer.splitlines() if line.strip()]
    if not lines or _JUNK.search(answer):
        return False
    if task == "haiku" and len(lines) != POEM_LINES:
        return False
    return is_in(answer, language)
