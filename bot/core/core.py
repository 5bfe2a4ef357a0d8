"""The core as the rest of the bot holds it: one object, a service per noun."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.ask import Asking
from bot.core.billing import Billing
from bot.core.books import Books
from bot.core.buttons import Buttons
from bot.core.cash_book import CashBook
from bot.core.drives import Drives
from bot.core.health import Health
from bot.core.hear import Hear
from bot.core.inbox import Inbox
from bot.core.invoice_talk import InvoiceTalk
from bot.core.invoices import Invoices
from bot.core.lead import Lead
from bot.core.ledgers import Ledgers
from bot.core.merchants import Merchants
from bot.core.people import People
from bot.core.ports import Clock, Collector
from bot.core.post import Post
from bot.core.privacy import Privacy
from bot.core.receipts import Receipts
from bot.core.reconcile import Reconcile
from bot.core.record_desk import RecordDesk
from bot.core.reminders import Reminders
from bot.core.review import Review
from bot.core.send import Sending
from bot.core.statement_desk import StatementDesk
from bot.core.statements import Statements
from bot.core.touched import TouchedSubjects

__all__ = ["Core"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What the money does."""

    asking: Asking
    sending: Sending
    hear: Hear
    reconcile: Reconcile
    people: People
    books: Books
    review: Review  # what operators decide
    post: Post
    inbox: Inbox
    lead: Lead  # who polls Telegram
    buttons: Buttons
    touched: TouchedSubjects
    health: Health
    privacy: Privacy
    record: RecordDesk
    drives: Drives
    merchants: Merchants
    invoices: Invoices
    billing: Billing
    cash_book: CashBook
    invoice_talk: InvoiceTalk
    receipts: Receipts
    ledgers: Ledgers
    reminders: Reminders
    statements: Statements
    statement_desk: StatementDesk
    collector: Collector
    clock: Clock
    operators: frozenset[int]
