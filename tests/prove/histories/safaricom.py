"""Owns Safaricom in a history: the simulator with seeded people, faults and a broken network."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mpesa.bodies import BODY_BYTES_MAX
from mpesa.errors import Unreachable
from mpesa.simulator import Behaviour, SimulatorSettings
from mpesa.simulator.books import Row
from mpesa.simulator.callbacks import Courier, Delivery, callback_body
from mpesa.simulator.clock import Clock
from mpesa.simulator.endpoints import Endpoints, Incoming
from mpesa.simulator.faults import (
    NO_FAULT,
    CallbackFault,
    Endpoint,
    Fault,
    FaultScript,
    PendingAnswer,
    ReplyFault,
)
from mpesa.simulator.handsets import Habit, Handset, Plan, plan_for
from mpesa.simulator.pushes import PushOrder, PushRecord
from mpesa.simulator.safaricom import Safaricom
from mpesa.transport import Deadline, Lost, Transport
from mpesa.wire import PUSH_PATH, TOKEN_PATH, Reply
from tests.prove.histories.life import Life
from tests.prove.histories.virtual import micros_now, passes
from tests.prove.histories.witness import Left, Witness

__all__ = ["InlineTransport", "Network", "SeededSafaricom"]

Post = Callable[[str, bytes], Awaitable[int | None]]

HABITS = {
    Behaviour.PAY: 60,
    Behaviour.CANCEL: 9,
    Behaviour.IGNORE: 9,
    Behaviour.WRONG_PIN: 4,
    Behaviour.NO_BALANCE: 5,
    Behaviour.OFF: 6,
    Behaviour.LOCKED: 1,
    Behaviour.NOT_REGISTERED: 2,
    Behaviour.BUSY_LATER: 2,
    Behaviour.NO_APPLET: 2,
}
PUSH_REPLIES = {
    None: 66,
    ReplyFault.LOST: 9,
    ReplyFault.HUNG_UP: 4,
    ReplyFault.SERVER_ERROR: 4,
    ReplyFault.UNREADABLE: 4,
    ReplyFault.WITHOUT_IDS: 3,
    ReplyFault.TOKEN_EXPIRED: 3,
    ReplyFault.THROTTLED: 2,
    ReplyFault.BUSY: 2,
    ReplyFault.SPIKE_ARREST: 2,
    ReplyFault.HTML_503: 1,
}
QUERY_REPLIES = {
    None: 80,
    ReplyFault.THROTTLED: 8,
    ReplyFault.SERVER_ERROR: 3,
    ReplyFault.LOST: 3,
    ReplyFault.UNREADABLE: 2,
    ReplyFault.TOKEN_EXPIRED: 2,
    ReplyFault.HTML_503: 2,
}
CALLBACKS = {
    None: 52,
    CallbackFault.NEVER: 24,
    CallbackFault.TWICE: 12,
    CallbackFault.BEFORE_REPLY: 12,
}
AT_THE_GATE = (b"SpikeArrest", b"500.003.02", b"404.001.03")  # nothing was done with such a push
LINE_BUSY = 0.02
HOUR_S = 3600.0
CONNECTING_S = 25.0


def _drawn(rng: random.Random, weights: Mapping[Any, int]) -> Any:
    return rng.choices(list(weights), weights=list(weights.values()))[0]


class SeededFaults(FaultScript):
    """Every request draws its own fault, until it is quiet."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(magic_amounts=False)
        self._rng = rng
        self.quiet = False
        self.drawn: Counter[str] = Counter()

    def take(self, endpoint: Endpoint) -> Fault:
        if self.quiet or endpoint is Endpoint.TOKEN:
            return NO_FAULT
        reply = _drawn(self._rng, QUERY_REPLIES)
        pending = self._rng.choice(list(PendingAnswer)) if self._rng.random() < 0.3 else None
        return Fault(reply=reply, pending=pending)

    def take_for_push(self, phone: str, amount_kes: int) -> Fault:
        if self.quiet:
            return NO_FAULT
        reply = _drawn(self._rng, PUSH_REPLIES)
        callback = _drawn(self._rng, CALLBACKS)
        late_s = 0.0
        if callback in (None, CallbackFault.TWICE) and self._rng.random() < 0.25:
            late_s = self._rng.choice((90.0, 400.0, 4000.0, 30 * HOUR_S)) * self._rng.random()
        slow_s = self._rng.choice((0.0, 0.0, 0.0, 1.0, 9.0, 35.0))
        pending = self._rng.choice((None, None, None, *PendingAnswer))
        return Fault(
            reply=reply, callback=callback, callback_late_s=late_s, slow_s=slow_s, pending=pending
        )


