"""The client and the simulator, written apart, agree on what each reply means."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from mpesa.client import Daraja, open_daraja
from mpesa.errors import MpesaError, OutcomeUnknown, Refused, Throttled
from mpesa.models import Account, Push
from mpesa.results import Meaning
from mpesa.simulator import Behaviour, Fault, ReplyFault, Simulator, SimulatorSettings

PHONE = "254712345678"
FAST = SimulatorSettings(answer_after_s=0, unreachable_after_s=0, callback_after_s=0)


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(settings=FAST)


@pytest.fixture
async def daraja(simulator: Simulator) -> AsyncIterator[Daraja]:
    async with (
        simulator.serving() as base_url,
        open_daraja(
            base_url=base_url,
            consumer_key=SecretStr(FAST.consumer_key),
            consumer_secret=SecretStr(FAST.consumer_secret),
            account=Account(shortcode=FAST.shortcode, passkey=SecretStr(FAST.passkey)),
            now=lambda: datetime.now(UTC),
            timeout_s=5,
        ) as client,
    ):
        yield client


def push(phone: str = PHONE, amount_kes: int = 50) -> Push:
    # Nobody listens at port 9: these tests read results by query.
    return Push(
        phone=phone,
        amount_kes=amount_kes,
        reference="LUNCH-7K2",
        description="Lunch",
        callback_url="http://127.0.0.1:9/c/1.abc",
    )


@pytest.mark.parametrize(
    ("reply", "kind", "done"),
    [
        (ReplyFault.THROTTLED, Throttled, False),
        (ReplyFault.BUSY, Throttled, False),
        (ReplyFault.SPIKE_ARREST, Throttled, False),
        (ReplyFault.QUOTA, Throttled, False),
        (ReplyFault.HTML_503, OutcomeUnknown, False),
        (ReplyFault.HUNG_UP, OutcomeUnknown, False),
        (ReplyFault.LOST, OutcomeUnknown, True),
        (ReplyFault.SERVER_ERROR, OutcomeUnknown, True),
        (ReplyFault.UNREADABLE, OutcomeUnknown, True),
        (ReplyFault.WITHOUT_IDS, OutcomeUnknown, True),
    ],
)
async def test_a_push_that_was_done_is_never_called_refused(
    daraja: Daraja, simulator: Simulator, reply: ReplyFault, kind: type[MpesaError], done: bool
) -> None:
    simulator.faults.next_push(Fault(reply=reply))

    with pytest.raises(MpesaError) as raised:
        await daraja.push(push(), leave_within_s=20)
    await simulator.settled()

    assert type(raised.value) is kind
    assert len(simulator.pushes) == 1
    assert len(simulator.books.statement()) == (1 if done else 0)


async def test_an_expired_token_costs_one_more_request_and_nothing_else(
    daraja: Daraja, simulator: Simulator
) -> None:
    simulator.faults.next_push(Fault(reply=ReplyFault.TOKEN_EXPIRED))

    await daraja.push(push(), leave_within_s=20)
    await simulator.settled()

    assert len(simulator.books.statement()) == 1


@pytest.mark.parametrize(
    ("behaviour", "meaning"),
    [
        (Behaviour.PAY, Meaning.PAID),
        (Behaviour.CANCEL, Meaning.CANCELLED),
        (Behaviour.WRONG_PIN, Meaning.WRONG_PIN),
        (Behaviour.NO_BALANCE, Meaning.NO_BALANCE),
        (Behaviour.OFF, Meaning.NO_ANSWER),
        (Behaviour.NO_APPLET, Meaning.NO_ANSWER),
        (Behaviour.LOCKED, Meaning.PIN_LOCKED),
        (Behaviour.NOT_REGISTERED, Meaning.NOT_REGISTERED),
        (Behaviour.BUSY_LATER, Meaning.LINE_BUSY),
        (Behaviour.FAIL_AFTER_PIN, Meaning.BUSY),
    ],
)
async def test_a_query_tells_what_the_phone_did(
    daraja: Daraja, simulator: Simulator, behaviour: Behaviour, meaning: Meaning
) -> None:
    simulator.phone(PHONE).behave(behaviour)

    accepted = await daraja.push(push(), leave_within_s=20)
    await simulator.settled()
    answer = await daraja.query(accepted.checkout_request_id)

    assert answer.result.meaning is meaning
    assert answer.result.final
    assert answer.merchant_request_id == accepted.merchant_request_id


async def test_an_open_prompt_is_still_processing(daraja: Daraja, simulator: Simulator) -> None:
    simulator.phone(PHONE).behave(Behaviour.MANUAL)

    accepted = await daraja.push(push(), leave_within_s=20)
    answer = await daraja.query(accepted.checkout_request_id)

    assert answer.result.meaning is Meaning.PROCESSING


async def test_a_busy_line_is_a_refusal_with_its_meaning(
    daraja: Daraja, simulator: Simulator
) -> None:
    simulator.phone(PHONE).behave(Behaviour.BUSY)

    with pytest.raises(Refused) as raised:
        await daraja.push(push(), leave_within_s=20)

    assert raised.value.meaning is Meaning.LINE_BUSY
