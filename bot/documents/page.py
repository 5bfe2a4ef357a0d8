"""Page: a PDF that prints every script we can, draws tables fast, and numbers its pages."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Final, Literal

from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos

from bot.documents.glyphs import (
    LATIN,
    PAGES,
    SANS,
    add_fallbacks,
    add_fonts,
    needs_one_font,
    needs_shaping,
    printable,
)
from bot.documents.qr import qr_png
from bot.documents.words import Words, line

__all__ = ["GREEN", "GREY", "INK", "RED", "BadLogo", "Column", "Page", "logo_png"]

INK: Final = (26, 32, 44)
GREY: Final = (98, 106, 120)
RULE: Final = (203, 208, 216)
SHADE: Final = (243, 245, 248)
GREEN: Final = (0, 105, 62)
RED: Final = (176, 32, 32)

# By hand: fpdf2 warns whenever it is asked for "A5", whose size it once had wrong.
SIZES_MM: Final = {"A4": (210.0, 297.0), "A5": (148.0, 210.0)}

LINE_FACTOR: Final = 1.35
POINT_MM: Final = 0.3528
LOGO_BYTES_MAX: Final = 5_000_000
LOGO_PIXELS_MAX: Final = 40_000_000
LOGO_SIDE_MAX: Final = 480
LINES_PER_CELL_MAX: Final = 3
LOGO_MM: Final = 18
CELL_MARGIN_MM: Final = 1.4

Colour = tuple[int, int, int]
Align = Literal["L", "R", "C"]


class BadLogo(Exception):
    """The picture is no PNG or JPEG, is broken, or is far too large."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its head, its width in mm, and where its text stands."""

    head: str
    width: float
    align: Align = "L"


