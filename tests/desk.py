"""A desk for Safaricom's record over a test's store, with a back office that says what it must."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from bot.building import finders_of
from bot.core.placing import Placing
from bot.core.ports import Clock, Collector, Ids
from bot.core.record import Record
from bot.core.record_desk import RecordDesk
from bot.core.references import FindByHand
from bot.core.reversals import Reversals
from bot.core.rulings import Rulings, TwoPeople
from bot.core.settle import Settle
from bot.core.ways import Ways, WaysSettings
from mpesa.errors import NoAnswer
from mpesa.models import Ack, PulledPage, PulledRow, ResultUrls
from storage.engine import Store

__all__ = ["OPERATORS", "PAYBILL", "ScriptedOffice", "a_desk"]

OPERATORS = frozenset({900, 901})
PAYBILL = "600000"


@dataclass
class ScriptedOffice:
    """A back office whose list, and whose refusals, a test lays down."""

    asked: list[tuple[str, ResultUrls]] = field(default_factory=list)
    reversed: list[tuple[str, int, ResultUrls]] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    pulls: list[tuple[datetime, datetime, int]] = field(default_factory=list)
    rows: list[PulledRow] = field(default_factory=list)
    page: int = 2
    fails: list[Exception] = field(default_factory=list)

    def _fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)

    async def ask_status(self, receipt: str, urls: ResultUrls) -> Ack:
        self.asked.append((receipt, urls))
        self._fail()
        return Ack("1-2-3", "AG_1")

    async def reverse(
        self, receipt: str, amount_kes: int, urls: ResultUrls, *, remarks: str
    ) -> Ack:
        assert remarks
        self.reversed.append((receipt, amount_kes, urls))
        self._fail()
        return Ack("1-2-3", "AG_1")

    async def register_urls(
        self, version: Literal["v1", "v2"], *, confirmation_url: str, validation_url: str
    ) -> Ack:
        assert confirmation_url != validation_url
        self.registered.append(f"{version} {confirmation_url}")
        self._fail()
        return Ack("1-2-3", None)

    async def register_pull(self, *, nominated_number: str, callback_url: str) -> Ack:
        self.registered.append(f"pull {nominated_number}")
        self._fail()
        return Ack(None, None)

    async def pull(self, *, since: datetime, until: datetime, offset: int = 0) -> PulledPage:
        self.pulls.append((since, until, offset))
        self._fail()
        if not self.registered:
            raise NoAnswer("not registered")
        rows = [row for row in self.rows if since <= row.paid_at <= until]
        return PulledPage(rows=tuple(rows[offset : offset + self.page]), unreadable=0)


def a_desk(
    store: Store,
    clock: Clock,
    office: ScriptedOffice | None = None,
    *,
    seed: int = 11,
    two_people_above_kes: int = 50_000,
    operators: frozenset[int] = OPERATORS,
    finders: Sequence[FindByHand] | None = None,
    reversals: bool = True,
    wake: Callable[[], None] = lambda: None,
    **settings: Any,
) -> RecordDesk:
    """The record on *store*. Another *seed* makes other ids, as another process does."""
    office = office or ScriptedOffice()
    settle, ids = Settle(operators=sorted(operators)), Ids(random.Random(seed).randbytes)
    placing = Placing(
        store=store,
        settle=settle,
        clock=clock,
        ids=ids,
        finders=finders_of(ids, clock) if finders is None else finders,
        confirm_above_kes=5000,
    )
    rows = Record(store=store, settle=settle, clock=clock, placing=placing, wake=wake)
    ways = Ways(
        store=store,
        office=office,
        record=rows,
        settle=settle,
        clock=clock,
        ids=ids,
        settings=WaysSettings(
            public_base="https://pay.example.org",
            numbers=frozenset({PAYBILL}),
            **{"initiator": True, "questions_per_minute": 600} | settings,
        ),
        wake=wake,
    )
    two_people = TwoPeople(
        store=store, clock=clock, above_kes=two_people_above_kes, operators=operators
    )
    return RecordDesk(
        store=store,
        clock=clock,
        collector=Collector(name="Shop", kind="paybill", number=PAYBILL, practice=False),
        rows=rows,
        ways=ways,
        rulings=Rulings(
            store=store,
            settle=settle,
            clock=clock,
            placing=placing,
            two_people=two_people,
            wake=wake,
        ),
        reversals=Reversals(
            store=store,
            office=office,
            clock=clock,
            ids=ids,
            two_people=two_people,
            urls=ways.urls,
            enabled=reversals,
        ),
    )
