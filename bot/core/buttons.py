"""
Buttons: a press carries a random word that stands for a record of ours, and nothing else.

The record says what is done, to what, by whom, in which chat and until when. It is written
just before the message that shows it is sent, so hearing from Safaricom waits for no button. A
button that may have one effect only is taken in the transaction of that effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.ports import Clock, Ids
from storage.engine import Store
from storage.records import Button, Deed, Keyboard, Notice, Reply, ShownButton
from storage.tx import Tx

__all__ = ["KEPT_FOR", "Buttons", "Look", "Rule", "Verdict"]

SHAPE = re.compile(r"[A-Za-z0-9_-]{24}")
KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    How long an action may be pressed after it was shown, and whether it has one effect only.

    Telegram dates no press and brings what was pressed while we were away: what must not
    happen late is made to expire soon.
    """

    once: bool = False
    fresh_for: timedelta = KEPT_FOR


class Verdict(StrEnum):
    """Whether a press may go on to its handler."""

    GOOD = "good"
    OLD = "old"  # we never showed it, or have forgotten it
    OTHER_CHAT = "other-chat"
    NOT_YOURS = "not-yours"


@dataclass(frozen=True, slots=True)
class Look:
    """A press, held against the record of its button."""

    verdict: Verdict
    shown: ShownButton | None = None


class Buttons:
    """Shows buttons, and knows them again."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def show(self, notice: Notice, reply: Reply, rules: Mapping[str, Rule]) -> Reply:
        """
        The message of a notice, its buttons ready to be pressed; returns after COMMIT.

        The same notice sent or edited again shows the same buttons while they have at least
        half of their time left: a twin of a message is no second chance.

        Raises:
            NotKept: they could not be written down; send it later.
        """
        deeds = _deeds(reply.keyboard)
        if not deeds:
            return reply
        now = self._clock.now()
        before = await self._shown_before(notice)
        shown = {each.deed: each for each in before if _still_good(each, reply.chat_id, rules, now)}
        fresh = [
            ShownButton(
                data=self._ids.button(),
                deed=deed,
                chat_id=reply.chat_id,
                once=rules[deed.action].once,
                expires_at=now + rules[deed.action].fresh_for,
            )
            for deed in deeds
            if deed not in shown
        ]
        if fresh:
            gone = _replaced(before, fresh)

            async def run(tx: Tx) -> None:
                await tx.buttons.forget(gone)
                await tx.buttons.show(notice.id, fresh)

            await self._store.write(run)
        shown |= {each.deed: each for each in fresh}
        assert reply.keyboard is not None, "it has deeds"
        return replace(reply, keyboard=_with_data(reply.keyboard, shown))

    async def _shown_before(self, notice: Notice) -> list[ShownButton]:
        if notice.tries == 1 and notice.wanted == 1 and not notice.resent:
            return []  # nobody has tried to tell it yet
        async with self._store.read() as tx:
            return await tx.buttons.of_notice(notice.id)

    async def look(self, data: str, *, by: int, chat_id: int) -> Look:
        """
        What was pressed, and whether this person may, here and now.

        A button with one effect only is GOOD here though it be used or late: its handler finds
        that out in the transaction of the effect, and says what became of it.
        """
        if SHAPE.fullmatch(data) is None:
            return Look(Verdict.OLD)
        async with self._store.read() as tx:
            shown = await tx.buttons.get(data)
        if shown is None:
            return Look(Verdict.OLD)
        if shown.chat_id != chat_id:
            return Look(Verdict.OTHER_CHAT)
        if shown.deed.owner not in (None, by):
            return Look(Verdict.NOT_YOURS, shown)
        if shown.expires_at <= self._clock.now() and not shown.once:
            return Look(Verdict.OLD)
        return Look(Verdict.GOOD, shown)


def _deeds(keyboard: Keyboard | None) -> list[Deed]:
    """Each deed of a keyboard once, in order."""
    rows = () if keyboard is None else keyboard.rows
    found = (button.does for row in rows for button in row)
    return list(dict.fromkeys(deed for deed in found if deed is not None))


def _still_good(shown: ShownButton, chat_id: int, rules: Mapping[str, Rule], now: datetime) -> bool:
    rule = rules.get(shown.deed.action)
    if rule is None or shown.used_at is not None or shown.chat_id != chat_id:
        return False
    return shown.expires_at >= now + rule.fresh_for / 2


def _replaced(before: Sequence[ShownButton], fresh: Sequence[ShownButton]) -> list[str]:
    """
    Whom a message that is edited again and again need not remember.

    The newest of each deed stays: a press of it may be on its way, and is to be answered.
    """
    wanted = {each.deed for each in fresh}
    unused: dict[Deed, list[str]] = {}
    for each in before:
        if each.deed in wanted and each.used_at is None:
            unused.setdefault(each.deed, []).append(each.data)
    return [data for older in unused.values() for data in older[:-1]]


def _with_data(keyboard: Keyboard, shown: Mapping[Deed, ShownButton]) -> Keyboard:
    def ready(button: Button) -> Button:
        if button.does is None:
            return button
        return replace(button, does=None, data=shown[button.does].data)

    return replace(keyboard, rows=tuple(tuple(map(ready, row)) for row in keyboard.rows))
