"""A busy minute of which no callback ever comes: all is found by asking, within the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from bot.config_keys import CHECK_AFTER_S
from bot.core.ask import Asked
from mpesa.errors import NoAnswer
from mpesa.models import Accepted, Push, QueryAnswer
from mpesa.results import look_up
from storage.engine import Store
from storage.records import OPEN, UNDECIDED, Kind, Payment, Status
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.core.test_reconcile import a_reconcile
from tests.stores import TestClock

PEOPLE = 30
EVERY_S = 2
BUDGET = 5
A_TURN_S = 60 / BUDGET
MINUTE = timedelta(minutes=1)
LARGE_KES = 9000  # above what a "paid" about a prompt that may still be open is enough for
HABITS = (
    # seconds that they take, what Safaricom says then, and of how much
    (6, "0", 50),
    (55, "0", 70),
    (20, "1032", 50),
    (12, "0", LARGE_KES),
    (60, "1037", 50),
)


@dataclass(frozen=True)
class Prompt:
    """One prompt on a phone, and what comes of it without a word to us."""

    push: Push
    decided_at: datetime
    code: str


class SilentDaraja(ScriptedDaraja):
    """
    A Safaricom that posts nothing, and counts what it is asked.

    Once somebody has answered a prompt, it says "still processing" one more time, as was seen; and
    again when it could not be asked for a while.
    """

    def __init__(self, clock: TestClock) -> None:
        super().__init__()
        self.prompts: list[Prompt] = []
        self.asked_at: list[datetime] = []
        self.down: tuple[datetime, datetime] | None = None
        self._flapped: set[str] = set()
        self._clock = clock

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        after_s, code, _ = HABITS[len(self.prompts) % len(HABITS)]
        self.prompts.append(Prompt(push, self._clock.now() + timedelta(seconds=after_s), code))
        return await super().push(push, leave_within_s=leave_within_s)

    async def query(self, checkout_request_id: str) -> QueryAnswer:
        now = self._clock.now()
        self.asked_at.append(now)
        if self.down is not None and self.down[0] <= now < self.down[1]:
            self._flapped.discard(checkout_request_id)
            raise NoAnswer("503")
        number = next(
            number
            for number in range(len(self.prompts))
            if self.ids(number + 1).checkout_request_id == checkout_request_id
        )
        prompt = self.prompts[number]
        code = "4999"
        if now >= prompt.decided_at:
            code = prompt.code if checkout_request_id in self._flapped else code
            self._flapped.add(checkout_request_id)
        return QueryAnswer(checkout_request_id, None, look_up(code))

    @property
    def most_in_a_minute(self) -> int:
        return max(
            sum(began <= each < began + MINUTE for each in self.asked_at) for began in self.asked_at
        )


@pytest.fixture
def silent(clock: TestClock) -> SilentDaraja:
    return SilentDaraja(clock)


@pytest.fixture
def desk(store: Store, clock: TestClock, silent: SilentDaraja) -> Desk:
    made = make_desk(store, clock, silent)
    made.reconcile = a_reconcile(made, CHECK_AFTER_S)
    return made


async def busy_minute(desk: Desk) -> list[str]:
    """Everybody asks within one minute, while we ask already; the ids of what they asked for."""
    ids = []
    for number in range(PEOPLE):
        amount_kes = HABITS[number % len(HABITS)][2]
        asked = await desk.open(
            asked_by=2000 + number,
            chat_id=2000 + number,
            ask_key=f"m:{2000 + number}:7",
            phone=f"2547220001{number:02d}",
            amount_kes=amount_kes,
        )
        assert isinstance(asked, Asked), asked
        ids.append(asked.payment.id)
        await desk.finish()
        await pass_time(desk, EVERY_S)
    return ids


async def pass_time(desk: Desk, seconds: float, *, step_s: float = EVERY_S) -> None:
    """The job that asks runs on; it does more often in earnest, and finds no more turns."""
    for _ in range(int(seconds // step_s)):
        desk.clock.advance(step_s)
        await desk.reconcile.run_due()


async def standing(desk: Desk, ids: Sequence[str]) -> list[Payment]:
    return [await desk.get(each) for each in ids]


async def until_all_is_known(desk: Desk, ids: Sequence[str], *, within: timedelta) -> None:
    deadline = desk.clock.now() + within
    while unknown := [each for each in await standing(desk, ids) if each.status in UNDECIDED]:
        assert desk.clock.now() < deadline, unknown
        due = [each.next_check_at for each in unknown if each.next_check_at is not None]
        assert due, f"nobody asks any more: {unknown}"
        wait_s = (min(due) - desk.clock.now()).total_seconds()
        desk.clock.advance(max(wait_s, A_TURN_S))
        await desk.reconcile.run_due()


async def judge(desk: Desk, silent: SilentDaraja, ids: Sequence[str]) -> None:
    """What Safaricom's phones came to is what stands here, and nobody gave up on any."""
    said = [HABITS[number % len(HABITS)] for number in range(PEOPLE)]
    assert [each.status for each in await standing(desk, ids)] == [
        Status.PAID if code == "0" else Status.DECLINED for _, code, _ in said
    ]
    async with desk.store.read() as tx:
        credited = await tx.payments.credited()
        told = await tx.evidence.of(ids)
    assert sum(each.credited_cents or 0 for each in credited) == sum(
        kes * 100 for _, code, kes in said if code == "0"
    )
    kinds = {each.kind for evidence in told.values() for each in evidence}
    assert kinds == {Kind.BEGUN, Kind.ACCEPTED, Kind.QUERY_PAID, Kind.QUERY_FAILED}
    assert len(silent.pushes) == PEOPLE
    assert silent.most_in_a_minute <= BUDGET


async def test_a_busy_minute_without_one_callback_is_found_by_asking(
    desk: Desk, silent: SilentDaraja
) -> None:
    ids = await busy_minute(desk)

    await until_all_is_known(desk, ids, within=timedelta(minutes=20))

    await judge(desk, silent, ids)


async def test_nor_do_two_hours_in_which_nobody_can_be_asked_lose_any_of_it(
    desk: Desk, silent: SilentDaraja
) -> None:
    now = desk.clock.now()
    silent.down = (now + timedelta(minutes=8), now + timedelta(hours=2, minutes=8))
    ids = await busy_minute(desk)

    while desk.clock.now() < silent.down[1]:
        await pass_time(desk, 60, step_s=A_TURN_S)
    unknown = [each for each in await standing(desk, ids) if each.status in OPEN]
    assert PEOPLE / 2 < len(unknown) < PEOPLE, "it was down in the middle of it"
    # One wait has grown to an hour meanwhile; and what is not over then, is looked at after six.
    await until_all_is_known(desk, ids, within=timedelta(hours=4, minutes=30))

    await judge(desk, silent, ids)
