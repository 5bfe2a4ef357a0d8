"""The books of yesterday put back as the live ones: no shilling of the gap is without a place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.playground.people import Person
from mpesa.simulator import Behaviour, Fault, Portal
from storage.backups import back_up, put_back
from tests.flows.house import OPERATOR, House, Town, open_town
from tests.flows.rehearsals import over
from tests.flows.rehearsed import Declined, Story
from tests.flows.words import found, fragment, latest
from tests.stores import KEY

LATE_S = 1800.0
STEP_S = 2.0
STEPS_MAX = 60
ON_ONE_ENGINE = {
    "test_after_a_restore_nobody_is_asked_until_each_shilling_has_its_place": (
        "PostgreSQL is put back by its own tools"
    ),
}


@pytest.fixture(autouse=True)
def _seconds_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without it RetryAfter warns, and warnings are errors here.
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with open_town(tmp_path) as opened:
        yield opened


async def live(house: House, *stories: Story) -> None:
    """All of them say what they want, and wait for their last words."""
    for story in stories:
        story.tell()
    await step(house)
    for _ in range(STEPS_MAX):
        if all([await over(story) for story in stories]):
            return
        await step(house)
    raise AssertionError("it never ended")


async def step(house: House, seconds: float = STEP_S) -> None:
    await house.tick(seconds)


async def by_hand_ref(town: Town, story: Story) -> str:
    """The account for paying by hand that the person was told."""
    [row] = await town.rows("SELECT by_hand_ref FROM intents WHERE asked_by = ?", story.person.id)
    return str(row["by_hand_ref"])


async def before_the_backup(house: House) -> tuple[Story, Story]:
    """Some have paid; one has cancelled, and one has the prompt on the phone."""
    town = house.town
    declined, open_one = Declined(town, 3), Story(town, 4)
    await live(house, Story(town, 1), Story(town, 2), declined)
    town.simulator.phone(open_one.phone).behave(Behaviour.MANUAL)
    open_one.tell()
    await step(house)
    await step(house)
    assert found(open_one.chat, "status.prompted")
    return declined, open_one


async def after_the_backup(house: House, declined: Story, open_one: Story) -> None:
    """All of this is in no book of ours any more, once the copy is put back."""
    town = house.town
    assert town.simulator.phone(open_one.phone).enter_pin("1234")
    await live(house, Story(town, 5), Story(town, 6))
    for number in (7, 8):
        late = Story(town, number)
        town.simulator.faults.for_phone(late.phone, Fault(callback_late_s=LATE_S))
        late.tell()
    forgotten = Declined(town, 9)
    await live(house, forgotten)
    for story, account in (
        (declined, await by_hand_ref(town, declined)),
        (forgotten, await by_hand_ref(town, forgotten)),
        (forgotten, "rent"),
    ):
        assert town.simulator.pay_by_hand(story.phone, 55, account) is not None
    await step(house)
    assert len(town.simulator.books.statement()) == 10


async def amina_reconciles(house: House) -> str:
    """She drops today's statement of the portal into the chat; what she is told."""
    amina, simulator = boss(house.town), house.town.simulator
    portal = Portal(simulator.books, simulator.settings, charges=True)
    content = portal.export(until=simulator.clock.now()).csv()
    amina.send_file("statement.csv", content, content_type="text/csv")
    await step(house)
    await step(house)
    return latest(amina.chat)


async def amina_lifts(house: House) -> None:
    """She says that the gap is reconciled, and is asked once more."""
    amina = boss(house.town)
    amina.say("/health")
    await step(house)
    amina.press(amina.chat.last, fragment("button.resume"))
    await step(house)
    amina.press(amina.chat.last, fragment("button.lift"))
    await step(house)
    assert found(amina.chat, "health.lifted")


def boss(town: Town) -> Person:
    person = town.api.world.accounts[OPERATOR]
    assert isinstance(person, Person)
    return person


async def places(house: House) -> tuple[dict[str, int], dict[str, int]]:
    """Receipt -> cents, of what is credited and of what waits for a person."""
    async with house.store.read() as tx:
        credited = await tx.payments.credited()
    listed = await house.core.record.open_differences(limit=100)
    return (
        {str(each.receipt): each.credited_cents or 0 for each in credited},
        {str(each.receipt): each.theirs_cents or 0 for each in listed},
    )


async def assert_every_shilling_has_a_place(house: House) -> dict[str, int]:
    """What is credited; with what waits for a person it is Safaricom's statement, to the cent."""
    credited, listed = await places(house)
    rows = house.town.simulator.books.statement()
    assert not credited.keys() & listed.keys()
    assert credited | listed == {row.receipt: row.amount_cents for row in rows}
    our_total_cents = await house.core.record.rows.net_cents()
    assert our_total_cents == sum(credited.values())
    total_cents = house.town.simulator.books.total_cents()
    assert our_total_cents + sum(listed.values()) == total_cents
    return credited


async def test_after_a_restore_nobody_is_asked_until_each_shilling_has_its_place(
    town: Town, tmp_path: Path
) -> None:
    database, copy, simulator = tmp_path / "bot.db", tmp_path / "copy.db", town.simulator
    async with town.process() as house:
        declined, open_one = await before_the_backup(house)
        back_up(database, copy, key=KEY, now=town.clock.now())
        await after_the_backup(house, declined, open_one)
    put_back(copy, database, key=KEY, now=town.clock.now())
    asked, answered = len(simulator.pushes), len(town.answered)

    async with town.process() as house:
        eager = Story(town, 10)
        eager.tell()
        declined.person.press(declined.chat.last, "🔁")
        for _ in range(int(LATE_S // 60) + 1):
            await step(house, 60)
        assert found(eager.chat, "refusal.restored")
        assert [each.status for each in town.answered[answered:]] == [200, 200], "they are late"
        assert len(await town.rows("SELECT DISTINCT payment_id FROM orphans")) == 2
        assert found(boss(town).chat, "alarm.orphan")
        credited, listed = await places(house)
        assert (len(credited), listed) == (3, {}), "what was open is found by asking"

        assert "KES 515" in await amina_reconciles(house)
        credited = await assert_every_shilling_has_a_place(house)
        assert len(credited) == 4, "who paid by hand with an account of ours needs no person"
        eager.tell()
        await step(house)
        assert len(simulator.pushes) == asked, "it is for a person to say that prompts may leave"

        await amina_lifts(house)
        await live(house, eager)
        assert len(simulator.pushes) == asked + 1
        assert "✅" in latest(eager.chat)
        assert "KES 565" in await amina_reconciles(house)
        assert len(await assert_every_shilling_has_a_place(house)) == 5