class HandingCourier(Courier):
    """Hands callbacks to the history's own network instead of a socket."""

    post: Post

    async def _post(self, session: object, push: PushRecord, body: str) -> None:
        assert push.order is not None, "an accepted push has an order"
        assert push.checkout_request_id is not None, "an accepted push has ids"
        at = self._clock.now()
        status = await self.post(push.order.callback_url, body.encode())
        self.deliveries.append(
            Delivery(
                checkout_request_id=push.checkout_request_id,
                url=push.order.callback_url,
                body=body,
                at=at,
                http_status=status,
                error=None if status is not None else "ConnectionError",
            )
        )


class SeededSafaricom(Safaricom):
    """Safaricom whose customers and troubles are drawn from a seed."""

    def __init__(self, *, clock: Clock, rng: random.Random, post: Post) -> None:
        settings = SimulatorSettings(
            answer_after_s=rng.uniform(1, 40),
            magic_amounts=False,
            returns_test_money=False,
            pending=rng.choice((PendingAnswer.PROCESSING, PendingAnswer.INVALID_ID)),
        )
        super().__init__(clock=clock, seed=rng.getrandbits(30), settings=settings)
        self._rng = rng
        self.faults: SeededFaults = SeededFaults(rng)
        courier = HandingCourier(settings, clock, self.changes)
        courier.post = post
        self._courier = courier
        self._session = object()  # type: ignore[assignment]  # callbacks leave by `post` alone
        self.endpoints = Endpoints(self)

    def _plan(self, handset: Handset, order: PushOrder) -> Plan:
        if self.faults.quiet:
            return super()._plan(handset, order)
        return plan_for(Habit(_drawn(self._rng, HABITS)), handset.pin)

    def finds_line_busy(self, phone: str) -> bool:
        """Sometimes somebody is in a menu just then: few pushes else are refused for good."""
        busy = not self.faults.quiet and self._rng.random() < LINE_BUSY
        return busy or super().finds_line_busy(phone)

    def callback_of(self, record: PushRecord, row: Row | None) -> bytes:
        """The body that Safaricom would post for that push."""
        return callback_body(record, row).encode()


@dataclass(slots=True)
class Network:
    """Between us and Safaricom."""

    rng: random.Random
    witness: Witness
    down: str = ""  # "", "refused" (nothing leaves) or "hanging" (it leaves, no answer comes)
    world: Context | None = None
    slow: float = 0.03  # how often a connection for a push takes longer than a push may wait

    async def outside(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Let Safaricom do its work, whether or not we live to hear of it."""
        assert self.world is not None, "the world has begun"
        return await asyncio.get_running_loop().create_task(work, context=self.world.copy())


class InlineTransport(Transport):
    """The transport without a socket: a request is a step, and so is its reply."""

    def __init__(
        self,
        safaricom: SeededSafaricom,
        network: Network,
        life: Life,
        dated: Callable[[datetime], None],
    ) -> None:
        self._safaricom = safaricom
        self._network = network
        self._life = life
        self._told_date = dated

    async def get(self, path: str, *, authorization: str) -> Reply:
        assert path == TOKEN_PATH.partition("?")[0] or path == TOKEN_PATH
        work = self._safaricom.endpoints.token({"grant_type": "client_credentials"}, authorization)
        return await self._exchange("token", work, None)

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        authorization: str,
        deadline: Deadline | None = None,
        bytes_max: int = BODY_BYTES_MAX,
    ) -> Reply:
        incoming = Incoming(authorization, "application/json", body)
        ends = self._safaricom.endpoints
        push = path == PUSH_PATH
        work = ends.push(incoming) if push else ends.query(incoming)
        if not push:
            return await self._exchange("query", work, deadline)
        left = Left(json.loads(body)["AccountReference"])
        reply = await self._exchange("push", work, deadline, left)
        left.turned_away = any(each in reply.body for each in AT_THE_GATE)
        return reply

    async def _exchange(
        self,
        name: str,
        work: Coroutine[Any, Any, Any],
        deadline: Deadline | None,
        left: Left | None = None,
    ) -> Reply:
        try:
            self._life.step(f"before {name}")
            if deadline is not None:
                if self._network.rng.random() < self._network.slow:
                    await passes(CONNECTING_S)
                deadline.check()
            if self._network.down == "refused":
                raise Unreachable("Safaricom cannot be reached (refused)")
            reaches = self._network.down != "hanging" or self._network.rng.random() < 0.5
        except BaseException:
            work.close()
            raise
        if left is not None:
            self._network.witness.pushes.append(left)
        if not reaches:
            work.close()
            await passes(30)
            raise Lost("the connection broke off (TimeoutError)")
        try:
            async with asyncio.timeout(30):
                answer = await asyncio.shield(asyncio.ensure_future(self._network.outside(work)))
        except TimeoutError:
            raise Lost("the connection broke off (TimeoutError)") from None
        self._life.step(f"after {name}")
        if answer.drop or self._network.down == "hanging":
            raise Lost("the connection broke off")
        self._told_date(datetime.fromtimestamp(micros_now() // 1_000_000, UTC))
        return Reply(answer.status, answer.text.encode(), None)
