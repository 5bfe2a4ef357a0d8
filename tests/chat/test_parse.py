"""Tests that amounts and phones are read as Kenyans write them, and that nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.chat.answers import unclear_text
from bot.chat.parse import NOTE_CHARS_MAX, PayWords, Unclear, pay_words, read_amount
from bot.core.phones import read_phone
from bot.playground.entities import parse_html
from bot.texts import LANGUAGES, Texts

TEXTS = Texts.load()


@pytest.mark.parametrize(
    ("text", "amount_kes"),
    [
        ("50", 50),
        ("50/=", 50),
        ("50/-", 50),
        ("1,500", 1500),
        ("1.5k", 1500),
        ("2k", 2000),
        ("2K", 2000),
        ("1500.00", 1500),
        ("KES 50", 50),
        ("kes50", 50),
        ("Ksh50", 50),
        ("Ksh. 1,500", 1500),
        ("Ksh.1,500", 1500),
        ("kshs 20", 20),
        ("50bob", 50),
        ("50 bob", 50),
        ("sh 50", 50),
        ("KSH 1,500/=", 1500),
        ("1", 1),
        ("250,000", 250_000),
        ("١٥٠", 150),
        ("５０", 50),
        ("\u200b50\u202c", 50),
        ("50.", 50),
    ],
)
def test_amounts_are_read_as_kenyans_write_them(text: str, amount_kes: int) -> None:
    assert read_amount(text) == amount_kes


@pytest.mark.parametrize(
    ("text", "key", "offers"),
    [
        ("1.500", "unclear.dot", (1500,)),
        ("150.000", "unclear.dot", (150_000,)),
        ("1,5", "unclear.separator", ()),
        ("10,00", "unclear.separator", ()),
        ("1,5000", "unclear.separator", ()),
        ("1,500k", "unclear.separator", ()),
        ("0050", "unclear.separator", ()),
        ("-5", "unclear.negative", ()),
        ("Ksh -5", "unclear.negative", ()),
        ("0", "unclear.zero", ()),
        ("0.00", "unclear.zero", ()),
        ("50.5", "unclear.cents", (50, 51)),
        ("1,500.50", "unclear.cents", (1500, 1501)),
        ("0.5", "unclear.below-one", (1,)),
        ("1m", "unclear.million", ()),
        ("250001", "unclear.too-large", ()),
        ("250k1", "unclear.amount", ()),
        ("251k", "unclear.too-large", ()),
        ("9" * 5000, "unclear.too-large", ()),
        ("finje", "unclear.slang", (50,)),
        ("soo", "unclear.slang", (100,)),
        ("Punch", "unclear.slang", (500,)),
        ("2 thao", "unclear.slang", (2000,)),
        ("5 k", "unclear.slang", (5000,)),
        ("5 hundred", "unclear.slang", (500,)),
        ("elfu 2", "unclear.slang", (2000,)),
        ("fifty", "unclear.amount", ()),
        ("1e3", "unclear.amount", ()),
        ("", "unclear.no-amount", ()),
    ],
)
def test_what_could_be_read_in_two_ways_is_a_question(
    text: str, key: str, offers: tuple[int, ...]
) -> None:
    read = read_amount(text)

    assert isinstance(read, Unclear)
    assert (read.key, read.offers) == (key, offers)


@pytest.mark.parametrize(
    ("text", "amount_kes", "phone", "note"),
    [
        ("50 0712345678", 50, "254712345678", ""),
        ("0712345678 50", 50, "254712345678", ""),
        ("50 0712 345 678 lunch", 50, "254712345678", "lunch"),
        ("0712-345-678 KES 50", 50, "254712345678", ""),
        ("(0712) 345678 1,500 rent", 1500, "254712345678", "rent"),
        ("+254 712 345 678 50", 50, "254712345678", ""),
        ("50 +254 (0)712 345 678", 50, "254712345678", ""),
        ("50 254 712 345 678", 50, "254712345678", ""),
        ("50 00254 712 345 678", 50, "254712345678", ""),
        ("254 712345678", 254, "254712345678", ""),
        ("1 712345678", 1, "254712345678", ""),
        ("50, 0712345678, lunch for 3", 50, "254712345678", "lunch for 3"),
        ("50 0712345678 2 bags charcoal", 50, "254712345678", "2 bags charcoal"),
        ("0712345678 50 2 bags", 50, "254712345678", "2 bags"),
        ("lunch 50 0712345678", 50, "254712345678", "lunch"),
        ("50 lunch 0712345678", 50, "254712345678", "lunch"),
        ("0712345678 lunch 50", 50, "254712345678", "lunch"),
        ("50 bob 0712345678 - lunch", 50, "254712345678", "lunch"),
        ("50 0712345678 blue shirt", 50, "254712345678", "blue shirt"),
        ("50 0110 345 678", 50, "254110345678", ""),
        ("٥٠ ٠٧١٢٣٤٥٦٧٨", 50, "254712345678", ""),
    ],
)
def test_amount_phone_and_note_are_told_apart(
    text: str, amount_kes: int, phone: str, note: str
) -> None:
    read = pay_words(text)

    assert isinstance(read, PayWords)
    assert read.phone_text is not None
    assert (read.amount_kes, read_phone(read.phone_text), read.note) == (amount_kes, phone, note)


@pytest.mark.parametrize(("text", "note"), [("50", ""), ("KES 50 lunch", "lunch")])
def test_the_phone_may_be_missing(text: str, note: str) -> None:
    assert pay_words(text) == PayWords(amount_kes=50, phone_text=None, note=note)


@pytest.mark.parametrize(
    ("text", "phone_text"),
    [
        ("50 07123456789", "07123456789"),
        ("50 0712 345 6789", "0712 345 6789"),
        ("50 +255712345678", "+255712345678"),
        ("50 0712345678lunch", "0712345678lunch"),
        ("50 020 2345678", "020 2345678"),
    ],
)
def test_a_long_number_is_taken_for_the_phone_even_if_it_is_a_bad_one(
    text: str, phone_text: str
) -> None:
    read = pay_words(text)

    assert isinstance(read, PayWords)
    assert read.phone_text == phone_text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "unclear.empty"),
        ("0712345678", "unclear.no-amount"),
        ("lunch", "unclear.no-amount"),
        ("50 07123", "unclear.short-phone"),
        ("07123 50", "unclear.short-phone"),
        ("50 712345", "unclear.short-phone"),
        ("50 7123456", "unclear.short-phone"),
        ("50 0712345678 0733111222", "unclear.two-phones"),
        ("50 0712345678 order 1234567890", "unclear.two-phones"),
        ("50 100 0712345678", "unclear.two-amounts"),
        ("1 500 0712345678", "unclear.two-amounts"),
        ("50 0712345678 100", "unclear.two-amounts"),
        ("50 0712345678 lunch KES 100", "unclear.two-amounts"),
        ("for 2 people 50 0712345678", "unclear.two-amounts"),
        ("100 712 345 678", "unclear.which-phone"),
        ("2 soo 0712345678", "unclear.part"),
        ("2 thao 0712345678 rent", "unclear.part"),
        ("punch 0712345678", "unclear.slang"),
        ("300 000 for rent 0712345678", "unclear.too-large"),
        ("laki 5 0712345678", "unclear.too-large"),
        ("1 500.50 for lunch 0712345678", "unclear.separator"),
        ("elfu 2 na mia 5 0712345678", "unclear.two-amounts"),
        ("1.500 0712345678", "unclear.dot"),
        ("50.5 0712345678", "unclear.cents"),
        ("0 0712345678", "unclear.zero"),
        ("-50 0712345678", "unclear.negative"),
        ("300000 0712345678", "unclear.too-large"),
    ],
)
def test_what_is_unclear_about_a_payment_is_explained(text: str, key: str) -> None:
    read = pay_words(text)

    assert isinstance(read, Unclear)
    assert read.key == key


@pytest.mark.parametrize(
    ("text", "said", "meant_kes"),
    [
        ("elfu 2 0712345678", "elfu 2", 2000),
        ("0712345678 elfu 2", "elfu 2", 2000),
        ("Elfu 2, 0712345678 rent", "Elfu 2", 2000),
        ("elfu 2.5 0712345678", "elfu 2.5", 2500),
        ("elfu 2/= 0712345678", "elfu 2/=", 2000),
        ("mia 5 0712345678", "mia 5", 500),
        ("thao 2 0712345678", "thao 2", 2000),
        ("laki 1 0712345678", "laki 1", 100_000),
        ("rent elfu 2", "elfu 2", 2000),
        ("2.5 thao 0712345678", "2.5 thao", 2500),
        ("1 500 for lunch 0712345678", "1 500", 1500),
        ("1, 500 for lunch 0712345678", "1, 500", 1500),
        ("Ksh 1 500 lunch", "Ksh 1 500", 1500),
    ],
)
def test_a_number_that_is_but_a_part_of_the_amount_is_asked_about(
    text: str, said: str, meant_kes: int
) -> None:
    read = pay_words(text)

    assert isinstance(read, Unclear)
    assert (read.key, read.values["text"], read.offers) == ("unclear.part", said, (meant_kes,))


@pytest.mark.parametrize(
    ("text", "amount_kes", "note"),
    [
        ("KES 200/= punch 0712345678", 200, "punch"),
        ("punch KES 200 0712345678", 200, "punch"),
        ("200/= 100 bags 0712345678", 200, "100 bags"),
        ("200 250g bags 0712345678", 200, "250g bags"),
        ("50 0712345678 mia", 50, "mia"),
    ],
)
def test_what_parts_a_number_from_its_neighbour_makes_it_the_amount(
    text: str, amount_kes: int, note: str
) -> None:
    read = pay_words(text)

    assert isinstance(read, PayWords)
    assert (read.amount_kes, read.note) == (amount_kes, note)


def test_a_note_is_cleaned_and_cut() -> None:
    read = pay_words("50 0712345678 \u202elunch\n\twith  friends " + "x" * 100)

    assert isinstance(read, PayWords)
    assert read.note.startswith("lunch with friends x")
    assert len(read.note) == NOTE_CHARS_MAX


@pytest.mark.parametrize(
    "text",
    ["7 " * 2000, " 71 234 5678" * 300, "0712345678 " * 370, "0 " * 2000, "KES " * 1000],
)
def test_a_message_made_to_be_slow_is_answered_all_the_same(text: str) -> None:
    assert isinstance(pay_words(text), Unclear)


@given(amount_kes=st.integers(1, 250_000))
@settings(deadline=None, max_examples=60)
def test_every_amount_is_read_back_however_it_is_dressed(amount_kes: int) -> None:
    for dressed in (
        f"{amount_kes}",
        f"{amount_kes:,}",
        f"KES {amount_kes:,}",
        f"Ksh.{amount_kes}/=",
        f"{amount_kes}.00",
        f"{amount_kes}bob",
    ):
        assert read_amount(dressed) == amount_kes
        both = pay_words(f"{dressed} 0712345678")
        assert isinstance(both, PayWords)
        assert both.amount_kes == amount_kes


@given(text=st.text(alphabet=st.sampled_from("0157 .,-+()kmKESbob/=ao\u0661²½\u200b"), max_size=40))
@settings(deadline=None, max_examples=300)
def test_whatever_is_written_is_read_or_asked_about(text: str) -> None:
    read = pay_words(text)

    if isinstance(read, PayWords):
        assert 1 <= read.amount_kes <= 250_000
        assert len(read.note) <= NOTE_CHARS_MAX
    else:
        for language in LANGUAGES:
            assert parse_html(unclear_text(read, language, TEXTS)).text
