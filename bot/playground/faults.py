"""Owns scripted trouble: what goes wrong in the next calls, and for whom."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass, field


class Trouble(enum.Enum):
    """What happens to a call; the first group happens instead of it, the second after it."""

    FLOOD = "flood"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    SERVER_ERROR = "server error"
    DROPPED = "dropped"
    SLOW = "slow"
    REPLY_LOST = "reply lost"
    SILENT = "silent"


@dataclass(eq=False)
class Fault:
    """One script entry; `gate` opens a SLOW or SILENT call, `met` counts the calls it hit."""

    trouble: Trouble
    method: str | None
    chat_id: int | None
    times: int
    code: int = 500
    retry_after_s: int = 1
    description: str = ""
    delay_s: float | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    met: int = 0

    def matches(self, method: str, chat_id: int | None) -> bool:
        return (
            self.met < self.times
            and self.method in (None, method)
            and self.chat_id in (None, chat_id)
        )


class Faults:
    """The script. Every entry names a method (any if None) and a chat (any if None).

    Entries are used in the order they were written, each for its next `times` calls.
    getUpdates is hit only by an entry that names it.
    """

    def __init__(self) -> None:
        self.script: list[Fault] = []

    def flood(
        self,
        retry_after_s: int = 1,
        *,
        method: str | None = None,
        chat_id: int | None = None,
        times: int = 1,
    ) -> Fault:
        """429 with `retry_after`; nothing is done."""
        return self._add(Trouble.FLOOD, method, chat_id, times, retry_after_s=retry_after_s)

    def forbidden(
        self,
        reason: str = "bot was blocked by the user",
        *,
        method: str | None = None,
        chat_id: int | None = None,
        times: int = 1,
    ) -> Fault:
        """403 with this reason; nothing is done."""
        return self._add(Trouble.FORBIDDEN, method, chat_id, times, description=reason)

    def refused(
        self,
        reason: str = "not enough rights to send text messages to the chat",
        *,
        method: str | None = None,
        chat_id: int | None = None,
        times: int = 1,
    ) -> Fault:
        """400 with this reason; nothing is done."""
        return self._add(Trouble.REFUSED, method, chat_id, times, description=reason)

    def server_error(
        self,
        code: int = 500,
        *,
        method: str | None = None,
        chat_id: int | None = None,
        times: int = 1,
    ) -> Fault:
        """500 as JSON, or 502 as the HTML of a proxy; nothing is done."""
        return self._add(Trouble.SERVER_ERROR, method, chat_id, times, code=code)

    def drop(
        self, *, method: str | None = None, chat_id: int | None = None, times: int = 1
    ) -> Fault:
        """The connection is cut before anything is done."""
        return self._add(Trouble.DROPPED, method, chat_id, times)

    def slow(
        self,
        delay_s: float | None = None,
        *,
        method: str | None = None,
        chat_id: int | None = None,
        times: int = 1,
    ) -> Fault:
        """Waits `delay_s`, or until `fault.gate.set()`, and then does the call."""
        return self._add(Trouble.SLOW, method, chat_id, times, delay_s=delay_s)

    def lose_reply(
        self, *, method: str | None = None, chat_id: int | None = None, times: int = 1
    ) -> Fault:
        """Done, but the connection is cut before the answer."""
        return self._add(Trouble.REPLY_LOST, method, chat_id, times)

    def silent(
        self, *, method: str | None = None, chat_id: int | None = None, times: int = 1
    ) -> Fault:
        """Done, but the answer does not come (until `fault.gate.set()`): the client times out."""
        return self._add(Trouble.SILENT, method, chat_id, times)

    def clear(self) -> None:
        """Forget the script and let go of every call that it holds."""
        for fault in self.script:
            fault.gate.set()
        self.script.clear()

    def next_for(self, method: str, chat_id: int | None) -> Fault | None:
        """The entry that hits this call, counted as met."""
        for fault in self.script:
            if method == "getupdates" and fault.method is None:
                continue
            if fault.matches(method, chat_id):
                fault.met += 1
                return fault
        return None

    def _add(
        self,
        trouble: Trouble,
        method: str | None,
        chat_id: int | None,
        times: int,
        *,
        code: int = 500,
        retry_after_s: int = 1,
        description: str = "",
        delay_s: float | None = None,
    ) -> Fault:
        fault = Fault(
            trouble,
            method.lower() if method else None,
            chat_id,
            times,
            code=code,
            retry_after_s=retry_after_s,
            description=description,
            delay_s=delay_s,
        )
        self.script.append(fault)
        return fault
