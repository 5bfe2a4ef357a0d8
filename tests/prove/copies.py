"""
Copies: one success, told many times at once, to the real door over HTTP.

Each is answered 200, and all together are one credit and one word in the chat. Copies are the same
to the byte, which are one piece of evidence, or the same written otherwise.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, select

from storage.engine import Store
from storage.records import Kind, NoticeKind, Status
from storage.schema import notices
from tests.prove.door import Door, Target, opened_books, running_door, stock
from tests.prove.shots import right_body
from tests.prove.table import Row

__all__ = ["copies_of", "run"]

COPIES = 50
TOGETHER = 6  # payments whose copies come mixed: as many connections as one process may open
AT_ONCE = COPIES * TOGETHER


def copies_of(body: bytes, count: int, chance: random.Random) -> Iterator[bytes]:
    """The same said *count* times, to the byte or written otherwise: what is said is the same."""
    told = json.loads(body)
    yield body
    for _ in range(count - 1):
        form: dict[str, Any] = {"indent": chance.choice((None, None, 0, 2))}
        form["separators"] = chance.choice(((",", ":"), (", ", ": "), (" ,", " : ")))
        end = chance.choice((b"", b"\n", b" \r\n"))
        yield chance.choice((body, json.dumps(_shuffled(told, chance), **form).encode() + end))


def _shuffled(value: Any, chance: random.Random) -> Any:
    """The keys of every object, and what is a list of names and values, in another order."""
    if isinstance(value, dict):
        keys = chance.sample([*value], len(value))
        return {key: _shuffled(value[key], chance) for key in keys}
    if isinstance(value, list):
        return [_shuffled(each, chance) for each in chance.sample(value, len(value))]
    return value


async def run(payments: int = 1000, seed: int = 1) -> list[Row]:
    """Fifty copies for each of *payments*; every violation is printed."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "books.db"
        async with opened_books(database) as store:
            targets = await stock(store, [50] * payments, unsure=frozenset())
            owed = await _owed(store)
        async with running_door(database) as door:
            answers, bodies = await _post_all(door, targets, random.Random(seed))
        wrong = [
            f"{many} answers were {status}" for status, many in answers.items() if status != 200
        ]
        async with opened_books(database) as store:
            wrong += await _judge(store, targets, bodies, owed)
    for line in wrong[:20]:
        print(f"seed {seed}: {line}", file=sys.stderr)
    note = f"{COPIES} of each, {AT_ONCE} at once"
    seconds = time.perf_counter() - began
    return [
        Row(
            "the same callback at once",
            payments * COPIES,
            "callbacks",
            len(wrong),
            seconds,
            note,
            (seed, seed),
        )
    ]


async def _post_all(
    door: Door, targets: Sequence[Target], chance: random.Random
) -> tuple[Counter[int], Counter[str]]:
    """
    A few payments at a time, all copies of theirs together.

    How often which status was answered, and how many different bodies came to each path.
    """
    answers: Counter[int] = Counter()
    bodies: Counter[str] = Counter()
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{door.port}", connector=connector
    ) as client:

        async def post(path: str, body: bytes) -> int:
            async with client.post(path, data=body) as answer:
                await answer.read()
                return answer.status

        for first in range(0, len(targets), TOGETHER):
            some = targets[first : first + TOGETHER]
            told = [
                (target.path, copy)
                for target in some
                for copy in copies_of(json.dumps(right_body(target)).encode(), COPIES, chance)
            ]
            chance.shuffle(told)
            answers += Counter(await asyncio.gather(*(post(*each) for each in told)))
            bodies += Counter(path for path, _ in {*told})
    return answers, bodies


async def _owed(store: Store) -> dict[str, int]:
    """How often each payment's message was to be written."""
    async with store.read() as tx:
        found = await tx.notices._connection.execute(select(notices.c.payment_id, notices.c.wanted))
        return {row[0]: row[1] for row in found}


async def _judge(
    store: Store, targets: Sequence[Target], bodies: Counter[str], owed: dict[str, int]
) -> list[str]:
    wrong = []
    async with store.read() as tx:
        told = await tx.evidence.of([target.id for target in targets])
        for target in targets:
            payment = await tx.payments.get(target.id)
            assert payment is not None
            stands = (payment.status, payment.receipt, payment.credited_cents, payment.words)
            if stands != (Status.PAID, target.receipt, target.amount_kes * 100, frozenset()):
                wrong.append(f"{target.id} stands as {stands}")
            kinds = Counter(each.kind for each in told[target.id])
            paid = bodies[target.path]
            if kinds != {Kind.BEGUN: 1, Kind.ACCEPTED: 1, Kind.CALLBACK_PAID: paid}:
                wrong.append(f"{target.id} was told {dict(kinds)}, by {paid} different bodies")
        kinds_owed = await tx.notices._connection.execute(
            select(notices.c.kind, func.count()).group_by(notices.c.kind)
        )
        owed_kinds = {row[0]: row[1] for row in kinds_owed}
    if owed_kinds != {NoticeKind.STATUS: len(targets)}:
        wrong.append(f"owed are {owed_kinds}")
    again = {payment_id: many + 1 for payment_id, many in owed.items()}
    if await _owed(store) != again:
        wrong.append("a message is to be written more than once more")
    return wrong


if __name__ == "__main__":
    table = asyncio.run(run(*map(int, sys.argv[1:])))
    print(*table, sep="\n")
    sys.exit(any(row.violations for row in table))
