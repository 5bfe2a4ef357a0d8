"""Owns what Safaricom does for the organisation: status, reversal, lists, word of payments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mpesa.simulator.books import ReversalReason, Row, RowKind
from mpesa.simulator.clock import EAT, stamp
from mpesa.simulator.faults import CallbackFault, Endpoint, Fault
from mpesa.simulator.ids import placeholder_receipt
from mpesa.simulator.vault import vault

if TYPE_CHECKING:
    from mpesa.simulator.safaricom import Safaricom

PULL_REACHES = timedelta(hours=48)

_DONE = "The service request is processed successfully."
_WORDS = {
    "0": _DONE,
    "25": "The request is invalid.",
    "2001": "The initiator information is invalid.",
    "2033": "The transaction receipt number does not exist.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
}


@dataclass(frozen=True)
class Order:
    """An accepted request whose result comes later."""

    kind: Endpoint
    receipt: str
    amount_kes: int
    result_url: str
    timeout_url: str
    originator_conversation_id: str
    conversation_id: str
    authentic: bool


class OrgDesk:
    """The services of one organisation. `confirmation_url` is None until addresses are known."""

    def __init__(self, safaricom: Safaricom) -> None:
        self._safaricom = safaricom
        self._settings = safaricom.settings
        self.confirmation_url: str | None = None
        self.validation_url: str | None = None
        self.pull_registered = False
        self.orders: list[Order] = []

    @property
    def certificate(self) -> bytes:
        """What the initiator's password is locked with, PEM."""
        return vault().certificate

    def is_initiator(self, name: object, credential: object) -> bool:
        """Whether somebody who may asks."""
        if name != self._settings.initiator:
            return False
        return vault().opens(credential) == self._settings.initiator_password

    def take(self, order: Order, fault: Fault) -> None:
        """Work on a request, and post how it ended."""
        self.orders.append(order)
        self._safaricom.start(self._work(order, fault))

    def tell_paid(self, row: Row) -> None:
        """Post that a payment was made, if there is an address for it."""
        if self.confirmation_url is not None and row.shortcode in ("", self._settings.shortcode):
            fault = self._safaricom.faults.take(Endpoint.C2B)
            self._safaricom.start(self._confirm(self.confirmation_url, row, fault))

    async def validates(self, phone: str, amount_kes: int, account_reference: str) -> bool:
        """Ask the business whether it wants a payment; an answer that is no clear no is a yes."""
        if self.validation_url is None or not self._settings.c2b_validates:
            return True
        now = self._safaricom.clock.now()
        body = self.c2b_body(
            receipt=placeholder_receipt(now).replace("0000000", "VALIDAT"),
            paid_at=now,
            amount_cents=amount_kes * 100,
            account_reference=account_reference,
            phone=phone,
            balance="",
        )
        answer = await self._safaricom.ask(self.validation_url, body)
        try:
            code = json.loads(answer).get("ResultCode")
        except (ValueError, AttributeError):
            return True
        return str(code) == "0"

    def pulled(self, since: datetime, until: datetime, offset: int) -> list[Row]:
        """A page of the payments of the last two days."""
        since = max(since, self._safaricom.clock.now() - PULL_REACHES)
        rows = [
            row
            for row in self._safaricom.books.statement()
            if row.kind is RowKind.PAID and since <= row.completed_at <= until
        ]
        return rows[offset : offset + self._settings.pull_page]

    def c2b_body(
        self,
        *,
        receipt: str,
        paid_at: datetime,
        amount_cents: int,
        account_reference: str,
        phone: str,
        balance: str,
    ) -> str:
        """The JSON of a confirmation or validation."""
        hashed = self._settings.c2b == "v1"
        till = self._settings.transaction_type == "till"
        return json.dumps(
            {
                "TransactionType": "Customer Merchant Payment" if till else "Pay Bill",
                "TransID": receipt,
                "TransTime": stamp(paid_at),
                "TransAmount": _shillings(amount_cents),
                "BusinessShortCode": self._settings.party_b,
                "BillRefNumber": "" if till else account_reference,
                "InvoiceNumber": "",
                "OrgAccountBalance": balance,
                "ThirdPartyTransID": "",
                "MSISDN": (
                    hashlib.sha256(phone.encode()).hexdigest()
                    if hashed
                    else f"{phone[:4]} ***** {phone[-3:]}"
                ),
                "FirstName": "ASHA",
                "MiddleName": "",
                "LastName": "",
            }
        )

    async def _confirm(self, url: str, row: Row, fault: Fault) -> None:
        await self._safaricom.clock.sleep(self._settings.callback_after_s)
        body = self.c2b_body(
            receipt=row.receipt,
            paid_at=row.completed_at,
            amount_cents=row.amount_cents,
            account_reference=row.account_reference,
            phone=row.phone,
            balance=_shillings(self._safaricom.books.total_cents()),
        )
        await self._safaricom.tell("c2b", url, body, fault)

    async def _work(self, order: Order, fault: Fault) -> None:
        await self._safaricom.clock.sleep(self._settings.result_after_s)
        about = order.kind.value
        if fault.callback is CallbackFault.TIMEOUT:
            body = self._body(order, "25", None, placeholder_receipt(self._safaricom.clock.now()))
            await self._safaricom.tell(about, order.timeout_url, body, Fault())
            return
        body = self._reverse(order) if order.kind is Endpoint.REVERSAL else self._status(order)
        await self._safaricom.tell(about, order.result_url, body, fault)

    def _status(self, order: Order) -> str:
        none = placeholder_receipt(self._safaricom.clock.now())
        if not order.authentic:
            return self._body(order, "2001", None, none)
        row = self._safaricom.books.row(order.receipt)
        if row is None:
            return self._body(order, "2033", None, none)
        us = f"{self._settings.party_b} - {self._settings.business_name}"
        them = f"{row.phone} - ASHA N TEST"
        payer, paid = (them, us) if row.kind is RowKind.PAID else (us, them)
        second = "DebitPartyName" if self._settings.receiver_as_second_payer else "CreditPartyName"
        at = stamp(row.completed_at)
        pairs: list[tuple[str, object]] = [
            ("DebitPartyName", payer),
            (second, paid),
            ("OriginatorConversationID", order.originator_conversation_id),
            ("InitiatedTime", int(at)),
            ("DebitAccountType", "MMF Account For Customer"),
            ("DebitPartyCharges", None),
            ("TransactionReason", None),
            ("ReasonType", "Pay Bill Online" if row.checkout_request_id else "Pay Utility"),
            ("TransactionStatus", "Completed"),
            ("FinalisedTime", int(at)),
            ("Amount", row.amount_cents / 100),
            ("ConversationID", order.conversation_id),
            ("ReceiptNo", row.receipt),
        ]
        return self._body(order, "0", pairs, none)

    def _reverse(self, order: Order) -> str:
        books = self._safaricom.books
        none = placeholder_receipt(self._safaricom.clock.now())
        if not order.authentic:
            return self._body(order, "2001", None, none)
        paid = books.row(order.receipt)
        if paid is None or paid.kind is not RowKind.PAID:
            return self._body(order, "R000002", None, none)
        if paid.amount_cents != order.amount_kes * 100:
            return self._body(order, "25", None, none)
        row = self._safaricom.reverse(order.receipt)
        if row is None:
            return self._body(order, "R000001", None, none)
        assert row.reason is ReversalReason.OPERATOR, "the organisation asked for it"
        balance = f"{_shillings(books.total_cents())}"
        pairs: list[tuple[str, object]] = [
            ("DebitAccountBalance", f"Utility Account|KES|{balance}|{balance}|0.00|0.00"),
            ("Amount", row.amount_cents / 100),
            ("TransCompletedTime", int(stamp(row.completed_at))),
            ("OriginalTransactionID", order.receipt),
            ("Charge", 0),
            ("CreditPartyPublicName", f"{row.phone} - ASHA N TEST"),
            ("DebitPartyPublicName", f"{self._settings.party_b} - {self._settings.business_name}"),
        ]
        return self._body(order, "0", pairs, row.receipt)

    def _body(
        self, order: Order, code: str, pairs: list[tuple[str, object]] | None, transaction: str
    ) -> str:
        result: dict[str, object] = {
            "ResultType": 0,
            "ResultCode": int(code) if code.isdecimal() else code,
            "ResultDesc": _WORDS[code],
            "OriginatorConversationID": order.originator_conversation_id,
            "ConversationID": order.conversation_id,
            "TransactionID": transaction,
        }
        if pairs is not None:
            listed = [
                {"Key": key} if value is None else {"Key": key, "Value": value}
                for key, value in pairs
            ]
            result["ResultParameters"] = {"ResultParameter": listed}
        result["ReferenceData"] = {"ReferenceItem": {"Key": "Occasion"}}
        return json.dumps({"Result": result})


def pulled_json(rows: list[Row], business: str, ref: str) -> Mapping[str, object]:
    """The body of a page of the list."""
    listed = [
        {
            "transactionId": row.receipt,
            "trxDate": row.completed_at.astimezone(EAT).strftime("%Y-%m-%d %H:%M:%S"),
            "msisdn": int(row.phone),
            "sender": "ASHA",
            "transactiontype": "c2b-pay-bill-debit",
            "billreference": row.account_reference,
            "amount": _shillings(row.amount_cents),
            "organizationname": business,
        }
        for row in rows
    ]
    return {
        "ResponseRefID": ref,
        "ResponseCode": "1000" if rows else "1001",
        "ResponseMessage": "Success" if rows else "No transactions",
        "Response": [listed],
    }


def _shillings(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
