"""Owns Safaricom's own books: every shilling that moved, and what each phone holds."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mpesa.simulator.ids import Ids


class RowKind(StrEnum):
    """What a row of the statement did."""

    PAID = "paid"
    REVERSAL = "reversal"


class ReversalReason(StrEnum):
    """Why money went back."""

    OVERNIGHT = "overnight"
    """Test money given back at midnight: leave it out when comparing books."""
    OPERATOR = "operator"
    """Somebody at the business reversed the payment."""


@dataclass(frozen=True)
class Row:
    """One line of the statement of account.

    `amount_cents` is always positive; `kind` says which way it went. A payment made by hand at the
    Paybill names no push. A reversal names the receipt that it takes back.
    """

    receipt: str
    completed_at: datetime
    kind: RowKind
    phone: str
    amount_cents: int
    account_reference: str
    merchant_request_id: str | None = None
    checkout_request_id: str | None = None
    reason: ReversalReason | None = None
    linked_receipt: str | None = None
    shortcode: str = ""  # whose account it is

    @property
    def signed_cents(self) -> int:
        """What the row adds to the business's account."""
        return self.amount_cents if self.kind is RowKind.PAID else -self.amount_cents

    @property
    def overnight(self) -> bool:
        """Whether the row only gives test money back."""
        return self.reason is ReversalReason.OVERNIGHT


class Books:
    """The ledger: the judge of what was paid, independent of every reply and callback."""

    def __init__(self, *, ids: Ids, now: Callable[[], datetime], opening_cents: int) -> None:
        self._ids = ids
        self._now = now
        self._opening_cents = opening_cents
        self._rows: list[Row] = []
        self._by_receipt: dict[str, Row] = {}
        self._by_push: dict[str, Row] = {}
        self._reversed: set[str] = set()
        self._balances: dict[str, int] = {}

    def statement(self, *, exclude_overnight_reversals: bool = False) -> list[Row]:
        """Every row, oldest first; without the midnight returns when asked."""
        return [row for row in self._rows if not (exclude_overnight_reversals and row.overnight)]

    def total_cents(self, *, exclude_overnight_reversals: bool = False) -> int:
        """What the statement adds up to: payments less reversals."""
        rows = self.statement(exclude_overnight_reversals=exclude_overnight_reversals)
        return sum(row.signed_cents for row in rows)

    def row(self, receipt: str) -> Row | None:
        """The row of that receipt, if there is one."""
        return self._by_receipt.get(receipt)

    def row_of_push(self, checkout_request_id: str) -> Row | None:
        """The payment made by that push, if it was paid."""
        return self._by_push.get(checkout_request_id)

    def balance_cents(self, phone: str) -> int:
        """What the phone's M-PESA holds."""
        return self._balances.get(phone, self._opening_cents)

    def set_balance(self, phone: str, cents: int) -> None:
        """Give the phone that balance. Raises ValueError below zero."""
        if cents < 0:
            raise ValueError("a balance cannot be below zero")
        self._balances[phone] = cents

    def pay(
        self,
        *,
        phone: str,
        amount_cents: int,
        account_reference: str,
        merchant_request_id: str | None = None,
        checkout_request_id: str | None = None,
        shortcode: str = "",
    ) -> Row | None:
        """Move the money and write the row; None, and nothing moves, if the balance is short."""
        assert amount_cents > 0, "only money that exists can move"
        if self.balance_cents(phone) < amount_cents:
            return None
        row = Row(
            receipt=self._ids.receipt(self._now()),
            completed_at=self._now(),
            kind=RowKind.PAID,
            phone=phone,
            amount_cents=amount_cents,
            account_reference=account_reference,
            merchant_request_id=merchant_request_id,
            checkout_request_id=checkout_request_id,
            shortcode=shortcode,
        )
        self._write(row)
        return row

    def reverse(self, receipt: str, reason: ReversalReason) -> Row | None:
        """Take one payment back; None if it is unknown, a reversal, or already reversed."""
        paid = self.row(receipt)
        if paid is None or paid.kind is not RowKind.PAID or receipt in self._reversed:
            return None
        row = Row(
            receipt=self._ids.receipt(self._now()),
            completed_at=self._now(),
            kind=RowKind.REVERSAL,
            phone=paid.phone,
            amount_cents=paid.amount_cents,
            account_reference=paid.account_reference,
            reason=reason,
            linked_receipt=receipt,
            shortcode=paid.shortcode,
        )
        self._reversed.add(receipt)
        self._write(row)
        return row

    def return_test_money(self) -> list[Row]:
        """Take every standing payment back, as the sandbox does at midnight."""
        standing = [
            row.receipt
            for row in self._rows
            if row.kind is RowKind.PAID and row.receipt not in self._reversed
        ]
        returned = (self.reverse(receipt, ReversalReason.OVERNIGHT) for receipt in standing)
        return [row for row in returned if row is not None]

    def _write(self, row: Row) -> None:
        assert row.receipt not in self._by_receipt, "a receipt is unique"
        self._rows.append(row)
        self._by_receipt[row.receipt] = row
        if row.checkout_request_id is not None:
            self._by_push[row.checkout_request_id] = row
        self._balances[row.phone] = self.balance_cents(row.phone) - row.signed_cents
