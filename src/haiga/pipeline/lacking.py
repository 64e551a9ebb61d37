"""What a recipe asks of this machine that is installed by an extra of its own, and is not."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from PIL import features

from haiga import sources
from haiga.errors import DataError
from haiga.recipe.schema import Recipe


class Need(NamedTuple):
    """A package, and the extra that installs it."""

    module: str
    called: str
    extra: str

    @property
    def is_met(self) -> bool:
        return find_spec(self.module) is not None


ENGINES: Final = {"ray": Need("ray", "Ray", "scale")}
SOURCES: Final = {"video": Need("av", "PyAV", "video")}
HEIC: Final = Need("pillow_heif", "pillow-heif", "heic")
READINGS: Final = Need("fugashi", "fugashi", "ja")
_HEIC_NAMES: Final = (".heic", ".heif", ".hif")


def lacking(recipe: Recipe) -> Iterator[str]:
    """A sentence for each, with what would install it; another machine may have it."""
    needs = {"engine.name": ENGINES.get(recipe.engine["name"])}
    gathered = {f"curate.against.{name}": each for name, each in recipe.curate.against.items()}
    if recipe.source is not None:
        gathered["source"] = recipe.source
    needs |= {f"{path}.name": SOURCES.get(each["name"]) for path, each in gathered.items()}
    for path, need in needs.items():
        if need is not None and not need.is_met:
            yield f"{path}: it needs {need.called}, which is not installed here: {_install(need)}."
    for path, source in gathered.items():
        if source["name"] == "folder":
            yield from _unreadable(f"{path}.path", source["path"])
    if recipe.language == "ja" and not READINGS.is_met:
        rules = recipe.curate.texts.items()
        for task in (task for task, own in rules if any(rule["name"] == "form" for rule in own)):
            yield (
                f"curate.texts.{task}: poems with words whose reading haiga does not know are set "
                f"aside; {READINGS.called} knows more, and is not installed here: "
                f"{_install(READINGS)}."
            )


def _unreadable(path: str, folder: str) -> Iterator[str]:
    """Pictures in a folder that would be dropped, since nothing here can read them."""
    try:
        names = [name for name, _ in sources.FILES["folder"](path=folder)]
    except DataError:  # the run says it, on the machine that gathers
        return
    ends = [PurePosixPath(name).suffix.lower() for name in names]
    heic, avif = sum(end in _HEIC_NAMES for end in ends), ends.count(".avif")
    if heic and not HEIC.is_met:
        yield (
            f"{path}: {heic:,} of its pictures are HEIC and would be dropped as unreadable: "
            f"{HEIC.called} is not installed here: {_install(HEIC)}."
        )
    if avif and not features.check("avif"):
        yield (
            f"{path}: {avif:,} of its pictures are AVIF and would be dropped as unreadable: this "
            "Pillow was built without AVIF: pip install --upgrade pillow."
        )


def _install(need: Need) -> str:
    return f"pip install 'haiga[{need.extra}]'"
