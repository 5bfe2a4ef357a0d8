"""Untold: what went back of a payment, by the books, did not: nothing is counted once for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from bot.core.decisions import Verdict
from bot.core.drive_acts import Answer
from bot.core.invoice_acts import Done, No
from bot.core.invoices import InvoiceView
from bot.core.rulings import Ruling
from bot.core.settle import RULED
from storage.records import (
    Closing,
    Drive,
    InvoiceEntryKind,
    Kind,
    NewRecordRow,
    Payment,
    RowKind,
    Source,
    reversal_key,
)
from tests.core.conftest import Desk
from tests.core.drive_life import OPENER, DriveLife, drives
from tests.core.shop import NJERI, Shop, make_shop, shop
from tests.core.test_given_back import (
    another,
    give_back,
    once_entries,
    paid_twice,
    stated,
    sums,
    went_back,
)
from tests.core.test_one_reversal import went_back as said_of
from tests.core.test_record import a_row
from tests.core.test_review import review_of
from tests.core.test_treasury import MARY, hand_back, late_gift
from tests.core.test_treasury import reverse as gift_went_back
from tests.desk import a_desk
from tests.fakes import fact, unit_of

__all__ = ["drives", "shop"]

BACK = "UKN9BACK01"
UNIT = 50_000  # cents: the steps of the stories
UNITS = 3  # of each payment


def reversal_of(desk: Desk, payment: Payment) -> NewRecordRow:
    """Safaricom's books: all of this payment went back."""
    return a_row(
        desk.clock.now(),
        receipt=BACK,
        kes=payment.amount_kes,
        kind=RowKind.REVERSAL,
        linked=payment.receipt,
    )


async def moved_away(desk: Desk, payment: Payment, receipt: str = BACK) -> None:
    """The books, or a person: this reversal is not of this payment."""
    gone = fact(
        Kind.RECEIPT_MOVED,
        payment_id=payment.id,
        at=desk.clock.now(),
        receipt=reversal_key(receipt),
    )
    await desk.store.submit(unit_of(gone, claims=False), desk.hear._settle)


async def ruled(desk: Desk, payment: Payment, cents: int, receipt: str = BACK) -> None:
    """A person: of two amounts that the books named for this reversal, it is this one."""
    said = fact(
        Kind.REVERSED,
        payment_id=payment.id,
        at=desk.clock.now(),
        receipt=receipt,
        amount_cents=cents,
        reason=RULED,
    )
    await desk.store.submit(unit_of(said, claims=False), desk.hear._settle)


# --- A drive ---


async def total(drives: DriveLife, drive: Drive) -> int:
    """What the drive has come to once it was looked at, and looked at again."""
    for _ in range(2):
        await drives.touched.run_due()
        await drives.desk.store.write(lambda tx: tx.touched.touch(drive.subject))
    await drives.touched.run_due()
    return (await drives.drives.totals(drive.id)).cents


