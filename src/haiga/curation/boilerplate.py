"""What the web writes beside a picture that says nothing about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import ahocorasick

# Not \b: kana follow an address without a blank, and are word characters too.
_ADDRESS: Final = re.compile(
    r"https?://|(?<![a-z])www\.|[\w.+-]{1,64}@[\w-]{1,63}\.[a-z]{2}"
    r"|[\w-]{1,63}\.(?:com|org|net|edu|gov|info|biz|jp|io|de|fr|ru|cn|co\.uk)(?![a-z0-9])",
    re.IGNORECASE,
)
_FILE: Final = re.compile(
    r"(?:^|\s|\b[a-z]:)[\\/]{1,2}[^\s\\/]+[\\/]\S"  # a path; "red/white/blue" is none
    # What cameras, telephones and scanners call a picture.
    r"|\b(?:IMG|DSC|DSCN|DSCF|PICT|SAM|GOPR|DJI|MVI|VID|PXL|FB_IMG|CIMG|SCAN|IMAGE)[_-]?[0-9]{3,}"
    r"|\bP[0-9]{7}\b|(?<![0-9])(?:19|20)[0-9]{6}_[0-9]{6}(?![0-9])"
    r"|\bscreen ?shot[ _-][0-9]|\bwhatsapp image\b"
    r"|(?<![0-9a-z])(?=[0-9a-f]*[0-9])[0-9a-f]{16,64}(?![0-9a-z])"
    r"|\w\.(?:jpe?g|png|gif|tiff?|webp|heic|avif|bmp|svg|psd|pdf)\b",
    re.IGNORECASE,
)
_MARKUP: Final = re.compile(
    r"</?[a-z][a-z0-9]{0,15}(?:\s[^<>]{0,200})?/?>|&(?:nbsp|amp|quot|lt|gt|#\d{2,6});",
    re.IGNORECASE,
)
_PHRASES: Final = (
    # English
    r"click (?:here|to|on|for)", r"(?:read|learn|see) more\b(?!\s+\w)", r"all rights reserved",
    r"untitled", r"stock (?:photo|image|illustration|vector)", r"placeholder", r"image not",
    r"no (?:image|photo|picture) available", r"(?:image|photo) coming soon",
    r"add to (?:cart|basket)", r"buy now", r"free shipping", r"follow us on",
    r"share (?:on|via) \w+", r"sign up for", r"subscribe to",
    r"view (?:full|larger|original) (?:size|image)", r"image may contain",
    r"download (?:now|this|free|image)", r"enable javascript", r"cookies? policy",
    # Japanese, Chinese, Korean
    "続きを読む", "もっと見る", "詳(?:しく|細)はこちら", "クリック(?:して|で|する)", "をクリック",
    "無断転載", "画像(?:は|が)?(?:なし|ありません)", "カートに入れる", "送料無料", "会員登録",
    "点击", "查看更多", "阅读全文", "版权所有", "클릭", "더 ?보기", "자세히 보기",
    # German, French, Spanish, Italian, Portuguese, Dutch, Russian
    "hier klicken", "klicken sie", "weiterlesen", "mehr erfahren", "in den warenkorb", "cliquez",
    "lire la suite", "en savoir plus", "ajouter au panier", "tous droits réservés",
    "ha(?:ga|z) clic", "leer más", "todos los derechos", "clicca qui", "leggi tutto",
    "clique aqui", "leia mais", "saiba mais", "klik hier", "lees meer", "нажмите", "читать далее",
)  # fmt: skip
_BOILERPLATE: Final = re.compile("|".join(_PHRASES), re.IGNORECASE)
_NOTHING: Final = re.compile(
    r"\s*(?:an? )?(?:image|photo|picture|thumbnail|logo|icon|banner|advertisement|loading|null|none"
    r"|undefined|n/a|alt|figure|slide)s?[\s.:#\d]*",
    re.IGNORECASE,
)
"""Texts that are only the word for what they stand beside."""


_HINTS: Final = {
    _ADDRESS: ("://", "www.", "@", *(
        f".{end}" for end in ("com", "org", "net", "edu", "gov", "info", "biz", "jp", "io", "de",
                              "fr", "ru", "cn", "co.uk")
    )),
    _FILE: ("/", "\\", *"0123456789", "whatsapp", ".jp", ".png", ".gif", ".tif", ".webp", ".heic",
            ".avif", ".bmp", ".svg", ".psd", ".pdf"),
    _MARKUP: ("<", "&"),
    _BOILERPLATE: tuple(_PHRASES),
    _NOTHING: ("image", "photo", "picture", "thumbnail", "logo", "icon", "banner", "advertisement",
               "loading", "null", "none", "undefined", "n/a", "alt", "figure", "slide"),
}  # fmt: skip
"""Pattern -> a text that it fits holds one of these; of a phrase, its longest part without signs.

The patterns take 35 microseconds a text, and looking for all hints at once less than one.
"""
_ODD: Final = ("\u0131", "\u0307")
"""Turkish letters that are an i for a pattern and not for `casefold`."""
_FREQUENT: Final = " etaoinshrdlucmwfgypbvkjxqz"
"""From the most frequent on. An automaton looks for a letter among those that may come, in the
order in which they were added: with the frequent ones first it takes two thirds of the time."""
_SIGNS: Final = re.compile(r"\(\?.*?\)|\[.*?\]|\\.|.\?|[|+]")


def _automaton() -> Any:
    """An automaton that finds hints: each stands for the patterns that it may be part of."""
    meant: dict[str, frozenset[re.Pattern[str]]] = {}
    for pattern, hints in _HINTS.items():
        for hint in (*_cores(hints), *_ODD):
            meant[hint] = meant.get(hint, frozenset()) | {pattern}
    automaton = ahocorasick.Automaton()
    for hint in sorted(meant, key=_rareness):
        automaton.add_word(hint, meant[hint])
    automaton.make_automaton()
    return automaton


def _rareness(hint: str) -> int:
    at = _FREQUENT.find(hint[0])
    return at if at >= 0 else len(_FREQUENT)


def _cores(hints: tuple[str, ...]) -> Iterator[str]:
    for hint in hints:
        plain = max(_SIGNS.split(hint), key=len) if hint in _PHRASES else hint
        yield plain.casefold()


_HINTED: Final = _automaton()


def found(text: str) -> str | None:
    """What a text holds that no caption does, or None."""
    may: frozenset[re.Pattern[str]] = frozenset()
    for _, patterns in _HINTED.iter(text.casefold()):
        may |= patterns
    if not may:
        return None
    if _ADDRESS in may and _ADDRESS.search(text):
        return "contains an address"
    if _FILE in may and _FILE.search(text):
        return "contains a file name"
    if _MARKUP in may and _MARKUP.search(text):
        return "contains markup"
    said = _BOILERPLATE in may and _BOILERPLATE.search(text)
    return "boilerplate" if said or (_NOTHING in may and _NOTHING.fullmatch(text)) else None
