"""Owns the callback: its body to the letter, and its one delivery (or two, or none)."""

import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from yarl import URL

from mpesa.simulator.books import Row
from mpesa.simulator.changes import Changes, Topic
from mpesa.simulator.clock import Clock, stamp
from mpesa.simulator.faults import CallbackFault, Fault
from mpesa.simulator.outcomes import PAID
from mpesa.simulator.pushes import PushRecord
from mpesa.simulator.settings import SimulatorSettings

REMEMBERED_DELIVERIES = 100_000
_AMOUNT_MARK = "(amount)"


@dataclass(frozen=True)
class Delivery:
    """One POST of a callback; `http_status` is None, and `error` says why, if nobody answered."""

    checkout_request_id: str
    url: str
    body: str
    at: datetime
    http_status: int | None
    error: str | None = None


@dataclass(frozen=True)
class Posted:
    """One POST that was no push's callback; `about` is `status`, `reversal` or `c2b`."""

    about: str
    url: str
    body: str
    at: datetime
    http_status: int | None
    error: str | None = None


@dataclass(frozen=True)
class Answered:
    """How a POST of ours was answered; `status` is None if nobody did."""

    status: int | None
    error: str | None = None
    text: str = ""


def callback_body(push: PushRecord, row: Row | None) -> str:
    """The JSON text of the callback; `row` is the payment, None for a failure."""
    assert push.outcome is not None, "only a decided push has a callback"
    assert (row is not None) == (push.outcome.code == PAID), "a row for every success"
    callback: dict[str, object] = {
        "MerchantRequestID": push.merchant_request_id,
        "CheckoutRequestID": push.checkout_request_id,
        "ResultCode": push.outcome.json_code,
        "ResultDesc": push.outcome.callback_text,
    }
    if row is None:
        return json.dumps({"Body": {"stkCallback": callback}})
    callback["CallbackMetadata"] = {
        "Item": [
            {"Name": "Amount", "Value": _AMOUNT_MARK},
            {"Name": "MpesaReceiptNumber", "Value": row.receipt},
            {"Name": "TransactionDate", "Value": int(stamp(row.completed_at))},
            {"Name": "PhoneNumber", "Value": int(row.phone)},
        ]
    }
    text = json.dumps({"Body": {"stkCallback": callback}})
    # Safaricom writes 50.00; a JSON writer would make that 50.0 of a float.
    amount = f"{row.amount_cents // 100}.{row.amount_cents % 100:02d}"
    return text.replace(f'"{_AMOUNT_MARK}"', amount, 1)


class Courier:
    """Carries callbacks to the address each push gave."""

    def __init__(self, settings: SimulatorSettings, clock: Clock, changes: Changes) -> None:
        self._settings = settings
        self._clock = clock
        self._changes = changes
        self.deliveries: deque[Delivery] = deque(maxlen=REMEMBERED_DELIVERIES)
        self.posts: deque[Posted] = deque(maxlen=REMEMBERED_DELIVERIES)

    async def deliver(
        self, session: aiohttp.ClientSession, push: PushRecord, row: Row | None
    ) -> None:
        """Bring the outcome of a push to its CallBackURL, as its fault says.

        Once, with no second try whatever is answered: that is what was measured.
        """
        if push.fault.callback is CallbackFault.NEVER:
            return
        await self._clock.sleep(self._settings.callback_after_s + push.fault.callback_late_s)
        body = callback_body(push, row)
        for _ in range(2 if push.fault.callback is CallbackFault.TWICE else 1):
            await self._post(session, push, body)

    async def _post(self, session: aiohttp.ClientSession, push: PushRecord, body: str) -> None:
        assert push.order is not None, "an accepted push has an order"
        assert push.checkout_request_id is not None, "an accepted push has ids"
        at = self._clock.now()
        answer = await self.send(session, push.order.callback_url, body)
        self.deliveries.append(
            Delivery(
                checkout_request_id=push.checkout_request_id,
                url=push.order.callback_url,
                body=body,
                at=at,
                http_status=answer.status,
                error=answer.error,
            )
        )
        self._changes.announce(Topic.DELIVERY, push.phone)

    async def tell(
        self, session: aiohttp.ClientSession, about: str, url: str, body: str, fault: Fault
    ) -> None:
        """Post a result, or the word about a payment by hand, as its fault says; see `deliver`."""
        if fault.callback is CallbackFault.NEVER:
            return
        await self._clock.sleep(fault.callback_late_s)
        for _ in range(2 if fault.callback is CallbackFault.TWICE else 1):
            at = self._clock.now()
            answer = await self.send(session, url, body)
            self.posts.append(Posted(about, url, body, at, answer.status, answer.error))
            self._changes.announce(Topic.DELIVERY)

    async def send(self, session: aiohttp.ClientSession, url: str, body: str) -> Answered:
        """One POST; never raises for what the other side does."""
        headers = {
            "Content-Type": "application/json;charset=UTF-8",
            "Businessshortcode": self._settings.shortcode,
        }
        try:
            async with session.post(
                # The path may hold a secret segment; Safaricom keeps every byte of it.
                URL(url, encoded=True),
                data=body.encode(),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._settings.callback_timeout_s),
            ) as response:
                return Answered(
                    response.status, text=(await response.read()).decode("utf-8", "replace")
                )
        except (TimeoutError, aiohttp.ClientError, ValueError) as problem:
            return Answered(None, error=type(problem).__name__)
