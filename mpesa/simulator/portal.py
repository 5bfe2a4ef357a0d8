"""Owns the portal's export: the books as a statement of the kind that a business downloads."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mpesa.simulator.books import Books, Row, RowKind
from mpesa.simulator.clock import EAT
from mpesa.simulator.settings import SimulatorSettings

COLUMNS: Final = (
    *("Receipt No.", "Completion Time", "Initiation Time", "Details", "Transaction Status"),
    *("Paid In", "Withdrawn", "Balance", "Balance Confirmed", "Reason Type", "Other Party Info"),
    *("Linked Transaction ID", "A/C No.", "Currency"),
)
_CHARGE_FROM_CENTS: Final = 100_000
_CHARGE_PART: Final = 200  # 0.5 %

Cell = str | float


@dataclass(frozen=True)
class PortalExport:
    """One export: its lines, preamble first, with numbers as the portal has them."""

    name: str
    lines: Sequence[Sequence[Cell]]

    def csv(self) -> bytes:
        """The file as CSV."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows(self.lines)
        return text.getvalue().encode()

    def xlsx(self) -> bytes:
        """The file as a workbook with the one sheet `transaction`."""
        # Few need it, and it takes a while to load.
        import xlsxwriter

        file = io.BytesIO()
        with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
            sheet = book.add_worksheet("transaction")
            for number, line in enumerate(self.lines):
                for place, cell in enumerate(line):
                    if isinstance(cell, str):
                        sheet.write_string(number, place, cell)
                    else:
                        sheet.write_number(number, place, cell)
        return file.getvalue()


class Portal:
    """The portal of one business. With `charges`, larger payments have a line for their charge."""

    def __init__(self, books: Books, settings: SimulatorSettings, *, charges: bool = False) -> None:
        self._books = books
        self._settings = settings
        self._charges = charges

    def export(self, *, until: datetime, since: datetime | None = None) -> PortalExport:
        """Every row between two aware moments, newest first; from the first one unless said."""
        every = self._books.statement()
        rows = [
            row
            for row in every
            if row.completed_at <= until and (since is None or row.completed_at >= since)
        ]
        opening = sum(row.signed_cents for row in every if since and row.completed_at < since)
        first = since or min((row.completed_at for row in rows), default=until)
        balance, lines = opening, []
        paid_in = withdrawn = 0
        for row in rows:
            for line, cents in self._lines(row, balance):
                balance += cents
                paid_in += max(cents, 0)
                withdrawn += min(cents, 0)
                lines.append(line)
        head = self._preamble(first, until, opening, balance, paid_in, withdrawn)
        stamp = until.astimezone(EAT).strftime("%Y%m%d%H%M%S")
        name = f"ORG_{self._settings.party_b}_{self._account}_Completed_{stamp}"
        return PortalExport(name, [*head, COLUMNS, *reversed(lines)])

    @property
    def _account(self) -> str:
        till = self._settings.transaction_type == "till"
        return "Merchant Account" if till else "Utility Account"

    def _preamble(
        self,
        since: datetime,
        until: datetime,
        opening: int,
        closing: int,
        paid_in: int,
        withdrawn: int,
    ) -> list[list[Cell]]:
        name = self._settings.business_name
        return [
            ["Account Holder:", name],
            ["Short Code:", self._settings.party_b],
            ["Account:", self._account],
            ["Time Period:", "From", _when(since), "To", _when(until)],
            ["Operator:", "sampleop", "Organization:", name, "Date of Report:", _when(until)],
            [
                *("Opening Balance:", opening / 100, "Closing Balance:", closing / 100),
                *("Available Balance:", closing / 100, "Total Paid In:", paid_in / 100),
                *("Total Withdrawn:", withdrawn / 100),
            ],
        ]

    def _lines(self, row: Row, balance: int) -> Iterator[tuple[list[Cell], int]]:
        """The lines of one row, oldest first: it, and perhaps its charge."""
        party = f"{row.phone[:5]}****{row.phone[-3:]} - ASHA **** TEST"
        till = self._settings.transaction_type == "till"
        if row.kind is RowKind.REVERSAL:
            details, reason = f"Pay Bill Reversal to {party}", "Pay Bill Reversal"
        elif till:
            online = "Online " if row.checkout_request_id else ""
            details, reason = f"Merchant Payment {online}from {party}", "Pay Merchant"
        else:
            online = "Online " if row.checkout_request_id else ""
            reason = "Pay Bill Online" if row.checkout_request_id else "Pay Utility"
            details = f"Pay Bill {online}from {party} Acc. {row.account_reference}"
        account = "" if till or row.kind is RowKind.REVERSAL else row.account_reference
        cents = row.signed_cents
        yield (
            self._line(row, details, cents, balance + cents, reason, party, account),
            cents,
        )
        if self._charges and row.kind is RowKind.PAID and cents >= _CHARGE_FROM_CENTS:
            charge = -(cents // _CHARGE_PART)
            left = balance + cents + charge
            yield self._line(row, "Pay Bill Charge", charge, left, reason, "SP", ""), charge

    def _line(
        self,
        row: Row,
        details: str,
        cents: int,
        balance: int,
        reason: str,
        party: str,
        account: str,
    ) -> list[Cell]:
        at = _when(row.completed_at)
        amount = cents / 100
        return [
            *(row.receipt, at, at, details, "Completed"),
            *(amount if cents > 0 else "", amount if cents < 0 else "", balance / 100, "true"),
            *(reason, party, row.linked_receipt or "", account, "KES"),
        ]


def _when(at: datetime) -> str:
    return at.astimezone(EAT).strftime("%d-%m-%Y %H:%M:%S")
