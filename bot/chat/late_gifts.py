"""Late gifts: what a treasurer decides about a gift that came after closing."""

from __future__ import annotations

from bot.chat.context import DeedPress, Toast
from bot.chat.treasury import NAME_CHARS_MAX, actor, outcome, refusing
from bot.core.drive_acts import Answer
from bot.texts import clean
from storage.records import EntryKind

__all__ = ["decided"]


async def decided(press: DeedPress) -> Toast:
    """A gift that came after closing: it stays, or was handed back."""
    turn, keep = press.turn, press.deed.action == "d.keep"
    words = turn.say("late.kept" if keep else "late.returned")
    answer = await turn.core.drives.treasury.decide_late(
        press.deed.subject,
        actor(turn),
        payment_id=press.deed.argument,
        keep=keep,
        closing=turn.closing(turn.reply(words)),
    )
    if answer is not Answer.ALREADY:
        return outcome(turn, answer)
    turn.closed = False
    return await _decided_before(press, keep=keep)


async def _decided_before(press: DeedPress, *, keep: bool) -> Toast:
    """What stands about a late gift, where this press changed nothing."""
    turn = press.turn
    entry = await turn.core.drives.treasury.decided_late(
        press.deed.subject, actor(turn), payment_id=press.deed.argument
    )
    if entry is None:
        return turn.toast("late.moot", alert=True)
    kept = entry.kind is EntryKind.KEPT
    if kept is keep:
        return refusing(turn, Answer.ALREADY)
    key = "late.was-kept" if kept else "late.was-returned"
    return turn.toast(key, alert=True, by=clean(entry.by_name or "–", limit=NAME_CHARS_MAX))
