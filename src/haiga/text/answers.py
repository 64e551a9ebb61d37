"""What a free answer to a closed question says: yes or no, or a letter. None is an answer too.

An answer that does not parse is None, and the caller counts it as wrong; nothing is guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, Literal

# Words of scripts with spaces: they open the sentence, or stand before a pause or its end, so that
# "a boat with no sail" is not a no.
YES: Final = ("yes", "yeah", "yep", "yup", "oui", "sí", "да", "certainly", "indeed", "correct")
NO: Final = ("no", "nope", "nah", "non", "nein", "нет", "none", "nothing", "neither", "incorrect")
NEGATED: Final = re.compile(
    r"\bthere(?:'s|'re| is| are| was| were) (?:no|not|none|nothing)\b"
    r"|\b(?:is|are|was|were|do|does|did|can) ?(?:not|n't)\b|\bcan't\b"
    "|(?:ありません|いません|見えません|ではない|じゃない|がない|はない|がいない|はいない)(?:です)?$"
)
# Scripts without spaces: only what opens the sentence (これはいぬ holds はい).
YES_OPENING: Final = "はい|ええ|うん|そうです|その通り|あります|います|是的|是|有|对|네|예"
NO_OPENING: Final = (
    "いいえ|いえ|いや|違います|ちがいます|ありません|いません|ないです"
    "|不是|不|没有|没|否|아니요|아니오"
)
HEDGES: Final = re.compile(
    r"\b(?:not sure|unsure|not certain|(?:can(?:no|')t|can not|not possible to|impossible to|"
    r"unable to) (?:say|tell|determine|know)|unclear|do(?:n't| not) know|no idea|maybe|perhaps)\b"
    "|分かりません|わかりません|不明|かもしれません"
)
BOTH: Final = re.compile(r"\byes\s*(?:/|or|and)\s*no\b|はい(?:か|または|/)いいえ")
SENTENCE_END: Final = re.compile(r"[.!?。!?\n]+")
OPENING: Final = r"^(?:(?:答え|回答|回答は|答)(?:は|:)\s*)?[「『\"'(\[*\s]*"

REJECTED: Final = r"[\s)\]]*(?:is|are|was|seems)\s+(?:wrong|incorrect|not|false|out|ruled)\b"
JOINING: Final = ("", "not", "and", "or", "nor")
NAMED: Final = r"(?:option|choice|letter)"
STATED: Final = (
    rf"(?i:\b(?:{NAMED}|answer|choose|pick|select|go with)|答え|正解|回答)"
    rf"(?i:\s*(?:is|are|:|=|は|would be|should be|must be)){{0,2}}\s*(?i:{NAMED}\b)?\s*[(\[\"'「]*"
)
AFTER_A_LETTER: Final = r"\s*(?:$|[^\w\s]|[ぁ-ん]|(?:because|since|as|for|and|but|which|rather)\b)"


def yes_no(text: str) -> Literal["yes", "no"] | None:
    """ "yes", "no", or None for an answer that says neither, both, or that it does not know.

    Only the first sentence speaks. The word that opens it decides; else it must speak for one side
    alone, where a negated statement ("There is no boat", 舟はありません) is a no. A statement
    that is not negated is None: "There is a man" does not answer "Is there a boat?".
    """
    sentence = _first_sentence(text)
    if re.match(f"{OPENING}(?:{YES_OPENING})(?![ぁ-ん])|{OPENING}(?:はい|ええ|うん)です", sentence):
        return "yes"
    if re.match(f"{OPENING}(?:{NO_OPENING})(?![ぁ-ん])|{OPENING}いいえです", sentence):
        return "no"
    spoken = BOTH.sub(" ", sentence)
    opening = re.match(r"\W*([^\W\d_]+(?:'[^\W\d_]+)*)", spoken)
    if opening and _side(opening[1]) and not HEDGES.match(sentence):
        return _side(opening[1])
    if HEDGES.search(sentence):
        return None
    said = {_side(word) for word in re.findall(r"([^\W\d_]+)(?=\s*(?:[^\w\s']|$))", spoken)}
    if NEGATED.search(spoken):
        said.add("no")
    sides = [side for side in said if side]
    return sides[0] if len(sides) == 1 else None


def choice(text: str, letters: str = "ABCD", options: Sequence[str] = ()) -> str | None:
    """The letter that an answer to a multiple-choice question chooses, or None.

    In this order, and the first rule that speaks decides: the answer is a letter and no more; it
    states one ("the answer is C"; the last statement counts); it opens with one ("B. a boat"); it
    holds one letter in brackets; it ends with a letter; it holds the text of one of `options`,
    which are in the order of `letters`. A letter that the answer rejects ("option B is wrong") is
    not chosen, and a letter inside a word ("NBA") or an article ("A boat") is not a letter.
    """
    plain = unicodedata.normalize("NFKC", text).replace("*", "").strip()
    one = f"[{re.escape(letters)}]"
    whole = re.fullmatch(rf"[(\[\"'\s]*({one})[)\]\"'.,:;!\s]*", plain, re.IGNORECASE)
    if whole:
        return whole[1].upper()
    stated = _stated(plain, one)
    if stated:
        return stated
    rejected = set(re.findall(rf"\b({one})\b{REJECTED}", plain))
    listed = set(re.findall(rf"(?:^|\s)[(\[]?({one})[)\].:](?=\s|$)", plain)) - rejected
    opening = re.match(rf"[(\[]?({one})(?:[)\].:,](?=\s)|\n)", plain)
    if opening and opening[1] not in rejected and len(listed) < 2:
        return opening[1]
    bracketed = set(re.findall(rf"[(\[]({one})[)\]]", plain)) - rejected
    if len(bracketed) == 1:
        return bracketed.pop()
    closing = re.search(rf"(\w*)[\s(\[]+({one})[)\]\"'.!\s]*$", plain)
    if closing and len(bracketed | listed) < 2 and closing[1] not in JOINING:
        return closing[2]
    return _option(plain, letters, options)


def _first_sentence(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).replace("’", "'").replace("*", "").casefold()
    plain = re.sub(r":\s*\n+", ": ", plain.strip())
    return next((part.strip() for part in SENTENCE_END.split(plain) if part.strip()), "")


def _side(word: str) -> Literal["yes", "no"] | None:
    return "yes" if word in YES else "no" if word in NO else None


def _stated(text: str, one: str) -> str | None:
    """The letter of the last statement of the kind "the answer is C"."""
    found = None
    for match in re.finditer(f"({STATED})({one})(?![A-Za-z0-9'&])", text):
        rest = text[match.end() :]
        named = re.search(rf"(?i:{NAMED})\W*$", match[1])
        is_article = match[2] in "AI" and not named and not re.match(AFTER_A_LETTER, rest)
        if not is_article and not re.match(REJECTED, rest):
            found = match[2]
    return found


def _option(text: str, letters: str, options: Sequence[str]) -> str | None:
    """The letter of the only option whose text occurs, as words of its own."""
    held = []
    for letter, option in zip(letters, options, strict=False):
        form = re.escape(unicodedata.normalize("NFKC", option).strip())
        latin = re.match(r"[\x00-\u024f]", option)
        edge = (r"(?<!\w)", r"(?!\w)") if latin else ("", "")
        if form and re.search(f"{edge[0]}{form}{edge[1]}", text, re.IGNORECASE):
            held.append(letter)
    return held[0] if len(held) == 1 else None
