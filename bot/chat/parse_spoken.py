"""
Parse spoken: amounts as people say them, "soo", "2 thao" and "elfu 2", or space them, "1 500".

They only ever make a question: the words drift, some are names, and a number may stand alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from bot.chat.parse_numerals import numeral_run

__all__ = ["Spoken", "more_than", "spoken"]

_COUNT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,2})?")
_FIRST = re.compile(r"[1-9][0-9]{0,2}")
_GROUP = re.compile(r"(?P<digits>[0-9]{3})(?:\.0{1,2})?(?P<end>/[=\-])?[.,;:]*")
_LIKE_A_GROUP = re.compile(r"[0-9]{3}(?:[.,][0-9.,]*)?(?:[km]|/[=\-]|bob|kshs?|kes|shs?)*\.?", re.I)
_EDGES = " -–—:;,.|/"


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was said, and how many shillings it means; None where that cannot be known."""

    text: str
    meant_kes: int | None


def spoken(words: Sequence[str]) -> Spoken | None:
    """The first such word, with the number beside it if there is one; or all the words of one."""
    run = numeral_run(words, _worth)
    if run is not None:
        return Spoken(" ".join(words[run[0] : run[1]]).strip(_EDGES), run[2])
    for at, word in enumerate(words):
        worth = _worth(word)
        if worth is None:
            continue
        for start, other, end in ((at - 1, at - 1, at + 1), (at, at + 1, at + 2)):
            count = _count(words[other]) if 0 <= other < len(words) else None
            if count is not None:
                return _meant(words[start:end], worth * count)
        return _meant([word], Decimal(worth))
    return None


def more_than(
    words: Sequence[str], start: int, end: int, number: str, *, millions_to_kes: int = 0
) -> Spoken | None:
    """
    What the amount at words[start:end] may be but a part of; None if it can stand alone.

    A currency between the number and its neighbour parts them: "KES 500/= 100 bags". An "m" that
    stands apart may be a million where no more than *millions_to_kes* are meant, or a name's.
    """
    run = numeral_run(words, _worth)
    if run is not None and run[0] <= start < run[1]:
        return Spoken(" ".join(words[run[0] : run[1]]).strip(_EDGES), run[2])
    number = number.rstrip(".,")
    before = start > 0 and len(words[start - 1]) > 1 and words[start][0].isdigit()
    after = end < len(words) and words[end - 1].rstrip(".,")[-1:].isdigit()
    count = _count(number)
    if count is not None and after and (worth := _worth(words[end])) is not None:
        return _meant(words[start : end + 1], worth * count)
    if count is not None and before and (worth := _worth(words[start - 1])) is not None:
        return _meant(words[start - 1 : end], worth * count)
    if count is not None and after and words[end].strip(_EDGES).lower() == "m":
        said = _meant(words[start : end + 1], count * 1_000_000)
        if said.meant_kes is not None and said.meant_kes <= millions_to_kes:
            return said
    if after and _FIRST.fullmatch(number):
        return _spaced(words, start, end, number)
    return None


def _spaced(words: Sequence[str], start: int, end: int, number: str) -> Spoken | None:
    """The number with the groups of three digits that follow it."""
    joined, at = number, end
    while at < len(words) and (group := _GROUP.fullmatch(words[at])) is not None:
        joined += group["digits"]
        at += 1
        if group["end"] is not None:
            return _meant(words[start:at], Decimal(joined))
    if at < len(words) and _LIKE_A_GROUP.fullmatch(words[at]):
        return Spoken(" ".join(words[start : at + 1]).strip(_EDGES), None)
    return None if at == end else _meant(words[start:at], Decimal(joined))


def _meant(words: Sequence[str], shillings: Decimal) -> Spoken:
    whole = shillings == int(shillings)
    return Spoken(" ".join(words).strip(_EDGES), int(shillings) if whole else None)


def _count(text: str) -> Decimal | None:
    good = _COUNT.fullmatch(text) is not None
    return Decimal(text) if good and Decimal(text) else None


def _worth(word: str) -> int | None:
    return _sheng().get(word.strip(_EDGES).lower())


@cache
def _sheng() -> Mapping[str, int]:
    text = (files("bot") / "locales" / "sheng.toml").read_text("utf-8")
    return MappingProxyType(tomllib.loads(text))
