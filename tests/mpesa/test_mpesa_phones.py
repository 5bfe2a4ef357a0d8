"""Kenyan numbers are read however they are written, and never shown whole."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpesa.phones import BadPhone, PhoneProblem, carrier_hint, mask, read_phone, redact


@pytest.mark.parametrize(
    "text",
    [
        "0712345678",
        "712345678",
        "254712345678",
        "+254712345678",
        "00254712345678",
        "000254712345678",
        "2540712345678",
        "+2540712345678",
        "+254 (0) 712 345 678",
        "254 712 345678",
        "0712-345-678",
        "0712.345.678",
        "(0712) 345 678",
        "  0712345678\n",
        "0712\u00a0345\u00a0678",
        "\u202a+254 712 345678\u202c",
        "tel:+254712345678",
        "٠٧١٢٣٤٥٦٧٨",
        "０７１２３４５６７８",
        "＋254712345678",
    ],
)
def test_a_safaricom_number_is_read_in_every_writing(text: str) -> None:
    assert read_phone(text) == "254712345678"


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("0110123456", "254110123456"),
        ("0118123456", "254118123456"),
        ("0140123456", "254140123456"),
        ("0180123456", "254180123456"),
        ("0122123456", "254122123456"),
        ("+254 100 123456", "254100123456"),
        ("0733123456", "254733123456"),
        ("0777123456", "254777123456"),
    ],
)
def test_other_ranges_are_read_even_before_the_metadata_knows_them(text: str, phone: str) -> None:
    assert read_phone(text) == phone


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", PhoneProblem.EMPTY),
        (" \u200b ", PhoneProblem.EMPTY),
        ("0712345", PhoneProblem.TOO_SHORT),
        ("7", PhoneProblem.TOO_SHORT),
        ("254", PhoneProblem.TOO_SHORT),
        ("25471234567", PhoneProblem.TOO_SHORT),
        ("07123456789", PhoneProblem.TOO_LONG),
        ("2547123456789", PhoneProblem.TOO_LONG),
        ("0712345678 0722345678", PhoneProblem.TOO_LONG),
        ("00712345678", PhoneProblem.TOO_LONG),
        ("7" * 500, PhoneProblem.TOO_LONG),
        ("0202123456", PhoneProblem.LANDLINE),
        ("+254 20 212 3456", PhoneProblem.LANDLINE),
        ("+255712345678", PhoneProblem.FOREIGN),
        ("00255712345678", PhoneProblem.FOREIGN),
        ("255712345678", PhoneProblem.FOREIGN),
        ("+1 650 253 0000", PhoneProblem.FOREIGN),
        ("lunch", PhoneProblem.NOT_A_NUMBER),
        ("O712345678", PhoneProblem.NOT_A_NUMBER),
        ("0712345678 lunch", PhoneProblem.NOT_A_NUMBER),
        ("071234567²", PhoneProblem.NOT_A_NUMBER),
        ("+", PhoneProblem.NOT_A_NUMBER),
        ("0800723456", PhoneProblem.NOT_MOBILE),
        ("0900123456", PhoneProblem.NOT_MOBILE),
    ],
)
def test_what_cannot_pay_is_refused_with_its_reason(text: str, reason: PhoneProblem) -> None:
    with pytest.raises(BadPhone) as refusal:
        read_phone(text)

    assert refusal.value.reason is reason
    assert not re.search(r"\d{4}", str(refusal.value))


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text("0123456789+ -()٠１.", max_size=80))
def test_any_text_is_a_kenyan_mobile_or_refused(text: str) -> None:
    try:
        phone = read_phone(text)
    except BadPhone:
        return

    assert re.fullmatch(r"254[17]\d{8}", phone)


@settings(max_examples=200, deadline=None)
@given(st.from_regex(r"[17][0-9]{8}", fullmatch=True))
def test_every_way_of_writing_one_line_agrees(nine: str) -> None:
    writings = [f"0{nine}", nine, f"254{nine}", f"+254{nine}", f"00254{nine}", f"000254{nine}"]

    assert {read_phone(text) for text in writings} == {f"254{nine}"}


def test_a_mask_shows_the_first_four_and_the_last_three() -> None:
    assert mask("254712345678") == "0712***678"
    assert mask("254110123456") == "0110***456"


@pytest.mark.parametrize("text", ["", "0712345678", "2547123", "secret"])
def test_what_is_no_phone_is_masked_whole(text: str) -> None:
    assert mask(text) == "***"


def test_a_carrier_is_hinted_at_by_prefix() -> None:
    assert carrier_hint("254712345678") == "Safaricom"
    assert carrier_hint("254733123456") == "Airtel"
    assert carrier_hint("254122123456") is None
    assert carrier_hint("not a phone") is None


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("/pay 50 0712345678 lunch", "/pay 50 0712***678 lunch"),
        ("/pay 0712345678 50", "/pay 0712***678 50"),
        ("/pay 100 712345678", "/pay 100 0712***678"),
        ("call +254 (0)712-345 678 now", "call 0712***678 now"),
        ("0712345678,0722345678", "0712***678,0722***678"),
        ("phone=254712345678&x=1", "phone=0712***678&x=1"),
        ("http://h/c/254712345678", "http://h/c/0712***678"),
        ("٠٧١٢٣٤٥٦٧٨", "0712***678"),
        ("ws_CO_23112026101500123712345678 failed", "ws_CO_*** failed"),
    ],
)
def test_every_number_in_a_text_is_masked(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing here",
        "KES 250,000 of 150,000,000",
        "UKN4ABCDE7 at 20261123101530",
        "took 1763900000.123 s",
        "2026-11-23 10:15:30",
        "short code 174379",
    ],
)
def test_other_digits_are_left_alone(text: str) -> None:
    assert redact(text) == text


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(r"(254|\+254|0|00254)[17][0-9]{8}", fullmatch=True),
    st.text("abc ,;:/=\n", max_size=10),
    st.text("abc ,;:/=\n", max_size=10),
)
def test_no_number_survives_redaction(phone: str, before: str, after: str) -> None:
    assert phone[-9:] not in redact(f"{before}{phone}{after}")
