"""
Reads what arrives at a callback address: a `StkCallback` or the reason why it is none.

Safaricom signs nothing and its own samples disagree, so a field that cannot be read *exactly* is
None and never stops the others; but a body that does not have the callback's frame, or does not
say clearly how it ended, is refused, because a refused body costs one query and a misread one
costs money. An answer to a *query*, which some aggregators post to callback addresses, has
another frame and no metadata: it is refused too, for no amount or receipt could be checked.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from mpesa.bodies import Unreadable, read_object
from mpesa.models import StkCallback
from mpesa.results import Result, look_up

__all__ = ["Unreadable", "parse_callback"]

NAIROBI: Final = timezone(timedelta(hours=3), "EAT")

_ID: Final = re.compile(r"[!-~]{1,128}")
_RECEIPT: Final = re.compile(r"[A-Z0-9]{10}")
_PHONE: Final = re.compile(r"254[17][0-9]{8}")
_AMOUNT: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")
_STAMP: Final = re.compile(r"20[0-9]{12}")
_STAMP_TYPED: Final = re.compile(r"(20..)-(..)-(..) (..):(..):(..)", re.ASCII)
_PAIRS: Final = re.compile(r"..")
_CENTS_MAX: Final = 10**14


def parse_callback(body: bytes) -> StkCallback | Unreadable:
    """
    Read one `POST` from Safaricom; see "M-PESA Express", callback, in the Daraja pages.

    A payment is `result.paid` only when ResultCode is exactly 0 or "0". A success without amount
    or receipt is still a success; whether it may be believed is for the caller to decide.
    """
    found = read_object(body)
    if isinstance(found, Unreadable):
        return found
    frame = found.get("Body")
    callback = frame.get("stkCallback") if isinstance(frame, dict) else None
    if not isinstance(callback, dict):
        asked = "ResponseCode" in found and "ResultCode" in found
        return Unreadable("an answer to a query" if asked else "there is no Body.stkCallback")
    for name in ("MerchantRequestID", "CheckoutRequestID"):
        if not _is_id_or_absent(callback.get(name)):
            return Unreadable(f"{name} is not an id")
    result = _result(callback.get("ResultCode"))
    if isinstance(result, Unreadable):
        return result
    items = _items(callback.get("CallbackMetadata"))
    return StkCallback(
        merchant_request_id=_id(callback.get("MerchantRequestID")),
        checkout_request_id=_id(callback.get("CheckoutRequestID")),
        result=result,
        amount_cents=_cents(items.get("Amount")),
        receipt=_receipt(items.get("MpesaReceiptNumber")),
        paid_at=_instant(items.get("TransactionDate")),
        phone=_phone(items.get("PhoneNumber")),
    )


def _is_id_or_absent(value: object) -> bool:
    return value is None or value == "" or _id(value) is not None


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _result(code: object) -> Result | Unreadable:
    if code is None or code == "":
        return Unreadable("there is no ResultCode")
    if isinstance(code, bool) or not isinstance(code, int | str | Decimal):
        return Unreadable("ResultCode is neither a number nor a word")
    result = look_up(code)
    if result.paid and code != "0" and not isinstance(code, int):
        return Unreadable("ResultCode resembles 0 and is not 0")
    return result


def _items(metadata: object) -> dict[str, object]:
    """
    The metadata by name: neither order nor number is promised, and an item may lack its Value.

    A name that comes twice with two values is worth nothing.
    """
    listed = metadata.get("Item") if isinstance(metadata, dict) else None
    items: dict[str, object] = {}
    for item in (
        [listed] if isinstance(listed, dict) else listed if isinstance(listed, list) else []
    ):
        name = item.get("Name") if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        value = item.get("Value")
        if name in items and (type(items[name]), items[name]) != (type(value), value):
            value = None
        items[name] = value
    return items


def _cents(value: object) -> int | None:
    """Shillings as 150, 150.00 or "150.5" to integer cents, exactly; None for all else."""
    match value:
        case bool():
            return None
        case int():
            cents = value * 100
            return cents if 0 <= cents < _CENTS_MAX else None
        case str():
            return _cents(Decimal(value)) if _AMOUNT.fullmatch(value) else None
        case Decimal():
            exponent = value.as_tuple().exponent
            # The bounds come first: 1e999999 is a short text and a very long number.
            if not isinstance(exponent, int) or exponent < -2 or value.adjusted() > 12:
                return None
            cents = int(value.scaleb(2))
            return cents if 0 <= cents < _CENTS_MAX and not value.is_signed() else None
        case _:
            return None


def _receipt(value: object) -> str | None:
    return value if isinstance(value, str) and _RECEIPT.fullmatch(value) else None


def _instant(value: object) -> datetime | None:
    """YYYYMMDDHHmmss, a number or a text, in Nairobi's time; one tutorial shows it typed out."""
    text = _digits(value)
    if text is None:
        return None
    if typed := _STAMP_TYPED.fullmatch(text):
        text = "".join(typed.groups())
    if not _STAMP.fullmatch(text):
        return None
    year, (month, day, hour, minute, second) = int(text[:4]), map(int, _PAIRS.findall(text[4:]))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=NAIROBI).astimezone(UTC)
    except ValueError:
        return None


def _phone(value: object) -> str | None:
    """Absent or masked (2547***430) is as good as unknown; nothing may hang on it."""
    text = _digits(value)
    return text if text is not None and _PHONE.fullmatch(text) else None


def _digits(value: object) -> str | None:
    match value:
        case bool():
            return None
        case int():
            return str(value) if 0 <= value < 10**15 else None
        case str():
            return value
        case _:
            return None
