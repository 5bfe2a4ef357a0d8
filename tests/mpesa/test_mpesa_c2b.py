"""What is posted about money paid by hand, of both versions, and what a number may stand for."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from mpesa.bodies import Unreadable
from mpesa.c2b import C2bPayment, C2bRefusal, parse_c2b, validation_answer
from mpesa.phones import may_be

SAMPLES = Path(__file__).parent.parent / "samples"
EVERY = sorted([*SAMPLES.glob("*/*.json"), *SAMPLES.glob("*/*.txt")])
JANE = "254712345678"


def sample(start: str) -> C2bPayment:
    path = next(each for each in EVERY if each.parent.name == "c2b" and each.name.startswith(start))
    found = parse_c2b(path.read_bytes())
    assert isinstance(found, C2bPayment)
    return found


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.name)
def test_every_sample_is_read_or_refused_with_a_reason(path: Path) -> None:
    found = parse_c2b(path.read_bytes())

    if isinstance(found, Unreadable):
        assert found.reason
    else:
        assert path.parent.name in ("c2b", "malformed")


def test_version_two_masks_the_number() -> None:
    paid = sample("05")

    assert paid.receipt == "RKL51ZDR4F"
    assert paid.amount_cents == 5_00
    assert paid.paid_at == datetime(2023, 11, 21, 9, 13, 25, tzinfo=UTC)
    assert paid.short_code == "600966"
    assert paid.account_reference == "Sample Transaction"
    assert paid.payer == "2547*****126"
    assert paid.first_name == "ASHA"
    assert paid.balance_cents == 25_00


def test_version_one_hashes_it() -> None:
    paid = sample("33")

    assert paid.receipt == "TK60708BHZ"
    assert len(paid.payer) == 64
    assert may_be(paid.payer, JANE) is False


@pytest.mark.parametrize(
    "change",
    [
        {"TransID": ""},
        {"TransID": "UKN0000000"},
        {"TransID": 7},
        {"TransAmount": "0"},
        {"TransAmount": "-5.00"},
        {"TransAmount": "1e9"},
        {"TransAmount": None},
        {"BusinessShortCode": "shop"},
    ],
)
def test_what_names_no_receipt_amount_or_short_code_is_refused(change: dict[str, object]) -> None:
    body = {"TransID": "RKL51ZDR4F", "TransAmount": "5.00", "BusinessShortCode": "600966"}

    assert isinstance(parse_c2b(json.dumps(body).encode()), C2bPayment)
    assert isinstance(parse_c2b(json.dumps(body | change).encode()), Unreadable)


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ("2547*****678", True),
        ("2547 ***** 678", True),
        ("07****678", True),
        ("0712***678", True),
        ("25471****678 - ASHA **** TEST", True),
        (JANE, True),
        ("0712345678", True),
        (sha256(JANE.encode()).hexdigest(), True),
        (sha256(JANE.encode()).hexdigest().upper(), True),
        ("2547*****679", False),
        ("0722***678", False),
        ("254722000678", False),
        (sha256(b"254722000678").hexdigest(), False),
        ("", None),
        ("SP", None),
        ("600999 - SAMPLE TRADERS", None),
    ],
)
def test_a_number_as_it_is_shown_fits_a_phone_or_cannot_be_compared(
    said: str, fits: bool | None
) -> None:
    assert may_be(said, JANE) is fits


def test_a_validation_is_answered_as_the_pages_say() -> None:
    assert json.loads(validation_answer()) == {"ResultCode": "0", "ResultDesc": "Accepted"}
    assert json.loads(validation_answer(C2bRefusal.ACCOUNT))["ResultCode"] == "C2B00012"
