"""What the web writes beside a picture that says nothing about it."""

from __future__ import annotations

import re
from typing import Final

# Not \b: kana follow an address without a blank, and are word characters too.
_ADDRESS: Final = re.compile(
    r"https?://|(?<![a-z])www\.|[\w.+-]{1,64}@[\w-]{1,63}\.[a-z]{2}"
    r"|[\w-]{1,63}\.(?:com|org|net|edu|gov|info|biz|jp|io|de|fr|ru|cn|co\.uk)(?![a-z0-9])",
    re.IGNORECASE,
)
_FILE: Final = re.compile(
    r"(?:^|\s|\b[a-z]:)[\\/]{1,2}[^\s\\/]+[\\/]\S"  # a path; "red/white/blue" is none
    # What cameras, telephones and scanners call a picture.
    r"|\b(?:IMG|DSC|DSCN|DSCF|PICT|SAM|GOPR|DJI|MVI|VID|PXL|FB_IMG|CIMG|SCAN|IMAGE)[_-]?\d{3,}"
    r"|\bP\d{7}\b|(?<!\d)(?:19|20)\d{6}_\d{6}(?!\d)"
    r"|\bscreen ?shot[ _-]\d|\bwhatsapp image\b"
    r"|(?<![0-9a-z])(?=[0-9a-f]*\d)[0-9a-f]{16,64}(?![0-9a-z])"
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


def found(text: str) -> str | None:
    """What a text holds that no caption does, or None."""
    if _ADDRESS.search(text):
        return "contains an address"
    if _FILE.search(text):
        return "contains a file name"
    if _MARKUP.search(text):
        return "contains markup"
    return "boilerplate" if _BOILERPLATE.search(text) or _NOTHING.fullmatch(text) else None
