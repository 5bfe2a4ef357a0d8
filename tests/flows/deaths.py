"""Deaths of the whole bot at named steps: each step, what leads up to it, and who judges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bot.playground.people import Person
from tests.flows.forks import ForkedBot
from tests.flows.gates import Edge, Gate, GatedBotApi, GatedSimulator
from tests.flows.kills import Errand, await_last_words, judge_errands, send_errands
from tests.flows.mortal import Death
from tests.flows.world import QUICK, World, open_world

__all__ = ["STEPS", "Drill", "Step", "die_at_each", "open_drill"]

Step = Death | Edge

REACHED_WITHIN_S = 60.0
FIRST_ASKER = 90_000
ERRANDS = 7  # one of each kind that `send_errands` knows


def _commits(*writes: str) -> tuple[Step, ...]:
    return tuple(Death(when, what) for what in writes for when in ("before", "after"))


def _calls(*methods: str) -> tuple[Step, ...]:
    return tuple(Edge(when, what) for what in methods for when in ("unheard", "unanswered"))


STEPS: Mapping[str, Sequence[Step]] = MappingProxyType(
    {
        "starting": _commits(
            "the first tables",
            "what was cut off is unsure",
            "checks are free again",
            "notices are due again",
            "updates are free again",
        ),
        "taking": (
            *_commits(
                "an update is taken",
                "a person is met",
                "words are owed",
                "a payment is opened",
            ),
            *_calls("getUpdates"),
        ),
        "sending": (
            *_commits("a push is begun", "a reply is kept"),
            *_calls("generate", "processrequest"),
        ),
        "hearing": (
            *_commits("a callback is kept", "a check is claimed", "an answer is kept"),
            *_calls("query"),
        ),
        "telling": (
            *_commits("a notice is claimed", "a notice is told"),
            *_calls("sendMessage", "editMessageText"),
        ),
    }
)

ONCE = "the first tables"
AT_START = {
    "what was cut off is unsure",
    "checks are free again",
    "notices are due again",
    "updates are free again",
}
HALF_DONE = Death("after", "a push is begun")
"""What leaves payments asked for, updates taken and notices on their way for the next start."""


@dataclass
class Drill:
    """One world with a bot that dies, and everything that people asked of it."""

    world: World
    bot: ForkedBot
    gate: Gate
    errands: list[Errand] = field(default_factory=list)
    askers: list[Person] = field(default_factory=list)
    deaths: int = 0

    def send(self, count: int = ERRANDS) -> None:
        """More people want something, whether or not the bot lives; one only wants words."""
        asker = self.world.person(FIRST_ASKER + len(self.askers))
        asker.say("/help")
        self.askers.append(asker)
        self.errands += send_errands(self.world, 1 + len(self.errands), count)

    async def live_until(self, step: Step) -> None:
        """One life, which ends at *step*."""
        await self.spawn(step)
        died = await self.bot.dead(within_s=REACHED_WITHIN_S)
        self.gate.disarm()
        assert died, f"{step}: never came\n{self.bot.log.read_text()[-2000:]}"
        self.deaths += 1

    async def spawn(self, step: Step | None) -> None:
        """Begin a life that ends at *step*, if it comes to that."""
        self.bot.death = step if isinstance(step, Death) else None
        await self.bot.spawn()
        if isinstance(step, Edge):
            self.gate.arm(self.bot, step)

    async def judge(self) -> None:
        """The last life goes on until everybody is told; then Safaricom's books decide."""
        self.bot.death = None
        await self.bot.start()
        await self.world.api.wait_for(
            lambda: all(asker.chat.from_bot for asker in self.askers), timeout_s=REACHED_WITHIN_S
        )
        await await_last_words(self.world, self.errands)
        assert await self.bot.stop() == 0, "it did not stop cleanly"
        await judge_errands(self.world, self.errands)
        for person in (*self.askers, *(errand.person for errand in self.errands)):
            # One message may be on its way to a chat when the bot dies, and only that one.
            said = len(person.chat.from_bot)
            assert said <= 1 + self.deaths, f"{said} messages, {self.deaths} deaths"


@asynccontextmanager
async def open_drill(folder: Path, *, migrated: bool = True) -> AsyncIterator[Drill]:
    """A world between two gates, in which nobody lives yet."""
    gate = Gate()
    async with open_world(
        folder,
        start=False,
        api=GatedBotApi(gate),
        simulator=GatedSimulator(gate, QUICK),
        bot_type=ForkedBot,
        migrated=migrated,
    ) as world:
        assert isinstance(world.bot, ForkedBot)
        yield Drill(world, world.bot, gate)


async def die_twice(folder: Path, step: Step) -> int:
    """Die at *step*, start, die there again in the midst of more work, and judge; the deaths."""
    if step.what == ONCE:
        deaths = 0
        for name in ("first", "again"):
            (folder / name).mkdir()
            async with open_drill(folder / name, migrated=False) as drill:
                drill.send()
                await drill.live_until(step)
                await drill.judge()
                deaths += drill.deaths
        return deaths
    async with open_drill(folder) as drill:
        for _ in range(2):
            drill.send()
            if step.what in AT_START:
                await drill.live_until(HALF_DONE)
            await drill.live_until(step)
        await drill.judge()
        return drill.deaths


async def die_at_each(folder: Path, steps: Sequence[Step], *, at_once: int) -> dict[Step, str]:
    """`die_twice` at every one of *steps*, a few worlds at a time; what went wrong, by step."""
    free = asyncio.Semaphore(at_once)
    wrong: dict[Step, str] = {}

    async def one(number: int, step: Step) -> None:
        place = folder / str(number)
        async with free:
            place.mkdir()
            try:
                await die_twice(place, step)
            except (AssertionError, TimeoutError) as exc:
                wrong[step] = f"{type(exc).__name__}: {exc}"

    await asyncio.gather(*(one(number, step) for number, step in enumerate(steps)))
    return wrong
