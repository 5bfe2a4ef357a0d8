"""Tests of QR codes and of packing: what cannot be read or sent is refused or made smaller."""

from __future__ import annotations

import os
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot.documents.packing import pack
from bot.documents.qr import LinkTooLong, qr_png, qr_svg

LINK = "https://t.me/njeribot?start=i_7K2M4QXW9T"


def test_a_code_has_the_quiet_edge_and_the_three_corners() -> None:
    with Image.open(BytesIO(qr_png(LINK, pixels_per_module=1))) as image:
        code = image.convert("1")

    side = code.width
    assert code.height == side
    edge = {code.getpixel((x, y)) for x in range(side) for y in range(4)}
    assert edge == {255}
    corners = [(4, 4), (side - 5, 4), (4, side - 5)]
    assert [code.getpixel(each) for each in corners] == [0, 0, 0]
    assert code.getpixel((side - 5, side - 5)) in (0, 255)


def test_another_link_is_another_code() -> None:
    assert qr_png(LINK) != qr_png(f"{LINK}x")
    assert qr_png(LINK) == qr_png(LINK)


def test_a_page_gets_a_drawing_on_white() -> None:
    svg = qr_svg(LINK).decode()

    assert svg.startswith("<?xml")
    assert 'viewBox="0 0 ' in svg
    assert "#fff" in svg


def test_a_link_that_no_camera_could_read_is_refused() -> None:
    with pytest.raises(LinkTooLong):
        qr_png("x" * 601)


def test_what_can_be_sent_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x" * 100)

    packed = pack(path, bytes_max=100)

    assert (packed.path, packed.zipped, packed.fits) == (path, False, True)
    assert path.read_bytes() == b"x" * 100


def test_what_is_too_large_is_zipped_and_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    content = b"23 Nov 2026,UKN4ABCDE7,500.00\r\n" * 100_000
    path.write_bytes(content)

    packed = pack(path, bytes_max=1_000_000)

    assert packed.zipped
    assert packed.fits
    assert not path.exists()
    with zipfile.ZipFile(packed.path) as archive:
        assert archive.namelist() == ["a.csv"]
        assert archive.read("a.csv") == content


def test_what_stays_too_large_is_said_not_to_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(os.urandom(20_000))

    packed = pack(path, bytes_max=10_000)

    assert packed.zipped
    assert not packed.fits
    assert packed.path.exists()
