"""What TRL makes of rows: its own collators, which its vision trainers hand their rows to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets
import pytest

import tiny
from haiga.models.assemble import assemble


def tiny_processor(home: Path) -> Any:
    """Of a tiny LLaVA, with a picture of 16 places."""
    tower, language_model = tiny.tiny_tower(home / "tower"), tiny.tiny_language_model(home / "lm")
    return assemble(tower, language_model).processor


def through_datasets(rows: list[dict[str, Any]]) -> datasets.Dataset:
    """Rows with the bytes of pictures, as `datasets` gives them back."""
    made = datasets.Dataset.from_list(rows)
    return made.cast_column("images", datasets.List(datasets.Image()))


def collated(rows: Iterable[dict[str, Any]], processor: Any) -> dict[str, Any]:
    """One batch of all rows, by the collator of the trainer that reads such rows."""
    pytest.importorskip("trl")
    from trl.trainer.dpo_trainer import DataCollatorForVisionPreference
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    examples = [{**row} for row in rows]
    kinds = {"chosen": DataCollatorForVisionPreference}
    kind = next((kinds[name] for name in kinds if name in examples[0]), None)
    return (kind or DataCollatorForVisionLanguageModeling)(processor)(examples)
