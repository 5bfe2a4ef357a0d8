"""Builds the core from the configuration: every service, over one store and one Safaricom."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from bot.config import Config
from bot.core import ports
from bot.core.ask import Asking, AskSettings, Guard
from bot.core.billing import Billing
from bot.core.books import Books
from bot.core.buttons import Buttons
from bot.core.cash_book import CashBook
from bot.core.core import Core
from bot.core.drive_news import DriveNews
from bot.core.drives import Drives
from bot.core.giving import Giving, guard_gift
from bot.core.hear import Hear
from bot.core.inbox import Inbox
from bot.core.invoice_acts import Acts
from bot.core.invoice_news import InvoiceNews
from bot.core.invoices import Invoices, guard_instalment
from bot.core.lead import Lead
from bot.core.limits import LimitSettings
from bot.core.merchants import Merchants
from bot.core.people import People
from bot.core.ports import Collector, Ids
from bot.core.post import Post
from bot.core.receipts import Receipts
from bot.core.reconcile import Reconcile, ReconcileSettings
from bot.core.send import Sending, SendSettings
from bot.core.settle import Settle
from bot.core.touched import Look, TouchedSubjects
from storage.engine import Store
from storage.records import IntentKind

__all__ = ["Parts", "build_core", "collector_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every service is made from."""

    config: Config
    store: Store
    daraja: ports.Daraja
    background: Callable[[Coroutine[Any, Any, None]], None]
    settle: Settle
    post: Post
    clock: ports.Clock
    ids: Ids

    @property
    def wake(self) -> Callable[[], None]:
        return self.post.wake.set

    @property
    def operators(self) -> frozenset[int]:
        return frozenset(self.config.telegram.operators)

    @property
    def limits(self) -> LimitSettings:
        limits = self.config.limits
        return LimitSettings(
            incomplete_before_pause=limits.incomplete_before_pause,
            pause_h=limits.pause_h,
            strangers_per_person_per_hour=limits.strangers_per_person_per_hour,
            pushes_per_second=limits.pushes_per_second,
            page_prompts_per_address_per_hour=limits.page_prompts_per_address_per_hour,
            page_prompts_per_page_per_hour=limits.page_prompts_per_page_per_hour,
        )


def build_core(parts: Parts) -> Core:
    """Every service of the core."""
    store, clock, wake = parts.store, parts.clock, parts.wake
    sending = _sending(parts)
    guards = {IntentKind.GIFT: guard_gift, IntentKind.INSTALMENT: guard_instalment}
    asking = _asking(parts, sending, guards=guards)
    giving = Giving(store=store, clock=clock, asking=asking, wake=wake)
    news = DriveNews(clock)
    collectors = {"": collector_of(parts.config)}
    merchants = Merchants(
        store=store, clock=clock, operators=parts.operators, collectors=collectors, wake=wake
    )
    acts = Acts(store=store, clock=clock, wake=wake)
    return Core(
        asking=asking,
        sending=sending,
        hear=_hear(parts),
        reconcile=_reconcile(parts),
        people=People(store=store, settle=parts.settle, clock=clock, wake=wake),
        books=Books(store=store, clock=clock, limits=parts.limits),
        post=parts.post,
        inbox=Inbox(store=store, clock=clock, wake=wake),
        lead=Lead(store=store, clock=clock, role="polling"),
        buttons=Buttons(store=store, clock=clock, ids=parts.ids),
        touched=_touched(parts, looks={"d": news.look, "i": InvoiceNews(clock=clock).look}),
        drives=Drives(store=store, clock=clock, ids=parts.ids, giving=giving, news=news, wake=wake),
        giving=giving,
        merchants=merchants,
        invoices=Invoices(
            store=store,
            clock=clock,
            asking=asking,
            collectors=collectors,
            wake=wake,
        ),
        billing=Billing(store=store, clock=clock, ids=parts.ids, merchants=merchants, acts=acts),
        cash_book=CashBook(acts=acts),
        receipts=Receipts(store=store, collectors=collectors),
        collector=collectors[""],
        clock=clock,
        operators=parts.operators,
    )


def _sending(parts: Parts) -> Sending:
    config = parts.config
    return Sending(
        store=parts.store,
        daraja=parts.daraja,
        settle=parts.settle,
        clock=parts.clock,
        settings=SendSettings(
            callback_base=config.webhook.public_url.rstrip("/"),
            first_check_after_s=config.polling.check_after_s[0],
            pushes_per_second=config.limits.pushes_per_second,
        ),
        background=parts.background,
        wake=parts.wake,
    )


def _asking(parts: Parts, sending: Sending, *, guards: Mapping[IntentKind, Guard]) -> Asking:
    return Asking(
        store=parts.store,
        clock=parts.clock,
        ids=parts.ids,
        settings=AskSettings(
            confirm_above_kes=parts.config.security.confirm_above_kes,
            limits=parts.limits,
            operators=parts.operators,
        ),
        start=sending.start,
        wake=parts.wake,
        guards=guards,
    )


def _hear(parts: Parts) -> Hear:
    return Hear(
        store=parts.store,
        settle=parts.settle,
        clock=parts.clock,
        wake=parts.wake,
        unconfirmed_total_kes=parts.config.security.unconfirmed_total_kes,
        allow_from=parts.config.webhook.callers,
    )


def _reconcile(parts: Parts) -> Reconcile:
    polling = parts.config.polling
    return Reconcile(
        store=parts.store,
        daraja=parts.daraja,
        settle=parts.settle,
        clock=parts.clock,
        settings=ReconcileSettings(
            check_after_s=polling.check_after_s,
            queries_per_minute=polling.queries_per_minute,
        ),
        wake=parts.wake,
    )


def _touched(parts: Parts, *, looks: Mapping[str, Look]) -> TouchedSubjects:
    return TouchedSubjects(store=parts.store, clock=parts.clock, looks=looks, wake=parts.wake)


def collector_of(config: Config) -> Collector:
    """Who is paid, as the chat names them."""
    mpesa = config.mpesa
    till = mpesa.transaction_type == "till"
    number = mpesa.till_number if till and mpesa.till_number else mpesa.shortcode
    return Collector(
        name=mpesa.business_name or f"{'Till' if till else 'Paybill'} {number}",
        kind=mpesa.transaction_type,
        number=number,
        practice=not config.takes_real_money,
    )
