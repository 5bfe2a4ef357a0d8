"""
Fuzz: a great many bad callbacks over HTTP, and a judge who looks at the books afterwards.

No answer is a 5xx, no payment's money moves, what is kept is bounded, memory stays flat; and when
it is over, the truth about every payment still gets in.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from bot.core.hear import ADDRESS, CALLBACKS_KEPT, UNTRUSTED_KEPT
from storage.crypt import Crypt
from storage.engine import Store
from storage.evidence import ORPHANS_MAX
from storage.records import Evidence, Kind, Payment, Status
from storage.schema import notices, orphans
from storage.tx import Tx
from tests.prove.door import KEY, Door, Target, opened_books, running_door, stock
from tests.prove.shots import Arsenal, Shot
from tests.prove.table import Row

__all__ = ["run"]

SMALL, DOUBTFUL, LARGE, UNSURE = 250, 10, 40, 20
SMALL_KES, LARGE_KES = 50, 6000  # below and above the confirm limit of `a_payment`
STRAYS = 2000
CONNECTIONS = 96
CONNECTIONS_ALONE = 64
ANSWER_WITHIN_S = 20.0
ALONE_WITHIN_S = 0.25
WARM_AFTER = 0.25
MEMORY_GROWTH_MB_MAX = 50.0
BODY_BYTES_MAX = 17 * 1024
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
KEPT = (Kind.CALLBACK_PAID, Kind.CALLBACK_BARE, Kind.CALLBACK_FAILED)


@dataclass
class Campaign:
    """One run: what was fired, what came back, and what was wrong with it."""

    seed: int
    count: int
    arsenal: Arsenal
    door: Door
    fired: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory_mb: list[tuple[int, float]] = field(default_factory=list)

    def judge(self, number: int, shot: Shot, statuses: list[int]) -> None:
        self.fired += 1
        for status in statuses:
            self.answers[f"{status}"] += 1
            if status >= 500 or (shot.right and status not in shot.right):
                self.wrong.append(f"seed {self.seed} shot {number} ({shot.kind}): HTTP {status}")
        if shot.right and not statuses:
            self.wrong.append(f"seed {self.seed} shot {number} ({shot.kind}): no answer")
        if self.fired % max(1, self.count // 100) == 0:
            self.memory_mb.append((self.fired, self.door.memory_mb))

    def growth_mb(self) -> float:
        """What memory grew by between the time it was warm and the end, medians of five looks."""
        warm = [mb for fired, mb in self.memory_mb if fired >= self.count * WARM_AFTER]
        if len(warm) < 10:
            return 0.0
        return sorted(warm[-5:])[2] - sorted(warm[:5])[2]


async def run(count: int = 1_000_000, seed: int = 1) -> list[Row]:
    """Fire *count* shots; the row says what came of it, and every violation is printed."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "books.db"
        async with opened_books(database) as store:
            targets = await _stock(store)
            before = await _books(store, targets)
        bytes_before = _bytes(database)
        async with running_door(database) as door:
            campaign = Campaign(seed, count, _arsenal(seed, targets), door)
            began_firing, cpu_s = time.perf_counter(), door.cpu_s
            await _fire(campaign)
            cpu_s = door.cpu_s - cpu_s
            fired_for = time.perf_counter() - began_firing
        async with opened_books(database) as store:
            campaign.wrong += await _judge_books(store, targets, before)
            campaign.wrong += await _judge_bounds(store, targets)
        grown = _bytes(database) - bytes_before
        if grown > _bytes_max(len(targets)):
            campaign.wrong.append(f"seed {seed}: the database grew by {grown >> 20} MB")
        campaign.wrong += await _judge_truth(database, targets)
    if (growth := campaign.growth_mb()) > MEMORY_GROWTH_MB_MAX:
        campaign.wrong.append(f"seed {seed}: memory grew by {growth:.0f} MB after warming up")
    for line in campaign.wrong[:50]:
        print(line, file=sys.stderr)
    answered = " ".join(f"{status}:{many}" for status, many in sorted(campaign.answers.items()))
    note = (
        f"{count / fired_for:.0f}/s, {cpu_s / count * 1e6:.0f} µs CPU of the "
        f"server each; memory {growth:+.1f} MB after warming up; "
        f"database +{grown / 2**20:.1f} MB; answers {answered}"
    )
    seconds = time.perf_counter() - began
    return [
        Row(
            "fuzzed callbacks over HTTP",
            count,
            "bodies",
            len(campaign.wrong),
            seconds,
            note,
            (seed, seed),
        )
    ]


async def _stock(store: Store) -> list[Target]:
    amounts = [SMALL_KES] * (SMALL + DOUBTFUL) + [LARGE_KES] * (LARGE + UNSURE)
    unsure = frozenset(range(len(amounts) - UNSURE + 1, len(amounts) + 1))
    return await stock(store, amounts, unsure=unsure)


def _arsenal(seed: int, targets: list[Target]) -> Arsenal:
    crypt = Crypt(KEY)
    ids = [f"{0xDEAD0000 + number:032x}" for number in range(STRAYS)]
    return Arsenal(
        seed,
        small=targets[:SMALL],
        doubtful=targets[SMALL : SMALL + DOUBTFUL],
        large=targets[SMALL + DOUBTFUL :],
        strays=[f"/c/{each}.{crypt.sign(ADDRESS, each)}" for each in ids],
    )


