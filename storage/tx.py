"""Tx: one open transaction, with a repository per noun."""

from __future__ import annotations

from functools import cached_property

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.attempts import Attempts
from storage.buttons import Buttons
from storage.crypt import Crypt
from storage.drafts import Drafts
from storage.drives import Drives
from storage.evidence import EvidenceBook
from storage.gifts import Gifts
from storage.health import HealthBook
from storage.inbox import Inbox
from storage.invoice_lists import InvoiceLists
from storage.invoices import Invoices
from storage.leases import Holder, Leases
from storage.lines import Lines
from storage.merchants import Merchants
from storage.notice_returns import Untold
from storage.notices import Notices
from storage.page_prompts import PagePrompts
from storage.payments import Payments
from storage.people import People
from storage.pledges import Pledges
from storage.privacy import PrivacyBook
from storage.privacy_drives import PrivacyInDrives
from storage.privacy_invoices import PrivacyInInvoices
from storage.record import Record
from storage.reminders import Reminders
from storage.shared import Shared
from storage.statements import Statements
from storage.touched import Touched

__all__ = ["Tx"]


class Tx:
    """
    What a function handed to `Store.write` or a `Store.read` block may reach for.

    A transaction needs two or three of them, so each is made when it is asked for.
    """

    def __init__(self, connection: AsyncConnection, crypt: Crypt, holder: Holder) -> None:
        self._connection = connection
        self._crypt = crypt
        self._holder = holder

    @cached_property
    def payments(self) -> Payments:
        return Payments(self._connection, self._crypt, self._holder)

    @cached_property
    def evidence(self) -> EvidenceBook:
        return EvidenceBook(self._connection, self._crypt)

    @cached_property
    def attempts(self) -> Attempts:
        return Attempts(self._connection)

    @cached_property
    def lines(self) -> Lines:
        return Lines(self._connection, self._crypt)

    @cached_property
    def people(self) -> People:
        return People(self._connection, self._crypt)

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self._connection, self._crypt, self._holder)

    @cached_property
    def notices(self) -> Notices:
        return Notices(self._connection, self._crypt, self._holder)

    @cached_property
    def untold(self) -> Untold:
        return Untold(self._connection, self._crypt)

    @cached_property
    def buttons(self) -> Buttons:
        return Buttons(self._connection)

    @cached_property
    def drafts(self) -> Drafts:
        return Drafts(self._connection, self._crypt)

    @cached_property
    def shared(self) -> Shared:
        return Shared(self._connection, self._crypt)

    @cached_property
    def leases(self) -> Leases:
        return Leases(self._connection, self._holder)

    @cached_property
    def record(self) -> Record:
        return Record(self._connection, self._crypt)

    @cached_property
    def touched(self) -> Touched:
        return Touched(self._connection)

    @cached_property
    def health(self) -> HealthBook:
        return HealthBook(self._connection)

    @cached_property
    def privacy(self) -> PrivacyBook:
        return PrivacyBook(self._connection, self._crypt)

    @cached_property
    def privacy_in_drives(self) -> PrivacyInDrives:
        return PrivacyInDrives(self._connection, self._crypt)

    @cached_property
    def privacy_in_invoices(self) -> PrivacyInInvoices:
        return PrivacyInInvoices(self._connection, self._crypt)

    @cached_property
    def page_prompts(self) -> PagePrompts:
        return PagePrompts(self._connection, self._crypt)

    @cached_property
    def drives(self) -> Drives:
        return Drives(self._connection, self._crypt)

    @cached_property
    def gifts(self) -> Gifts:
        return Gifts(self._connection, self._crypt)

    @cached_property
    def pledges(self) -> Pledges:
        return Pledges(self._connection, self._crypt)

    @cached_property
    def merchants(self) -> Merchants:
        return Merchants(self._connection, self._crypt)

    @cached_property
    def invoices(self) -> Invoices:
        return Invoices(self._connection, self._crypt)

    @cached_property
    def invoice_lists(self) -> InvoiceLists:
        return InvoiceLists(self._connection, self._crypt)

    @cached_property
    def reminders(self) -> Reminders:
        return Reminders(self._connection)

    @cached_property
    def statements(self) -> Statements:
        return Statements(self._connection, self._crypt)