class Page(FPDF):
    """One paper. Every text goes through `put`, so that no letter can stop it."""

    def __init__(
        self,
        words: Words,
        *,
        title: str,
        author: str,
        made_at: datetime,
        foot: str,
        stamp: tuple[str, Colour] | None = None,
        form: Literal["A4", "A5"] = "A5",
        landscape: bool = False,
        margin: float = 12,
    ) -> None:
        super().__init__("landscape" if landscape else "portrait", "mm", SIZES_MM[form])
        self.c_margin = 0.0  # only cells of tables have one
        self.words = words
        self.foot = foot
        self._stamp = stamp
        self._simple = True
        self._family = LATIN
        self._widths: dict[str, dict[str, float]] = {}
        self.alias_nb_pages(PAGES)
        add_fonts(self)
        self.set_margin(margin)
        self.set_auto_page_break(True, margin + 6)
        self.set_title(title)
        self.set_author(line(author))
        self.set_creator("Lipabot")
        self.set_lang(words.locale)
        self.set_creation_date(made_at)
        self.add_page()
        self.ink()

    def header(self) -> None:
        """The stamp on every page, under whatever is written next."""
        if self._stamp is None:
            return
        word, colour = self._stamp
        with self.restored(), self.local_context(fill_opacity=0.13, stroke_opacity=0.13):
            self._shape(word)
            self.ink(64, bold=True, colour=colour)
            size = min(64.0, 64 * self.epw * 0.95 / self.get_string_width(word))
            self.ink(size, bold=True, colour=colour)
            width = self.get_string_width(word)
            with self.rotation(28, self.w / 2, self.h / 2):
                self.text((self.w - width) / 2, self.h / 2, word)

    def footer(self) -> None:
        """The same on every page: what this is, and which page of how many."""
        self.set_y(-self.b_margin + 2)
        with self.restored():
            self.ink(7.5, colour=GREY)
            top, width = self.get_y(), self.epw
            self.put(self.foot, width=width * 0.66, shrink=True)
            self.set_xy(self.l_margin + width * 0.66, top)
            page = self.words.say("paper.page", page=self.page_no(), pages=PAGES)
            self.put(page, width=width * 0.34, align="R")

    @contextmanager
    def restored(self) -> Iterator[None]:
        """The ink as it was, afterwards."""
        before = (self.font_size_pt or 10, self.font_style, self.text_color)
        yield
        self.set_font(self._family, before[1], before[0])
        self.text_color = before[2]

    def ink(self, size_pt: float = 10, *, bold: bool = False, colour: Colour = INK) -> None:
        """What the next words are written with."""
        self.set_font(self._family, "B" if bold else "", size_pt)
        self.set_text_color(*colour)

    @property
    def line_mm(self) -> float:
        """The height of a line of the ink in use."""
        return self.font_size_pt * POINT_MM * LINE_FACTOR

    def put(
        self,
        text: str,
        *,
        width: float = 0,
        align: Align = "L",
        shrink: bool = False,
        lines_max: int = 0,
    ) -> None:
        """
        *text* where the pen is, wrapped within *width* mm (0: up to the margin), and a new line.

        *shrink* cuts it to one line, *lines_max* to so many; the cut shows as `…`.
        """
        x, width = self.x, width or self.w - self.r_margin - self.x
        lines = self.lines_of(text, width)
        limit = 1 if shrink else lines_max or len(lines)
        if len(lines) > limit:
            lines = [*lines[: limit - 1], self._cut(" ".join(lines[limit - 1 :]), width)]
        for each in lines:
            self._shape(each)
            self.set_x(x)
            if self.y + self.line_mm > self.page_break_trigger and not self.in_footer:
                self.add_page(same=True)
                self.set_x(x)
            self.cell(width, self.line_mm, each, align=align, new_x=XPos.LEFT, new_y=YPos.NEXT)
        self.set_x(self.l_margin)

    def lines_of(self, text: str, width: float) -> list[str]:
        """*text* as the lines it takes within *width* mm."""
        shown = printable(text)
        self._shape(shown)
        if "\n" not in shown and self._width(shown) <= width - 2 * self.c_margin:
            return [shown]
        lines = self.multi_cell(
            width, text=shown, align="L", dry_run=True, output=MethodReturnValue.LINES
        )
        assert isinstance(lines, list)
        return [str(each) for each in lines]

    def rule(self, *, above: float = 1.5, below: float = 1.5) -> None:
        """A thin line across the page."""
        self.set_draw_color(*RULE)
        self.set_line_width(0.2)
        self.ln(above)
        self.line(self.l_margin, self.y, self.w - self.r_margin, self.y)
        self.ln(below)

    def facts(self, rows: Sequence[tuple[str, str]], *, label_mm: float) -> None:
        """Labels in grey on the left, what they name on the right, one under the other."""
        size = self.font_size_pt
        for label, value in rows:
            if not value:
                continue
            needed = len(self.lines_of(value, self.epw - label_mm)) * self.line_mm
            if self.y + needed > self.page_break_trigger:
                self.add_page(same=True)
            top = self.y
            self.ink(size, colour=GREY)
            self.put(label, width=label_mm)
            left_end = self.y
            self.set_xy(self.l_margin + label_mm, top)
            self.ink(size)
            self.put(value, width=self.epw - label_mm)
            self.set_y(max(left_end, self.y) + 0.8)

    def facts_in_two(self, rows: Sequence[tuple[str, str]], *, label_mm: float) -> None:
        """The same in two halves side by side, for a wide page."""
        left, top, half = self.l_margin, self.y, -(-len(rows) // 2)
        self.facts(rows[:half], label_mm=label_mm)
        bottom = self.y
        self.set_left_margin(left + self.epw / 2)
        self.set_xy(self.l_margin, top)
        self.facts(rows[half:], label_mm=label_mm)
        self.set_left_margin(left)
        self.set_xy(left, max(bottom, self.y))

    def head(self, columns: Sequence[Column]) -> None:
        """The head of a table, shaded."""
        size = self.font_size_pt
        self.ink(size, bold=True)
        self._row([each.head for each in columns], columns, fill=SHADE)
        self.ink(size)

    def row(self, cells: Sequence[str], columns: Sequence[Column], *, bold: bool = False) -> None:
        """One row, never torn: on a new page the head comes first."""
        with self.restored():
            if bold:
                self.ink(self.font_size_pt, bold=True)
            self._row(cells, columns, fill=SHADE if bold else None, again=True)

    def letterhead(self, name: str, logo: bytes | None, below: str) -> None:
        """Whose paper this is: logo, name, and a line in grey. A bad logo is left out."""
        top, indent = self.y, 0.0
        if logo is not None:
            with suppress(BadLogo):
                info = self.image(BytesIO(logo_png(logo)), self.l_margin, top, h=LOGO_MM)
                indent = min(info.rendered_width, LOGO_MM * 3) + 4
        self.set_xy(self.l_margin + indent, top)
        self.ink(14, bold=True)
        self.put(line(name), lines_max=3)
        if below:
            self.set_x(self.l_margin + indent)
            self.ink(9, colour=GREY)
            self.put(below, lines_max=2)
        self.set_y(max(self.y, top + LOGO_MM if indent else 0))
        self.rule(above=2, below=3)

    def box_mm(self, most: float, least: float) -> float:
        """The side of a square that still goes on this page, or *most* on a new one."""
        room = self.page_break_trigger - self.y - 7
        if room >= least:
            return min(most, room)
        self.add_page(same=True)
        return most

    def qr(self, link: str, *, x: float, y: float, side: float) -> None:
        """The code of *link*, which can also be tapped."""
        self.image(
            BytesIO(qr_png(link, pixels_per_module=8)),
            x,
            y,
            side,
            side,
            link=link if link.startswith("http") else "",
        )

    def finished(self) -> bytes:
        """The finished PDF."""
        return bytes(self.output())

    def _row(
        self,
        cells: Sequence[str],
        columns: Sequence[Column],
        *,
        fill: Colour | None = None,
        again: bool = False,
    ) -> None:
        self.c_margin = CELL_MARGIN_MM
        shown = [
            self._cell_lines(cell, column.width)
            for cell, column in zip(cells, columns, strict=True)
        ]
        height = max(map(len, shown)) * self.line_mm + 1
        if self.y + height > self.page_break_trigger:
            self.c_margin = 0.0
            self.add_page(same=True)
            if again:
                with self.restored():
                    self.head(columns)
            self.c_margin = CELL_MARGIN_MM
        x, top = self.l_margin, self.y
        if fill:
            self.set_fill_color(*fill)
            self.rect(x, top, sum(each.width for each in columns), height, style="F")
        for lines, column in zip(shown, columns, strict=True):
            for number, each in enumerate(lines):
                if each:
                    self._shape(each)
                    self.set_xy(x, top + 0.5 + number * self.line_mm)
                    self.cell(column.width, self.line_mm, each, align=column.align)
            x += column.width
        self.set_draw_color(*RULE)
        self.set_line_width(0.1)
        self.line(self.l_margin, top + height, x, top + height)
        self.set_xy(self.l_margin, top + height)
        self.c_margin = 0.0

    def _cell_lines(self, text: str, width: float) -> list[str]:
        lines = self.lines_of(text, width)
        if len(lines) <= LINES_PER_CELL_MAX:
            return lines
        kept = LINES_PER_CELL_MAX - 1
        return [*lines[:kept], self._cut(" ".join(lines[kept:]), width)]

    def _cut(self, text: str, width: float) -> str:
        self._shape(text)
        room = width - 2 * self.c_margin
        while text and self._width(f"{text}…") > room:
            text = text[:-1]
        return f"{text.rstrip()}…"

    def _shape(self, text: str) -> None:
        """The engine for joined letters and other fonts, where *text* needs them; they cost."""
        simple = needs_one_font(text)
        if simple is not self._simple:
            self._simple = simple
            self._family = LATIN if simple else SANS
            if simple:
                self.set_fallback_fonts(())
            else:
                add_fallbacks(self)
        if self.font_family != self._family.lower():
            self.set_font(self._family, self.font_style)
        self.set_text_shaping(needs_shaping(text))

    def _width(self, text: str) -> float:
        """Of one line; ASCII is added up from widths measured once."""
        if not text.isascii():
            return float(self.get_string_width(text))
        widths = self._widths.setdefault(self.font_style, {})
        for char in set(text) - widths.keys():
            widths[char] = self.get_string_width(char) / self.font_size_pt
        return sum(widths[char] for char in text) * self.font_size_pt


def logo_png(picture: bytes) -> bytes:
    """
    A merchant's PNG or JPEG as a small PNG, with nothing else of the file left in it.

    Raises BadLogo.
    """
    from PIL import Image, ImageOps

    if len(picture) > LOGO_BYTES_MAX:
        raise BadLogo("too many bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(picture), formats=("PNG", "JPEG")) as image:
                if image.width * image.height > LOGO_PIXELS_MAX:
                    raise BadLogo("too many pixels")
                upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise BadLogo(type(error).__name__) from error
    upright.thumbnail((LOGO_SIDE_MAX, LOGO_SIDE_MAX))
    small = BytesIO()
    upright.save(small, "PNG")
    return small.getvalue()
