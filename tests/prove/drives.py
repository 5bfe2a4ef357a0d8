"""
Gifts: one drive, thousands of gifts, every fault on, kills; judged by Safaricom's own statement.

The bot is whole but for Telegram's people: it lives on a clock that is moved, dies again and
again, and what its drive has come to must be what Safaricom's books, and the cash that was
written down, add up to.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bot.core.drive_acts import Actor
from bot.core.drives import GiveRequest, NewDrive
from mpesa.simulator import Behaviour, CallbackFault, Fault, ReplyFault
from mpesa.simulator.books import ReversalReason
from storage.records import NOBODY, Closing, Drive, Kind, Status
from tests.fakes import fact, unit_of
from tests.flows.house import House, Town, open_town
from tests.prove.table import Row

__all__ = ["Judged", "live", "run"]

GROUP = -100700
MARY = 2001
BATCH = 20
BETWEEN_S = (1, 2)
LIFE_GIFTS = 400
"""So many gifts, and the process is cut off where it stands."""
UNTIL_DECIDED_S = (20, 60, 130, 300)
PAYS = 0.6
CASH_OF = 50
REVERSED_OF = 70

# A callback that comes before the reply is left to the histories: it would wait for this clock,
# which moves only when nothing is under way.
FAULTS = (
    Fault(reply=ReplyFault.LOST),
    Fault(reply=ReplyFault.SERVER_ERROR),
    Fault(reply=ReplyFault.UNREADABLE),
    Fault(reply=ReplyFault.WITHOUT_IDS),
    Fault(reply=ReplyFault.THROTTLED),
    Fault(reply=ReplyFault.BUSY),
    Fault(reply=ReplyFault.HTML_503),
    Fault(callback=CallbackFault.NEVER),
    Fault(callback=CallbackFault.TWICE),
    Fault(callback_late_s=90),
    Fault(reply=ReplyFault.LOST, callback=CallbackFault.NEVER),
)
UNWILLING = (
    Behaviour.CANCEL,
    Behaviour.IGNORE,
    Behaviour.WRONG_PIN,
    Behaviour.NO_BALANCE,
    Behaviour.OFF,
    Behaviour.BUSY,
    Behaviour.FAIL_AFTER_PIN,
)


@dataclass
class Judged:
    """What one drive came to, and what does not agree."""

    gifts: int
    paid: int = 0
    cents: int = 0
    waiting: int = 0  # nothing names them any more: in the queue of a person
    lives: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


async def run(*, count: int, seed: int) -> list[Row]:
    """Every violation is printed with its seed."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        judged = await live(Path(folder), count=count, seed=seed)
    for line in judged.violations[:20]:
        print(f"seed {seed}: {line}", file=sys.stderr)
    note = (
        f"{judged.paid:,} paid, KES {judged.cents // 100:,}, {judged.lives} lives,"
        f" {judged.waiting} wait for a person"
    )
    seconds = time.perf_counter() - began
    return [
        Row("gifts to a drive", count, "gifts", len(judged.violations), seconds, note, (seed, seed))
    ]


async def live(folder: Path, *, count: int, seed: int, database: str | None = None) -> Judged:
    """The whole life of a drive of *count* gifts; its books are in *folder*, or in *database*."""
    rng = random.Random(seed)
    judged = Judged(gifts=count)
    async with open_town(folder, database) as town:
        mary = town.api.person(MARY, "Mary", started=True)
        town.api.group(GROUP, "Wazazi", [mary], supergroup=True)
        cash_cents, done = 0, 0
        while done < count:
            async with town.process() as house:
                judged.lives += 1
                drive = await _drive(house)
                until = min(count, done + LIFE_GIFTS)
                while done < until:
                    batch = range(done, min(until, done + BATCH))
                    # All at once, as on a busy evening: what arrives together shares a commit.
                    asked = [_asked(town, drive, number, rng) for number in batch]
                    await asyncio.gather(*(_give(house, *each) for each in asked))
                    cash_cents += await _cash(house, drive, batch)
                    for seconds in BETWEEN_S:
                        await house.tick(seconds)
                    done = batch.stop
        async with town.process() as house:
            judged.lives += 1
            await _until_decided(house)
            await _take_some_back(town, house, rng, count)
            await _until_decided(house)
            await _judge(town, house, judged, cash_cents)
    return judged


async def _drive(house: House) -> Drive:
    return await house.core.drives.open(
        NewDrive(
            title="Mama Akinyi hospital bill",
            target_kes=5_000_000,
            chat_id=GROUP,
            thread_id=None,
            language="en",
            opened_by=MARY,
            opener_name="Mary",
            open_key="m:1",
        ),
        Closing(),
    )


