"""
Forgeries: liars of six levels of knowledge against real payments, and Safaricom's books as judge.

Levels: nothing; a payment's id; its id and how addresses look; the address with another payment's
signature; the whole address; the address and both of Safaricom's ids. The core, the store, the
Daraja client and both web servers are the real ones, Safaricom is the simulator, and time is moved
by hand. A *trusted* forgery is one that nobody could tell from the truth; it is known by how it
was made, and is the only thing that may credit what Safaricom's books do not have.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select

from bot.core.ask import Asked, Asking, AskRequest, AskSettings
from bot.core.hear import ADDRESS, UNTRUSTED_KEPT, Hear
from bot.core.limits import LimitSettings
from bot.core.ports import Ids
from bot.core.reconcile import Reconcile, ReconcileSettings
from bot.core.send import Sending, SendSettings
from bot.core.settle import Settle
from bot.web.server import build_web, serving
from mpesa.client import open_daraja
from mpesa.models import Account
from mpesa.simulator import (
    Behaviour,
    CallbackFault,
    Fault,
    ManualClock,
    ReplyFault,
    Simulator,
    SimulatorSettings,
)
from mpesa.simulator import (
    Row as BookRow,
)
from storage.engine import Store, open_store
from storage.records import Alarm, Kind, Payment, Status, Word
from storage.schema import notices
from tests.prove.door import OPERATOR
from tests.prove.table import Row

__all__ = ["LEVELS", "run"]

LEVELS = ("nothing", "an id", "an id and the look", "another's address", "the address", "all")
NOTHING, AN_ID, THE_LOOK, ANOTHERS, ADDRESS_KNOWN, ALL = range(6)

PAYMENTS = 30
FORGERIES_PER_WORLD = 1500
CONFIRM_ABOVE_KES = 5000
UNCONFIRMED_TOTAL_KES = 25_000
CHECK_AFTER_S = (25, 60, 130, 300, 900, 3600, 21600, 86400)
MOMENTS_S = (0, 2, 4, 61, 140, 700, 4000, 90_000)  # when liars strike, seconds after the push
LAST_S = 49 * 3600
AT_ONCE = 24
SETTINGS = SimulatorSettings(
    blocks_lines=False, magic_amounts=False, returns_test_money=False, opening_balance_kes=10**6
)


class HandClock:
    """Our time is Safaricom's, which is moved by hand; nobody here waits for it."""

    def __init__(self, hand: ManualClock) -> None:
        self._hand = hand

    def now(self) -> datetime:
        return self._hand.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def wake() -> None:
    """Nobody is told anything here."""


@dataclass
class Case:
    """One payment, what Safaricom knows of it, and what liars have done to it."""

    id: str
    mac: str
    amount_kes: int
    receipt: str  # a receipt that nobody has, for those who make one up
    reply_lost: bool  # so that nobody of ours knows Safaricom's ids
    callback_lost: bool
    merchant: str
    checkout: str
    secretive: bool  # no liar ever learns its ids
    touched: bool = False  # by anything that may be believed, however little
    trusted_success: bool = False  # a forged success that cannot be told from a true one
    trusted_failure: bool = False

    @property
    def path(self) -> str:
        return f"/c/{self.id}.{self.mac}"


@dataclass
class World:
    """One Safaricom, one bot, and the liars' notes."""

    seed: int
    chance: random.Random
    hand: ManualClock
    simulator: Simulator
    store: Store
    asking: Asking
    sending: Sending
    reconcile: Reconcile
    port: int
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    cases: list[Case] = field(default_factory=list)
    by_level: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    credited_falsely: int = 0
    contradicted: int = 0
    at_s: float = 0.0
    number: int = 0


