"""Leaving: the bytes of one push, and again where certainly no prompt came of them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from zlib import crc32

from bot.core.ports import Clock, Daraja
from mpesa.errors import BadCredentials, NotSent, Throttled
from mpesa.models import Accepted, Push
from storage.records import Payment

__all__ = ["RETRY_AFTER_S", "NotWanted", "push_in_time"]

log = logging.getLogger(__name__)

LEAVE_WITHIN_S = 20.0
RETRY_AFTER_S = 1.0
THROTTLED_WAITS_S = (2.0, 4.0)  # and up to twice as long; all of it within LEAVE_WITHIN_S


class NotWanted(NotSent):
    """While it waited to go again, it became one that must not leave; its text is why."""


async def push_in_time(
    push: Push,
    payment: Payment,
    *,
    daraja: Daraja,
    clock: Clock,
    why_not: Callable[[], Awaitable[str | None]],
) -> Accepted:
    """
    Send *push*, within 20 s of when *payment* was begun; a little later again where it may be.

    *why_not* is asked after each wait: another attempt may have been paid meanwhile.

    Raises:
        NotWanted: *why_not* had an answer.
        MpesaError: as the last try ended.
    """
    begun_at = payment.begun_at
    assert begun_at is not None, "begun a moment ago"

    def left_s() -> float:
        since_s = (clock.now() - begun_at).total_seconds()
        return LEAVE_WITHIN_S - max(0.0, since_s)  # a clock that was set back gives no time

    waits_s = iter(_waits_s(payment.id))
    again = False
    while True:
        try:
            return await daraja.push(push, leave_within_s=left_s())
        except BadCredentials:
            raise
        except NotSent:
            if again or left_s() <= RETRY_AFTER_S:
                raise
            again = True
            await clock.sleep(RETRY_AFTER_S)
        except Throttled as exc:
            # Turned away at the gate, before any prompt: welcome again a little later.
            wait_s = max(next(waits_s, LEAVE_WITHIN_S), exc.retry_after_s or 0.0)
            if left_s() <= wait_s:
                raise
            log.info("push.throttled id=%s wait_s=%.1f", payment.id, wait_s)
            await clock.sleep(wait_s)
        if (reason := await why_not()) is not None:
            raise NotWanted(reason)


def _waits_s(payment_id: str) -> tuple[float, ...]:
    """How long a throttled push waits before each further try: apart from others of its burst."""
    spread = crc32(payment_id.encode()) / 2**32
    return tuple(wait_s * (1 + spread) for wait_s in THROTTLED_WAITS_S)
