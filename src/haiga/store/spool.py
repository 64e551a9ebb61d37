"""Groups on their way into 04_final, kept on disk until it is known which of them share a row."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np

from haiga.records import Group, message_to_dict
from haiga.store.files import fingerprint
from haiga.store.rows import Lazy, Row


class Spool(Lazy):
    """The rows of one split, without their pictures' bytes: one row per set of pictures.

    Groups with the same pictures, cluster, language and meta share a row, which has the id of the
    first of them; the order is that of their first appearance. A group without pictures is its own
    row. In memory is where each group lies in `file`.
    """

    def __init__(self, file: BinaryIO, groups: Iterable[Group]) -> None:
        self._file = file
        starts, rows = array("q"), array("q")
        known: dict[str, int] = {}
        for group in groups:
            starts.append(file.tell())
            rows.append(known.setdefault(_key(group), len(known)))
            file.write(json.dumps([_head(group), _group_row(group)]).encode() + b"\n")
        order = np.argsort(np.frombuffer(rows, dtype=np.int64), kind="stable")
        self._starts = np.frombuffer(starts, dtype=np.int64)[order]
        self._ends = np.cumsum(np.bincount(np.frombuffer(rows, dtype=np.int64)), dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def row(self, at: int) -> Row:
        first, end = int(self._ends[at - 1]) if at else 0, int(self._ends[at])
        lines = [self._read(int(start)) for start in self._starts[first:end]]
        return {**lines[0][0], "groups": [group for _, group in lines]}

    def _read(self, start: int) -> Any:
        self._file.seek(start)
        return json.loads(self._file.readline())


def _key(group: Group) -> str:
    ids = [picture.id for picture in group.pictures]
    return fingerprint([ids or group.id, group.cluster, group.language, group.meta])


def _head(group: Group) -> Mapping[str, Any]:
    return {
        "id": group.id,
        "picture_ids": [picture.id for picture in group.pictures],
        "cluster": group.cluster,
        "language": group.language,
        "meta": json.dumps(dict(group.meta), ensure_ascii=False),
    }


def _group_row(group: Group) -> Mapping[str, Any]:
    return {
        "id": group.id,
        "task": group.task,
        "prompt": [message_to_dict(message) for message in group.prompt],
        "answers": [
            {
                "kind": answer.kind,
                "source": answer.source,
                "messages": [message_to_dict(message) for message in answer.messages],
            }
            for answer in group.answers
        ],
    }
