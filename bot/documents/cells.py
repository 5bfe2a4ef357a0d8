"""Cells: text that no spreadsheet takes for a formula, a number or a second cell."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from bot.documents.words import line

__all__ = ["as_code", "as_text", "phone"]

CELL_CHARS_MAX: Final = 1000

CACHED: Final = 1024
"""Givers and drives come again and again in a statement."""

# What starts a formula in Excel, LibreOffice, Sheets or Numbers; the wide forms do in Asia.
_STARTS: Final = frozenset("=+-@\t\r\n\0＝＋－＠−")

# Where the list separator is `;` or a tab, our cell is cut there: its second half is a cell too.
# Quotes may be read as the new cell's own.
_SECOND_CELL: Final = re.compile(r"""([;,|][\s"']*)(?=[=+\-@＝＋－＠−])""")

# What would lose a leading zero, or become 2.5E+11.
_NUMBER_LIKE: Final = re.compile(r"[\d.,]+(?:[eE]\d+)?%?")

_QUOTE: Final = "'"


@lru_cache(maxsize=CACHED)
def as_text(text: str) -> str:
    """What a person wrote, as a cell that only shows it."""
    if not text:
        return text
    if not text.isprintable() or len(text) > CELL_CHARS_MAX:
        text = line(text, CELL_CHARS_MAX)
    if text[:1] == " ":
        text = text.lstrip()
    if text[:1] in _STARTS:
        text = f"{_QUOTE}{text}" if text else text
    if ";" in text or "," in text or "|" in text:
        text = _SECOND_CELL.sub(rf"\1{_QUOTE}", text)
    return text


@lru_cache(maxsize=CACHED)
def as_code(code: str) -> str:
    """A phone, a receipt or a reference, as a cell that stays text."""
    shown = as_text(phone(code))
    return f"{_QUOTE}{shown}" if _NUMBER_LIKE.fullmatch(shown) else shown


def phone(code: str) -> str:
    """A Kenyan number as it is dialled, `0712 345 678`; anything else as it is."""
    if len(code) == 12 and code.startswith("254") and code.isdecimal() and code.isascii():
        return f"0{code[3:6]} {code[6:9]} {code[9:]}"
    return code
