"""Tests of the fonts: they are here, free, and have the letters that people here write with."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from bot.documents.glyphs import FONTS, font_path, needs_one_font, needs_shaping, printable

FOLDER = Path(__file__).parents[2] / "bot" / "documents" / "fonts"
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_every_font_lies_beside_its_licence_inside_a_package_that_is_shipped() -> None:
    shipped = tomllib.loads(PROJECT.read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert "bot" in shipped["wheel"]["packages"]
    assert "exclude" not in shipped["wheel"]
    assert {font_path(name) for _, _, name in FONTS} == set(FOLDER.glob("*.ttf"))
    for name, phrase in (("DejaVu", "Bitstream Vera"), ("NotoEmoji", "SIL OPEN FONT LICENSE")):
        assert phrase in (FOLDER / f"LICENSE.{name}").read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "Wanjikũ Ng’ang’a",
        "Gĩthĩnji",
        "Ünal Çelik",
        "Владимир",
        "محمد بن عبد الله",
        "אברהם",
        "🎉✅🙏🤝",
    ],
)
def test_we_have_the_letters_and_pictures_that_people_use(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "printed"),
    [("漢", "�"), ("👍🏽", "👍"), ("❤️", "❤"), ("\ue000", "�"), ("Jane", "Jane")],
)
def test_what_cannot_be_printed_is_replaced_where_it_can_be_seen(text: str, printed: str) -> None:
    assert printable(text) == printed


@pytest.mark.parametrize(
    ("text", "one_font", "shaped"),
    [
        ("Jane W.", True, False),
        ("Wanjikũ Ng’ang’a", True, False),
        ("محمد", False, True),
        ("g\u0303", False, True),
        ("🇰🇪", False, True),
        ("→ Paybill", True, False),
    ],
)
def test_only_what_needs_it_takes_the_slow_road(text: str, one_font: bool, shaped: bool) -> None:
    assert needs_one_font(text) is one_font
    assert needs_shaping(text) is shaped


@pytest.mark.parametrize("style", ["", "-Bold"])
def test_the_latin_part_of_a_font_has_every_letter_for_which_it_is_used_as_wide(style: str) -> None:
    with (
        TTFont(font_path(f"DejaVuSansLatin{style}.ttf")) as part,
        TTFont(font_path(f"DejaVuSans{style}.ttf")) as whole,
    ):
        ours, theirs = part.getBestCmap(), whole.getBestCmap()
        widths, all_widths = part["hmtx"], whole["hmtx"]
        simple = {code for code in theirs if code >= 32 and needs_one_font(chr(code))}
        assert len(simple) > 500
        assert simple - ours.keys() == set()
        assert 0xFFFD in ours
        for code in ours:
            assert widths[ours[code]] == all_widths[theirs[code]]
        for table, value in (("head", "unitsPerEm"), ("hhea", "ascent"), ("hhea", "descent")):
            assert getattr(part[table], value) == getattr(whole[table], value)
