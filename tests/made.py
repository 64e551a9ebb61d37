"""Pictures, and the way of what a source finds through curation to groups."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from haiga.curation import captioning, filtering, pictures, run
from haiga.curation.verdicts import Sameness
from haiga.records import Group
from haiga.sources import Found
from haiga.store import FinalPictures, Folder, read_groups
from inline import inline


def picture(seed: int, kind: str = "PNG", side: int = 96) -> bytes:
    """Soft noise that no other seed comes near."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def curated(
    path: Path, found: Callable[[int], Iterator[Found]]
) -> tuple[list[Group], FinalPictures, list[dict[str, Any]]]:
    """All groups of a source, their pictures, and the rows that were set aside in 00_raw."""
    folders = [Folder(path / name) for name in ("00_raw", "01", "02", "03")]
    raw, filtered, captioned, checked = folders

    def emit(event):
        assert event["stage"]

    run.gather(found, raw, {}, emit)
    rules = filtering.Rules([], [], Sameness(2), pictures.looks([]))
    filtering.filter_rows(raw, filtered, {}, rules=rules, engine=inline, emit=emit)
    captioning.caption(filtered, captioned, {}, teacher=None, answers={}, exchanges={}, emit=emit)
    run.check_captions(captioned, checked, {}, rules={})
    final = Folder(path / "04_final")
    run.finalise(checked, final, {}, sizes={"held_out": 0}, seed=0)
    return read_groups(final.path, "train"), FinalPictures(final.path), list(raw.dropped())
