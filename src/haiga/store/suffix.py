"""What a picture's file is, by its first bytes."""

from __future__ import annotations

from typing import Final

_MAGIC: Final = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"\x00\x00\x00\x0cjP  ", ".jp2"),
    (b"\xff\x4f\xff\x51", ".jp2"),
    *((b"P%d" % n + blank, ".ppm") for n in range(1, 7) for blank in (b"\n", b" ", b"\r")),
)
_BRANDS: Final = {
    ".avif": {b"avif", b"avis"},
    ".heic": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"},
}
"""Of ISO 14496-12; an AVIF file may call itself a mif1 first, so it is asked about first."""


def suffix_of(data: bytes) -> str:
    """The suffix that a picture's first bytes ask for; "" where they are no picture's.

    What a server, an archive or a name says of a file is often wrong; its first bytes are not.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4], "big"), 128)
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
        return next((suffix for suffix, known in _BRANDS.items() if brands & known), "")
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), "")
