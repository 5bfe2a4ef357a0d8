"""
Many instances: real bots on one PostgreSQL, killed and stopped at random while people pay.

The judge is Safaricom's own count of pushes, its statement against our ledger, and what each
chat was told. A send to Telegram may come twice, and only around a kill or a stop; such twins
are counted and held against what the bots said they might have sent twice.
"""

from __future__ import annotations

import asyncio
import collections
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from mpesa.simulator import Behaviour, CallbackFault, Fault, ReplyFault
from storage.engine import open_store
from storage.records import Status
from storage.schema import notices
from tests.flows.instances import Instance, Instances, fresh_database, open_instances, pause
from tests.flows.kills import Errand, last_word
from tests.flows.words import fragment
from tests.flows.world import World
from tests.postgres import binaries, running_server
from tests.prove.table import Row

__all__ = ["Chaos", "judge", "live_through", "run"]

OPEN_AT_ONCE = 250
FED_AT_ONCE = 25
LAST_WORDS_WITHIN_S = 240.0
TAKEN_OVER_WITHIN_S = 30.0
REST_S = 2.0
PAID_AT_LEAST = 0.5  # of those who enter their PIN; a kill leaves few without a prompt
FED_PER_S = 20  # about, by four processes on two cores
KINDS: tuple[tuple[Behaviour, Fault | None], ...] = (
    (Behaviour.PAY, None),
    (Behaviour.CANCEL, None),
    (Behaviour.PAY, None),
    (Behaviour.PAY, Fault(reply=ReplyFault.LOST)),
    (Behaviour.PAY, None),
    (Behaviour.PAY, Fault(callback=CallbackFault.NEVER)),
    (Behaviour.PAY, None),
    (Behaviour.PAY, Fault(callback=CallbackFault.TWICE)),
    (Behaviour.WRONG_PIN, None),
    (Behaviour.PAY, None),
    (Behaviour.PAY, Fault(reply=ReplyFault.SERVER_ERROR)),
)


@dataclass
class Chaos:
    """What is done to the bots: how many kills and stops, and how long a stopped one is away."""

    kills: int
    stops: int
    stopped_s: float
    spread_s: float = 0.0  # about how long the feeding takes: so long it goes on, or longer
    done: collections.Counter[str] = field(default_factory=collections.Counter)

    async def reign(self, instances: Instances, feeding: asyncio.Event) -> None:
        """
        Kills and stops in random order, spread over the feeding; one bot is always left alone.

        The bot that polls Telegram is hit first of all, once each way, and the gap measured.
        """
        acts = ["kill"] * self.kills + ["stop"] * self.stops
        instances.chance.shuffle(acts)
        firsts = {"kill": True, "stop": True}
        waking: set[asyncio.Task[None]] = set()
        rest_s = max(REST_S, self.spread_s / len(acts)) if acts else REST_S
        for act in acts:
            await pause(instances.chance.uniform(0.25, 1.75) * rest_s)
            while (victim := await self._victim(instances, poller=firsts[act])) is None:
                await pause(REST_S)  # all others are stopped: one of them wakes
            was_poller, firsts[act] = firsts[act], False
            if act == "kill":
                await victim.kill()
            else:
                victim.freeze()
                waking.add(asyncio.create_task(self._wake(victim)))
            self.done[act] += 1
            if was_poller:
                await instances.until_another_polls(act, within_s=TAKEN_OVER_WITHIN_S)
            if act == "kill":
                await victim.spawn()
        if waking:
            await asyncio.wait(waking)
        feeding.set()

    async def _victim(self, instances: Instances, *, poller: bool) -> Instance | None:
        if poller:
            found = await instances.poller()
            if found is not None and found.at_work:
                return found
        at_work = [bot for bot in instances.bots if bot.at_work]
        return instances.chance.choice(at_work) if len(at_work) > 1 else None

    async def _wake(self, victim: Instance) -> None:
        await pause(self.stopped_s)
        if victim.stopped:
            victim.thaw()
            await victim.green()  # what it was in the middle of goes on before it answers


