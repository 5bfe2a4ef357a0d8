"""Codes in what people write: with digits or without, and words that are none."""

from __future__ import annotations

import pytest

from bot.core.receipt_words import receipt_typed, receipts_in


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("UKN4ABCDE7 Confirmed. Ksh50.00 sent to MAMA NJERI RESTAURANT", ["UKN4ABCDE7"]),
        ("ukn4abcde7 confirmed.", ["UKN4ABCDE7"]),
        ("I paid, see UKN4ABCDE7 and UKN4ABCDE8 and UKN4ABCDE9", ["UKN4ABCDE7", "UKN4ABCDE8"]),
        ("UKNVUCVIIN Confirmed. Ksh50.00 sent to MAMA NJERI SHOP.", ["UKNVUCVIIN"]),
        ("uknvucviin Imethibitishwa Umetuma Ksh50.00", ["UKNVUCVIIN"]),
        ("Dear customer: UKNVUCVIIN\nConfirmed. Ksh50.00", ["UKNVUCVIIN"]),
        (" UKNVUCVIIN", ["UKNVUCVIIN"]),
        ("nimemaliza", []),
        ("It went to a restaurant", []),
        ("0712345678 paid 1234567890", []),
        ("UKNVUCVIINX UKN4ABCDE70", []),
        ("", []),
    ],
)
def test_codes_are_found_and_words_are_not(text: str, codes: list[str]) -> None:
    assert receipts_in(text) == codes


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("UKN4ABCDE7", ("UKN4ABCDE7", "")),
        ("ukn4abcde7 450", ("UKN4ABCDE7", "450")),
        ("it is UKN4ABCDE7  450 ", ("UKN4ABCDE7", "450")),
        ("uknvucviin", ("UKNVUCVIIN", "")),
        (" UKNVUCVIIN 450", ("UKNVUCVIIN", "450")),
        ("UKNVUCVIIN Confirmed. Ksh450", ("UKNVUCVIIN", "Confirmed. Ksh450")),
        ("restaurant UKN4ABCDE7 450", ("UKN4ABCDE7", "450")),
        ("yes it is there", None),
        ("0712345678", None),
        ("", None),
    ],
)
def test_a_code_is_read_with_what_stands_behind_it(
    text: str, typed: tuple[str, str] | None
) -> None:
    assert receipt_typed(text) == typed
