"""What a stranger reads in a database: phones are found, and digests are not taken for phones."""

from __future__ import annotations

import pytest

from tests.flows.strangers import legible_phones

PHONE, ANOTHER = "254712000001", "254712000002"
DIGEST = b"0f" + PHONE[3:].encode() + b"e" * 53


@pytest.mark.parametrize(
    "row",
    [
        b"(7,254712000001,f)",
        b"(7,0712000001,f)",
        b'(7,"{""phone"": 712000001}")',
        b"(7,\\001712000001\\377,f)",
        b"(7,b254712000001,f)",
    ],
)
def test_a_phone_that_can_be_read_is_found(row: bytes) -> None:
    assert legible_phones(row, [ANOTHER, PHONE], in_rows=True) == [PHONE]
    assert legible_phones(row, [ANOTHER, PHONE], in_rows=False) == [PHONE]


def test_the_digits_of_a_phone_in_a_digest_are_no_phone() -> None:
    assert len(DIGEST) == 64
    for row in (b"(7," + DIGEST + b",f)", b"(7,ring:" + DIGEST[:32] + b":paid,f)"):
        assert legible_phones(row, [PHONE], in_rows=True) == []


def test_in_a_file_every_run_of_digits_counts() -> None:
    assert legible_phones(b"x" + DIGEST + b"y", [PHONE], in_rows=False) == [PHONE]