async def live_through(instances: Instances, payments: int, chaos: Chaos) -> list[Errand]:
    """
    Everybody writes one /pay, a few hundred at a time, while the bots die and sleep.

    It is over when the chats and the books say so, for a last word may be followed by another: of
    a push whose bot was stopped in the middle of it the others say "unsure", until that one wakes
    and knows.
    """
    errands: list[Errand] = []
    waiting: list[Errand] = []
    over = asyncio.Event()
    reigning = asyncio.create_task(chaos.reign(instances, over))
    quiet_since = 0.0
    while True:
        free = min(payments - len(errands), OPEN_AT_ONCE - len(waiting), FED_AT_ONCE)
        for _ in range(free):
            errands.append(_write_one(instances, len(errands) + 1))
            waiting.append(errands[-1])
        await pause(0.1)
        waiting = [errand for errand in waiting if not _is_told(errand)]
        busy = len(errands) < payments or not over.is_set()
        quiet_since = time.monotonic() if busy or not quiet_since else quiet_since
        if time.monotonic() - quiet_since > LAST_WORDS_WITHIN_S:
            break  # the judge will say who waits
        if reigning.done():
            await reigning
        if not busy and not waiting and await instances.at_rest():
            break
    await reigning
    return errands


def _write_one(instances: Instances, number: int) -> Errand:
    world = instances.world
    behaviour, fault = KINDS[number % len(KINDS)]
    phone = world.phone(number)
    world.simulator.phone(phone).behave(behaviour)
    if fault is not None:
        world.simulator.faults.for_phone(phone, fault)
    person = world.person(number)
    amount_kes = 10 + number % 90
    person.say(f"/pay {amount_kes} {world.typed(number)}")
    return Errand(person, phone, amount_kes, behaviour is Behaviour.PAY)


_NOT_LAST: tuple[str, ...] = ()


def _is_told(errand: Errand) -> bool:
    """Whether the chat knows how its payment ended, or that we honestly do not know."""
    global _NOT_LAST
    if not _NOT_LAST:
        kinds = ("status.sending", "status.prompted", "status.checking")
        _NOT_LAST = tuple(fragment(kind) for kind in kinds)
    word = last_word(errand)
    return bool(word) and not any(each in word for each in _NOT_LAST)


async def judge(instances: Instances, errands: list[Errand]) -> tuple[list[str], dict[str, int]]:
    """What was broken, and what was seen: to be asked after the bots have stopped."""
    world = instances.world
    await world.simulator.settled()
    broken: list[str] = []
    pushes = collections.defaultdict(list)
    for push in world.simulator.pushes:
        if push.order is not None:
            pushes[push.phone].append(push)
    payments, told = await world.payments(), await _told(world)
    status_of = {payment.push_ref: payment.status for payment in payments}
    of_line = collections.Counter(payment.push_ref for payment in payments)
    unsure = [fragment(kind) for kind in ("status.unsure", "status.unknown")]
    twins = ticks = 0
    for errand in errands:
        asked = pushes[errand.phone]
        who, word = errand.phone[-5:], last_word(errand)
        accepted = [push for push in asked if push.accepted]
        if len(asked) > 1:
            broken.append(f"{who} was asked {len(asked)} times")
        if not _is_told(errand):
            broken.append(f"{who} was told no last word: {word[:80]!r}")
        books = world.simulator.books
        paid = any(books.row_of_push(each.checkout_request_id or "") for each in accepted)
        # Not to know is right only as long as the books do not know either.
        open_in_books = any(
            status_of.get(each.order.account_reference) is Status.UNSURE
            for each in accepted
            if each.order is not None
        )
        honest = open_in_books and any(each in word for each in unsure)
        if _is_told(errand) and ("✅" in word) != paid and not (paid and honest):
            broken.append(f"{who} was told {word[:80]!r}, and had {'' if paid else 'not '}paid")
        ticks += errand.pays and "✅" in word
        more = len(errand.person.chat.from_bot) - told.get(errand.person.id, 0)
        twins += max(0, more)
        if more < 0:
            broken.append(f"{who} lacks {-more} messages that were written down as told")
    wanted = sum(errand.pays for errand in errands)
    if ticks < wanted * PAID_AT_LEAST:
        broken.append(f"{wanted} wanted to pay, and {ticks} were told that they had")
    if len(payments) != len(errands) or max(of_line.values(), default=1) > 1:
        broken.append(f"{len(errands)} commands became {len(payments)} payments")
    try:
        await world.judge(unfound_may_wait=True)
    except AssertionError as exc:
        broken.append(f"the statement is not the ledger: {str(exc)[:300]}")
    resent = sum(bot.log.read_text().count("notice.resent") for bot in instances.bots)
    if twins > resent:
        broken.append(f"{twins} messages came twice, and only {resent} were marked as resent")
    not_found = sum(each.status is Status.UNSURE for each in payments)
    return broken, {"twins": twins, "resent": resent, "left to a person": not_found}


