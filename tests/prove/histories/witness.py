"""Owns what bystanders of a history saw: what was wanted, which pushes left, what was sent."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from html import unescape

__all__ = ["Left", "Sent", "Wish", "Witness", "plain"]

_NAMED = re.compile(r"\b(?:ws_CO_\w+|[A-Z][A-Z0-9]{9})\b")
_TAG = re.compile(r"<[^>]+>")

SOON_S = 120.0  # by then a lease has run out, and what it held is done again


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wrote a command for money."""

    chat_id: int
    message_id: int
    for_drive: bool
    amount_kes: int
    phone: str


@dataclass(eq=False, slots=True)
class Left:
    """A push that went out on the wire."""

    reference: str
    turned_away: bool = False  # at the gate, before anything was done: it may come again


@dataclass(eq=False, slots=True)
class Sent:
    """A message that Telegram took; `cut` where whoever sent it was not told so."""

    chat_id: int
    text: str
    at_s: float
    life: int
    cut: bool = False


@dataclass
class Witness:
    """What was seen from outside, as it happened."""

    wishes: list[Wish] = field(default_factory=list)
    pushes: list[Left] = field(default_factory=list)
    sends: list[Sent] = field(default_factory=list)
    ends: list[tuple[int, float]] = field(default_factory=list)  # which life stalled or died, when
    ill: list[tuple[float, float]] = field(default_factory=list)  # when the disk was, from and to
    forged: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By payment: the receipts and ids that a liar named at its address."""

    def lied(self, payment_id: str, body: bytes) -> None:
        """Keep what a forged body named."""
        self.forged[payment_id] |= set(_NAMED.findall(body.decode()))

    def excused(self, chat_id: int, words: str) -> int:
        """How many more times these words may stand in a chat: their sender may not have known."""
        return sum(
            each.chat_id == chat_id and words in each.text and self._unknown(each)
            for each in self.sends
        )

    def _unknown(self, sent: Sent) -> bool:
        """Whether it was not heard, or not written down, that it was sent."""
        soon_s = sent.at_s + SOON_S
        return (
            sent.cut
            or any(life == sent.life and sent.at_s <= at_s <= soon_s for life, at_s in self.ends)
            or any(since_s <= soon_s and sent.at_s <= until_s for since_s, until_s in self.ill)
        )

    def again(self) -> Counter[str]:
        """By reference: how many pushes left after one that may have made a prompt."""
        begun: set[str] = set()
        more: Counter[str] = Counter()
        for each in self.pushes:
            more[each.reference] += each.reference in begun
            if not each.turned_away:
                begun.add(each.reference)
        return more


def plain(marked: str) -> str:
    """Words as a chat shows them."""
    return unescape(_TAG.sub("", marked))
