"""Callback bodies as Safaricom writes them, for the tests of the core."""

from __future__ import annotations

import json

__all__ = ["failure", "success"]


def success(
    number: int = 1,
    *,
    amount: float = 50.0,
    receipt: str | None = "UKN1ABCDEF",
    merchant: str | None = None,
    checkout: str | None = None,
    metadata: bool = True,
    phone: int | str | None = "2547***678",
) -> bytes:
    """A success for the *number*th push, unless told to name others; its phone masked."""
    items: list[dict[str, object]] = [{"Name": "Amount", "Value": amount}]
    if receipt is not None:
        items.append({"Name": "MpesaReceiptNumber", "Value": receipt})
    items.append({"Name": "TransactionDate", "Value": 20261123120030})
    if phone is not None:
        items.append({"Name": "PhoneNumber", "Value": phone})
    body = _frame(number, merchant, checkout, 0, "The service request is processed successfully.")
    if metadata:
        body["CallbackMetadata"] = {"Item": items}
    return json.dumps({"Body": {"stkCallback": body}}).encode()


def failure(
    code: object = 1032,
    number: int = 1,
    *,
    merchant: str | None = None,
    checkout: str | None = None,
) -> bytes:
    body = _frame(number, merchant, checkout, code, "Request cancelled by user")
    return json.dumps({"Body": {"stkCallback": body}}).encode()


def _frame(
    number: int, merchant: str | None, checkout: str | None, code: object, text: str
) -> dict[str, object]:
    return {
        "MerchantRequestID": merchant or f"merchant-{number}",
        "CheckoutRequestID": checkout or f"ws_CO_{number}712345678",
        "ResultCode": code,
        "ResultDesc": text,
    }