async def _fire(campaign: Campaign) -> None:
    """All shots, over many kept connections; what breaks connections has some of its own."""
    shots = ((number, campaign.arsenal.shot(number)) for number in range(campaign.count))
    alone: asyncio.Queue[tuple[int, Shot] | None] = asyncio.Queue(2 * CONNECTIONS_ALONE)

    async def kept() -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        for number, shot in shots:
            if shot.alone:
                await alone.put((number, shot))
                continue
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", campaign.door.port)
            status, closing = await _exchange(*connection, shot.wire)
            campaign.judge(number, shot, [] if status is None else [status])
            if closing:
                connection[1].close()
                connection = None
        if connection is not None:
            connection[1].close()

    async def lonely() -> None:
        while (next_shot := await alone.get()) is not None:
            number, shot = next_shot
            campaign.judge(number, shot, await _alone(campaign.door.port, shot.wire))

    loners = [asyncio.create_task(lonely()) for _ in range(CONNECTIONS_ALONE)]
    await asyncio.gather(*(kept() for _ in range(CONNECTIONS)))
    for _ in loners:
        await alone.put(None)
    await asyncio.gather(*loners)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: bytes
) -> tuple[int | None, bool]:
    """One request and its answer's status; whether the connection is of no more use."""
    try:
        writer.write(wire)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            await reader.readexactly(int(length.group(1)) if length else 0)
    except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        return None, True
    return int(head[9:12]), b"\r\nconnection: close" in head.lower()


async def _alone(port: int, wire: bytes) -> list[int]:
    """Every status that comes back within a moment; the rest is left hanging and hung up on."""
    received = b""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return []
    try:
        writer.write(wire)
        async with asyncio.timeout(ALONE_WITHIN_S):
            while piece := await reader.read(65536):
                received += piece
    except (OSError, TimeoutError):
        pass
    finally:
        writer.close()
    return [int(status) for status in STATUS.findall(received)]


async def _books(store: Store, targets: list[Target]) -> dict[str, Payment]:
    async with store.read() as tx:
        return {target.id: await _payment(tx, target) for target in targets}


async def _payment(tx: Tx, target: Target) -> Payment:
    payment = await tx.payments.get(target.id)
    assert payment is not None
    return payment


def _standing(payment: Payment) -> tuple[object, ...]:
    return (
        *(payment.status, payment.words, payment.receipt, payment.credited_cents, payment.paid_at),
        *(payment.checkout_index, payment.merchant_request_id, payment.pending_at),
    )


async def _judge_books(
    store: Store, targets: list[Target], before: dict[str, Payment]
) -> list[str]:
    """Nothing is credited; where only what is spoilt was sent, nothing has moved at all."""
    wrong = []
    after = await _books(store, targets)
    for place, target in enumerate(targets):
        payment = after[target.id]
        if payment.status is Status.PAID or payment.credited_cents is not None:
            wrong.append(f"payment {place} is credited")
        elif place < SMALL and _standing(payment) != _standing(before[target.id]):
            wrong.append(f"payment {place} moved to {payment.status}")
        elif place < SMALL + DOUBTFUL and payment.status not in (
            Status.PROMPTED,
            Status.CONFIRMING,
        ):
            wrong.append(f"payment {place}, which nobody denied, moved to {payment.status}")
        if payment.needs_settle:
            wrong.append(f"payment {place} could not be settled")
    return wrong


async def _judge_bounds(store: Store, targets: list[Target]) -> list[str]:
    """No more rows than may be, however much was sent."""
    wrong = []
    async with store.read() as tx:
        told: dict[str, list[Evidence]] = await tx.evidence.of([each.id for each in targets])
        connection = tx.evidence._connection
        strays = (await connection.execute(select(func.count()).select_from(orphans))).scalar_one()
        told_operators = (
            await connection.execute(select(func.count()).select_from(notices))
        ).scalar_one()
    for target in targets:
        kinds = Counter(each.kind for each in told[target.id])
        if kinds[Kind.UNTRUSTED] > UNTRUSTED_KEPT:
            wrong.append(f"{kinds[Kind.UNTRUSTED]} untrusted bodies at {target.id}")
        if sum(kinds[kind] for kind in KEPT) > CALLBACKS_KEPT + 4:
            wrong.append(f"{kinds} trusted bodies at {target.id}")
    if strays > ORPHANS_MAX:
        wrong.append(f"{strays} orphans")
    if told_operators > 8 * len(targets) + 100:
        wrong.append(f"{told_operators} notices")
    return wrong


async def _judge_truth(database: Path, targets: list[Target]) -> list[str]:
    """After all that, what Safaricom says about a payment is still heard, and is money."""
    wrong = []
    believed = targets[: SMALL + DOUBTFUL]
    async with running_door(database) as door:
        for target in believed:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            status, _ = await _exchange(reader, writer, Arsenal.truth(target).wire)
            writer.close()
            if status != 200:
                wrong.append(f"the truth about {target.id} was answered {status}")
    async with opened_books(database) as store:
        after = await _books(store, believed)
    for target in believed:
        payment = after[target.id]
        right = (Status.PAID, SMALL_KES * 100, target.receipt)
        if (payment.status, payment.credited_cents, payment.receipt) != right:
            wrong.append(f"the truth about {target.id} left it {payment.status}")
    return wrong


def _bytes(database: Path) -> int:
    return sum(each.stat().st_size for each in database.parent.glob(f"{database.name}*"))


def _bytes_max(payments: int) -> int:
    per_payment = UNTRUSTED_KEPT + CALLBACKS_KEPT + 4
    return (payments * per_payment + ORPHANS_MAX) * BODY_BYTES_MAX


if __name__ == "__main__":
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    numbers = [int(each) for each in sys.argv[1:]]
    rows = asyncio.run(run(*numbers))
    print(*rows, sep="\n")
    sys.exit(any(row.violations for row in rows))
