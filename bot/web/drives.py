"""Drives on the web: what the page of a drive shows, and a gift from somebody without Telegram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from bot.core.ask import Asked, PageAsk
from bot.core.drive_views import PageView
from bot.core.giving import GiveRequest
from bot.core.limits import Refusal
from bot.web.wishes import Problem, ReadAmount, Typed, Wish, read_amount_field
from storage.records import NOBODY, DriveKind, DriveStatus, Shows

__all__ = ["DriveNoun", "Drives"]

MOMENT = timedelta(microseconds=1)
"""A drive closes with the first instant that is too late; its last day is the one before."""


class Drives(Protocol):
    """What the pages need of `bot.core.drives.Drives`."""

    async def page_view(self, code: str) -> PageView | None: ...

    async def give(self, request: GiveRequest) -> Asked | Refusal: ...


@dataclass(frozen=True, slots=True)
class DriveNoun:
    """A drive, for `PromptPage`."""

    drives: Drives
    read_amount: ReadAmount
    name: str = "drive"
    parts: Sequence[str] = ("bar", "list")

    async def find(self, code: str) -> PageView | None:
        return await self.drives.page_view(code)

    def subject(self, view: PageView) -> str:
        return view.drive.subject

    def takes(self, view: PageView) -> bool:
        return view.takes_gifts

    def amount(self, view: PageView, typed: Typed) -> int | Problem:
        return read_amount_field(typed, self.read_amount)

    def values(self, view: PageView) -> Mapping[str, Any]:
        state = "open" if view.takes_gifts else "closed"
        if view.drive.status is DriveStatus.PAUSED:
            state = "paused"
        return {
            "view": view,
            "state": state,
            "funeral": view.drive.kind is DriveKind.FUNERAL,
            "last_day": view.drive.closes_at and view.drive.closes_at - MOMENT,
            "list_is_private": view.drive.shows is Shows.TOTALS,
        }

    async def ask(
        self, view: PageView, wish: Wish, *, page: PageAsk, ask_key: str, language: str
    ) -> Asked | Refusal | None:
        return await self.drives.give(
            GiveRequest(
                drive_id=view.drive.id,
                giver_id=NOBODY,
                chat_id=NOBODY,
                name=wish.name,
                amount_kes=wish.amount_kes,
                phone=wish.phone,
                language=language,
                ask_key=ask_key,
                anonymous=wish.anonymous,
                hide_amount=wish.hide_amount,
                told=Shows(wish.shows) if wish.shows in list(Shows) else None,
                page=page,
            )
        )
