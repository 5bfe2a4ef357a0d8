"""What Telegram can do to us, over real HTTP: nobody untold, nobody charged twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mpesa.simulator import Behaviour, Fault
from tests.flows.words import found, fragment, latest
from tests.flows.world import OPERATOR, QUICK, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 60.0
SETTINGS = replace(QUICK, prompt_lifetime_s=5.0)  # what happens while a prompt is open takes time


async def paid(world: World, number: int, count: int = 1) -> None:
    person = world.people[1000 + number]
    await world.api.wait_for(
        lambda: sum("✅" in message.text for message in person.chat.from_bot) >= count,
        timeout_s=PATIENCE_S,
    )


async def test_an_update_delivered_twice_pays_once(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    person = world.person(number)
    world.api.updates.deliver_twice(1)
    person.say(f"/pay 50 {world.typed(number)}")

    await paid(world, number)
    await world.simulator.settled()

    assert len(world.simulator.pushes_to(world.phone(number))) == 1
    assert len(person.chat.from_bot) == 1


async def test_an_edited_command_pays_once(world: World, numbers: Callable[[], int]) -> None:
    number = numbers()
    person = world.person(number)
    command = person.say(f"/pay 50 {world.typed(number)}")
    await paid(world, number)

    person.edit(command, f"/pay 500 {world.typed(number)}")
    await world.api.wait_for(
        lambda: person.chat.from_bot[-1].id > command.id + 1, timeout_s=PATIENCE_S
    )

    assert len(world.simulator.pushes_to(world.phone(number))) == 1


async def test_two_commands_at_once_put_one_prompt_on_the_phone(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    world.simulator.phone(world.phone(number)).behave(Behaviour.IGNORE)
    person = world.person(number)
    person.say(f"/pay 50 {world.typed(number)}")
    person.say(f"/pay 50 {world.typed(number)}")

    await world.api.wait_for(lambda: found(person.chat, "refusal.line-busy"), timeout_s=PATIENCE_S)

    assert len(world.simulator.pushes_to(world.phone(number))) == 1


async def test_flood_control_delays_one_chat_and_loses_nothing(
    world: World, numbers: Callable[[], int]
) -> None:
    slow, quick = numbers(), numbers()
    world.api.faults.flood(2, method="sendMessage", chat_id=1000 + slow, times=2)
    for number in (slow, quick):
        world.person(number).say(f"/pay 50 {world.typed(number)}")

    await paid(world, quick)
    assert not world.people[1000 + slow].chat.from_bot
    await paid(world, slow)


@pytest.mark.parametrize("trouble", ["server error", "dropped", "slow"])
async def test_a_telegram_that_stumbles_is_told_again(
    world: World, numbers: Callable[[], int], trouble: str
) -> None:
    number = numbers()
    person = world.person(number)
    faults = world.api.faults
    match trouble:
        case "server error":
            faults.server_error(502, chat_id=person.id, times=2)
        case "dropped":
            faults.drop(chat_id=person.id, times=2)
        case _:
            faults.slow(0.5, chat_id=person.id, times=2)
    person.say(f"/pay 50 {world.typed(number)}")

    await paid(world, number)


async def test_a_message_whose_reply_was_lost_may_come_twice_but_says_the_truth(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    person = world.person(number)
    world.api.faults.lose_reply(method="sendMessage", chat_id=person.id)
    person.say(f"/pay 50 {world.typed(number)}")

    await paid(world, number)

    assert "✅" in latest(person.chat)
    assert len(world.simulator.pushes_to(world.phone(number))) == 1


async def test_who_blocked_us_pays_all_the_same_and_sees_it_on_return(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    handset = world.simulator.phone(world.phone(number))
    handset.next_time(Behaviour.MANUAL)
    person = world.person(number)
    person.say(f"/pay 50 {world.typed(number)}")
    await world.api.wait_for(lambda: found(person.chat, "status.prompted"), timeout_s=PATIENCE_S)
    person.block()
    assert handset.enter_pin("1234"), "it had closed by itself"
    await world.simulator.changes.until(
        lambda: any(row.phone == world.phone(number) for row in world.simulator.books.statement()),
        timeout_s=PATIENCE_S,
    )
    await world.simulator.settled()

    assert not any("✅" in message.text for message in person.chat.from_bot)

    person.start()

    await world.api.wait_for(
        lambda: any("✅" in message.text for message in person.chat.from_bot),
        timeout_s=PATIENCE_S,
    )


async def test_a_slow_safaricom_in_one_chat_delays_no_other(
    world: World, numbers: Callable[[], int]
) -> None:
    slow, quick = numbers(), numbers()
    world.simulator.phone(world.phone(slow)).behave(Behaviour.IGNORE)
    world.simulator.faults.for_phone(world.phone(slow), Fault(slow_s=3))
    for number in (slow, quick):
        world.person(number).say(f"/pay 50 {world.typed(number)}")

    await paid(world, quick)

    waiting = world.people[1000 + slow].chat
    assert found(waiting, "status.sending")
    await world.api.wait_for(lambda: found(waiting, "declined.no-answer"), timeout_s=PATIENCE_S)


async def test_a_group_sees_masks_and_no_reason(world: World, numbers: Callable[[], int]) -> None:
    payer, other = numbers(), numbers()
    jane, otieno = world.person(payer), world.person(other, name="Otieno", language="sw")
    group = world.api.group(-5000 - payer, "Chama", [jane, otieno])
    world.simulator.phone(world.phone(payer)).behave(Behaviour.NO_BALANCE)
    command = jane.say(f"/pay 50 {world.typed(payer)}", chat=group)

    await world.api.wait_for(lambda: found(group, "not-paid.group"), timeout_s=PATIENCE_S)

    [status] = group.from_bot
    assert status.reply_to is command
    assert fragment("declined.no-balance") not in status.text
    stranger = otieno.press(status, "Why")
    owner = jane.press(status, "Why")
    await world.api.wait_for(lambda: stranger.answered and owner.answered, timeout_s=PATIENCE_S)
    assert "Jane" in stranger.toast
    assert fragment("declined.no-balance") in owner.toast
    assert owner.alert


async def test_try_again_works_and_a_double_tap_does_it_once(
    world: World, numbers: Callable[[], int]
) -> None:
    number = numbers()
    handset = world.simulator.phone(world.phone(number))
    handset.next_time(Behaviour.CANCEL)
    person = world.person(number, language="sw")
    person.say(f"/pay 50 {world.typed(number)}")
    await world.api.wait_for(
        lambda: found(person.chat, "declined.cancelled", "sw"), timeout_s=PATIENCE_S
    )

    failed = person.chat.from_bot[-1]
    first = person.press(failed, "🔁")
    person.press_again(first)

    await paid(world, number)
    await world.simulator.settled()
    assert len(world.simulator.pushes_to(world.phone(number))) == 2
    assert failed.labels == []


async def test_a_forged_callback_moves_nothing_and_rings_the_operator(
    world: World, numbers: Callable[[], int]
) -> None:
    import aiohttp

    number = numbers()
    world.simulator.phone(world.phone(number)).behave(Behaviour.IGNORE)
    person = world.person(number)
    person.say(f"/pay 50 {world.typed(number)}")
    await world.api.wait_for(lambda: found(person.chat, "status.prompted"), timeout_s=PATIENCE_S)
    [push] = world.simulator.pushes_to(world.phone(number))
    assert push.order is not None
    forged = {
        "Body": {
            "stkCallback": {
                "MerchantRequestID": "guessed",
                "CheckoutRequestID": "ws_CO_guessed",
                "ResultCode": 0,
                "ResultDesc": "ok",
                "CallbackMetadata": {
                    "Item": [
                        {"Name": "Amount", "Value": 50.0},
                        {"Name": "MpesaReceiptNumber", "Value": "UKN0FORGED"},
                    ]
                },
            }
        }
    }
    async with aiohttp.ClientSession() as client:
        async with client.post(push.order.callback_url, json=forged) as answer:
            assert answer.status == 200
        async with client.post(push.order.callback_url + "0", json=forged) as answer:
            assert answer.status == 404

    operator = world.api.chat(OPERATOR)
    await world.api.wait_for(lambda: found(operator, "alarm.untrusted"), timeout_s=PATIENCE_S)
    assert "✅" not in latest(person.chat)
