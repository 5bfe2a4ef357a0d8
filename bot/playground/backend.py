"""Owns what every Bot API method works on: the world, the flood gate, the webhook, the profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.playground.chats import Chat
from bot.playground.errors import Json, flood
from bot.playground.limits import FloodGate
from bot.playground.params import Params
from bot.playground.webhook import WebhookSender
from bot.playground.world import World

CommandScope = tuple[str, int, int]


@dataclass
class Profile:
    """What the bot says of itself; every text by language code, "" for all others."""

    commands: dict[tuple[CommandScope, str], list[Json]] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass
class Backend:
    """Handed to every method."""

    world: World
    gate: FloodGate
    sender: WebhookSender
    profile: Profile = field(default_factory=Profile)
    logged_out: bool = False

    def chat(self, params: Params) -> Chat:
        """The chat of `chat_id`, if the bot may act there; raises ApiError."""
        return self.world.chat_for_bot(params.text("chat_id"))

    def admit(self, chat: Chat) -> None:
        """Count a message towards the flood limits; raises ApiError 429."""
        wait_s = self.gate.admit(chat.id, is_group=chat.is_group, now_s=self.world.clock())
        if wait_s is not None:
            raise flood(wait_s)


Method = Callable[[Backend, Params], Any]
