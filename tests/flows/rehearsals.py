"""Rehearsals: the stories told again and again, each time with another call failing, and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpesa.simulator import ReplyFault
from tests.flows.house import OPERATOR, Answered, House, Town
from tests.flows.rehearsed import STEP_S, STEPS_MAX, STORIES, ReplyLost, Story
from tests.flows.troubles import DiskFault, TelegramFault

__all__ = [
    "NEVER",
    "STEP_S",
    "STORIES",
    "Story",
    "Strike",
    "Tally",
    "judge",
    "of_disk",
    "of_safaricom",
    "of_telegram",
    "over",
]

STEPS_IN_TROUBLE = 8
LONG_AFTER = 60  # steps; then time moves faster: leases and late checks
LONG_STEP_S = 20.0
STEPS_TO_GREEN = 3
NEVER = 10**6
# The thanks of a drive wait for minutes, in which nothing is left to fail.
LATER = "(kind = 'news' AND key LIKE 'drive:%:thanks:%')"
OPEN = ("created", "asking", "prompted", "unsure", "confirming")


@dataclass(frozen=True, kw_only=True)
class Strike:
    """How the n-th call is broken, and how one can tell whether it came to that."""

    arm: Callable[[int], None]
    mend: Callable[[], None]
    fell: Callable[[], bool]
    lasts: bool = False  # until it is mended
    blocks: bool = False  # Telegram says that the person has blocked us
    twins: int = 0  # messages that may stand twice in a chat because of it
    anew: bool = False  # begin with a token that Safaricom takes no more
    kept_unheard: bool = False  # a callback may be answered 503 although it was kept


async def play(house: House, story: Story, strike: Strike, nth: int) -> bool:
    """Tell *story* with its *nth* call broken, mend, wait for its end, and judge; did it fall?"""
    await story.begin(house)
    if strike.anew:
        story.town.simulator.tokens.expire()
    strike.arm(nth)
    heard, in_trouble = len(story.town.answered), 0
    story.tell()
    for step in range(STEPS_MAX):
        await house.tick(STEP_S if step < LONG_AFTER else LONG_STEP_S)
        story.go_on()
        if strike.lasts and strike.fell() and in_trouble < STEPS_IN_TROUBLE:
            in_trouble += 1
            if in_trouble == STEPS_IN_TROUBLE:
                assert await house.healthz() == 503, "trouble, and readiness is green"
                strike.mend()
        elif await over(story):
            break
    else:
        raise AssertionError(f"it never ended: {await standing(story)}")
    fell = strike.fell()
    strike.mend()
    if strike.blocks and fell:
        story.person.start()
        while not await over(story) or story.town.api.updates.pending:
            await house.tick(STEP_S)
    await thanked(house, story)
    await judge(house, story, strike, story.town.answered[heard:], fell=fell)
    return fell


@dataclass
class Tally:
    """How often something was broken, and what was wrong then."""

    broken: int = 0
    wrong: list[str] = field(default_factory=list)
    people: int = 0
    lost: int = 0  # stories of a lost reply

    async def play(self, house: House, name: str, strike: Strike, nth: int, how: str) -> bool:
        if STORIES[name] is ReplyLost:
            self.lost += 1
            if self.lost % 3 == 0:
                await self._answered(house)
        self.people += 1
        story = STORIES[name](house.town, self.people)
        try:
            fell = await play(house, story, strike, nth)
        except AssertionError as exc:
            fell = strike.fell()  # what goes wrong unbroken would go wrong for ever
            strike.mend()
            self.wrong.append(f"{name}, {how}, call {nth}: {exc}")
        self.broken += fell
        return fell

    async def _answered(self, house: House) -> None:
        """Safaricom answers somebody: after five lost replies in a row nobody would be asked."""
        self.people += 1
        story = Story(house.town, self.people)
        story.tell()
        for _ in range(STEPS_MAX):
            await house.tick(STEP_S)
            if await over(story):
                return
        raise AssertionError(f"it never ended: {await standing(story)}")

    async def each_call(
        self, house: House, name: str, strike: Strike, how: str, *, every: int = 1
    ) -> None:
        """Tell the story with call 1 broken, with call 2, …, until it has no such call."""
        nth = 1
        while await self.play(house, name, strike, nth, how):
            nth += every

    async def each_statement(
        self, house: House, name: str, fault: DiskFault, known: set[str], *, every: int = 1
    ) -> None:
        """Break each statement that is not *known* yet, whenever it is first read."""
        disk = house.town.disk
        await self.play(house, name, of_disk(house, fault), NEVER, fault)
        new = list(dict.fromkeys(each for each in disk.read if each not in known))
        known.update(new)
        for words in new[::every]:
            strike = of_disk(house, fault, like=words)
            await self.play(house, name, strike, 1, f"{fault}: {words}")


def of_disk(house: House, fault: DiskFault, *, like: str | None = None) -> Strike:
    disk = house.town.disk
    return Strike(
        arm=lambda nth: disk.arm(fault, nth, like),
        mend=disk.mend,
        fell=lambda: disk.fell,
        lasts=fault in (DiskFault.FULL, DiskFault.LOCKED),
        twins=1,  # a message was sent, and that could not be written down
        kept_unheard=fault is DiskFault.COMMITTED_AND_FAILED,
    )


def of_safaricom(house: House, fault: ReplyFault) -> Strike:
    door = house.town.simulator.door
    return Strike(
        arm=lambda nth: door.arm(fault, nth), mend=door.mend, fell=lambda: door.fell, anew=True
    )


def of_telegram(house: House, fault: TelegramFault) -> Strike:
    door = house.town.api.door
    return Strike(
        arm=lambda nth: door.arm(fault, nth),
        mend=door.mend,
        fell=lambda: door.fell,
        blocks=fault is TelegramFault.FORBIDDEN,
        twins=int(fault in (TelegramFault.CUT_AFTER, TelegramFault.SILENT)),
    )


async def over(story: Story) -> bool:
    """Nothing waits, is owed or is open; or it is open, and a person was called."""
    if not await story.finished():
        return False
    # Payments first: what is decided between two looks is owed to a chat in the second.
    payments = await story.payments()
    if not payments or any(row["status"] in OPEN and not row["pending_at"] for row in payments):
        return False
    return not await story.town.rows(
        "SELECT 1 FROM inbox WHERE done_at IS NULL UNION ALL SELECT 1 FROM touched"
        f" UNION ALL SELECT 1 FROM notices WHERE state IN ('due', 'sending') AND NOT {LATER}"
    )


async def thanked(house: House, story: Story) -> None:
    """What a group is told minutes later is told before the next story."""
    for _ in range(STEPS_MAX):
        # Claimed is not told: a lane may wait for the clock, in the middle of it.
        if not await story.town.rows(
            f"SELECT 1 FROM notices WHERE state IN ('due', 'sending') AND {LATER}"
        ):
            return
        await house.tick(LONG_STEP_S)
    raise AssertionError("the group was never thanked")


async def for_a_person(town: Town, row: dict[str, Any]) -> bool:
    """
    Open for good, because Safaricom's reply to the push was lost; and operators were called.

    Either nothing names the payment, or only a callback does, which is not enough for a large
    amount: it may name the ids of another payment.
    """
    hearsay = row["status"] == "confirming" and row["amount_kes"] > row["confirm_above_kes"]
    nameless = row["status"] == "unsure" and row["checkout_index"] is None
    if row["pending_at"] is None or not (hearsay or nameless):
        return False
    lost = "SELECT 1 FROM evidence WHERE payment_id = ? AND kind = 'reply-lost'"
    accepted = "SELECT 1 FROM evidence WHERE payment_id = ? AND kind = 'accepted'"
    called = "SELECT 1 FROM notices WHERE payment_id = ? AND chat_id = ? AND alarm = 'pending'"
    return bool(
        await town.rows(lost, row["id"])
        and not await town.rows(accepted, row["id"])
        and await town.rows(called, row["id"], OPERATOR)
    )


async def standing(story: Story) -> str:
    """What stands in the books and in the chat, for the reader of a failed test."""
    town = story.town
    payments = [(row["status"], row["reason"], row["pending_at"]) for row in await story.payments()]
    notices = await town.rows(
        "SELECT kind, state, tries, why FROM notices WHERE chat_id = ?", story.chat.id
    )
    waiting = await town.rows("SELECT update_id, tries FROM inbox WHERE done_at IS NULL")
    texts = [message.text for message in story.chat.from_bot]
    return f"{payments} {notices} {waiting} {texts}"


async def judge(
    house: House, story: Story, strike: Strike, answered: Sequence[Answered], *, fell: bool = True
) -> None:
    """
    Nothing lost, doubled or untold; 503 exactly when not kept; the process works on.

    Where nothing *fell*, whoever pays has paid, and every call was kept.
    """
    town, books = story.town, story.town.simulator.books
    accepted = [push for push in town.simulator.pushes_to(story.phone) if push.accepted]
    references = [push.order.account_reference for push in accepted if push.order is not None]
    assert len(references) == len(set(references)), "a payment was pushed twice"
    theirs = {}
    for push in accepted:
        paid = books.row_of_push(push.checkout_request_id or "")
        if paid is not None:
            theirs[paid.account_reference] = paid.amount_cents
    payments = await story.payments()
    ours = {row["push_ref"]: row["credited_cents"] for row in payments if row["status"] == "paid"}
    for row in payments:
        if await for_a_person(town, row):
            theirs.pop(row["push_ref"], None)
    assert ours == theirs, f"{ours} != {theirs}: {await standing(story)}"
    assert fell or ours or not story.pays, f"nothing broke, and: {await standing(story)}"

    said = story.chat.from_bot
    paid_words = sum("✅" in message.text for message in said)
    assert len(ours) <= paid_words <= len(ours) * story.words_max + strike.twins, await standing(
        story
    )
    owed = await town.rows("SELECT kind, state FROM notices WHERE chat_id = ?", story.chat.id)
    # Who blocks us is told of payments on coming back; a mere answer is gone.
    untold = [row for row in owed if row["state"] != "told"]
    gone = sum(strike.blocks and row["kind"] == "say" for row in untold)
    assert len(untold) == gone, await standing(story)
    assert len(owed) - gone <= len(said) <= len(owed) + strike.twins, await standing(story)

    await story.check(strike.twins)
    for each in answered:
        right = each.status == (200 if each.kept else 503) and (fell or each.kept)
        assert right or (strike.kept_unheard and each.status == 503), each
    for _ in range(STEPS_TO_GREEN):
        if await house.healthz() == 200:
            return
        await house.tick(STEP_S)
    raise AssertionError("it is over, and readiness is red")
