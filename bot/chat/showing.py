"""Showing: how the group sees a gift, chosen by its giver below its status, also later."""

from __future__ import annotations

from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.give_words import behalf_words
from bot.chat.giving import DRAFT_LIFE
from storage.records import Closing, Draft, DraftKind, Keyboard

__all__ = ["behalf_written", "show_pressed"]


async def show_pressed(press: DeedPress) -> Toast:
    """Below the status of a gift: how the group sees it from now on."""
    turn, intent_id, what = press.turn, press.deed.subject, press.deed.action.removeprefix("g.")
    if what == "behalf":
        draft = Draft(
            chat_id=turn.chat_id,
            person_id=turn.person.id,
            kind=DraftKind.DRIVE_WORDS,
            data=f"behalf {intent_id}",
            expires_at=turn.core.clock.now() + DRAFT_LIFE,
        )
        question = turn.reply(turn.say("gift.behalf-who"), Keyboard(force_reply="Shosh"))
        await turn.core.people.keep_draft(draft, turn.closing(question))
        return Toast()
    changed = await turn.core.drives.giving.show_gift(
        intent_id,
        by=turn.person.id,
        closing=turn.closing(),
        anonymous={"unnamed": True, "named": False}.get(what),
        hide_amount={"hide": True, "show": False}.get(what),
    )
    if changed is None:
        turn.closed = False
        return turn.toast("gift.not-yours", alert=True)
    return turn.toast("gift.changed")


async def behalf_written(turn: Turn, intent_id: str) -> None:
    """The answer to "from whom is it?"."""
    if (shown := behalf_words(turn.words)) is None:
        await turn.answer(turn.say("gift.behalf-number"), Keyboard(force_reply="Shosh"))
        return
    name, unnamed = shown
    changed = await turn.core.drives.giving.show_gift(
        intent_id, by=turn.person.id, closing=Closing(), on_behalf=name, anonymous=unnamed
    )
    text = turn.say("gift.not-yours" if changed is None else "gift.changed")
    closing = turn.closing(turn.reply(text))
    await turn.core.people.drop_draft(
        chat_id=turn.chat_id, person_id=turn.person.id, closing=closing
    )