async def _told(world: World) -> dict[int, int]:
    """How many messages each chat must have, by what the bots wrote down as told."""
    query = select(notices.c.chat_id, func.count()).where(notices.c.told > 0)
    async with (
        open_store(world.database, key=world.key, now=lambda: datetime.now(UTC)) as store,
        store.read() as tx,
    ):
        rows = await tx.notices._connection.execute(query.group_by(notices.c.chat_id))
        return {row[0]: row[1] for row in rows}


@asynccontextmanager
async def _cluster(processes: int, seed: int) -> AsyncIterator[Instances]:
    found = binaries()
    if found is None:
        raise RuntimeError("no PostgreSQL here: apt install postgresql")
    with running_server(found) as server, tempfile.TemporaryDirectory() as folder:
        database = await fresh_database(server, f"instances_{seed}")
        async with open_instances(
            Path(folder), database, processes=processes, seed=seed
        ) as instances:
            yield instances


async def run(
    *,
    payments: int = 10_000,
    processes: int = 4,
    seed: int = 1,
    kills: int = 40,
    stops: int = 6,
    stopped_s: float = 90.0,
) -> list[Row]:
    """The whole proof, and its row."""
    began = time.perf_counter()
    chaos = Chaos(kills, stops, stopped_s, spread_s=payments / FED_PER_S)
    async with _cluster(processes, seed) as instances:
        await instances.start()
        errands = await live_through(instances, payments, chaos)
        exits = await instances.stop()
        broken, seen = await judge(instances, errands)
        if (chaos.done["kill"], chaos.done["stop"]) != (kills, stops):
            broken.append(f"of {kills} kills and {stops} stops were done {dict(chaos.done)}")
        broken += [f"a bot stopped with status {status}" for status in exits if status != 0]
        gaps = ", ".join(f"{how} {took_s:.1f} s" for how, took_s in instances.taken_over_s)
    for each in broken:
        print(f"seed {seed}: {each}", file=sys.stderr)
    note = (
        f"{processes} processes, {chaos.done['kill']} kills, "
        f"{chaos.done['stop']} stops of {stopped_s:g} s, another polled after: {gaps}; "
        + ", ".join(f"{count} {what}" for what, count in seen.items())
    )
    seconds = time.perf_counter() - began
    return [Row("many instances", payments, "payments", len(broken), seconds, note, (seed, seed))]


def _main() -> None:
    names = ("payments", "processes", "seed", "kills", "stops")
    given = dict(zip(names, map(int, sys.argv[1:]), strict=False))
    rows = asyncio.run(run(**given))
    for row in rows:
        print(row)
    sys.exit(any(row.violations for row in rows))


if __name__ == "__main__":
    _main()
