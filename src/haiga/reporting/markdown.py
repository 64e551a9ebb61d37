"""What cards are made of: front matter that the hub reads, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from huggingface_hub import DatasetCardData, ModelCardData


def front(data: ModelCardData | DatasetCardData) -> str:
    """The front matter of a card, between its dashes."""
    return f"---\n{data.to_yaml().strip()}\n---\n"


def table(heads: Sequence[str], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """A table of Markdown; what is in a cell can be nothing but text."""
    yield _line(heads)
    yield "|" + "---|" * len(heads)
    yield from map(_line, rows)
    yield ""


def _line(cells: Sequence[str]) -> str:
    plain = (" ".join(cell.replace("|", "\\|").replace("<", "&lt;").split()) for cell in cells)
    return f"| {' | '.join(plain)} |"
