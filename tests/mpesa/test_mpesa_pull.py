"""Pull Transactions: which rows of a page are money that came in."""

import json

import pytest

from mpesa.models import PulledPage
from mpesa.org_wire import decipher_pull
from mpesa.wire import Reply

ROW = {
    "transactionId": "UKN1ABCDEF",
    "trxDate": "2026-11-23 12:00:00",
    "msisdn": 254712345678,
    "sender": "ASHA",
    "transactiontype": "c2b-pay-bill-debit",
    "billreference": "LIPA-7K2QX",
    "amount": "50.00",
    "organizationname": "Shop",
}


def page(*rows: dict[str, object]) -> PulledPage:
    body = {"ResponseCode": "1000", "Response": [list(rows)]}
    found = decipher_pull(Reply(200, json.dumps(body).encode()))
    assert isinstance(found, PulledPage)
    return found


@pytest.mark.parametrize(
    "kind",
    ["c2b-pay-bill-debit", "Pay Bill Online", "Customer Merchant Payment", "", None, 7, ["x"]],
)
def test_a_type_that_says_nothing_against_it_is_money_that_came(kind: object) -> None:
    found = page(ROW | {"transactiontype": kind})

    assert ([row.receipt for row in found.rows], found.unreadable) == (["UKN1ABCDEF"], 0)


def test_no_type_at_all_is_money_that_came() -> None:
    found = page({key: value for key, value in ROW.items() if key != "transactiontype"})

    assert (len(found.rows), found.unreadable) == (1, 0)


@pytest.mark.parametrize(
    "kind", ["c2b-pay-bill-reversal", "Pay Bill Reversal", "REVERSED", "Transaction reversal"]
)
@pytest.mark.parametrize("key", ["transactiontype", "transactionType"])
def test_what_was_taken_back_is_no_money_that_came(kind: str, key: str) -> None:
    others = {name: value for name, value in ROW.items() if name != "transactiontype"}

    found = page(ROW, others | {"transactionId": "UKN2ABCDEF", key: kind})

    assert [row.receipt for row in found.rows] == ["UKN1ABCDEF"]
    assert (found.unreadable, found.size) == (1, 2), "it is counted, so that a person looks"
