"""
Reads what arrives at a callback address: a `StkCallback` or the reason why it is none.

Safaricom signs nothing and its own samples disagree, so a field that cannot be read *exactly* is
None and never stops the others; but a body that does not have the callback's frame, or does not
say clearly how it ended, is refused, because a refused body costs one query and a misread one
costs money. An answer to a *query*, which some aggregators post to callback addresses, has
another frame and no metadata: it is refused too, for no amount or receipt could be checked.
"""

import re
from decimal import Decimal
from typing import Final

from mpesa.bodies import Unreadable, read_object
from mpesa.fields import NAIROBI, read_cents, read_id, read_instant, read_receipt
from mpesa.models import StkCallback
from mpesa.results import Result, look_up

__all__ = ["NAIROBI", "Unreadable", "parse_callback"]

_PHONE: Final = re.compile(r"254[17][0-9]{8}")


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
        merchant_request_id=read_id(callback.get("MerchantRequestID")),
        checkout_request_id=read_id(callback.get("CheckoutRequestID")),
        result=result,
        amount_cents=read_cents(items.get("Amount")),
        receipt=read_receipt(items.get("MpesaReceiptNumber")),
        paid_at=read_instant(items.get("TransactionDate")),
        phone=_phone(items.get("PhoneNumber")),
    )


def _is_id_or_absent(value: object) -> bool:
    return value is None or value == "" or read_id(value) is not None


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
