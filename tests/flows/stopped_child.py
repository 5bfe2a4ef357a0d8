"""A process that is stopped with a push begun and no byte of it sent; run by a test."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime

from pydantic import SecretStr

from bot.core.send import Sending, SendSettings
from bot.core.settle import Settle
from mpesa.client import Daraja, open_daraja
from mpesa.models import Accepted, Account, Push
from mpesa.simulator import SimulatorSettings
from storage.engine import Store, open_store
from storage.hearing import Decide, Outcome, Unit
from tests.fakes import add_payment

FASTER = 60


class FastClock:
    """Sixty times as fast as the machine's: a second of being stopped is a minute."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self.stops_after: int | None = None  # so many more looks at it

    def now(self) -> datetime:
        if self.stops_after is not None:
            self.stops_after -= 1
            if self.stops_after < 0:
                self.stops_after = None
                stop()
        return self._began + FASTER * (datetime.now(UTC) - self._began)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def stop() -> None:
    """Let the whole process be stopped, here; whoever waits for it is told."""
    print("stopped", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)


class StoppingStore(Store):
    """Stops with the push begun: committed, and nothing left yet."""

    def __init__(self, store: Store) -> None:
        super().__init__(
            writer=store._writer,
            readers=store._readers,
            crypt=store.crypt,
            exclusive=store.exclusive,
            holder=store.holder,
            presence=store.presence,
        )
        self.stops = True

    async def submit(self, unit: Unit, decide: Decide) -> Outcome:
        outcome = await super().submit(unit, decide)
        if self.stops:
            self.stops = False
            stop()
        return outcome


class StoppingDaraja(Daraja):
    """Stops on the way to the door, with the time that is left already counted."""

    def __init__(self, daraja: Daraja, clock: FastClock) -> None:
        super().__init__(daraja._transport, daraja._tokens, daraja._account, daraja._now)
        self._clock = clock

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        self._clock.stops_after = 1
        return await super().push(push, leave_within_s=leave_within_s)


async def _main(where: str, database: str, base_url: str) -> None:
    clock, simulated = FastClock(), SimulatorSettings()
    async with (
        open_store(database, key="k" * 40, now=clock.now) as store,
        open_daraja(
            base_url=base_url,
            consumer_key=SecretStr(simulated.consumer_key),
            consumer_secret=SecretStr(simulated.consumer_secret),
            account=Account(
                shortcode=simulated.shortcode,
                passkey=SecretStr(simulated.passkey),
                transaction_type="paybill",
                till_number=None,
            ),
            now=clock.now,
        ) as daraja,
    ):
        sending = Sending(
            store=StoppingStore(store) if where == "after the commit" else store,
            daraja=daraja if where == "after the commit" else StoppingDaraja(daraja, clock),
            settle=Settle(operators=[]),
            clock=clock,
            settings=SendSettings(
                callback_base="https://pay.example.org",
                first_check_after_s=25,
                pushes_per_second=20,
            ),
            background=lambda work: work.close(),
            wake=lambda: None,
        )
        await daraja.ready()
        payment = await add_payment(store, at=clock.now())
        await sending.send(payment.id)
        async with store.read() as tx:
            found = await tx.payments.get(payment.id)
        assert found is not None
        print(found.status.value, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
