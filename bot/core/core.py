"""The core as the rest of the bot holds it: one object, a service per noun."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.ask import Asking
from bot.core.billing import Billing
from bot.core.books import Books
from bot.core.buttons import Buttons
from bot.core.cash_book import CashBook
from bot.core.drives import Drives
from bot.core.giving import Giving
from bot.core.hear import Hear
from bot.core.inbox import Inbox
from bot.core.invoices import Invoices
from bot.core.lead import Lead
from bot.core.merchants import Merchants
from bot.core.people import People
from bot.core.ports import Clock, Collector
from bot.core.post import Post
from bot.core.receipts import Receipts
from bot.core.reconcile import Reconcile
from bot.core.send import Sending
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
    post: Post
    inbox: Inbox
    lead: Lead  # who polls Telegram
    buttons: Buttons
    touched: TouchedSubjects
    drives: Drives
    giving: Giving
    merchants: Merchants
    invoices: Invoices
    billing: Billing
    cash_book: CashBook
    receipts: Receipts
    collector: Collector
    clock: Clock
    operators: frozenset[int]
