"""Reads what Safaricom posts about money paid to the Paybill or till by hand, and answers it."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mpesa.bodies import Unreadable, read_object
from mpesa.fields import read_cents, read_instant, read_receipt, read_text

__all__ = ["C2bPayment", "C2bRefusal", "parse_c2b", "validation_answer"]


class C2bRefusal(StrEnum):
    """Why a business does not want a payment; said before the money moves."""

    PHONE = "C2B00011"
    ACCOUNT = "C2B00012"
    AMOUNT = "C2B00013"
    KYC = "C2B00014"
    SHORTCODE = "C2B00015"
    OTHER = "C2B00016"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class C2bPayment:
    """
    A payment by hand as somebody says it was made: the body is unsigned, at a fixed address.

    `amount_cents` is integer cents; `paid_at` aware UTC, None where it cannot be read. `payer` is
    the number as it was said: whole, masked (2547*****126), or 64 hex digits of its SHA-256.
    `first_name` may be "". `balance_cents` is what the account held, None in a validation.
    """

    receipt: str
    amount_cents: int
    short_code: str
    account_reference: str
    payer: str
    first_name: str
    kind: str
    paid_at: datetime | None
    balance_cents: int | None


def parse_c2b(body: bytes) -> C2bPayment | Unreadable:
    """Read one `POST` to a confirmation or validation address, of version 1 or 2. Never raises."""
    found = read_object(body)
    if isinstance(found, Unreadable):
        return found
    receipt = read_receipt(found.get("TransID"))
    if receipt is None:
        return Unreadable("TransID is no receipt")
    amount_cents = read_cents(found.get("TransAmount"))
    if not amount_cents:
        return Unreadable("TransAmount is no amount")
    short_code = read_text(found.get("BusinessShortCode"))
    if not (short_code.isascii() and short_code.isdigit()):
        return Unreadable("BusinessShortCode is no short code")
    return C2bPayment(
        receipt=receipt,
        amount_cents=amount_cents,
        short_code=short_code,
        account_reference=read_text(found.get("BillRefNumber")),
        payer="".join(read_text(found.get("MSISDN")).split()),
        first_name=read_text(found.get("FirstName")),
        kind=read_text(found.get("TransactionType")),
        paid_at=read_instant(found.get("TransTime")),
        balance_cents=read_cents(found.get("OrgAccountBalance")),
    )


def validation_answer(refusal: C2bRefusal | None = None) -> bytes:
    """What a validation is answered with; within eight seconds, or Safaricom decides itself."""
    if refusal is None:
        return b'{"ResultCode":"0","ResultDesc":"Accepted"}'
    return json.dumps({"ResultCode": refusal.value, "ResultDesc": "Rejected"}).encode()
