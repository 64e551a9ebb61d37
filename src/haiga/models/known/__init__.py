"""The config.json of models that we name, shipped so that planning needs no network.

What a file leaves out is the class's default in transformers, as in the published files. SigLIP's
text halves name no begin and end tokens: the defaults lie outside their vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig

from haiga.errors import ModelError
from haiga.models.weights import readable

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The models whose configs are shipped."""
    return sorted(path.stem.replace("--", "/") for path in _FOLDER.glob("*.json"))


def config(name: str | Path) -> Any:
    """The config of a shipped name or of a local checkpoint's folder; never from the network.

    Raises:
        ModelError: neither shipped nor a folder with a config.json of a model.
    """
    shipped = _FOLDER / (str(name).replace("/", "--") + ".json")
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").exists():
            raise ModelError(f"{name} is a folder without a config.json: no checkpoint is there.")
        with readable(path):
            return AutoConfig.from_pretrained(path)
    if not shipped.exists():
        raise ModelError(
            f"The config of '{name}' is not shipped with haiga, and it is no local folder. "
            f"Download it and give its folder, or choose one of: {', '.join(names())}."
        )
    return AutoConfig.from_pretrained(shipped)
