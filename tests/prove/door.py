"""
The real callback door in a process of its own, and the books behind it: for proofs with liars.

`python -m tests.prove.door <database>` serves `POST /c/…` on a free port of loopback, prints that
port, and stops when its input ends. The payments are put there first, by `stock`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.clock import SystemClock
from bot.core.hear import ADDRESS, Hear
from bot.core.settle import Settle
from bot.web.server import build_web, serving
from storage.engine import Store, open_store
from storage.hearing import Admitted, Unit
from storage.records import Kind, Status
from storage.tx import Tx
from tests.fakes import a_payment, an_intent, fact

__all__ = ["KEY", "OPERATOR", "Door", "Target", "opened_books", "running_door", "stock"]

ROOT = Path(__file__).parents[2]
KEY = "a key that is only for proofs"
OPERATOR = 900
UNCONFIRMED_TOTAL_KES = 10**7
STOCKED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Target:
    """One payment as a liar may know it."""

    id: str
    mac: str
    amount_kes: int
    merchant: str | None  # None: Safaricom's reply was lost, so nobody here knows its ids
    checkout: str | None
    receipt: str  # what Safaricom would call it, once it is paid

    @property
    def path(self) -> str:
        return f"/c/{self.id}.{self.mac}"


@asynccontextmanager
async def opened_books(database: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{database}", now=SystemClock().now, key=KEY) as store:
        yield store


async def stock(
    store: Store, amounts_kes: Sequence[int], *, unsure: frozenset[int]
) -> list[Target]:
    """One prompted payment for each amount; those in *unsure* never learnt their ids."""
    targets = []
    for number, amount_kes in enumerate(amounts_kes, 1):
        known = number not in unsure
        payment_id = f"{number:032x}"
        targets.append(
            Target(
                id=payment_id,
                mac=store.crypt.sign(ADDRESS, payment_id),
                amount_kes=amount_kes,
                merchant=f"29115-3462{number:04d}-1" if known else None,
                checkout=f"ws_CO_2311202612{number:06d}" if known else None,
                receipt=f"UKN{number:07d}",
            )
        )
    for first in range(0, len(targets), STOCKED_AT_ONCE):
        some = targets[first : first + STOCKED_AT_ONCE]
        await store.write(lambda tx, some=some: _add(tx, some))  # type: ignore[misc]  # the default pins it
    await asyncio.gather(*(_ask(store, target) for target in targets))
    return targets


async def _add(tx: Tx, targets: Sequence[Target]) -> None:
    now = SystemClock().now()
    line = await tx.lines.lock("254712345678")
    for target in targets:
        number = int(target.id, 16)
        await tx.payments.add_intent(an_intent(number, at=now))
        payment = a_payment(number, at=now, line_id=line.id)
        await tx.payments.add(replace(payment, amount_kes=target.amount_kes, begun_at=now))


async def _ask(store: Store, target: Target) -> None:
    """What sending leaves behind: begun, and accepted unless the reply was lost."""
    now = SystemClock().now()
    kind = Kind.REPLY_LOST if target.checkout is None else Kind.ACCEPTED
    evidence = tuple(fact(each, at=now, payment_id=target.id) for each in (Kind.BEGUN, kind))
    changes = {} if target.merchant is None else {"merchant_request_id": target.merchant}
    unit = Unit(
        payment_id=target.id,
        admit=lambda _payment, _seen: Admitted(
            evidence=evidence, changes=changes, checkout_id=target.checkout
        ),
        checkout_id=target.checkout,
    )
    outcome = await store.submit(unit, Settle(operators=[OPERATOR]))
    assert outcome.payment is not None
    assert outcome.payment.status in (Status.PROMPTED, Status.UNSURE)


@dataclass(frozen=True, slots=True)
class Door:
    """A running door."""

    port: int
    pid: int

    @property
    def memory_mb(self) -> float:
        """What the process holds in memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("the door is gone")

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time that it has used."""
        ticks = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def running_door(database: Path) -> AsyncIterator[Door]:
    """The door as a process, until the end of the block; it must end by itself, and cleanly."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.prove.door", str(database)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Door(int(await process.stdout.readline()), process.pid)
        process.stdin.close()
        async with asyncio.timeout(30):
            status = await process.wait()
        assert status == 0, f"the door ended with {status}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _serve(database: Path) -> None:
    logging.getLogger("bot.core.hear").setLevel(logging.CRITICAL)  # an error a stray: too many here
    async with opened_books(database) as store:
        hear = Hear(
            store=store,
            settle=Settle(operators=[OPERATOR]),
            clock=SystemClock(),
            unconfirmed_total_kes=UNCONFIRMED_TOTAL_KES,
            wake=lambda: None,
        )
        app = build_web(hear, ready=lambda: store.healthy, trusted_proxies=["127.0.0.0/8"])
        async with serving(app, host="127.0.0.1", port=0) as port:
            print(port, flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
