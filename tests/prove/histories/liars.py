"""Owns the lies of a history: bodies posted to a payment's own address by someone who knows it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from mpesa.simulator.books import Row
from mpesa.simulator.pushes import PushRecord
from mpesa.simulator.safaricom import Safaricom

__all__ = ["Lie", "lie"]


@dataclass(frozen=True, slots=True)
class Lie:
    """A forged body, and what its author knew."""

    knowing: str
    body: bytes


def lie(rng: random.Random, victim: PushRecord, other: PushRecord, safaricom: Safaricom) -> Lie:
    """Something untrue about *victim*, at its own address."""
    knowing = rng.choice(("the address", "another's ids", "both ids", "a real body", "failure"))
    match knowing:
        case "a real body":
            row = _row(other, safaricom)
            if other.outcome is None or other is victim:
                return Lie("the address", _forged(rng, "29115-1-1", "ws_CO_1", victim.amount_kes))
            from mpesa.simulator.callbacks import callback_body

            return Lie(knowing, callback_body(other, row).encode())
        case "both ids":
            ids = (victim.merchant_request_id or "x", victim.checkout_request_id or "ws_CO_2")
            amount = victim.amount_kes + rng.choice((0, 0, 0, 1))
            return Lie(knowing, _forged(rng, *ids, amount))
        case "another's ids":
            ids = (other.merchant_request_id or "x", other.checkout_request_id or "ws_CO_3")
            return Lie(knowing, _forged(rng, *ids, victim.amount_kes))
        case "failure":
            body = {
                "MerchantRequestID": victim.merchant_request_id or "x",
                "CheckoutRequestID": victim.checkout_request_id or "ws_CO_4",
                "ResultCode": 1032,
                "ResultDesc": "Request cancelled by user.",
            }
            return Lie(knowing, json.dumps({"Body": {"stkCallback": body}}).encode())
        case _:
            return Lie(knowing, _forged(rng, "29115-1-1", "ws_CO_5", victim.amount_kes))


def _row(push: PushRecord, safaricom: Safaricom) -> Row | None:
    return safaricom.books.row_of_push(push.checkout_request_id or "")


def _forged(rng: random.Random, merchant: str, checkout: str, amount_kes: int) -> bytes:
    receipt = "Z" + "".join(rng.choices("ABCDEFGHJKMNPQRSTUVWXYZ23456789", k=9))
    body = {
        "MerchantRequestID": merchant,
        "CheckoutRequestID": checkout,
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
        "CallbackMetadata": {
            "Item": [
                {"Name": "Amount", "Value": amount_kes},
                {"Name": "MpesaReceiptNumber", "Value": receipt},
                {"Name": "TransactionDate", "Value": 20261123101530},
            ]
        },
    }
    return json.dumps({"Body": {"stkCallback": body}}).encode()
