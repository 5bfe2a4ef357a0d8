"""Every phone and every trouble of Safaricom, over real HTTP, to the right last word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.playground.people import Person
from mpesa.simulator import Behaviour, CallbackFault, Fault, PendingAnswer, ReplyFault
from tests.flows.words import found, fragment, latest
from tests.flows.world import QUICK, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Prompts stay open past the first check (1 to 2 s after the push), so that queries meet them open.
SETTINGS = replace(QUICK, prompt_lifetime_s=3.0)
PATIENCE_S = 60.0

PHONES = {
    Behaviour.CANCEL: "declined.cancelled",
    Behaviour.IGNORE: "declined.no-answer",
    Behaviour.WRONG_PIN: "declined.wrong-pin",
    Behaviour.NO_BALANCE: "declined.no-balance",
    Behaviour.OFF: "declined.no-answer",
    Behaviour.NO_APPLET: "declined.no-answer",
    Behaviour.LOCKED: "declined.pin-locked",
    Behaviour.NOT_REGISTERED: "declined.not-registered",
    Behaviour.BUSY: "declined.line-busy",
    Behaviour.BUSY_LATER: "declined.line-busy",
    Behaviour.FAIL_AFTER_PIN: "declined.busy",
}

PAID_ALL_THE_SAME = {
    "slow": Fault(slow_s=0.5),
    "token expired": Fault(reply=ReplyFault.TOKEN_EXPIRED),
    "reply lost": Fault(reply=ReplyFault.LOST),
    "5xx after accepting": Fault(reply=ReplyFault.SERVER_ERROR),
    "half a reply": Fault(reply=ReplyFault.UNREADABLE),
    "a reply without ids": Fault(reply=ReplyFault.WITHOUT_IDS),
    "callback before the reply": Fault(callback=CallbackFault.BEFORE_REPLY),
    "callback twice": Fault(callback=CallbackFault.TWICE),
}

TURNED_AWAY = [
    Fault(reply=reply)
    for reply in (
        ReplyFault.THROTTLED,
        ReplyFault.BUSY,
        ReplyFault.SPIKE_ARREST,
        ReplyFault.QUOTA,
    )
]


async def test_a_phone_that_pays(world: World, numbers: Callable[[], int]) -> None:
    number = numbers()
    person = world.person(number)
    command = person.say(f"/pay 50 {world.typed(number)} lunch")

    await world.api.wait_for(lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S)

    [status] = person.chat.from_bot
    [row] = [r for r in world.simulator.books.statement() if r.phone == world.phone(number)]
    assert "KES 50" in status.text
    assert f"<code>{row.receipt}</code>" in status.html
    assert status.id > command.id
    assert "Mama Njeri Shop" in status.text
    assert world.phone(number)[3:] not in status.text


@pytest.mark.parametrize("behaviour", PHONES)
async def test_a_phone_that_does_not(
    world: World, numbers: Callable[[], int], behaviour: Behaviour
) -> None:
    number = numbers()
    world.simulator.phone(world.phone(number)).behave(behaviour)
    person = world.person(number)
    person.say(f"/pay 50 {world.typed(number)}")

    await world.api.wait_for(lambda: found(person.chat, PHONES[behaviour]), timeout_s=PATIENCE_S)

    [status] = person.chat.from_bot
    assert "✅" not in status.text
    assert len(status.text.splitlines()) <= 10
    assert len(world.simulator.pushes_to(world.phone(number))) == 1


@pytest.mark.parametrize("name", PAID_ALL_THE_SAME)
async def test_trouble_on_the_way_to_a_payment(
    world: World, numbers: Callable[[], int], name: str
) -> None:
    number = numbers()
    world.simulator.faults.for_phone(world.phone(number), PAID_ALL_THE_SAME[name])
    person = world.person(number)
    person.say(f"/pay 60 {world.typed(number)}")

    await world.api.wait_for(lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S)
    await world.simulator.settled()

    assert len([p for p in world.simulator.pushes_to(world.phone(number)) if p.accepted]) == 1
    assert len(person.chat.from_bot) == 1


async def test_trouble_that_turns_a_push_away_is_waited_out(
    world: World, numbers: Callable[[], int]
) -> None:
    asked = [numbers() for _ in TURNED_AWAY]
    people = [world.person(number) for number in asked]
    for fault in TURNED_AWAY:
        world.simulator.faults.next_push(fault)
    for number, person in zip(asked, people, strict=True):
        person.say(f"/pay 60 {world.typed(number)}")

    for person in people:
        await paid(world, person)

    pushes = [world.simulator.pushes_to(world.phone(number)) for number in asked]
    assert sum(map(len, pushes)) == 2 * len(TURNED_AWAY)
    assert all([each.accepted for each in theirs].count(True) == 1 for theirs in pushes)
    assert [len(person.chat.from_bot) for person in people] == [1] * len(people)


async def paid(world: World, person: Person) -> None:
    await world.api.wait_for(lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S)


@pytest.mark.parametrize("reply", [ReplyFault.HUNG_UP, ReplyFault.HTML_503])
async def test_a_push_that_vanished_is_called_unknown_and_never_repeated(
    world: World, numbers: Callable[[], int], reply: ReplyFault
) -> None:
    number = numbers()
    fault = Fault(reply=reply)
    world.simulator.faults.for_phone(world.phone(number), fault)
    person = world.person(number)
    person.say(f"/pay 60 {world.typed(number)}")

    await world.api.wait_for(lambda: found(person.chat, "status.unsure"), timeout_s=PATIENCE_S)
    again = person.say(f"/pay 60 {world.typed(number)}")
    await world.api.wait_for(lambda: person.chat.from_bot[-1].id > again.id, timeout_s=PATIENCE_S)

    assert found(person.chat, "refusal.line-busy")
    assert len(world.simulator.pushes_to(world.phone(number))) == 1


async def test_a_lost_callback_is_found_by_asking_and_the_code_is_said_to_follow(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    world.simulator.faults.for_phone(world.phone(number), Fault(callback=CallbackFault.NEVER))
    person = world.person(number)
    person.say(f"/pay 60 {world.typed(number)}")

    await world.api.wait_for(lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S)

    assert fragment("code-to-follow") in latest(person.chat)


async def test_a_late_callback_completes_what_a_query_found(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    world.simulator.faults.for_phone(world.phone(number), Fault(callback_late_s=2.5))
    person = world.person(number)
    person.say(f"/pay 60 {world.typed(number)}")

    await world.api.wait_for(
        lambda: fragment("code-to-follow") in latest(person.chat), timeout_s=PATIENCE_S
    )
    await world.api.wait_for(lambda: "<code>" in str(person.chat.last.html), timeout_s=PATIENCE_S)

    assert "✅" in latest(person.chat)


@pytest.mark.parametrize(
    "pending",
    [
        PendingAnswer.PROCESSING,
        PendingAnswer.ERROR_500,
        PendingAnswer.ERROR_200,
        PendingAnswer.INVALID_ID,
    ],
)
async def test_an_open_prompt_is_never_called_failed(
    world: World, numbers: Callable[[], int], pending: PendingAnswer
) -> None:
    number = numbers()
    world.simulator.phone(world.phone(number)).behave(Behaviour.IGNORE)
    world.simulator.faults.for_phone(world.phone(number), Fault(pending=pending))
    person = world.person(number)
    person.say(f"/pay 60 {world.typed(number)}")

    await world.api.wait_for(lambda: found(person.chat, "status.checking"), timeout_s=PATIENCE_S)
    await world.api.wait_for(lambda: found(person.chat, "declined.no-answer"), timeout_s=PATIENCE_S)


async def test_a_query_that_says_paid_too_early_credits_no_large_sum(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    world.simulator.phone(world.phone(number)).behave(Behaviour.IGNORE)
    world.simulator.faults.for_phone(world.phone(number), Fault(pending=PendingAnswer.ZERO))
    person = world.person(number)
    person.say(f"/pay 9000 {world.typed(number)}")

    await world.api.wait_for(lambda: found(person.chat, "status.confirming"), timeout_s=PATIENCE_S)
    await world.api.wait_for(lambda: found(person.chat, "status.review"), timeout_s=PATIENCE_S)

    assert not any("✅" in message.text for message in person.chat.from_bot)


async def test_a_large_sum_is_confirmed_before_it_is_called_paid(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    person = world.person(number)
    person.say(f"/pay 9,000 {world.typed(number)}")

    await world.api.wait_for(lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S)

    assert "KES 9,000" in latest(person.chat)


async def test_a_line_is_warned_at_three_and_stopped_at_four(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    world.simulator.phone(world.phone(number)).behave(Behaviour.CANCEL)
    person = world.person(number)
    person.share_contact()
    await world.api.wait_for(lambda: bool(person.chat.from_bot), timeout_s=PATIENCE_S)
    for turn in range(1, 5):
        said = person.say(f"/pay {50 + turn}")
        await world.api.wait_for(
            lambda said=said: (
                person.chat.last.id > said.id  # type: ignore[misc]  # the default pins said
                and found(person.chat, "declined.cancelled")
                and "🚫" in latest(person.chat)
            ),
            timeout_s=PATIENCE_S,
        )
        assert (fragment("streak.warning") in latest(person.chat)) is (turn == 3)
    assert fragment("streak.paused") in latest(person.chat)

    last = person.say("/pay 70")
    await world.api.wait_for(lambda: person.chat.last.id > last.id, timeout_s=PATIENCE_S)

    assert found(person.chat, "refusal.paused")
    assert len(world.simulator.pushes_to(world.phone(number))) == 4
    assert world.simulator.phone(world.phone(number)).blocked_until is None


async def test_sandbox_money_goes_back_at_midnight_and_the_chat_says_so(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    person = world.person(number)
    person.say(f"/pay 5 {world.typed(number)}")
    await world.api.wait_for(lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S)

    returned = world.simulator.return_test_money()

    assert fragment("practice") in latest(person.chat)
    assert any(row.phone == world.phone(number) for row in returned)
