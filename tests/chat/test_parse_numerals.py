"""Amounts in number words: offered where only one is meant, and never a part of it."""

from __future__ import annotations

import pytest

from bot.chat.give_words import give_words
from bot.chat.parse import Unclear, pay_words, read_amount


@pytest.mark.parametrize(
    ("text", "amount_kes"),
    [
        ("elfu moja", 1000),
        ("elfu mbili", 2000),
        ("Elfu Mbili", 2000),
        ("mia tano", 500),
        ("mia", 100),
        ("mia tano na hamsini", 550),
        ("mia tano hamsini", 550),
        ("mia tano na tano", 505),
        ("mia na hamsini", 150),
        ("elfu kumi", 10_000),
        ("elfu kumi na tano", 15_000),
        ("elfu ishirini na tano", 25_000),
        ("elfu mbili mia tano", 2500),
        ("elfu mbili, mia tano", 2500),
        ("elfu mbili na mia tano", 2500),
        ("elfu mbili mia tano na hamsini na tano", 2555),
        ("elfu na mia tano", 1500),
        ("laki moja", 100_000),
        ("laki moja na elfu kumi", 110_000),
        ("laki moja elfu kumi na tano", 115_000),
        ("hamsini", 50),
        ("ishirini na tano", 25),
        ("thao mbili", 2000),
        ("soo tatu", 300),
    ],
)
def test_number_words_are_offered_whole(text: str, amount_kes: int) -> None:
    for read in (read_amount(text), pay_words(text), give_words(f"{text} from Shosh")):
        assert isinstance(read, Unclear)
        assert read.offers == (amount_kes,), text


@pytest.mark.parametrize(
    "text",
    [
        "elfu mia tano",
        "elfu mbili tano",
        "elfu mbili na tano",
        "elfu mbili na nusu",
        "mia tano elfu",
        "mbili elfu",
        "mia kumi",
        "mia hamsini",
        "elfu ishirini tano",
        "elfu moja elfu mbili",
        "mia mbili mia tatu",
        "punch mbili",
        "two thousand",
        "five hundred",
        "moja",
    ],
)
def test_where_two_could_be_meant_none_is_offered(text: str) -> None:
    for read in (read_amount(text), pay_words(f"{text} 0712345678")):
        assert isinstance(read, Unclear)
        assert read.offers == (), text


def test_a_number_is_no_part_of_what_is_said_around_it() -> None:
    both = read_amount("elfu 2 mia 5")
    assert isinstance(both, Unclear)
    assert both.offers == (2500,)
    for text in ("elfu 2 mia tano Kamau", "0712345678 elfu 2 mia tano"):
        read = pay_words(text)
        assert isinstance(read, Unclear)
        assert read.offers == (2500,)


@pytest.mark.parametrize("note", ["Saba Saba", "mtu wa tatu", "kumi na moja"])
def test_number_words_in_a_note_are_a_note(note: str) -> None:
    read = pay_words(f"500 {note}")
    assert not isinstance(read, Unclear)
    assert (read.amount_kes, read.note) == (500, note)


def test_millions_in_words_are_too_much() -> None:
    read = read_amount("milioni moja")
    assert isinstance(read, Unclear)
    assert (read.key, read.offers) == ("unclear.too-large", ())
