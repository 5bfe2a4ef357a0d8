"""Glyphs: the fonts in this package, and the text that they can show."""

from __future__ import annotations

import weakref
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fpdf import FPDF

__all__ = [
    "EMOJI",
    "FONTS",
    "LATIN",
    "PAGES",
    "SANS",
    "add_fallbacks",
    "add_fonts",
    "font_path",
    "needs_one_font",
    "needs_shaping",
    "printable",
]

LATIN: Final = "DejaVuSansLatin"
SANS: Final = "DejaVuSans"
EMOJI: Final = "NotoEmoji"

FONTS: Final = (
    (LATIN, "", "DejaVuSansLatin.ttf"),
    (LATIN, "B", "DejaVuSansLatin-Bold.ttf"),
    (SANS, "", "DejaVuSans.ttf"),
    (SANS, "B", "DejaVuSans-Bold.ttf"),
    (EMOJI, "", "NotoEmoji-Regular.ttf"),
)
"""
Family, style, file. Arabic and Hebrew are in the second family; emoji in black in the last.

The first is the second without all that nearly no paper needs, for a font is read whole for each
paper: `pyftsubset DejaVuSans.ttf --unicodes=U+20-7E,U+A0-24F,… --layout-features='' --no-hinting`.
"""

PAGES: Final = "\x01\x01\x01\x01"
"""Stands for the number of pages, of four digits at most, until it is known. No text of a
person's can hold it."""

_PUNCTUATION: Final = frozenset("–—‘’“”…•→−≈×·")

UNKNOWN: Final = "\ufffd"
"""Shown where no font has the letter: the reader sees that something stood there."""

# They choose between a coloured and a plain picture, or a colour of skin; on paper all are black.
_COLOURINGS = dict.fromkeys([*range(0xFE00, 0xFE10), *range(0x1F3FB, 0x1F400)])


def font_path(name: str) -> Path:
    """Where the font file *name* lies on this disk."""
    with as_file(files("bot.documents") / "fonts" / name) as path:
        return path


def add_fonts(pdf: FPDF) -> None:
    """The fonts that nearly every paper needs."""
    for font in FONTS[:2]:
        _add(pdf, *font)


def add_fallbacks(pdf: FPDF) -> None:
    """The others, each looked into for the letters that the one before lacks."""
    if EMOJI.lower() not in pdf.fonts:
        for font in FONTS[2:]:
            _add(pdf, *font)
    pdf.set_fallback_fonts((SANS, EMOJI), exact_match=False)


def printable(text: str) -> str:
    """*text* with `�` for what no font of ours can show."""
    if text.isascii():
        return text
    known = _known()
    return "".join(char if ord(char) in known else UNKNOWN for char in text.translate(_COLOURINGS))


def needs_one_font(text: str) -> bool:
    """Whether regular and bold both have all of *text*: Latin letters, and marks used with them."""
    return text.isascii() or all(char < "\u0250" or char in _PUNCTUATION for char in text)


def needs_shaping(text: str) -> bool:
    """Whether letters join, stack or run from the right; it costs, and Latin text has no need."""
    return not text.isascii() and any(
        "\u0300" <= char <= "\u036f" or "\u0590" <= char < "\u1e00" or char >= "\u2e80"
        for char in text
    )


def _add(pdf: FPDF, family: str, style: str, name: str) -> None:
    pdf.add_font(family, style, font_path(name))
    font = pdf.fonts[f"{family.lower()}{style}"]
    # The library keeps the file open, and leaves the closing to the collector.
    weakref.finalize(pdf, font.ttfont.close)  # type: ignore[union-attr]  # ours are no core fonts


@cache
def _known() -> frozenset[int]:
    from fontTools.ttLib import TTFont

    known: set[int] = set()
    for _, style, name in FONTS:
        if not style:
            with TTFont(font_path(name), lazy=True) as font:
                known.update(font.getBestCmap())
    return frozenset(known)