async def run(count: int = 100_000, seed: int = 1) -> list[Row]:
    """*count* forgeries, in as many worlds as it takes; every violation is printed."""
    began = time.perf_counter()
    wrong: list[str] = []
    by_level: Counter[str] = Counter()
    falsely = contradicted = done = worlds = 0
    while done < count:
        share = min(FORGERIES_PER_WORLD, count - done)
        world = await one_world(seed * 100_003 + worlds, share)
        wrong += world.wrong
        by_level += world.by_level
        falsely += world.credited_falsely
        contradicted += world.contradicted
        done, worlds = done + share, worlds + 1
    for line in wrong[:50]:
        print(line, file=sys.stderr)
    told = ", ".join(f"{LEVELS[level]} {by_level[LEVELS[level]]}" for level in range(6))
    note = (
        f"{worlds} worlds of {PAYMENTS} payments; {told}; below the limit {falsely} "
        f"credited on a trusted forgery, {contradicted} of them denied by Safaricom and flagged"
    )
    seconds = time.perf_counter() - began
    return [
        Row(
            "forged callbacks, six levels",
            done,
            "forgeries",
            len(wrong),
            seconds,
            note,
            (seed, seed),
        )
    ]


async def one_world(seed: int, forgeries: int) -> World:
    """Payments begin, liars strike at eight moments, 49 hours pass, and the books are compared."""
    with tempfile.TemporaryDirectory() as folder:
        async with opened_world(seed, Path(folder)) as world:
            await _ask_for_all(world)
            per_moment = -(-forgeries // len(MOMENTS_S))
            left = forgeries
            for moment in MOMENTS_S:
                await _move_to(world, moment)
                strikes = [_strike(world) for _ in range(min(per_moment, left))]
                left -= len(strikes)
                before = await _payments(world)
                await _post_all(world, strikes)
                await _judge_the_untouched(world, before)
                await _judge_credits(world)
            await _move_to(world, LAST_S)
            await _judge_credits(world)
            await _judge_the_end(world)
            return world


@asynccontextmanager
async def opened_world(seed: int, folder: Path) -> AsyncIterator[World]:
    chance = random.Random(seed)
    hand = ManualClock()
    clock = HandClock(hand)
    simulator = Simulator(clock=hand, seed=seed, settings=SETTINGS)
    settle = Settle(operators=[OPERATOR])
    tasks: set[asyncio.Task[None]] = set()

    def background(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async with (
        open_store(f"sqlite:///{folder}/bot.db", now=clock.now, key=f"key {seed}") as store,
        simulator.serving() as base_url,
        open_daraja(
            base_url=base_url,
            consumer_key=SecretStr(SETTINGS.consumer_key),
            consumer_secret=SecretStr(SETTINGS.consumer_secret),
            account=Account(shortcode=SETTINGS.shortcode, passkey=SecretStr(SETTINGS.passkey)),
            now=clock.now,
        ) as daraja,
    ):
        hear = Hear(
            store=store,
            settle=settle,
            clock=clock,
            unconfirmed_total_kes=UNCONFIRMED_TOTAL_KES,
            wake=wake,
        )
        async with serving(build_web(hear, ready=lambda: True), host="127.0.0.1", port=0) as port:
            sending = Sending(
                store=store,
                daraja=daraja,
                settle=settle,
                clock=clock,
                settings=SendSettings(
                    callback_base=f"http://127.0.0.1:{port}",
                    first_check_after_s=CHECK_AFTER_S[0],
                    pushes_per_second=1e9,
                ),
                background=background,
                wake=wake,
            )
            asking = Asking(
                store=store,
                clock=clock,
                ids=Ids(chance.randbytes),
                settings=AskSettings(
                    confirm_above_kes=CONFIRM_ABOVE_KES,
                    limits=LimitSettings(),
                    operators=[OPERATOR],
                ),
                start=sending.start,
                wake=wake,
            )
            reconcile = Reconcile(
                store=store,
                daraja=daraja,
                settle=settle,
                clock=clock,
                settings=ReconcileSettings(check_after_s=CHECK_AFTER_S, queries_per_minute=1e11),
                wake=wake,
            )
            yield World(
                seed, chance, hand, simulator, store, asking, sending, reconcile, port, tasks
            )


async def _ask_for_all(world: World) -> None:
    for number in range(PAYMENTS):
        chance = world.chance
        phone = f"2547{number:08d}"
        reply_lost, callback_lost = chance.random() < 0.25, chance.random() < 0.2
        small = chance.random() < 0.6
        amount_kes = chance.randint(5, 5000) if small else chance.randint(5001, 60_000)
        behaviour = chance.choice((Behaviour.PAY, Behaviour.CANCEL, Behaviour.IGNORE))
        world.simulator.phone(phone).behave(behaviour)
        fault = Fault(
            reply=ReplyFault.LOST if reply_lost else None,
            callback=CallbackFault.NEVER if callback_lost and not reply_lost else None,
        )
        world.simulator.faults.for_phone(phone, fault)
        asked = await world.asking.open(
            AskRequest(
                asked_by=OPERATOR,
                chat_id=OPERATOR,
                thread_id=None,
                reply_to=None,
                private=True,
                language="en",
                amount_kes=amount_kes,
                phone=phone,
                note="",
                ask_key=f"k:{number}",
                update_id=None,
            )
        )
        assert isinstance(asked, Asked), asked
        while world.tasks:
            await asyncio.wait(set(world.tasks))
        [push] = world.simulator.pushes_to(phone)
        assert push.merchant_request_id is not None
        assert push.checkout_request_id is not None
        world.cases.append(
            Case(
                id=asked.payment.id,
                mac=world.store.crypt.sign(ADDRESS, asked.payment.id),
                amount_kes=amount_kes,
                receipt=f"FAK{number:07d}",
                reply_lost=reply_lost,
                callback_lost=fault.callback is not None,
                merchant=push.merchant_request_id,
                checkout=push.checkout_request_id,
                secretive=chance.random() < 0.3,
            )
        )


async def _move_to(world: World, second: float) -> None:
    """Move time on in steps, with Safaricom's callbacks delivered and all due checks made."""
    stops = sorted({second, *(each for each in (*CHECK_AFTER_S, *range(1, 200, 20))), 2, 3, 62})
    for stop in stops:
        if world.at_s < stop <= second:
            await world.hand.advance(stop - world.at_s)
            world.at_s = stop
            await _delivered(world)
            await _checked(world)


async def _delivered(world: World) -> None:
    """Until every callback whose time has come is posted and answered."""
    for push in world.simulator.pushes:
        told = push.told.is_set() or push.decided_at is None
        if not told and (world.hand.now() - push.decided_at).total_seconds() >= 0.5:  # type: ignore[operator]  # just looked
            await push.told.wait()


async def _checked(world: World) -> None:
    for _ in range(2 * PAYMENTS):
        now = world.hand.now()
        async with world.store.read() as tx:
            due = await tx.payments.due(now=now, limit=1)
            nameless = await tx.payments.due_without_id(now=now, limit=1)
        if not due and not nameless:
            return
        await world.reconcile.run_due()
    world.wrong.append(f"seed {world.seed}: checks that are always due")


def _strike(world: World) -> tuple[str, bytes, int]:
    """One forgery: where it goes, what it says, and the answer that it must get."""
    chance, case = world.chance, world.chance.choice(world.cases)
    other = chance.choice([each for each in world.cases if each is not case])
    level = chance.choice((NOTHING, AN_ID, THE_LOOK, ANOTHERS, ADDRESS_KNOWN, ALL, ALL))
    world.by_level[LEVELS[level]] += 1
    world.number += 1
    match level:
        case 0:
            path = f"/c/{chance.randbytes(16).hex()}.{chance.randbytes(16).hex()}"
            return path, _told(world, case, ids=None)[0], 404
        case 1:
            path = f"/c/{case.id}" + chance.choice(("", ".", "/", f".{case.id}"))
            return path, _told(world, case, ids=None)[0], 404
        case 2:
            return f"/c/{case.id}.{_guess(chance, case)}", _told(world, case, ids=None)[0], 404
        case 3 if chance.random() < 0.5:
            return f"/c/{case.id}.{other.mac}", _told(world, case, ids=case)[0], 404
        case 3:
            # At the other's own address: a story about this one, or its real callback again.
            return other.path, _replay(world, case) or _about(world, case, other), 200
        case 4:
            return case.path, _to_address(world, case, ids=None), 200
        case _:
            return case.path, _to_address(world, case, ids=None if case.secretive else case), 200


def _guess(chance: random.Random, case: Case) -> str:
    """A signature as one may guess it who has read our source and lacks the key."""
    text = f"{ADDRESS}\0{case.id}".encode()
    return chance.choice(
        (
            chance.randbytes(16).hex(),
            hashlib.sha256(text).hexdigest()[:32],
            hmac.new(b"", text, hashlib.sha256).hexdigest()[:32],
            hmac.new(case.id.encode(), text, hashlib.sha256).hexdigest()[:32],
            "0" * 32,
            case.mac[:-1] + ("0" if case.mac[-1] != "0" else "1"),
            case.mac.upper() + " ",
        )
    )


def _replay(world: World, case: Case) -> bytes | None:
    """The very bytes that Safaricom posted about *case*, if it has posted any."""
    bodies = [
        each.body
        for each in world.simulator.deliveries
        if each.checkout_request_id == case.checkout
    ]
    return bodies[0].encode() if bodies and world.chance.random() < 0.6 else None


def _about(world: World, case: Case, there: Case) -> bytes:
    """A story about *case*, told at the address of *there*."""
    body, success, failure = _told(world, case, ids=case, amount_kes=there.amount_kes)
    # Ids of another payment that we know are never believed. Where both replies were lost, nobody
    # can know whose ids they are.
    if there.reply_lost and case.reply_lost:
        there.touched = True
        there.trusted_success |= success
        there.trusted_failure |= failure
    return body


def _to_address(world: World, case: Case, *, ids: Case | None) -> bytes:
    body, success, failure = _told(world, case, ids=ids)
    if ids is not None or case.reply_lost:
        case.touched = True
        case.trusted_success |= success
        case.trusted_failure |= failure
    return body


def _told(
    world: World, case: Case, *, ids: Case | None, amount_kes: int | None = None
) -> tuple[bytes, bool, bool]:
    """A body; whether it is a success, or a failure, that the right ids would make trusted."""
    chance = world.chance
    asked_kes = case.amount_kes if amount_kes is None else amount_kes
    callback: dict[str, Any] = {
        "MerchantRequestID": f"made-{world.number}",
        "CheckoutRequestID": f"ws_CO_made_{world.number}",
        "ResultCode": 0,
        "ResultDesc": f"forged {world.number}",
    }
    if ids is not None:
        callback |= {"MerchantRequestID": ids.merchant, "CheckoutRequestID": ids.checkout}
    if not case.callback_lost and chance.random() < 0.2:
        # Never where the truth was lost as well: nobody could tell such a failure from a true one.
        callback["ResultCode"] = chance.choice((1032, 1037, 1, 2001, "1032", 4999))
        return _text(callback), False, callback["ResultCode"] != 4999
    known = [row.receipt for row in world.simulator.books.statement()]
    right = chance.random() < 0.6
    amount: object = asked_kes
    if not right:
        amount = chance.choice((asked_kes + 1, asked_kes - 1, 0, asked_kes * 100, 1, "x", None))
    receipt: object = chance.choice(
        (case.receipt, f"UKN{world.number:07d}"[:10], *known[-2:], "short", "ukn1234567", None)
    )
    items = [{"Name": "Amount", "Value": amount}, {"Name": "MpesaReceiptNumber", "Value": receipt}]
    items.append({"Name": "TransactionDate", "Value": 20261123180600})
    chance.shuffle(items)
    if chance.random() > 0.1:
        callback["CallbackMetadata"] = {"Item": items}
    shaped = isinstance(receipt, str) and len(receipt) == 10 and receipt.isupper()
    return _text(callback), right and shaped and "CallbackMetadata" in callback, False


def _text(callback: dict[str, Any]) -> bytes:
    return json.dumps({"Body": {"stkCallback": callback}}).encode()


async def _post_all(world: World, strikes: Sequence[tuple[str, bytes, int]]) -> None:
    waiting = iter(strikes)

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        for path, body, right in waiting:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if int(answer[9:12]) != right:
                world.wrong.append(f"seed {world.seed}: {answer[9:12]!r} at {path[:40]}")
        writer.close()

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def _payments(world: World) -> list[tuple[Case, Payment, BookRow | None]]:
    """Each case as our books have it, and as Safaricom's do."""
    found = []
    async with world.store.read() as tx:
        for case in world.cases:
            payment = await tx.payments.get(case.id)
            assert payment is not None
            found.append((case, payment, world.simulator.books.row_of_push(case.checkout)))
    return found


async def _judge_the_untouched(
    world: World, before: list[tuple[Case, Payment, BookRow | None]]
) -> None:
    """While time stands still only a forgery that may be believed can move anything."""
    for (case, was, _), (_, now, _) in zip(before, await _payments(world), strict=True):
        moved = [
            name
            for name in ("status", "words", "receipt", "credited_cents", "checkout_index", "reason")
            if getattr(was, name) != getattr(now, name)
        ]
        if moved and not case.touched:
            _wrong(world, case, f"{moved} moved to {now.status} by what nobody may believe")


async def _judge_credits(world: World) -> None:
    """At any moment: what is credited is at Safaricom, or is small and rests on a perfect lie."""
    on_their_word_kes = 0
    receipts: Counter[str] = Counter()
    async with world.store.read() as tx:
        evidence = await tx.evidence.of([case.id for case in world.cases])
    for case, payment, truth in await _payments(world):
        if payment.status is not Status.PAID:
            continue
        # Safaricom's own answer is no liar's word, though it takes a second one to confirm it.
        answered = any(each.kind is Kind.QUERY_PAID for each in evidence[case.id])
        if not payment.confirmed and not answered:
            on_their_word_kes += payment.amount_kes
        receipts[payment.receipt or ""] += payment.receipt is not None
        if payment.credited_cents != case.amount_kes * 100:
            _wrong(world, case, f"credited {payment.credited_cents} cents")
        if truth is None and case.amount_kes > CONFIRM_ABOVE_KES:
            _wrong(world, case, "a large payment that Safaricom does not have is credited")
        if truth is None and not case.trusted_success:
            _wrong(world, case, "credited without a trusted success")
        if case.amount_kes > CONFIRM_ABOVE_KES and not payment.confirmed:
            _wrong(world, case, "a large payment is credited and nobody confirmed it")
    if on_their_word_kes > UNCONFIRMED_TOTAL_KES:
        world.wrong.append(f"seed {world.seed}: {on_their_word_kes} KES rest on callbacks alone")
    for receipt, times in receipts.items():
        if times > 1:
            world.wrong.append(f"seed {world.seed}: receipt {receipt} pays {times} payments")


def _wrong(world: World, case: Case, what: str) -> None:
    place = world.cases.index(case)
    world.wrong.append(f"seed {world.seed} payment {place} ({case.amount_kes} KES): {what}")


async def _judge_the_end(world: World) -> None:
    """What is paid is credited or waits for a person; what Safaricom denied is flagged."""
    async with world.store.read() as tx:
        evidence = await tx.evidence.of([case.id for case in world.cases])
        asked = select(notices.c.payment_id, notices.c.alarm).where(notices.c.alarm.is_not(None))
        rows = (await tx.notices._connection.execute(asked)).all()
    alarms = {(row.payment_id, row.alarm) for row in rows}
    for case, payment, truth in await _payments(world):
        kinds = Counter(each.kind for each in evidence[case.id])
        if kinds[Kind.UNTRUSTED] > UNTRUSTED_KEPT:
            _wrong(world, case, f"{kinds[Kind.UNTRUSTED]} untrusted bodies are kept")
        paid = payment.status is Status.PAID
        if truth is not None and not paid and payment.pending_at is None:
            _wrong(world, case, f"was paid, is {payment.status}, and nobody is told")
        if paid and truth is None:
            world.credited_falsely += 1
            denied = kinds[Kind.QUERY_FAILED] or kinds[Kind.CALLBACK_FAILED]
            if denied:
                world.contradicted += 1
            flagged = (
                Word.CONTRADICTED in payment.words
                and payment.pending_at is not None
                and (case.id, Alarm.CONTRADICTED.value) in alarms
            )
            if denied and not flagged:
                _wrong(world, case, "Safaricom denies it, and it is not flagged")
            if not case.reply_lost and not denied:
                _wrong(world, case, "Safaricom was never asked about it")


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    table = asyncio.run(run(*numbers))
    print(*table, sep="\n")
    sys.exit(any(row.violations for row in table))
