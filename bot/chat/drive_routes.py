"""Drive routes: every button about a drive, a gift or a pledge, and every answer in words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from bot.chat import (
    departures,
    drive_papers,
    drive_wizard,
    drives,
    giving,
    late_gifts,
    pledging,
    showing,
    treasurers,
    treasury,
)
from bot.chat.context import DeedPress, Toast, Turn
from bot.core.buttons import Rule
from storage.records import Draft

__all__ = ["DRIVE_BUTTONS", "DRIVE_RULES", "start_payload", "words_written"]

Handler = Callable[[DeedPress], Awaitable[Toast]]

DRIVE_BUTTONS: Mapping[str, Handler] = MappingProxyType(
    {
        "d.give": giving.give_pressed,
        "d.chosen": giving.chosen,
        "d.pledge": pledging.pressed,
        "d.list": drives.listed,
        "d.share": drives.shared,
        "d.confirm": drives.confirmed,
        "d.manage": treasury.manage,
        **dict.fromkeys((f"d.{each}" for each in treasury.WORDS), treasury.ask_words),
        **dict.fromkeys(treasury.TO_STATUS, treasury.set_status),
        "d.close": treasury.sure,
        "d.edit": treasury.edit,
        "d.set": treasury.set_field,
        "d.people": treasury.people,
        **dict.fromkeys(("d.keep", "d.return"), late_gifts.decided),
        "d.export": drive_papers.which,
        "d.file": drive_papers.exported,
        "d.qr": drive_papers.code_sent,
        "d.leave": treasurers.left,
        "d.offer": treasurers.offered,
        **dict.fromkeys(("d.agree", "d.refuse"), treasurers.agreed),
        **dict.fromkeys(("d.accept", "d.decline"), treasurers.accepted),
        **dict.fromkeys(("d.off", "d.stay"), departures.decided),
        "d.take": departures.taken_over,
        **dict.fromkeys(
            ("g.named", "g.unnamed", "g.hide", "g.show", "g.behalf"), showing.show_pressed
        ),
        "p.day": pledging.day_pressed,
        **dict.fromkeys(("p.tomorrow", "p.stop", "p.withdraw"), pledging.reminded),
        **dict.fromkeys(
            ("w.skip", "w.back", "w.cancel", "w.set", "w.pick", "w.post"), drive_wizard.pressed
        ),
    }
)

DRIVE_RULES: Mapping[str, Rule] = MappingProxyType(dict.fromkeys(DRIVE_BUTTONS, Rule()))
"""Each may be pressed while its message stands: what it does, the core does once."""


async def start_payload(turn: Turn, payload: str) -> bool:
    """Go on where a link of ours leads; False for a link that is not about drives."""
    if payload.startswith("d_"):
        await giving.opened(turn, payload)
    elif payload.startswith("t_"):
        await treasurers.offer(turn, payload)
    elif payload == giving.RESUME:
        await giving.resumed(turn)
    elif payload == drive_wizard.RESUME:
        await drive_wizard.resumed(turn)
    else:
        return False
    return True


async def words_written(turn: Turn, draft: Draft) -> None:
    """A sentence that was asked for about a drive; the draft says which."""
    what, _, about = draft.data.partition(" ")
    if what == "behalf":
        await showing.behalf_written(turn, about)
    elif what == "pledge":
        await pledging.amount_written(turn, about)
    elif what == "day":
        await pledging.day_written(turn, about)
    else:
        await treasury.WORDS[what](turn, about)
