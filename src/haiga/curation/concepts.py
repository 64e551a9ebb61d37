"""What rows are about: entries of a list, terms of their texts, or clusters of their pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import ahocorasick

from haiga.errors import DataError, RecipeError
from haiga.text.scripts import is_east_asian
from haiga.text.terms import terms

if TYPE_CHECKING:
    from haiga.curation.embeddings import Encoder

Row: TypeAlias = Mapping[str, Any]


class Seeing(NamedTuple):
    """What it takes to look at pictures."""

    encoder: Callable[[str], Encoder]
    """By the name that the recipe gives it."""
    files: Mapping[str, bytes]
    seed: int


def from_list(
    rows: Sequence[Row],
    texts: Sequence[str],
    seeing: Seeing,
    *,
    names: tuple[str, ...] = (),
    path: str = "",
) -> list[frozenset[str]]:
    """The entries of a list that stand in a row's texts, as whole words, in any case.

    A list is `names`, or the lines of a file, or both. An entry of a script without spaces may
    stand anywhere. All at once, by Aho and Corasick (1975), however long the list.

    Raises:
        DataError: the file cannot be read.
        RecipeError: there is no entry.
    """
    entries = [*names, *(_lines(path) if path else ())]
    if not entries:
        raise RecipeError("curate.balance.concepts: the list is empty; give names, or a path.")
    automaton = ahocorasick.Automaton()
    for entry in entries:
        plain = entry.strip().casefold()
        automaton.add_word(plain, (plain, entry.strip()))
    automaton.make_automaton()
    return [frozenset(_entries(automaton, text.casefold())) for text in texts]


def _lines(path: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The list of concepts {path} cannot be read: {error}.") from error
    return [line for line in text.splitlines() if line.strip()]


def _entries(automaton: Any, text: str) -> Iterator[str]:
    for end, (plain, entry) in automaton.iter(text):
        start = end - len(plain) + 1
        before, after = text[max(0, start - 1) : start], text[end + 1 : end + 2]
        if not (_continues(before, plain[0]) or _continues(after, plain[-1])):
            yield entry


def _continues(outer: str, inner: str) -> bool:
    """Whether a word goes on over the edge of an entry."""
    return bool(outer) and outer.isalnum() and not (is_east_asian(outer) or is_east_asian(inner))


def from_terms(
    rows: Sequence[Row], texts: Sequence[str], seeing: Seeing, *, minimum: int = 2
) -> list[frozenset[str]]:
    """The terms of a row's texts (`text.terms`) that at least `minimum` rows have.

    A term of more than half of the rows tells none from another and is no concept.
    """
    found = [terms(text) for text in texts]
    counts = Counter(term for own in found for term in own)
    known = {term for term, n in counts.items() if n >= minimum and 2 * n <= len(rows)}
    return [own & known for own in found]


def from_clusters(
    rows: Sequence[Row], texts: Sequence[str], seeing: Seeing, *, tower: str, clusters: int = 100
) -> list[frozenset[str]]:
    """The cluster of a row's first picture, among `clusters` by k-means on a tower's vectors.

    A row whose picture cannot be opened, or without one, has none.

    Raises:
        ModelError: the tower cannot be read.
    """
    from sklearn.cluster import KMeans  # a second that other concepts do not need

    encoder = seeing.encoder(tower)
    ids = [row["pictures"][0] if row["pictures"] else "" for row in rows]
    known = list(dict.fromkeys(id for id in ids if id))
    faults = encoder.see(known, seeing.files)
    known = [id for id in known if id not in faults]
    if not known:
        return [frozenset() for _ in rows]
    means = KMeans(min(clusters, len(known)), n_init=1, random_state=seeing.seed)
    labels = dict(zip(known, means.fit_predict(encoder.pictures(known)), strict=True))
    return [frozenset({f"cluster {labels[id]}"}) if id in labels else frozenset() for id in ids]


CONCEPTS: Final[dict[str, Callable[..., list[frozenset[str]]]]] = {
    "list": from_list,
    "terms": from_terms,
    "clusters": from_clusters,
}
"""Name -> (rows, their texts, seeing, *, options): the concepts of each row."""
