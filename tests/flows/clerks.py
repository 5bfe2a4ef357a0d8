"""The judge of clerks: lets one after another die on one database, and looks after each death."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.flows.clerk import Fate, Life, Taken, fate_of, receipt_of, work
from tests.flows.forks import context
from tests.flows.mortal import ANYTHING, Death

__all__ = ["kill_clerks"]

ASKS = 3
DEATHS_PER_CASE = 8
COMMITS = 25
STATEMENTS = 60
SOON = 3
LEASES_RUN_OUT_S = 200.0
FINISHED_WITHIN_S = 120.0
SIGKILLED = -9

REAPING = threading.Lock()
"""Who starts a process also looks how all others ended, and two who look lose the answer (255)."""


@dataclass
class Case:
    """One database, its clerks so far, and all that was promised or taken."""

    url: str
    lives: int = 0
    deaths: int = 0
    clock_s: float = 0.0
    promised: list[tuple[Any, ...]] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    messages: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def run(self, death: Death | None, *, kill_after: int | None = None, last: bool = False) -> str:
        """One life, to its death at *death*, or at our hand after so many words; or to its end."""
        life = Life(
            url=self.url,
            number=self.lives,
            asks=0 if last else ASKS,
            # In the end Safaricom's own callbacks are all brought, whoever was there before.
            late=[each for each in self.taken if fate_of(each.reference) is not Fate.PAID_SILENT]
            if last
            else (),
            death=death,
            settles=last or self.lives % 3 != 2,
            begins_s=self.clock_s + (LEASES_RUN_OUT_S if last else 5.0),
        )
        self.lives += 1
        end = self._listen(life, kill_after)
        if end == "died":
            self.deaths += 1
        return end

    def _listen(self, life: Life, kill_after: int | None) -> str:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(life, theirs), daemon=True)
        with REAPING:
            process.start()
        theirs.close()
        words = 0
        try:
            while ours.poll(FINISHED_WITHIN_S):
                self._note(ours.recv())
                words += 1
                if words == kill_after:
                    process.kill()
        except (EOFError, OSError):
            pass
        else:
            process.kill()
            self.wrong.append(f"life {life.number} ({life.death}) stood still")
        ours.close()
        wait([process.sentinel])
        with REAPING:
            process.join()
        if process.exitcode == SIGKILLED:
            return "died"
        if process.exitcode != 0:
            self.wrong.append(f"life {life.number} ({life.death}) ended with {process.exitcode}")
        return "finished"

    def _note(self, said: tuple[Any, ...]) -> None:
        match said:
            case ("took", reference, payment_id, amount_kes):
                self.taken.append(Taken(reference, payment_id, amount_kes))
            case ("clock", seconds):
                self.clock_s = seconds
            case ("message", notice_id, resent):
                self.messages[notice_id] += 1
                if self.messages[notice_id] > 1 and not resent:
                    self.wrong.append(f"notice {notice_id} was sent twice and not called so")
            case _:
                self.promised.append(said)

    def look(self) -> None:
        """What must be true after every death."""
        rows = asyncio.run(_read(self.url))
        if rows is None:
            if self.promised:
                self.wrong.append("the tables are gone")
            return
        self._check_promises(rows)
        self._check_money(rows)

    def _check_promises(self, rows: _Rows) -> None:
        for said in self.promised:
            match said:
                case ("kept", update_id):
                    kept = update_id in rows.inbox
                case ("opened", update_id, payment_id):
                    kept = rows.keys.get(f"m:{update_id}") == payment_id
                case ("heard", payment_id):
                    kept = any(k.startswith("callback-") for k in rows.evidence[payment_id])
                case ("told", notice_id, wanted):
                    kept = rows.told[notice_id] >= wanted
                case _:
                    kept = said == ("finished",)
            if not kept:
                self.wrong.append(f"lost: {said}")

    def _check_money(self, rows: _Rows) -> None:
        if rows.damage:
            self.wrong.append(f"damaged: {rows.damage}")
        twice = [ref for ref, n in Counter(each.reference for each in self.taken).items() if n > 1]
        if twice:
            self.wrong.append(f"pushed twice: {twice}")
        taken = {each.payment_id: each for each in self.taken}
        for payment_id, (status, receipt, cents, _) in rows.payments.items():
            push = taken.get(payment_id)
            if push is not None and "begun" not in rows.evidence[payment_id]:
                self.wrong.append(f"{payment_id}: pushed, and nothing says so")
            if status != "paid":
                continue
            if push is None or not fate_of(push.reference).is_paid:
                self.wrong.append(f"{payment_id}: invented")
            elif cents != push.amount_kes * 100 or receipt not in (
                None,
                receipt_of(push.reference),
            ):
                self.wrong.append(f"{payment_id}: {cents} cents, receipt {receipt}")

    def finish(self) -> None:
        """The last clerk works to the end; then nothing is open, and the money is the bank's."""
        if self.run(None, last=True) != "finished":
            self.wrong.append("the last clerk died")
        self.look()
        rows = asyncio.run(_read(self.url))
        if rows is None:
            self.wrong.append("the last clerk left no tables")
            return
        paid = {each.payment_id for each in self.taken if fate_of(each.reference).is_paid}
        credited = {key for key, (status, *_) in rows.payments.items() if status == "paid"}
        missing = {key for key in paid - credited if not self._nobody_can_know(key, rows)}
        if missing or credited - paid:
            self.wrong.append(f"credited {credited - paid}, not credited {missing}")
        for payment_id, (status, _, _, needs_settle) in rows.payments.items():
            if status in ("created", "asking", "prompted") or needs_settle:
                self.wrong.append(f"{payment_id}: left {status}, needs settle: {needs_settle}")
        self.wrong += [f"update {key} was left" for key, done in rows.inbox.items() if not done]
        self.wrong += [f"notice {key} is owed" for key in rows.owed]
        silent = rows.payments.keys() - rows.about
        if silent:
            self.wrong.append(f"nobody was told of {silent}")

    def _nobody_can_know(self, payment_id: str, rows: _Rows) -> bool:
        """Its reply died with a clerk and its callback never comes: unsure, for a person."""
        [fate] = [fate_of(each.reference) for each in self.taken if each.payment_id == payment_id]
        nameless = fate is Fate.PAID_SILENT and "accepted" not in rows.evidence[payment_id]
        return nameless and rows.payments[payment_id][0] == "unsure"


