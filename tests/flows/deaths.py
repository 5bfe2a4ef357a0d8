"""Deaths of the whole bot at named steps: each step, what leads up to it, and who judges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
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
ERRANDS, MORE_ERRANDS = 7, 4  # first one of each kind that `send_errands` knows, then some


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
ASKED = {"a check is claimed", "an answer is kept", "query"}
"""What one kind of errand alone leads to: each time there must be one."""

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
    lived_before: dict[int, int] = field(default_factory=dict)  # person -> deaths until they wrote

    def send(self, count: int = ERRANDS) -> None:
        """More people want something, whether or not the bot lives; one only wants words."""
        asker = self.world.person(FIRST_ASKER + len(self.askers))
        asker.say("/help")
        self.askers.append(asker)
        errands = send_errands(self.world, 1 + len(self.errands), count)
        self.errands += errands
        for person in (asker, *(errand.person for errand in errands)):
            self.lived_before[person.id] = self.deaths

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
            said, deaths = len(person.chat.from_bot), self.deaths - self.lived_before[person.id]
            assert said <= 1 + deaths, f"{said} messages, {deaths} deaths"


@asynccontextmanager
async def open_drill(
    folder: Path, database: str | None = None, *, migrated: bool = True
) -> AsyncIterator[Drill]:
    """A world between two gates, in which nobody lives yet."""
    gate = Gate()
    async with open_world(
        folder,
        start=False,
        database=database,
        api=GatedBotApi(gate),
        simulator=GatedSimulator(gate, QUICK),
        bot_type=ForkedBot,
        migrated=migrated,
    ) as world:
        assert isinstance(world.bot, ForkedBot)
        yield Drill(world, world.bot, gate)


async def die_twice_at(folder: Path, steps: Sequence[Step], database: str | None = None) -> int:
    """Die at each of *steps*, start, die there again in the midst of more work; judge at last."""
    if steps[0].what == ONCE:
        return await _die_at_first(folder, steps[0])
    async with open_drill(folder, database) as drill:
        for step in steps:
            for _ in range(2):
                drill.send(MORE_ERRANDS if drill.errands and step.what not in ASKED else ERRANDS)
                if step.what in AT_START:
                    await drill.live_until(HALF_DONE)
                await drill.live_until(step)
        await drill.judge()
        return drill.deaths


async def _die_at_first(folder: Path, step: Step) -> int:
    """Twice, each time in a world of its own: a database has its first tables once."""
    deaths = 0
    for name in ("first", "again"):
        (folder / name).mkdir()
        async with open_drill(folder / name, migrated=False) as drill:
            drill.send()
            await drill.live_until(step)
            await drill.judge()
            deaths += drill.deaths
    return deaths


async def die_at_each(
    folder: Path,
    steps: Sequence[Step],
    *,
    at_once: int,
    in_a_world: int = 1,
    new_database: Callable[[], Awaitable[str]] | None = None,
) -> dict[str, str]:
    """
    Twice at every one of *steps*, so many *in_a_world* before it is judged, a few worlds at a
    time; what went wrong, by steps. Each world has a file, or a *new_database*.
    """
    free = asyncio.Semaphore(at_once)
    wrong: dict[str, str] = {}

    async def one(number: int, lot: Sequence[Step]) -> None:
        place = folder / str(number)
        async with free:
            place.mkdir()
            try:
                database = None if new_database is None else await new_database()
                await die_twice_at(place, lot, database)
            except (AssertionError, TimeoutError) as exc:
                wrong["; ".join(map(str, lot))] = f"{type(exc).__name__}: {exc}"

    first = [[step] for step in steps if step.what == ONCE]
    others = [step for step in steps if step.what != ONCE]
    lots = first + [others[n : n + in_a_world] for n in range(0, len(others), in_a_world)]
    await asyncio.gather(*(one(number, lot) for number, lot in enumerate(lots)))
    return wrong
