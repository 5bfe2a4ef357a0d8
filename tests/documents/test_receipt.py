"""Tests of the receipt: it says what was paid, what went back, and where to check it."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image
from pypdf import PdfReader

from bot.documents.page import BadLogo, logo_png
from bot.documents.receipt import Method, Receipt, Reversal, receipt_pdf
from tests.documents.papers import NOON, pages_of, text_of, words

RECEIPT = Receipt(
    collector="Mama Njeri Shop",
    payer="Jane W.",
    amount_cents=150_000,
    receipt="UKN4ABCDE7",
    paid_at=NOON,
    made_at=NOON,
    account="PAY-7K2M4",
    what_for="2 × charcoal",
    page_url="https://pay.example.org/r/7K2M4QXW9T",
)


def test_a_receipt_says_all_there_is_to_say() -> None:
    text = text_of(receipt_pdf(replace(RECEIPT, kra_pin="P051234567X"), words()))

    for said in (
        "Mama Njeri Shop",
        "KRA PIN P051234567X",
        "KES 1,500",
        "From Jane W.",
        "For 2 × charcoal",
        "M-Pesa code UKN4ABCDE7",
        "Date and time 23 Nov 2026 21:05 EAT",
        "Account PAY-7K2M4",
        "https://pay.example.org/r/7K2M4QXW9T",
        "Page 1 of 1",
    ):
        assert said in text
    assert "sent back" not in text
    assert "late" not in text
    assert "PRACTICE" not in text


def test_a_receipt_speaks_swahili() -> None:
    text = text_of(receipt_pdf(RECEIPT, words("sw")))

    assert "RISITI" in text
    assert "Kutoka kwa Jane W." in text
    assert "Receipt" not in text


def test_what_went_back_is_said_with_what_remains() -> None:
    partly = replace(RECEIPT, reversals=(Reversal(cents=50_050, at=NOON, receipt="UKN9ABCDE8"),))

    text = text_of(receipt_pdf(partly, words()))

    assert "KES 500.50 was sent back on 23 Nov 2026 21:05 (UKN9ABCDE8)." in text
    assert "What remains paid: KES 999.50" in text
    assert "REVERSED" not in text


def test_a_receipt_whose_money_went_back_is_stamped() -> None:
    gone = replace(RECEIPT, reversals=(Reversal(cents=150_000, at=NOON, receipt=None),))

    text = text_of(receipt_pdf(gone, words()))

    assert "REVERSED" in text
    assert "What remains paid: KES 0" in text


def test_practice_money_can_never_pass_for_real() -> None:
    assert "PRACTICE ONLY" in text_of(receipt_pdf(replace(RECEIPT, practice=True), words()))


def test_a_code_that_is_not_known_yet_follows_and_cash_has_none() -> None:
    without = replace(RECEIPT, receipt=None)

    assert "M-Pesa code code to follow" in text_of(receipt_pdf(without, words()))
    cash = replace(without, method=Method.CASH, recorded_by="Mary")
    text = text_of(receipt_pdf(cash, words()))
    assert "M-Pesa code" not in text
    assert "Recorded by Mary" in text


@pytest.mark.parametrize(
    "name",
    ["W" * 60, "漢字 😀🏽 🇰🇪 👨‍👩‍👧 محمد", "\u202e\x00\ud800\uffff", "{nb} {0} %s <b> \x01", ""],
)
def test_no_name_can_stop_a_receipt(name: str) -> None:
    hard = replace(RECEIPT, payer=name, collector=name, what_for=name, amount_cents=25_000_000_050)

    pages = pages_of(receipt_pdf(hard, words()))

    assert len(pages) == 1
    assert "KES 250,000,000.50" in pages[0]


def test_names_are_printed_in_their_own_letters() -> None:
    names = ("Wanjikũ Ng’ang’a", "Ali 😀", "محمد", "אברהם", "{nb} <b>Tom")
    odd = replace(
        RECEIPT,
        payer=names[0],
        on_behalf_of=names[1],
        account=names[2],
        recorded_by=names[3],
        what_for=names[4],
    )
    text = text_of(receipt_pdf(odd, words()))

    assert [name for name in names if name not in text] == []


def test_what_no_font_has_is_seen_to_be_missing() -> None:
    assert "From � � Li" in text_of(receipt_pdf(replace(RECEIPT, payer="漢 字 Li"), words()))


def test_a_logo_is_printed_small_and_a_broken_one_is_left_out() -> None:
    with_logo = receipt_pdf(replace(RECEIPT, logo=picture(1500, 1000)), words())
    without = receipt_pdf(replace(RECEIPT, logo=b"\x89PNG\r\n broken"), words())

    assert len(images(with_logo)) == len(images(without)) + 1
    assert max(image.width for image in images(with_logo)) <= 600
    assert "KES 1,500" in text_of(without)


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a", b"\xff\xd8\xff\xe0" + b"\0" * 50, b"\x89PNG" * 2_000_000],
    ids=["nothing", "a GIF", "half a JPEG", "far too much"],
)
def test_a_bad_logo_is_refused_by_one_error(data: bytes) -> None:
    with pytest.raises(BadLogo):
        logo_png(data)


def test_a_picture_of_very_many_pixels_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(BadLogo):
        logo_png(picture(8_000, 6_000, mode="1"))


def test_a_logo_keeps_nothing_of_what_a_camera_wrote_into_it() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    image = BytesIO()
    Image.new("RGB", (50, 40)).save(image, "JPEG", exif=exif)

    small = logo_png(image.getvalue())

    assert b"taken at home" in image.getvalue()
    assert b"taken at home" not in small
    assert small.startswith(b"\x89PNG")


def picture(width: int, height: int, *, mode: str = "RGB") -> bytes:
    image = BytesIO()
    Image.new(mode, (width, height)).save(image, "PNG")
    return image.getvalue()


def images(pdf: bytes) -> list[Image.Image]:
    (page,) = PdfReader(BytesIO(pdf)).pages
    return [each.image for each in page.images if each.image is not None]
