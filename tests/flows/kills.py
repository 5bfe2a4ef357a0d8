"""kill -9 of the whole bot at named moments, and what must be true afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bot.playground.people import Person
from mpesa.simulator import Behaviour, CallbackFault, Fault, ReplyFault
from tests.flows.words import fragment
from tests.flows.world import World

__all__ = ["MOMENTS", "Errand", "await_last_words", "judge_errands", "kill_at", "send_errands"]

LAST_WORD_WITHIN_S = 90.0


@dataclass(frozen=True)
class Errand:
    """One person with one command, and the phone that answers it."""

    person: Person
    phone: str
    amount_kes: int
    pays: bool


def send_errands(world: World, first: int, count: int) -> list[Errand]:
    """*count* people, each with a phone of its own kind, who each write one /pay."""
    kinds: list[tuple[Behaviour, Fault | None]] = [
        (Behaviour.PAY, None),
        (Behaviour.CANCEL, None),
        (Behaviour.PAY, Fault(reply=ReplyFault.LOST)),
        (Behaviour.PAY, Fault(callback=CallbackFault.NEVER)),
        (Behaviour.PAY, Fault(callback=CallbackFault.TWICE)),
        (Behaviour.WRONG_PIN, None),
        (Behaviour.PAY, Fault(reply=ReplyFault.SERVER_ERROR)),
    ]
    errands = []
    for number in range(first, first + count):
        behaviour, fault = kinds[number % len(kinds)]
        phone = world.phone(number)
        world.simulator.phone(phone).behave(behaviour)
        if fault is not None:
            world.simulator.faults.for_phone(phone, fault)
        person = world.person(number)
        amount_kes = 10 + number % 90
        person.say(f"/pay {amount_kes} {world.typed(number)}")
        errands.append(Errand(person, phone, amount_kes, behaviour is Behaviour.PAY))
    return errands


MOMENTS: dict[str, Callable[[World], bool]] = {
    "an update is fetched": lambda world: len(world.api.calls_of("getUpdates")) > 1,
    "the first message is sent": lambda world: len(world.api.calls_of("sendMessage")) >= 1,
    "a few messages are sent": lambda world: len(world.api.calls_of("sendMessage")) >= 4,
    "Safaricom hears of a push": lambda world: len(world.simulator.pushes) >= 1,
    "Safaricom hears of a few pushes": lambda world: len(world.simulator.pushes) >= 4,
    "a callback is delivered": lambda world: len(world.simulator.deliveries) >= 1,
    "a few callbacks are delivered": lambda world: len(world.simulator.deliveries) >= 3,
    "a message is edited": lambda world: len(world.api.calls_of("editMessageText")) >= 1,
    "a few messages are edited": lambda world: len(world.api.calls_of("editMessageText")) >= 4,
}


async def kill_at(world: World, moment: Callable[[World], bool]) -> None:
    """Kill the bot the instant that *moment* comes true, as Safaricom or Telegram see it."""
    changed = asyncio.Event()
    stop = world.simulator.changes.listen(lambda _change: changed.set())
    watch_chats = asyncio.create_task(world.api.wait_for(lambda: moment(world), timeout_s=60))
    try:
        while not moment(world):
            waiting = asyncio.create_task(changed.wait())
            await asyncio.wait(
                (waiting, watch_chats), return_when=asyncio.FIRST_COMPLETED, timeout=60
            )
            waiting.cancel()
            if watch_chats.done():
                await watch_chats
                break
            assert changed.is_set(), "the moment never came"
            changed.clear()
    finally:
        watch_chats.cancel()
        stop()
    await world.bot.kill()


def last_word(errand: Errand) -> str:
    texts = [message.text for message in errand.person.chat.from_bot]
    return texts[-1] if texts else ""


async def await_last_words(world: World, errands: list[Errand]) -> None:
    """Until each chat has been told how its payment ended, or that we honestly do not know."""
    sending, prompted = fragment("status.sending"), fragment("status.prompted")
    checking = fragment("status.checking")

    def all_told() -> bool:
        return all(
            word and not any(open_word in word for open_word in (sending, prompted, checking))
            for word in map(last_word, errands)
        )

    await world.api.wait_for(all_told, timeout_s=LAST_WORD_WITHIN_S)


async def judge_errands(world: World, errands: list[Errand]) -> None:
    """No command lost, no push twice, nothing credited that is not there, nobody untold."""
    await world.simulator.settled()
    unsure, ticks = fragment("status.unsure"), 0
    for errand in errands:
        accepted = [push for push in world.simulator.pushes_to(errand.phone) if push.accepted]
        assert len(accepted) <= 1, f"{errand.phone[-3:]} was prompted twice"
        books = world.simulator.books
        paid = any(books.row_of_push(push.checkout_request_id or "") for push in accepted)
        word = last_word(errand)
        assert ("✅" in word) == paid or (paid and unsure in word), (errand.phone[-3:], word)
        ticks += errand.pays and "✅" in word
    # Nothing false is easily kept by a bot that asks nobody.
    assert ticks > 0 or not any(errand.pays for errand in errands), "nobody was paid"
    await world.judge(unfound_may_wait=True)
