"""Tx: one open transaction, with a repository per noun."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

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
    """What a function handed to `Store.write` or a `Store.read` block may reach for."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt, holder: Holder) -> None:
        self.payments = Payments(connection, crypt, holder)
        self.evidence = EvidenceBook(connection, crypt)
        self.lines = Lines(connection, crypt)
        self.people = People(connection, crypt)
        self.inbox = Inbox(connection, crypt, holder)
        self.notices = Notices(connection, crypt, holder)
        self.buttons = Buttons(connection)
        self.drafts = Drafts(connection, crypt)
        self.shared = Shared(connection, crypt)
        self.leases = Leases(connection, holder)
        self.record = Record(connection, crypt)
        self.touched = Touched(connection)
        self.health = HealthBook(connection)
        self.privacy = PrivacyBook(connection, crypt)
        self.privacy_in_drives = PrivacyInDrives(connection, crypt)
        self.privacy_in_invoices = PrivacyInInvoices(connection, crypt)
        self.page_prompts = PagePrompts(connection, crypt)
        self.drives = Drives(connection, crypt)
        self.gifts = Gifts(connection, crypt)
        self.pledges = Pledges(connection, crypt)
        self.merchants = Merchants(connection, crypt)
        self.invoices = Invoices(connection, crypt)
        self.invoice_lists = InvoiceLists(connection, crypt)
        self.reminders = Reminders(connection)
        self.statements = Statements(connection, crypt)
