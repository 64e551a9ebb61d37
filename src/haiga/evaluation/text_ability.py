"""What a language model can still do with words alone, before its stages and after each of them.

    evaluation/text_ability.json    language -> "base", or a stage -> what was found

Two things: how well it predicts plain prose (bits per byte, so that tokenisers can be compared;
older prose in the public domain and some of our own), and whether it does what it is told, by
instructions whose fulfilment a rule can check. Tuning on poems makes a model forget, and checks of
poems do not see it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import torch

from haiga.batches.groups import collate
from haiga.batches.render import Branch, Rendered
from haiga.models import branches
from haiga.models.assemble import Vlm
from haiga.models.generate import generate
from haiga.records import user
from haiga.statistics.intervals import bootstrap_ratio, wilson
from haiga.statistics.paired import Comparison, difference

LANGUAGES: Final = ("en", "ja")
LONGEST: Final = 32
VERSION: Final = "2"
"""Of how it is measured; what was found in another way is found anew."""
BASE: Final = "base"


class Instruction(NamedTuple):
    """What is asked, and whether an answer does it."""

    ask: str
    done: Callable[[str], bool]


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z']+", text)


def _is(*wanted: str) -> Callable[[str], bool]:
    return lambda text: text.strip().strip(".。!").casefold() in wanted


def _match(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text.strip(), re.IGNORECASE | re.DOTALL) is not None


INSTRUCTIONS: Final[dict[str, tuple[Instruction, ...]]] = {
    "en": (
        Instruction("Answer with the word yes and nothing else.", _is("yes")),
        Instruction("Write exactly three words.", lambda text: len(_words(text)) == 3),
        Instruction("Ask one question.", _match(r"[^?]{4,}\?")),
        Instruction(
            "In capital letters only: what colour is snow?",
            lambda text: text.isupper() and "WHITE" in text,
        ),
        Instruction(
            "Count from one to five in words, with commas between.",
            _match(r"one, two, three, four,?( and)? five\.?"),
        ),
        Instruction(
            "Write the numbers 1 to 4, each on a line of its own.",
            _match(r"1\.?\s*\n2\.?\s*\n3\.?\s*\n4\.?"),
        ),
        Instruction(
            "Write the word lantern twice and nothing else.", _match(r"lantern[,.]?\s+lantern\.?")
        ),
        Instruction(
            "Name one season and nothing else.", _is("spring", "summer", "autumn", "fall", "winter")
        ),
        Instruction("Begin your answer with the word Because.", _match(r"because\b.{3,}")),
        Instruction("Put your whole answer in double quotes.", _match(r'["“][^"“”]+["”]')),
        Instruction(
            "Name two animals with a semicolon between them.", _match(r"[\w ]+;\s*[\w ]+\.?")
        ),
        Instruction("How much is two plus two? Answer with a digit.", _is("4")),
    ),
    "ja": (
        Instruction("「はい」とだけ答えてください。", _is("はい")),
        Instruction("一から五まで読点で区切って書いてください。", _match("一、二、三、四、五。?")),
        Instruction("疑問文を一つ書いてください。", _match("[^。?？]{3,}(か。?|[?？])")),
        Instruction("季節を一つだけ、一語で答えてください。", _is("春", "夏", "秋", "冬")),
        Instruction("答えをかぎ括弧で囲んでください。", _match("「[^「」]+」")),
        Instruction("ひらがなだけで一文を書いてください。", _match("[ぁ-ゖー、。\\s]{3,}")),
        Instruction("「なぜなら」で始まる文を書いてください。", _match("なぜなら.{3,}")),
        Instruction("二足す二はいくつですか。数字一つで答えてください。", _is("4", "４", "四")),
    ),
}  # fmt: skip


@cache
def passages(language: str) -> tuple[str, ...]:
    """Plain prose, a paragraph each."""
    file = resources.files("haiga.evaluation").joinpath(f"data/prose_{language}.txt")
    return tuple(line for line in file.read_text(encoding="utf-8").splitlines() if line)


@torch.no_grad()
def bits(vlm: Vlm, texts: Sequence[str]) -> list[float]:
    """The bits that the model needs for each text: no picture, no prompt and no chat.

    The first token follows the one that opens a text, or closes one where none opens, as in
    lm-evaluation-harness (`loglikelihood_rolling`), so that every byte is paid for.
    """
    found = []
    training = vlm.model.training
    vlm.model.eval()
    try:
        opening = vlm.tokenizer.bos_token_id
        first = vlm.tokenizer.eos_token_id if opening is None else opening
        for at, text in enumerate(texts):
            ids = vlm.tokenizer(text, add_special_tokens=False)["input_ids"]
            branch = Branch(tuple(ids), (True,) * len(ids))
            row = Rendered(str(at), (first,), (branch,), ("chosen",), ())
            batch = collate([row], vlm.tokenizer.pad_token_id).to(vlm.model.device)
            found.append(-float(branches.token_logps(vlm.model, batch).sum()) / math.log(2))
    finally:
        vlm.model.train(training)
    return found


def measured(vlm: Vlm, language: str) -> dict[str, Any]:
    """What one model can do.

    Returns:
        "bits": of each passage; "bytes"; "answers" to the instructions; "done": which it followed.
    """
    texts = passages(language)
    asked = INSTRUCTIONS[language]
    prompts = [(user(each.ask),) for each in asked]
    answers = generate(vlm, prompts, [()] * len(prompts), max_new_tokens=LONGEST)
    return {
        "bits": bits(vlm, texts),
        "bytes": [len(text.encode()) for text in texts],
        "answers": answers,
        "done": [each.done(answer) for each, answer in zip(asked, answers, strict=True)],
    }


def compared(found: dict[str, dict[str, Any]], *, seed: int = 0) -> dict[str, Any]:
    """Each model's scores, and how it differs from the base, passage by passage.

    Args:
        found: name -> what `measured` gave; `BASE` among them.
        seed: of the bootstrap.

    Returns:
        name -> "bits_per_byte" and "followed" (mean, low, high, n), and, but for the base,
        "bits_per_byte_change" and "followed_change" (difference, low, high, moved, detectable).
    """
    base = found[BASE]
    told: dict[str, Any] = {}
    for name, own in found.items():
        told[name] = {
            "bits_per_byte": asdict(bootstrap_ratio(own["bits"], own["bytes"], seed=seed)),
            "followed": asdict(wilson(sum(own["done"]), len(own["done"]))),
        }
        if name != BASE:
            rates = [[b / n for b, n in zip(each["bits"], each["bytes"], strict=True)]
                     for each in (base, own)]  # fmt: skip
            told[name]["bits_per_byte_change"] = _change(difference(*rates, seed=seed))
            told[name]["followed_change"] = _change(
                difference(base["done"], own["done"], seed=seed, share=True)
            )
    return told


def _change(found: Comparison) -> dict[str, Any]:
    """As JSON has it, which knows no infinity: None where no difference could be seen."""
    seen = None if math.isinf(found.detectable) else found.detectable
    return asdict(found) | {"detectable": seen}
