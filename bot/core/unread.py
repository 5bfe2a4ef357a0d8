"""
Unread: what was posted about payments by hand, or as an answer, and cannot be read.

Money may stand behind it, so it is kept, sealed and up to a number, and a person is told. A newer
program reads it again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256

from bot.core.ports import Clock
from bot.core.settle import Settle
from mpesa.c2b import C2bPayment, parse_c2b
from storage.engine import Store
from storage.records import Alarm, UnreadPost
from storage.tx import Tx

__all__ = ["BY_HAND", "UnreadShelf"]

log = logging.getLogger(__name__)

BY_HAND = "by-hand"
"""The door of payments by hand: what came there may be read one day."""

KEPT_MAX = 1000
WHY_CHARS_MAX = 120


class UnreadShelf:
    """Keeps what nobody can read. *read* is handed what can be read at last."""

    kept_max = KEPT_MAX

    def __init__(
        self,
        *,
        store: Store,
        settle: Settle,
        clock: Clock,
        read: Callable[[C2bPayment], Awaitable[None]],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._read = read
        self._wake = wake

    async def keep(self, door: str, why: str, body: bytes) -> None:
        """
        Keep a body, once; operators are told once an hour at most. Returns after COMMIT.

        Raises:
            NotKept: it could not be kept; answer 503.
        """
        now = self._clock.now()
        digest = sha256(f"{door}:{why}:".encode() + body).hexdigest()
        post = UnreadPost(digest=digest, door=door, why=why[:WHY_CHARS_MAX], body=body, at=now)

        async def run(tx: Tx) -> bool:
            kept = await tx.record.keep_unread(post, kept_max=self.kept_max)
            if kept:
                alarm = self._settle.alarm(Alarm.UNREAD, None, key=now.strftime("%Y%m%d%H"))
                await tx.notices.owe(alarm, now=now)
            return kept

        kept = await self._store.write(run)
        log.warning("record.unreadable_post door=%s kept=%s why=%s", door, kept, post.why)
        if kept:
            self._wake()

    async def read_again(self) -> None:
        """What could not be read when it came may be read by a newer program. A job."""
        async with self._store.read() as tx:
            left = await tx.record.unread(BY_HAND)
        for post in left:
            read = parse_c2b(post.body)
            if isinstance(read, C2bPayment):
                # The claim first: stopped in between, it is the same claim again.
                await self._read(read)
                await self._store.write(partial(_drop, post_id=post.id))
                log.info("record.read_at_last")


async def _drop(tx: Tx, *, post_id: int) -> None:
    await tx.record.drop_unread(post_id)
