"""Builds the core from the configuration: every service, over one store and one Safaricom."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.config import Config
from bot.config_keys import Mpesa, MpesaAccount
from bot.core import ports
from bot.core.ask import Asking, AskSettings, Guard
from bot.core.billing import Billing
from bot.core.books import Books
from bot.core.buttons import Buttons
from bot.core.by_hand import by_hand_of_drives, by_hand_of_invoices
from bot.core.cash_book import CashBook
from bot.core.core import Core
from bot.core.drives import Drives
from bot.core.giving import guard_gift
from bot.core.health import Health
from bot.core.hear import Hear
from bot.core.inbox import Inbox
from bot.core.invoice_acts import Acts
from bot.core.invoice_news import InvoiceNews
from bot.core.invoice_talk import InvoiceTalk
from bot.core.invoices import Invoices, guard_instalment
from bot.core.latencies import Latencies
from bot.core.lead import Lead
from bot.core.ledgers import Ledgers
from bot.core.limits import LimitSettings
from bot.core.merchants import Merchants
from bot.core.outage import Outages
from bot.core.people import People
from bot.core.placing import Placing
from bot.core.ports import Collector, Ids
from bot.core.post import Post
from bot.core.receipts import Receipts
from bot.core.reconcile import Reconcile, ReconcileSettings
from bot.core.record import Record
from bot.core.record_desk import RecordDesk
from bot.core.references import FindByHand, by_hand_of_intents
from bot.core.reminders import Reminders
from bot.core.reversals import Reversals
from bot.core.review import Review
from bot.core.rulings import Rulings, TwoPeople
from bot.core.send import Sending, SendSettings
from bot.core.settle import Settle
from bot.core.skew import Skew
from bot.core.statement_desk import StatementDesk
from bot.core.statements import Statements
from bot.core.touched import Look, TouchedSubjects
from bot.core.ways import Ways, WaysSettings
from bot.machine import Machine, health_of, privacy_of
from storage.engine import Store
from storage.records import IntentKind

__all__ = ["Parts", "build_core", "collector_of", "collectors_of", "finders_of"]


def finders_of(ids: Ids, clock: ports.Clock) -> tuple[FindByHand, ...]:
    """Who knows a by-hand reference."""
    return (by_hand_of_intents, by_hand_of_drives(ids, clock), by_hand_of_invoices(ids, clock))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every service is made from."""

    config: Config
    store: Store
    daraja: ports.Daraja
    accounts: Mapping[str, ports.Daraja] = field(default_factory=dict)  # besides the first
    payees: Mapping[str, Collector] = field(default_factory=dict)  # of accounts that were, too
    background: Callable[[Coroutine[Any, Any, None]], None]
    settle: Settle
    post: Post
    clock: ports.Clock
    ids: Ids
    office: ports.BackOffice
    latencies: Latencies = field(default_factory=Latencies)
    skew: Skew | None = None  # None: nobody hears the dates of Safaricom's replies

    @property
    def wake(self) -> Callable[[], None]:
        return self.post.wake.set

    @property
    def operators(self) -> frozenset[int]:
        return frozenset(self.config.telegram.operators)

    @property
    def public_url(self) -> str:
        return self.config.webhook.public_url.rstrip("/")

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
    store, clock, wake, operators = parts.store, parts.clock, parts.wake, parts.operators
    outages, machine = Outages(clock), Machine(parts.config)
    sending = _sending(parts, outages)
    books = Books(store=store, clock=clock, limits=parts.limits)
    guards = {IntentKind.GIFT: guard_gift, IntentKind.INSTALMENT: guard_instalment}
    asking = _asking(parts, sending, outages, machine, guards=guards)
    drives = Drives(store=store, clock=clock, ids=parts.ids, asking=asking, wake=wake)
    configured = collectors_of(parts.config)
    collectors = {**parts.payees, **configured}
    merchants = Merchants(
        store=store, clock=clock, operators=operators, collectors=configured, wake=wake
    )
    acts = Acts(store=store, clock=clock, operators=operators, wake=wake)
    news = InvoiceNews(clock=clock, operators=operators)
    return Core(
        asking=asking,
        sending=sending,
        hear=_hear(parts),
        reconcile=_reconcile(parts),
        people=People(store=store, settle=parts.settle, clock=clock, wake=wake),
        books=books,
        review=_review(parts, books),
        post=parts.post,
        inbox=Inbox(store=store, clock=clock, wake=wake),
        lead=Lead(store=store, clock=clock, role="polling"),
        privacy=privacy_of(parts.config, store, clock=clock, wake=wake),
        health=_health(parts, machine),
        buttons=Buttons(store=store, clock=clock, ids=parts.ids),
        record=_record(parts),
        touched=_touched(parts, looks={**drives.looks, "i": news.look}),
        drives=drives,
        merchants=merchants,
        invoices=Invoices(
            store=store,
            clock=clock,
            asking=asking,
            collectors=collectors,
            public_url=parts.public_url,
            wake=wake,
        ),
        billing=Billing(store=store, clock=clock, ids=parts.ids, merchants=merchants, acts=acts),
        cash_book=CashBook(acts=acts),
        invoice_talk=InvoiceTalk(
            store=store, clock=clock, acts=acts, limits=parts.limits, wake=wake
        ),
        ledgers=Ledgers(store=store, clock=clock, operators=operators),
        reminders=Reminders(store=store, clock=clock, wake=wake),
        statements=Statements(store=store),
        statement_desk=StatementDesk(
            store=store,
            clock=clock,
            merchants=merchants,
            operators=operators,
            collector=collectors[""],
        ),
        receipts=Receipts(store=store, collectors=collectors, public_url=parts.public_url),
        collector=collectors[""],
        clock=clock,
        operators=operators,
    )