@dataclass
class _Rows:
    damage: str
    inbox: dict[int, bool]
    keys: dict[str, str]
    payments: dict[str, tuple[str, str | None, int | None, bool]]
    evidence: dict[str, set[str]]
    told: Counter[int]
    owed: list[int]
    about: set[str]


async def _read(url: str) -> _Rows | None:
    """The books as a stranger reads them; None before there are any tables."""
    sqlite = url.startswith("sqlite")
    scheme = "sqlite+aiosqlite" if sqlite else "postgresql+asyncpg"
    engine = create_async_engine(f"{scheme}:{url.partition(':')[2]}")
    try:
        async with engine.connect() as connection:

            async def all_of(query: str) -> list[Any]:
                return list((await connection.execute(text(query))).all())

            damage = ""
            if sqlite:
                checks = [*await all_of("PRAGMA integrity_check")]
                checks += await all_of("PRAGMA foreign_key_check")
                damage = "" if [row[0] for row in checks] == ["ok"] else repr(checks)
                known = await all_of("SELECT name FROM sqlite_master WHERE name = 'payments'")
            else:
                known = await all_of("SELECT 1 WHERE to_regclass('payments') IS NOT NULL")
            if not known:
                return None
            payments = await all_of(
                "SELECT id, ask_key, status, receipt, credited_cents, needs_settle FROM payments"
            )
            evidence: dict[str, set[str]] = {row.id: set() for row in payments}
            for row in await all_of("SELECT payment_id, kind FROM evidence"):
                evidence[row.payment_id].add(row.kind)
            notices = await all_of("SELECT id, payment_id, told, state FROM notices")
            updates = await all_of("SELECT update_id, done_at FROM inbox")
            return _Rows(
                damage=damage,
                inbox={row.update_id: row.done_at is not None for row in updates},
                keys={row.ask_key: row.id for row in payments},
                payments={
                    row.id: (row.status, row.receipt, row.credited_cents, bool(row.needs_settle))
                    for row in payments
                },
                evidence=evidence,
                told=Counter({row.id: row.told for row in notices}),
                owed=[row.id for row in notices if row.state != "told"],
                about={row.payment_id for row in notices},
            )
    finally:
        await engine.dispose()


def deaths(kills: int, seed: int) -> list[Death | int]:
    """
    Where clerks die: before and after each of their first commits and within each of their first
    statements, as far as *kills* goes; then at random, half of them after some words at our hand.
    """
    named: list[Death | int] = [Death("within", ANYTHING, n) for n in range(1, STATEMENTS + 1)]
    for n in range(1, COMMITS + 1):
        named += [Death("before", ANYTHING, n), Death("after", ANYTHING, n)]
    chance = random.Random(seed)
    chance.shuffle(named)
    while len(named) < kills:
        nth = chance.randint(1, COMMITS)
        at_commit = Death("before" if chance.random() < 0.5 else "after", ANYTHING, nth)
        named.append(chance.choice((nth, at_commit)))
    return named[:kills]


def let_die(url: str, ways: Sequence[Death | int]) -> Case:
    """Clerks on one database, one after another, each to its death; the last one finishes."""
    case = Case(url)
    for way in ways:
        by_hand = None if isinstance(way, Death) else way
        end = case.run(way if isinstance(way, Death) else None, kill_after=by_hand)
        if end != "died":  # it had less to do than that
            case.run(None, kill_after=SOON)
        case.look()
    case.finish()
    return case


def kill_clerks(
    new_url: Callable[[], str], *, kills: int, seed: int, at_once: int = 2
) -> tuple[int, list[str]]:
    """That many deaths, a few on each database; how many died, and all that was wrong."""
    ways = deaths(kills, seed)
    shares = [ways[n : n + DEATHS_PER_CASE] for n in range(0, len(ways), DEATHS_PER_CASE)]
    died, wrong = 0, []
    with ThreadPoolExecutor(at_once) as pool:
        for share, case in zip(
            shares, pool.map(lambda share: let_die(new_url(), share), shares), strict=True
        ):
            died += case.deaths
            wrong += [f"{', '.join(map(str, share))}: {each}" for each in case.wrong]
    return died, wrong
