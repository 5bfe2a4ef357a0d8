"""How old a prompt is: by Safaricom's own clock, whatever becomes of ours meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bot.core.skew import Skew
from mpesa.models import Accepted, Push, QueryAnswer
from storage.engine import Store
from storage.records import Kind, Payment, Status, Word
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.stores import TestClock

HOUR_S = 3600.0


class DatedDaraja(ScriptedDaraja):
    """Safaricom, whose replies carry the date of a clock that nobody here can set."""

    def __init__(self) -> None:
        super().__init__()
        self.theirs = TestClock()
        self.hearers: list[Skew] = []

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        accepted = await super().push(push, leave_within_s=leave_within_s)
        self._dated()
        return accepted

    async def query(self, checkout_request_id: str) -> QueryAnswer:
        answer = await super().query(checkout_request_id)
        self._dated()
        return answer

    def _dated(self) -> None:
        for each in self.hearers:
            each.dated(self.theirs.now())


@dataclass
class Machine:
    """A process whose clock may be set, and Safaricom, whose clock goes on."""

    desk: Desk
    safaricom: DatedDaraja

    def passes(self, seconds: float, *, set_by_s: float = 0.0) -> None:
        self.desk.clock.advance(seconds + set_by_s)
        self.safaricom.theirs.advance(seconds)

    async def asked(self, answer: str) -> Payment:
        self.safaricom.answers = [answer]
        await self.desk.reconcile.run_due()
        assert self.safaricom.answers == [], "it was asked"
        [payment] = await everything(self.desk)
        return payment


async def everything(desk: Desk) -> list[Payment]:
    async with desk.store.read() as tx:
        return [
            found
            for each in desk.daraja.pushes
            if (found := await tx.record.push_payment(each.reference)) is not None
        ]


def a_machine(
    store: Store, safaricom: DatedDaraja, *, seed: int = 7, wrong_by_s: float = 0.0
) -> Machine:
    clock = TestClock()
    clock.advance(wrong_by_s)
    skew = Skew(clock)
    safaricom.hearers.append(skew)
    return Machine(make_desk(store, clock, safaricom, seed=seed, skew=skew), safaricom)


@pytest.mark.parametrize(("begun_wrong_by_s", "set_by_s"), [(0, HOUR_S), (-HOUR_S, HOUR_S)])
async def test_a_clock_that_is_set_makes_no_open_prompt_an_old_one(
    store: Store, begun_wrong_by_s: float, set_by_s: float
) -> None:
    """Half a minute after the push, the clock is set an hour ahead, or right; it rings still."""
    machine = a_machine(store, DatedDaraja(), wrong_by_s=begun_wrong_by_s)
    await machine.desk.ask()
    machine.passes(30, set_by_s=set_by_s)

    early = await machine.asked("0")
    assert (early.status, early.confirmed) == (Status.PAID, False)

    machine.passes(HOUR_S)
    later = await machine.asked("1032")
    assert (later.confirmed, Word.CONTRADICTED in later.words) == (False, True)
    assert later.pending_at is not None
    await machine.desk.close()


async def test_much_is_not_credited_by_it(store: Store) -> None:
    machine = a_machine(store, DatedDaraja())
    payment = await machine.desk.ask(amount_kes=payment_above(machine))
    machine.passes(30, set_by_s=HOUR_S)

    early = await machine.asked("0")
    assert (early.id, early.credited_cents) == (payment.id, None)

    machine.passes(HOUR_S)
    assert (await machine.asked("0")).status is Status.PAID
    await machine.desk.close()


def payment_above(machine: Machine) -> int:
    return machine.desk.asking._settings.confirm_above_kes + 1


@pytest.mark.both_engines
async def test_nor_does_another_machine_whose_clock_is_ahead(store: Store) -> None:
    safaricom = DatedDaraja()
    right = a_machine(store, safaricom)
    ahead = a_machine(store, safaricom, seed=8, wrong_by_s=HOUR_S)
    payment = await right.desk.ask(amount_kes=payment_above(right))
    right.passes(30)
    ahead.desk.clock.advance(30)

    early = await ahead.asked("0")

    assert (early.id, early.credited_cents) == (payment.id, None)
    await right.desk.close()
    await ahead.desk.close()


@pytest.mark.parametrize("dated", [True, False])
async def test_with_clocks_that_agree_or_are_not_told_it_is_as_old_as_ours_say(
    store: Store, dated: bool
) -> None:
    machine = a_machine(store, DatedDaraja())
    if not dated:
        machine.safaricom.hearers.clear()
    payment = await machine.desk.ask()
    machine.passes(130.5)

    assert (await machine.asked("0")).confirmed

    async with store.read() as tx:
        [said] = [
            each
            for each in (await tx.evidence.of([payment.id]))[payment.id]
            if each.kind is Kind.QUERY_PAID
        ]
    assert said.at == machine.desk.clock.now()
    await machine.desk.close()
