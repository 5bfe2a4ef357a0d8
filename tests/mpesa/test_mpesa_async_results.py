"""What is posted after a status question or a reversal, in all the shapes that were seen."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mpesa.async_results import (
    AsyncResult,
    StatusAnswer,
    TransactionState,
    parse_result,
    read_reversal,
    read_status,
)
from mpesa.bodies import Unreadable
from mpesa.org_results import OrgMeaning, look_up_org

SAMPLES = Path(__file__).parent.parent / "samples"
RESULTS = sorted(SAMPLES.glob("async_result/*.json"))
EVERY = sorted([*SAMPLES.glob("*/*.json"), *SAMPLES.glob("*/*.txt")])


def sample(start: str) -> AsyncResult:
    path = next(each for each in RESULTS if each.name.startswith(start))
    found = parse_result(path.read_bytes())
    assert isinstance(found, AsyncResult)
    return found


def result(pairs: Any, **changes: Any) -> AsyncResult:
    body: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": 0,
        "ResultDesc": "…",
        "OriginatorConversationID": "1-2-3",
        "ConversationID": "AG_1",
        "TransactionID": "UKN0000000",
        "ResultParameters": {"ResultParameter": pairs},
    } | changes
    found = parse_result(json.dumps({"Result": body}).encode())
    assert isinstance(found, AsyncResult)
    return found


def pairs(**values: object) -> list[dict[str, object]]:
    said = {
        "DebitPartyName": "254712345678 - ASHA N TEST",
        "CreditPartyName": "600999 - SHOP",
        "TransactionStatus": "Completed",
        "FinalisedTime": 20261122080211,
        "Amount": "1500.50",
        "ReceiptNo": "UKM1AAAA01",
    } | values
    return [{"Key": key, "Value": value} for key, value in said.items()]


def status(**values: object) -> StatusAnswer:
    answer = read_status(result(pairs(**values)))
    assert answer is not None
    return answer


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.name)
def test_every_sample_is_read_or_refused_with_a_reason(path: Path) -> None:
    found = parse_result(path.read_bytes())

    if isinstance(found, Unreadable):
        assert found.reason
        assert path not in RESULTS
    else:
        assert path.parent.name in ("async_result", "malformed")
        read_status(found)
        read_reversal(found)


def test_the_documented_form_names_the_receiver_as_a_second_payer() -> None:
    answer = read_status(sample("03"))

    assert answer is not None
    assert answer.state is TransactionState.COMPLETED
    assert answer.receipt == "MBN31H462N"
    assert answer.amount_cents == 300_00
    assert answer.paid_at == datetime(2018, 2, 23, 2, 41, 12, tzinfo=UTC)
    assert answer.payer == "600310 - Safaricom333"
    assert answer.paid_party == "254708374149 - ASHA N TEST"
    # It is money that went out: nobody may be credited for it.
    assert not answer.paid_to("600310")


def test_numbers_in_place_of_texts_are_the_same() -> None:
    numbers, texts = read_status(sample("25")), read_status(sample("03"))

    assert numbers is not None
    assert texts is not None
    assert (numbers.receipt, numbers.amount_cents, numbers.paid_at) == (
        texts.receipt,
        texts.amount_cents,
        texts.paid_at,
    )


def test_a_payment_to_us_says_how_much_when_and_from_whom() -> None:
    answer = status()

    assert answer.amount_cents == 1500_50
    assert answer.paid_at == datetime(2026, 11, 22, 5, 2, 11, tzinfo=UTC)
    assert answer.payer == "254712345678 - ASHA N TEST"
    assert answer.paid_to("600999")
    assert not answer.paid_to("60099")


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("Completed", TransactionState.COMPLETED),
        ("Cancelled", TransactionState.CANCELLED),
        ("Canceled", TransactionState.CANCELLED),
        ("Declined", TransactionState.DECLINED),
        ("Expired", TransactionState.EXPIRED),
        ("Initiated", TransactionState.PENDING),
        ("Authorized", TransactionState.PENDING),
        ("Pending Authorized", TransactionState.PENDING),
        ("Completely new", TransactionState.UNKNOWN),
        ("", TransactionState.UNKNOWN),
    ],
)
def test_only_completed_is_completed(said: str, state: TransactionState) -> None:
    assert status(TransactionStatus=said).state is state


def test_one_parameter_may_come_as_an_object_and_none_at_all() -> None:
    alone = read_status(result({"Key": "ReceiptNo", "Value": "UKM1AAAA01"}))
    none = read_status(result(None, ResultParameters=None))

    assert alone is not None
    assert alone.receipt == "UKM1AAAA01"
    assert none is not None
    assert none.receipt is None
    assert none.state is TransactionState.UNKNOWN


def test_two_amounts_or_receipts_that_differ_are_none() -> None:
    doubled = [
        *pairs(),
        {"Key": "Amount", "Value": "1"},
        {"Key": "ReceiptNo", "Value": "UKM1AAAA02"},
    ]
    answer = read_status(result(doubled))

    assert answer is not None
    assert answer.amount_cents is None
    assert answer.receipt is None


def test_more_coming_and_failure_say_nothing_about_a_transaction() -> None:
    assert read_status(result(pairs(), ResultType=1)) is None
    assert read_status(result(pairs(), ResultType="1")) is None
    assert read_status(result(None, ResultCode="2001")) is None


def test_a_placeholder_is_no_receipt() -> None:
    assert sample("01").transaction_id is None
    assert result(pairs()).transaction_id is None


def test_a_reversal_names_its_own_receipt_and_the_one_it_takes_back() -> None:
    answer = read_reversal(sample("39"))

    assert answer is not None
    assert answer.receipt == "SBK7XYZAB3"
    assert answer.original_receipt == "SBJ7TLTQA2"
    assert answer.amount_cents == 100_00
    assert answer.reversed_at == datetime(2019, 12, 19, 15, 0, tzinfo=UTC)
    assert read_reversal(sample("01")) is None


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (0, OrgMeaning.DONE),
        ("0", OrgMeaning.DONE),
        ("R000001", OrgMeaning.ALREADY_REVERSED),
        ("r000002", OrgMeaning.NOT_FOUND),
        (2001, OrgMeaning.BAD_CREDENTIAL),
        ("2001", OrgMeaning.BAD_CREDENTIAL),
        (21, OrgMeaning.NOT_ALLOWED),
        ("SFC_IC0003", OrgMeaning.BAD_REQUEST),
        (" 0", OrgMeaning.UNLISTED),
        ("00", OrgMeaning.UNLISTED),
        (True, OrgMeaning.UNLISTED),
        (None, OrgMeaning.UNLISTED),
        (987654321, OrgMeaning.UNLISTED),
    ],
)
def test_codes_are_numbers_or_texts(code: object, meaning: OrgMeaning) -> None:
    assert look_up_org(code).meaning is meaning


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"Result":7}',
        b'{"Result":{}}',
        b'{"Result":{"ResultCode":[]}}',
    ],
)
def test_a_body_that_does_not_say_how_it_ended_is_refused(body: bytes) -> None:
    assert isinstance(parse_result(body), Unreadable)
