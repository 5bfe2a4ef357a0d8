"""Owns Telegram's flood limits: how many messages, and how long to be silent afterwards."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Window:
    """At most `count` messages in any `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True)
class FloodLimits:
    """Telegram's published limits (core.telegram.org/bots/faq, "My bot is hitting limits").

    Per chat Telegram asks for one message a second and lets short bursts pass; the burst here is
    five in five seconds.
    """

    overall: Window = Window(30, 1.0)
    per_chat: Window = Window(5, 5.0)
    per_group: Window = Window(20, 60.0)


@dataclass
class FloodGate:
    """Counts what was let through; `limits=None` lets everything through."""

    limits: FloodLimits | None
    _sent_at: dict[int | None, deque[float]] = field(default_factory=dict)

    def admit(self, chat_id: int, *, is_group: bool, now_s: float) -> int | None:
        """None when the message may pass, else whole seconds to wait.

        A refused message is not counted, so waiting the named time is always enough.
        """
        if self.limits is None:
            return None
        windows: list[tuple[int | None, Window]] = [(None, self.limits.overall)]
        windows.append((chat_id, self.limits.per_chat))
        if is_group:
            windows.append((chat_id, self.limits.per_group))
        waits = [self._wait_s(key, window, now_s) for key, window in windows]
        if max(waits) > 0:
            return max(1, math.ceil(max(waits)))
        for key in {key for key, _ in windows}:
            self._sent_at.setdefault(key, deque(maxlen=64)).append(now_s)
        return None

    def _wait_s(self, key: int | None, window: Window, now_s: float) -> float:
        recent = [at for at in self._sent_at.get(key, ()) if at > now_s - window.seconds]
        if len(recent) < window.count:
            return 0.0
        return recent[-window.count] + window.seconds - now_s
