"""
Parse numerals: "elfu mbili mia tano", amounts in Swahili words, read where only one is meant.

Where another could be meant ("elfu mia tano": 1,500, or 500,000) none is, and none is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["numeral_run"]

Worth = Callable[[str], int | None]

_ONES = {
    "moja": 1,
    "mbili": 2,
    "tatu": 3,
    "nne": 4,
    "tano": 5,
    "sita": 6,
    "saba": 7,
    "nane": 8,
    "tisa": 9,
}
_TENS = {
    "kumi": 10,
    "ishirini": 20,
    "thelathini": 30,
    "arobaini": 40,
    "hamsini": 50,
    "sitini": 60,
    "sabini": 70,
    "themanini": 80,
    "tisini": 90,
}
_AND = "na"
_HALVES = frozenset({"nusu", "robo"})
_ENGLISH = frozenset(
    {
        *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
        *("eleven", "twelve", "fifteen", "twenty", "thirty", "forty", "fifty", "half"),
    }
)
"""Before a "thousand" they say how many; they are not read, nor is one thousand offered."""
_SCALES = frozenset({100, 1000, 100_000, 1_000_000})
_EDGES = " -–—:;,.|/"
_COUNT_DIGITS_MAX = 3


def numeral_run(words: Sequence[str], worth: Worth) -> tuple[int, int, int | None] | None:
    """
    The first words that say an amount in number words: from where, to where, and the shillings.

    The shillings are None where they cannot be known. None where no word of a number stands
    beside a word for hundreds, thousands or more, and no tens stand alone.
    """
    plain = [word.strip(_EDGES).lower() for word in words]
    start = 0
    while start < len(plain):
        end = start
        while end < len(plain) and _is_part(plain[end], worth, inside=end > start):
            end += 1
        while end > start and plain[end - 1] == _AND:
            end -= 1
        run = plain[start:end]
        if _says_an_amount(run, worth):
            return start, end, _read(run, worth)
        start = max(end, start + 1)
    return None


def _is_part(word: str, worth: Worth, *, inside: bool) -> bool:
    named = word in _ONES or word in _TENS or word in _HALVES or word in _ENGLISH
    return named or _is_count(word) or worth(word) is not None or (inside and word == _AND)


def _is_count(word: str) -> bool:
    return word.isdecimal() and len(word) <= _COUNT_DIGITS_MAX


def _says_an_amount(run: Sequence[str], worth: Worth) -> bool:
    scales = sum(worth(word) is not None for word in run)
    spelt = [word for word in run if word in _ONES or word in _TENS]
    others = any(word in _ENGLISH or word in _HALVES for word in run)
    alone = bool(spelt) and not others and not any(_is_count(word) for word in run)
    tens_alone = not scales and alone and spelt[0] in _TENS and run[0] == spelt[0]
    return tens_alone or scales > 1 or (scales == 1 and bool(spelt or others))


def _read(run: Sequence[str], worth: Worth) -> int | None:
    """Largest first, each with its number after it: "laki moja na elfu kumi na tano"."""
    total, below, at, joined = 0, 10_000_000, 0, True
    while at < len(run):
        if run[at] == _AND:
            at, joined = at + 1, True
            continue
        scale = worth(run[at])
        if scale is None:
            rest, end = _below_hundred(run, at)
            # "Elfu mbili tano" is 2,500 to some, and 2,005 to others.
            clear = not total or (joined and rest >= 10)
            clear = clear or (below == 100 and (joined or rest >= 10))
            return total + rest if rest and clear and end == len(run) else None
        if scale not in _SCALES or scale >= below:
            return None
        number, end = _below_hundred(run, at + 1)
        if not number and end < len(run) and run[end] != _AND:
            return None  # "elfu mia tano"
        if scale == 100 and number > 9:
            return None
        total += scale * (number or 1)
        at, below, joined = end, scale, False
    return total or None


def _below_hundred(run: Sequence[str], at: int) -> tuple[int, int]:
    """The number that begins here, or 0, and where it ends."""
    if at >= len(run):
        return 0, at
    if _is_count(run[at]):
        return int(run[at]), at + 1
    if run[at] in _ONES:
        return _ONES[run[at]], at + 1
    tens = _TENS.get(run[at], 0)
    if not tens:
        return 0, at
    ones = _ONES.get(run[at + 2], 0) if run[at + 1 : at + 2] == [_AND] and at + 2 < len(run) else 0
    return (tens + ones, at + 3) if ones else (tens, at + 1)