def _health(parts: Parts, machine: Machine) -> Health:
    return health_of(
        parts.config,
        parts.store,
        parts.limits,
        machine,
        clock=parts.clock,
        wake=parts.wake,
        latencies=parts.latencies,
        skew=parts.skew,
    )


def _sending(parts: Parts, outages: Outages) -> Sending:
    config = parts.config
    return Sending(
        store=parts.store,
        daraja=parts.daraja,
        accounts=parts.accounts,
        settle=parts.settle,
        clock=parts.clock,
        settings=SendSettings(
            callback_base=parts.public_url,
            first_check_after_s=config.polling.check_after_s[0],
            pushes_per_second=config.limits.pushes_per_second,
        ),
        background=parts.background,
        wake=parts.wake,
        outages=outages,
        skew=parts.skew,
    )


def _asking(
    parts: Parts,
    sending: Sending,
    outages: Outages,
    machine: Machine,
    *,
    guards: Mapping[IntentKind, Guard],
) -> Asking:
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
        outages=outages,
        free_bytes=machine.free_bytes,
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
        accounts=parts.accounts,
        settle=parts.settle,
        clock=parts.clock,
        settings=ReconcileSettings(
            check_after_s=polling.check_after_s,
            queries_per_minute=polling.queries_per_minute,
        ),
        wake=parts.wake,
        skew=parts.skew,
    )


def _record(parts: Parts) -> RecordDesk:
    config, store, clock = parts.config, parts.store, parts.clock
    mpesa = config.mpesa
    placing = Placing(
        store=store,
        settle=parts.settle,
        clock=clock,
        ids=parts.ids,
        finders=finders_of(parts.ids, clock),
        confirm_above_kes=config.security.confirm_above_kes,
    )
    rows = Record(store=store, settle=parts.settle, clock=clock, placing=placing, wake=parts.wake)
    ways = Ways(
        store=store,
        office=parts.office,
        record=rows,
        settle=parts.settle,
        clock=clock,
        ids=parts.ids,
        settings=WaysSettings(
            public_base=parts.public_url,
            numbers=frozenset({collector_of(config).number, mpesa.shortcode}),
            office=mpesa.base_url,
            initiator=mpesa.asks_status,
            pull=mpesa.pull,
            pull_number=mpesa.pull_number or "",
            c2b=None if mpesa.c2b == "off" else mpesa.c2b,
            questions_per_minute=config.polling.queries_per_minute,
        ),
        wake=parts.wake,
    )
    two_people = TwoPeople(
        store=store,
        clock=clock,
        above_kes=config.security.two_people_above_kes,
        operators=parts.operators,
    )
    return RecordDesk(
        store=store,
        clock=clock,
        collector=collector_of(config),
        rows=rows,
        ways=ways,
        rulings=Rulings(
            store=store,
            settle=parts.settle,
            clock=clock,
            placing=placing,
            two_people=two_people,
            wake=parts.wake,
        ),
        reversals=Reversals(
            store=store,
            office=parts.office,
            clock=clock,
            ids=parts.ids,
            two_people=two_people,
            urls=ways.urls,
            enabled=mpesa.reversals,
        ),
    )


def _review(parts: Parts, books: Books) -> Review:
    return Review(
        store=parts.store,
        settle=parts.settle,
        books=books,
        clock=parts.clock,
        operators=parts.operators,
        two_people_above_kes=parts.config.security.two_people_above_kes,
        wake=parts.wake,
    )


def _touched(parts: Parts, *, looks: Mapping[str, Look]) -> TouchedSubjects:
    return TouchedSubjects(store=parts.store, clock=parts.clock, looks=looks, wake=parts.wake)


def collectors_of(config: Config) -> dict[str, Collector]:
    """Who is paid on each account, as the chat names them; "" is the first one."""
    others = {each.name: _collector(each, config) for each in config.mpesa.accounts}
    return {"": collector_of(config), **others}


def collector_of(config: Config) -> Collector:
    """Who is paid where nothing else was chosen."""
    return _collector(config.mpesa, config)


def _collector(account: Mpesa | MpesaAccount, config: Config) -> Collector:
    till = account.transaction_type == "till"
    number = account.till_number if till and account.till_number else account.shortcode
    return Collector(
        name=account.business_name or f"{'Till' if till else 'Paybill'} {number}",
        kind=account.transaction_type,
        number=number,
        practice=not config.takes_real_money,
    )
