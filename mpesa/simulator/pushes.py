"""Owns push requests: Safaricom's checks on one, and the log of all that came in."""

import asyncio
import base64
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from mpesa.simulator.answers import (
    MERCHANT_UNKNOWN,
    WRONG_CREDENTIALS,
    HttpAnswer,
    Refusal,
    invalid,
)
from mpesa.simulator.faults import NO_FAULT, Fault
from mpesa.simulator.outcomes import Outcome
from mpesa.simulator.settings import SimulatorSettings

HIGHEST_KES = 250_000
LONGEST_REFERENCE = 12
LONGEST_DESCRIPTION = 13
_TRANSACTION_TYPES = {"CustomerPayBillOnline", "CustomerBuyGoodsOnline"}
_SHORTCODE = re.compile(r"[0-9]{5,7}")
_DIGITS = re.compile(r"[0-9]+")
_AMOUNT = re.compile(r"[1-9][0-9]{0,5}")
_PHONE = re.compile(r"254[17][0-9]{8}")
_STAMP = re.compile(r"[0-9]{14}")
_URL = re.compile(r"https?://[!-;=?-~]+")
"""Printable ASCII but for `<`, `>` and spaces, which Daraja refuses."""


@dataclass(frozen=True)
class PushOrder:
    """A push that passed Safaricom's checks of its fields."""

    shortcode: str
    password: str
    timestamp: str
    transaction_type: str
    amount_kes: int
    party_b: str
    phone: str
    callback_url: str
    account_reference: str
    description: str


@dataclass
class PushRecord:
    """One push request that reached us, whatever was answered.

    `order` is None if the fields were refused. An accepted push has both ids, and an `outcome`
    once it is decided. `answer` is what was sent back, None until then.
    """

    seen_at: datetime
    phone: str = ""
    amount_kes: int = 0
    order: PushOrder | None = None
    fault: Fault = NO_FAULT
    merchant_request_id: str | None = None
    checkout_request_id: str | None = None
    outcome: Outcome | None = None
    decided_at: datetime | None = None
    answer: HttpAnswer | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the callback has been tried, or will never be."""

    @property
    def accepted(self) -> bool:
        """Whether Safaricom took the push, so that the phone is asked."""
        return self.checkout_request_id is not None


class PushLog:
    """The latest pushes that came in; the oldest are forgotten beyond the limit."""

    def __init__(self, limit: int) -> None:
        self._records: deque[PushRecord] = deque()
        self._limit = limit
        self.by_checkout: dict[str, PushRecord] = {}

    def add(self, record: PushRecord) -> None:
        """Keep one more."""
        self._records.append(record)
        if len(self._records) > self._limit:
            oldest = self._records.popleft()
            self.by_checkout.pop(oldest.checkout_request_id or "", None)

    def all(self) -> list[PushRecord]:
        """Every push kept, oldest first."""
        return list(self._records)


def read_push(body: Mapping[str, object]) -> PushOrder | Refusal:
    """Check the fields as Safaricom does; its refusal names the first that is wrong.

    The portal's limits are taken at their word (12 characters of AccountReference, 13 of
    TransactionDesc), although the sandbox was seen to let a longer reference pass.
    """
    checks = {
        "BusinessShortCode": _SHORTCODE,
        "Timestamp": _STAMP,
        "Amount": _AMOUNT,
        "PartyA": _PHONE,
        "PartyB": _DIGITS,
        "PhoneNumber": _PHONE,
    }
    values = {name: _plain(body.get(name)) for name in checks}
    for name, pattern in checks.items():
        if not pattern.fullmatch(values[name]):
            return invalid(name)
    password, kind = body.get("Password"), body.get("TransactionType")
    reference, description = _plain(body.get("AccountReference")), body.get("TransactionDesc")
    url = body.get("CallBackURL")
    if not _is_stamp(values["Timestamp"]):
        return invalid("Timestamp")
    if not isinstance(password, str) or not password:
        return invalid("Password")
    if not isinstance(kind, str) or kind not in _TRANSACTION_TYPES:
        return invalid("TransactionType")
    if int(values["Amount"]) > HIGHEST_KES:
        return invalid("Amount")
    if not isinstance(url, str) or not _is_url(url):
        return invalid("CallBackURL")
    if not 1 <= len(reference) <= LONGEST_REFERENCE:
        return invalid("AccountReference")
    if not isinstance(description, str) or not 1 <= len(description) <= LONGEST_DESCRIPTION:
        return invalid("Remarks")
    return PushOrder(
        shortcode=values["BusinessShortCode"],
        password=password,
        timestamp=values["Timestamp"],
        transaction_type=kind,
        amount_kes=int(values["Amount"]),
        party_b=values["PartyB"],
        phone=values["PhoneNumber"],
        callback_url=url,
        account_reference=reference,
        description=description,
    )


def check_merchant(
    settings: SimulatorSettings,
    *,
    shortcode: str,
    password: str,
    timestamp: str,
    owner: str | None,
) -> Refusal | None:
    """
    Safaricom's no to a merchant it does not know, or whose password does not fit.

    *owner* is the shortcode of the app that asks: it knows no other merchant.
    """
    merchant = settings.merchant(shortcode)
    if merchant is None or owner != shortcode:
        return MERCHANT_UNKNOWN
    plain = f"{shortcode}{merchant.passkey}{timestamp}"
    if password != base64.b64encode(plain.encode()).decode():
        return WRONG_CREDENTIALS
    return None


def peek(body: Mapping[str, object]) -> tuple[str, int]:
    """The phone and amount of a push as far as they can be read, before any check."""
    amount = _plain(body.get("Amount"))
    return _plain(body.get("PhoneNumber")), int(amount) if _AMOUNT.fullmatch(amount) else 0


def _plain(value: object) -> str:
    # Daraja takes numbers and digits in text alike; true and false are neither.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**15 else ""
    return value if isinstance(value, str) else ""


def _is_stamp(text: str) -> bool:
    try:
        # Only the shape matters: nothing shows that Daraja looks at the hour itself.
        datetime.strptime(f"{text}+0300", "%Y%m%d%H%M%S%z")
    except ValueError:
        return False
    return True


def _is_url(text: str) -> bool:
    if not _URL.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