def _asked(town: Town, drive: Drive, number: int, rng: random.Random) -> tuple[GiveRequest, bool]:
    """One gift from one phone, what becomes of it, and whether it is asked for twice."""
    phone = f"25471{number:07d}"
    willing = rng.random() < PAYS
    behaviour = Behaviour.PAY if willing else rng.choice(UNWILLING)
    town.simulator.phone(phone).behave(behaviour)
    if rng.random() < 0.5:
        town.simulator.faults.for_phone(phone, rng.choice(FAULTS))
    request = GiveRequest(
        drive_id=drive.id,
        giver_id=NOBODY,
        chat_id=NOBODY,
        name=f"Giver {number}",
        amount_kes=rng.choice((50, 100, 500, 700, 1000)),
        phone=phone,
        language="en",
        ask_key=f"page:{number}",
        anonymous=rng.random() < 0.2,
    )
    return request, rng.random() < 0.2


async def _give(house: House, request: GiveRequest, twice: bool) -> None:
    await house.core.drives.give(request)
    if twice:
        await house.core.drives.give(request)


async def _cash(house: House, drive: Drive, batch: range) -> int:
    """Cash that Mary writes down now and then, each twice in the same words; in cents."""
    cents = 0
    for number in batch:
        if number % CASH_OF == 0:
            for _ in range(2):
                await house.core.drives.treasury.cash(
                    drive.id,
                    Actor(id=MARY, name="Mary"),
                    amount_kes=100,
                    name="Kamau",
                    key=f"w:{number}",
                    closing=Closing(),
                )
            cents += 10_000
    return cents


async def _until_decided(house: House) -> None:
    for seconds in UNTIL_DECIDED_S:
        await house.tick(seconds)


async def _take_some_back(town: Town, house: House, rng: random.Random, count: int) -> None:
    """Safaricom reverses a few, and somebody tells us so."""
    async with house.store.read() as tx:
        paid = await tx.payments.credited()
    for payment in rng.sample(paid, min(len(paid), count // REVERSED_OF)):
        if payment.receipt is None:
            continue
        if town.simulator.books.reverse(payment.receipt, ReversalReason.OPERATOR) is None:
            continue
        told = fact(Kind.REVERSED, payment_id=payment.id, at=town.clock.now())
        await house.store.submit(unit_of(told), house.core.hear._settle)


async def _judge(town: Town, house: House, judged: Judged, cash_cents: int) -> None:
    """Statement, total, list and card must say the same."""
    wrong = judged.violations
    [drive] = await house.core.drives.in_chat(GROUP)
    rows = town.simulator.books.statement(exclude_overnight_reversals=True)
    theirs: Counter[str] = Counter()
    for row in rows:
        theirs[row.account_reference] += row.signed_cents
    unfound = await town.rows(
        "SELECT push_ref FROM payments WHERE status = ? AND checkout_index IS NULL",
        Status.UNSURE.value,
    )
    for found in unfound:
        judged.waiting += theirs.pop(found["push_ref"], 0) > 0
    totals = await house.core.drives.totals(drive.id)
    counted = await town.rows("SELECT status, COUNT(*) AS many FROM payments GROUP BY status")
    judged.seen = Counter({each["status"]: each["many"] for each in counted})
    judged.paid, judged.cents = totals.mpesa_gifts, totals.mpesa_cents
    if totals.mpesa_cents != sum(theirs.values()):
        wrong.append(f"the total is {totals.mpesa_cents}, the statement {sum(theirs.values())}")
    if totals.cash_cents != cash_cents:
        wrong.append(f"cash is {totals.cash_cents}, written down was {cash_cents}")
    statement = await house.core.drives.treasury.statement(drive.id, Actor(id=MARY, name="Mary"))
    assert statement is not None, "Mary is its treasurer"
    listed = sum(row.cents for row in statement.rows)
    back = sum(row.cents for row in statement.rows if "reversed" in row.words)
    if listed - back != totals.cents:
        wrong.append(f"the list adds up to {listed - back}, the total is {totals.cents}")
    card = next(
        (m for m in reversed(town.api.chat(GROUP).from_bot) if "Treasurers" in m.text), None
    )
    if card is None or f"KES {totals.cents // 100:,} of" not in card.text:
        wrong.append(f"the card does not say {totals.cents // 100:,}: {card}")
    twice = Counter(push.phone for push in town.simulator.pushes if push.accepted)
    again = {phone: pushes for phone, pushes in twice.items() if pushes > 1}
    if again:
        wrong.append(f"{len(again)} phones were asked more than once")
