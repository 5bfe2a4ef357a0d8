"""Owns what an M-PESA code looks like among the words that people write."""

from __future__ import annotations

import re

__all__ = ["receipt_typed", "receipts_in"]

RECEIPTS_MAX = 2
# Ten letters and digits. Some have no digit, as words have none: before "Confirmed" it is a code.
_IN_WORDS = re.compile(
    r"\b(?:(?=[a-z]*[0-9])[a-z][a-z0-9]{9}|[a-z]{10}(?=[\s.,]*(?:confirmed|imethibitishwa)))\b",
    re.ASCII | re.IGNORECASE,
)
_CAPITALS_FIRST = re.compile(r"[A-Z]{10}\b", re.ASCII)
_TYPED_FIRST = re.compile(r"[a-z]{10}\b", re.ASCII | re.IGNORECASE)


def receipts_in(text: str) -> list[str]:
    """
    What in a pasted message may be a code, in its order; few, for anybody may paste.

    A word of ten letters is one if it is written as codes are: in capitals, and first.
    """
    first = _CAPITALS_FIRST.match(text.strip())
    found = ([first[0]] if first else []) + _IN_WORDS.findall(text)
    return list(dict.fromkeys(each.upper() for each in found))[:RECEIPTS_MAX]


def receipt_typed(text: str) -> tuple[str, str] | None:
    """The code that was asked for, and what stands behind it; first, small letters will do."""
    text = text.strip()
    found = _IN_WORDS.search(text) or _TYPED_FIRST.match(text)
    return None if found is None else (found[0].upper(), text[found.end() :].strip())
