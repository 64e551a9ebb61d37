"""A folder of clips, as pictures with time stamps. Needs PyAV, the extra `video`."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from haiga.errors import DataError
from haiga.recipe.names import listed
from haiga.records import MAX_PICTURES
from haiga.sources.base import SERIES, Found
from haiga.sources.files import walk
from haiga.sources.folder import CAPTIONS, FILE_NAME, Words, beside, told, words
from haiga.sources.rows import meta_of

SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv")
MOST: Final = 32
"""Frames of one clip."""
_QUALITY: Final = 95
Frame = tuple[float, bytes]
"""Seconds from the beginning, and the picture as JPEG."""
Sample = Callable[[Any, int], Iterator[Any]]
"""(an open clip, how many frames at most): the frames."""


def video(
    seed: int,
    language: str,
    skip: int,
    *,
    path: str,
    frames: int = 8,
    sample: Literal["uniform", "keyframes"] = "uniform",
    rows: Literal["frames", "clips"] = "frames",
    meta: dict[str, str] | None = None,
) -> Iterator[Found]:
    """At most `frames` frames of every clip under a folder, in the order of the names and of time.

    `uniform` takes the middles of equal parts of a clip, `keyframes` takes key frames, evenly where
    there are more. `rows` says whether each frame is a thing of its own, called "clip.mp4@12.50s",
    or each clip is one thing with all its frames. A clip's words are found as those of a picture in
    the source `folder`, and go with each of its frames. Frames are upright and of square pixels,
    and become JPEG of quality 95: a clip holds no files that could be kept as they came.

    What cannot be decoded is set aside, whole. Going on decodes the clips before again.

    Raises:
        DataError: there is no such folder or no clip in it, more frames than can be, or no PyAV.
    """
    _refuse(frames, rows)
    root = Path(path)
    names = list(walk(root))
    known = told(root, names)
    clips = [(name, why) for name, why in names if why or _suffix(name) in SUFFIXES]
    if not any(not why for _, why in clips):
        raise DataError(f"There is no clip in {path}; clips end in {listed(SUFFIXES)}.")
    files = {name for name, why in names if not why}

    def found() -> Iterator[Found]:
        for name, why in clips:
            said = words(root, name, files, CAPTIONS, known.rows.get(name, {}))
            taken: list[Frame] | str = why or _frames(root / name, frames, SAMPLES[sample])
            if isinstance(taken, str) or isinstance(said, str):
                fault = taken if isinstance(taken, str) else str(said)
                yield Found(name, language=language, meta=dict(meta or {}), fault=fault)
            else:
                yield from _things(name, taken, said, (language, meta), whole=rows == "clips")
        for name, why in known.faults:
            yield Found(name, language=language, meta=dict(meta or {}), fault=why)

    yield from islice(found(), skip, None)


def clip_files(*, path: str, **options: Any) -> Iterator[tuple[str, Path]]:
    """Every file that `video` reads, by its name from the folder on; other options play no part.

    Raises:
        DataError: there is no such folder.
    """
    yield from beside(Path(path), SUFFIXES)


def _refuse(frames: int, rows: str) -> None:
    most = MOST if rows == "frames" else MAX_PICTURES
    if not 1 <= frames <= most:
        raise DataError(
            f"source.frames: {frames} frames of a clip were asked for; as {rows} there may be 1 to "
            f"{most}."
        )
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise DataError(
            "The source 'video' needs PyAV, which is not installed: pip install 'haiga[video]'."
        ) from error


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _things(
    name: str,
    frames: list[Frame],
    said: Words,
    common: tuple[str, Mapping[str, str] | None],
    *,
    whole: bool,
) -> Iterator[Found]:
    language, given = common
    caption, besides = said
    own = {"file": name, **meta_of(besides, (FILE_NAME,), given), SERIES: name}
    if whole:
        shown = tuple((data, ".jpg") for _, data in frames)
        times = [round(seconds, 3) for seconds, _ in frames]
        yield Found(name, shown, caption, language, {**own, "seconds": times})
        return
    for seconds, data in frames:
        stamp = {**own, "seconds": round(seconds, 3)}
        yield Found(f"{name}@{seconds:.2f}s", ((data, ".jpg"),), caption, language, stamp)


def _frames(
    path: Path, count: int, sample: Callable[[Any, int], Iterator[Any]]
) -> list[Frame] | str:
    """Frames of a clip, or why there are none."""
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return "no picture in it"
            container.streams.video[0].thread_type = "AUTO"
            shape = container.streams.video[0].sample_aspect_ratio or 1
            taken = {each.pts: _frame(each, float(shape)) for each in sample(container, count)}
    except (OSError, ValueError, av.FFmpegError):
        return "cannot be decoded"
    return list(taken.values()) or "no picture in it"


def _uniform(container: Any, count: int) -> Iterator[Any]:
    """The frames that are shown in the middles of `count` equal parts."""
    stream = container.streams.video[0]
    begin, length = _span(container)
    for at in range(count):
        wanted = begin + length * (at + 0.5) / count
        container.seek(int(wanted / stream.time_base), stream=stream)
        shown = None
        for frame in container.decode(stream):
            if shown is not None and frame.time > wanted:
                break
            shown = frame
        if shown is not None:
            yield shown


def _keyframes(container: Any, count: int) -> Iterator[Any]:
    """Key frames, `count` of them evenly where there are more."""
    stream = container.streams.video[0]
    stream.codec_context.skip_frame = "NONKEY"
    total = sum(1 for _ in container.decode(stream))
    container.seek(0, stream=stream)
    wanted = {(2 * at + 1) * total // (2 * count) for at in range(count)}
    if total <= count:
        wanted = set(range(total))
    for at, frame in enumerate(container.decode(stream)):
        if at in wanted:
            yield frame


SAMPLES: Final[dict[str, Sample]] = {
    "uniform": _uniform,
    "keyframes": _keyframes,
}


def _span(container: Any) -> tuple[float, float]:
    """Where a clip begins, and how long it is, in seconds; counted where its header is silent."""
    stream = container.streams.video[0]
    begin = float((stream.start_time or 0) * stream.time_base)
    if stream.duration:
        return begin, float(stream.duration * stream.time_base)
    if container.duration:
        return begin, container.duration / 1e6
    last = max((p.pts for p in container.demux(stream) if p.pts is not None), default=0)
    return begin, float(last * stream.time_base) - begin


def _frame(frame: Any, shape: float) -> Frame:
    """A frame as it is shown: of square pixels, although `shape` may be theirs, and upright."""
    image = frame.to_image()
    if shape != 1:
        image = image.resize((max(1, round(image.width * shape)), image.height))
    if frame.rotation:
        image = image.rotate(frame.rotation, expand=True)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return float(frame.time or 0.0), buffer.getvalue()