@pytest.mark.both_engines
async def test_a_reversal_that_was_said_of_a_handed_back_gift_is_anothers(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    other = await drives.paid(drive, 7)
    late = await late_gift(drives, drive)
    assert await hand_back(drives, drive, late) is Answer.DONE
    assert await review_of(drives.desk).decide(said_of(late, receipt=BACK)) is Verdict.DONE
    assert await total(drives, drive) == 50_000

    books = a_desk(drives.desk.store, drives.desk.clock, seed=12)
    await books.rows.take([reversal_of(drives.desk, other)])

    assert [(await drives.desk.get(each.id)).credited_cents for each in (late, other)] == [
        50_000,
        0,
    ]
    assert await total(drives, drive) == 0
    once, again = await drives.treasury.entries(drive.id, limit=2)
    assert (once.cents, again.cents) == (50_000, -50_000)
    told = [each.topic for each in await drives.owed(OPENER)]
    assert [each for each in told if each.startswith("went-back")] == [
        f"went-back:{once.id}",
        f"went-back:{again.id}",
    ]


@pytest.mark.both_engines
async def test_less_of_a_handed_back_gift_went_back_than_the_books_said_first(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive)
    assert await hand_back(drives, drive, late) is Answer.DONE
    late = await drives.desk.get(late.id)
    books = a_desk(drives.desk.store, drives.desk.clock, seed=12)
    row = reversal_of(drives.desk, late)
    await books.rows.take([row])
    assert await total(drives, drive) == 0
    await books.rows.take([replace(row, amount_cents=200_00, source=Source.PORTAL)])
    [difference] = await books.open_differences()

    assert await books.assign(difference.id, by=900, why="200 it is") is Ruling.DONE

    assert await total(drives, drive) == 0
    statement = await drives.treasury.statement(drive.id, MARY)
    assert statement is not None
    assert sum(each.cents for each in statement.rows) == 0


@pytest.mark.both_engines
async def test_what_went_back_of_a_gift_comes_and_goes_and_counts_as_it_is(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive)
    assert await hand_back(drives, drive, late) is Answer.DONE
    for number in range(3):
        receipt = f"UKN9BACK0{number}"
        await gift_went_back(drives, late, 500, receipt=receipt)
        assert await total(drives, drive) == 0
        await ruled(drives.desk, late, 20_000, receipt)
        assert await total(drives, drive) == 0
        await ruled(drives.desk, late, 50_000, receipt)
        assert await total(drives, drive) == 0

        await moved_away(drives.desk, late, receipt)

        assert await total(drives, drive) == 0
    entries = await drives.treasury.entries(drive.id)
    assert len({each.key for each in entries}) == len(entries) == 1 + 3 * 4


@pytest.mark.both_engines
async def test_what_had_gone_back_before_a_gift_was_handed_back_stays_when_it_did_not(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive)
    await gift_went_back(drives, late, 200, receipt=BACK)
    await drives.touched.run_due()
    assert await hand_back(drives, drive, late) is Answer.DONE

    await moved_away(drives.desk, late)

    assert await total(drives, drive) == 20_000  # only KES 300 were handed back
    await gift_went_back(drives, late, 500, receipt="UKN9BACK02")
    assert await total(drives, drive) == 0


@pytest.mark.both_engines
async def test_two_processes_take_the_same_back_once(drives: DriveLife) -> None:
    drive = await drives.open()
    late = await late_gift(drives, drive)
    await hand_back(drives, drive, late)
    await gift_went_back(drives, late, 500, receipt=BACK)
    await total(drives, drive)
    await moved_away(drives.desk, late)

    look = drives.drives.look
    store = drives.desk.store
    await asyncio.gather(*(store.write(lambda tx: look(tx, drive.subject)) for _ in range(4)))

    assert await total(drives, drive) == 0
    assert len(await drives.treasury.entries(drive.id)) == 3


# --- An invoice ---


@pytest.mark.both_engines
async def test_a_reversal_that_was_said_of_an_invoice_is_anothers(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    elsewhere = await shop.issue()
    stranger = await shop.paid(elsewhere, phone="254722000009")
    assert isinstance(await give_back(shop, view), Done)
    said = await review_of(shop.desk, two_people_above_kes=10_000).decide(
        said_of(one, receipt=BACK)
    )
    assert said is Verdict.DONE
    assert await sums(shop, view) == (150_000, 0, 0)

    books = a_desk(shop.desk.store, shop.desk.clock, seed=12)
    await books.rows.take([reversal_of(shop.desk, stranger)])

    assert await sums(shop, view) == (150_000, 0, 0)
    assert await sums(shop, elsewhere) == (0, 150_000, 0)
    assert await stated(shop) == 150_000
    once, untold = await once_entries(shop, view)
    assert (once.cents, untold.cents) == (150_000, -150_000)
    news = await shop.news(NJERI)
    assert [f"went-back:{each.id}" in news for each in (once, untold)] == [True, True]
    assert not any(
        each.startswith("overpaid") for each in news[news.index(f"went-back:{once.id}") :]
    )


@pytest.mark.both_engines
@pytest.mark.parametrize("keep", [True, False])
async def test_what_went_back_of_an_invoice_comes_and_goes_and_counts_as_it_is(
    shop: Shop, keep: bool
) -> None:
    view, one, other = await paid_twice(shop)
    assert isinstance(await give_back(shop, view, keep=keep), Done)
    as_it_was = await sums(shop, view)
    for number in range(2):
        for payment in (one, other):
            receipt = f"UKN9{payment.id[:5]}{number}"
            await went_back(shop, payment, receipt=receipt)
            assert await sums(shop, view) == (150_000, 0, 0)
            await ruled(shop.desk, payment, 50_000, receipt)
            assert await sums(shop, view) == (as_it_was[0] - (50_000 if keep else 0), 0, 0)
            await ruled(shop.desk, payment, 150_000, receipt)
            assert await sums(shop, view) == (150_000, 0, 0)
            await asyncio.gather(moved_away(shop.desk, payment, receipt), shop.look(view))
            await asyncio.gather(*(shop.look(view) for _ in range(3)))

            assert await sums(shop, view) == as_it_was
            assert (await shop.view(view)).sums.kept_cents == (150_000 if keep else 0)

    # What comes too much afterwards is told, and is not hidden by what stays.
    await another(shop, view)
    assert (await sums(shop, view))[2] == 150_000
    assert (await shop.view(view)).sums.excess_words == 1


@pytest.mark.both_engines
async def test_no_act_and_no_prompt_sees_it_counted_where_nothing_went_back(shop: Shop) -> None:
    """We die before anybody looks: what comes next is of the sums as they are."""
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)
    await went_back(shop, one, receipt=BACK)
    await sums(shop, view)
    await moved_away(shop.desk, one)

    assert await give_back(shop, view) is No.NO_EXCESS
    refused = await shop.pay(view, phone="254733000001")
    assert getattr(refused, "reason", None) == "invoice-paid"
    assert await sums(shop, view) == (150_000, 0, 0)


@pytest.mark.both_engines
async def test_what_a_merchant_called_two_is_one_again_without_the_other(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)
    await went_back(shop, one, 100_000, receipt=BACK)
    await sums(shop, view)
    [once] = await once_entries(shop, view)
    await ruled(shop.desk, one, 60_000)
    assert await sums(shop, view) == (150_000, 0, 0)

    async def both() -> Done | No:
        return await shop.cash_book.both_went_back(
            view.invoice.id, entry_id=once.id, by=NJERI, closing=Closing()
        )

    for _ in range(2):
        assert isinstance(await both(), Done)
    assert await sums(shop, view) == (90_000, 60_000, 0)
    await moved_away(shop.desk, one)

    assert await sums(shop, view) == (150_000, 0, 0)
    assert isinstance(await both(), Done)
    assert await sums(shop, view) == (150_000, 0, 0)
    await went_back(shop, one, 60_000, receipt="UKN9BACK02")
    assert await sums(shop, view) == (150_000, 0, 0), "asked about anew"


async def test_there_is_nothing_to_call_two_once_nothing_went_back(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)
    await went_back(shop, one, receipt=BACK)
    await sums(shop, view)
    await moved_away(shop.desk, one)
    await sums(shop, view)

    for entry in await once_entries(shop, view):
        answer = await shop.cash_book.both_went_back(
            view.invoice.id, entry_id=entry.id, by=NJERI, closing=Closing()
        )
        assert answer is (No.STALE if entry.cents > 0 else No.NOT_YOURS)
    assert await sums(shop, view) == (150_000, 0, 0)


@pytest.mark.both_engines
async def test_what_stayed_and_paid_for_what_went_back_stays_when_it_did_not(shop: Shop) -> None:
    view, one, _ = await paid_twice(shop)
    await give_back(shop, view)
    await another(shop, view)
    assert isinstance(await give_back(shop, view, keep=True), Done)
    await went_back(shop, one, receipt=BACK)
    await sums(shop, view)
    [once] = await once_entries(shop, view)
    await shop.cash_book.both_went_back(
        view.invoice.id, entry_id=once.id, by=NJERI, closing=Closing()
    )
    assert await sums(shop, view) == (150_000, 0, 0)
    assert (await shop.view(view)).sums.kept_cents == 0

    await moved_away(shop.desk, one)

    assert await sums(shop, view) == (300_000, 0, 0)
    assert (await shop.view(view)).sums.kept_cents == 150_000
    shop.desk.clock.advance(3600)
    await another(shop, view)
    assert await sums(shop, view) == (450_000, 0, 150_000)


# --- Stories ---


@dataclass
class Word:
    """What the merchant said of too much, in units."""

    units: int
    keep: bool
    gone: dict[str, int]  # what had gone back by then, by payment


@dataclass
class Truth:
    """What the books and the merchant say now, and nothing of what they ever said before."""

    shop: Shop
    view: InvoiceView
    paid: list[Payment]
    dice: random.Random
    back: dict[str, tuple[Payment, int]] = field(default_factory=dict)  # by receipt
    said: list[Word] = field(default_factory=list)
    ruled: dict[str, int] = field(default_factory=dict)  # by receipt
    receipts: int = 0
    shrunk: int = 0

    def gone(self) -> dict[str, int]:
        """What went back, by payment."""
        gone = {each.id: 0 for each in self.paid}
        for payment, units in self.back.values():
            gone[payment.id] += units
        return gone

    def once(self) -> tuple[int, int]:
        """
        How much of what went back is given back, and how much is kept: as much as can be.

        Each unit that went back is for one of a word that was said when it had not.
        """
        gone = self.gone()
        holders: dict[tuple[str, int], tuple[Word, int]] = {}

        def place(slot: tuple[Word, int], tried: set[tuple[str, int]]) -> bool:
            for unit in _units(gone, slot[0]):
                if unit not in tried:
                    tried.add(unit)
                    if unit not in holders or place(holders[unit], tried):
                        holders[unit] = slot
                        return True
            return False

        counted = {False: 0, True: 0}
        for word in sorted(self.said, key=lambda each: each.keep):
            counted[word.keep] += sum(place((word, slot), set()) for slot in range(word.units))
        return counted[False], counted[True]

    def sums(self) -> tuple[int, int, int]:
        """What is paid, what of too much stays, and what is too much beyond that, in units."""
        same, less = self.once()
        by_hand = sum(each.units for each in self.said if not each.keep)
        paid = UNITS * len(self.paid) - sum(self.gone().values()) - by_hand + same
        over = max(0, paid - UNITS)
        stays = min(over, sum(each.units for each in self.said if each.keep) - less)
        return paid, stays, over - stays

    async def act(self) -> None:
        acts = (self.goes_back, self.goes_back, self.moves_away, self.is_ruled, self.settle)
        await self.dice.choice(acts)()
        self.shop.desk.clock.advance(60)
        for _ in range(self.dice.choice((0, 1, 2))):
            await self.shop.look(self.view)

    async def goes_back(self) -> None:
        gone = self.gone()
        payment = self.dice.choice(self.paid)
        if gone[payment.id] < UNITS:
            units = self.dice.randint(1, UNITS - gone[payment.id])
            self.receipts += 1
            receipt = f"UKN9{self.receipts:06d}"
            await went_back(self.shop, payment, units * UNIT, receipt=receipt)
            self.back[receipt] = payment, units

    async def moves_away(self) -> None:
        if self.back:
            receipt = self.dice.choice(sorted(self.back))
            payment, _ = self.back.pop(receipt)
            await moved_away(self.shop.desk, payment, receipt)
            self.shrunk += 1

    async def is_ruled(self) -> None:
        """Less of it went back than was said, or more; of two words of a person, the larger."""
        if not self.back:
            return
        receipt = self.dice.choice(sorted(self.back))
        payment, units = self.back[receipt]
        left = UNITS - self.gone()[payment.id] + units
        least = self.ruled.get(receipt, 1)
        now = self.dice.randint(least, left) if least <= left else 0
        if now:
            await ruled(self.shop.desk, payment, now * UNIT, receipt)
            self.back[receipt] = payment, now
            self.ruled[receipt] = now
            self.shrunk += now < units

    async def settle(self) -> None:
        keep = self.dice.random() < 0.3
        excess, gone = self.sums()[2], self.gone()
        done = await give_back(self.shop, self.view, keep=keep)
        assert (done is No.NO_EXCESS) is (not excess)
        if excess:
            self.said.append(Word(excess, keep, gone))

    async def hold(self) -> None:
        await self.shop.touched.run_due()
        now = await self.shop.view(self.view)
        shown = now.sums.paid_cents, now.kept_cents, now.excess_cents
        assert shown == tuple(units * UNIT for units in self.sums())
        assert await stated(self.shop) == now.sums.paid_cents


def _units(gone: dict[str, int], word: Word) -> Iterator[tuple[str, int]]:
    for payment_id, units in gone.items():
        for unit in range(word.gone[payment_id], units):
            yield payment_id, unit


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_was_told_and_untold_the_sums_are_as_if_told_at_once(
    desk: Desk, seed: int
) -> None:
    shop = make_shop(desk, seed=seed)
    await shop.appoint()
    view, *paid = await paid_twice(shop)
    truth = Truth(shop, view, [*paid, await another(shop, view)], random.Random(seed))

    for _ in range(40):
        await truth.act()
        await truth.hold()
    assert truth.shrunk, "the story tells too little"
    async with desk.store.read() as tx:
        entries = await tx.invoices.entries(view.invoice.id, *InvoiceEntryKind, limit=None)
    before = len(entries)
    for _ in range(3):
        await shop.look(view)
    async with desk.store.read() as tx:
        assert (
            len(await tx.invoices.entries(view.invoice.id, *InvoiceEntryKind, limit=None)) == before
        )
