"""Owns one history: 72 virtual hours of people, payments and every fault, drawn from a seed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from bot.config import Config
from bot.playground.chats import Chat, Message
from bot.playground.people import Person
from bot.texts import Texts
from mpesa.simulator.pushes import PushRecord
from tests.prove.histories.acts import Acts
from tests.prove.histories.desk import DeskStory
from tests.prove.histories.diary import Diary
from tests.prove.histories.disk import Disk, DiskMood
from tests.prove.histories.hands import CustomerActs, MerchantActs, TreasurerActs
from tests.prove.histories.liars import lie
from tests.prove.histories.life import Life
from tests.prove.histories.process import Look, Outside, Process
from tests.prove.histories.safaricom import Network, SeededSafaricom
from tests.prove.histories.stories import DriveStory, InvoiceStory
from tests.prove.histories.telegram import SeededTelegram
from tests.prove.histories.virtual import StallingLoop, WallClock, passes
from tests.prove.histories.witness import Wish, Witness

__all__ = ["HOURS", "MOVED_TO", "Ground", "History", "HistorySettings", "payment_at"]

HOURS = 72
HOUR_S = 3600.0
ADDRESS = re.compile(r"/c/[0-9a-f]{32}\.[0-9a-f]{32}")
OPERATOR, SECOND_OPERATOR = 900, 901
MOVED_TO = -100777
TREASURER = 1101
GIVES = 0.3
GUESSED, FLOODS, FLOOD = 0.2, 0.03, 25  # of the lies
PAPER, PAPERS = "PDF", 0.01
WEATHER = (4, 4, 4, 3, 2, 3, 1, 1, 5)  # how often each change of weather comes
STEPS_OF_A_LIFE = (40, 400, 4000)
SELDOM, SELDOM_STEPS = 0.1, ("before push", "after push")
MORE_WISHES = 20  # at most: where limits refuse some, people ask again
PROMOTED = 0.5  # how often a group makes the bot an admin
OUTAGES, RUSH, RUSH_S = 0.2, 12, 600.0  # how often none is answered, while so many want to pay
RELAPSES, RELAPSE_AFTER_H, RELAPSE_H = 2, (1, 14), (0.3, 3)
WHISPERS = 0.8  # how often Telegram's servers know of them
BIRTHS = 6  # at least: then a life lasts, unless it is stopped in order
STALLS_S = (3.0, 30.0, 90.0, 90.0, 90.0, 400.0)
ILL_S, WRONG_S = 300.0, 900.0  # for how long, about
IN_TRANSACTION_S, SILENT_S = 5.0, 15.0  # what the server bears of a client that says nothing
NOTICED_AFTER_S = (2.0, 35.0, 95.0)  # a death: by the look for the dead, by leases that run out


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySettings:
    """What a history is given: where its database is, and what everybody shares."""

    seed: int
    config: Config
    texts: Texts
    instances: int = 1
    chaos_h: float = 20  # then it is quiet, and what was begun comes to its end
    wishes: int = 18  # at least, besides what a drive and an invoice bring
    payments: int = 20  # at least, as far as more wishes bring them
    keep_trace: bool = False


class Ground(Protocol):
    """The database that a history stands on, as the history itself sees it."""

    disk: Disk
    met: Counter[str]

    def look(self) -> Look:
        """What the timetable of a process would find."""
        ...

    def give_up(self, life: Life, *, session: bool) -> int:
        """A client says nothing: end its open transactions, or its *session*; how many."""
        ...

    def close(self) -> None: ...


@dataclass
class History:
    """The world, while it runs and when the judge looks at it."""

    settings: HistorySettings
    rng: random.Random
    lay: Callable[[random.Random], Ground]
    effects: Counter[str] = field(default_factory=Counter)
    lives: list[Process | None] = field(default_factory=list)
    posted: list[tuple[str, bytes, int | None]] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    groups: list[Chat] = field(default_factory=list)
    lied_to: set[str] = field(default_factory=set)  # payments a lie about which may be believed
    diary: Diary = field(default_factory=Diary)
    witness: Witness = field(default_factory=Witness)
    quiet: bool = False
    births: int = 0
    broke: list[str] = field(default_factory=list)  # what handlers and jobs raised, and never may

    def __post_init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.ground = self.lay(self._fork())
        self.disk = self.ground.disk
        self.network = Network(self._fork(), self.witness)
        self.true_clock = WallClock()
        self.clocks = [WallClock() for _ in range(self.settings.instances)]
        self.webhook = self.settings.instances > 1 and self.rng.random() < 0.5
        self.telegram = SeededTelegram(
            clock=lambda: self.true_clock.now().timestamp(),
            rng=self._fork(),
            witness=self.witness,
        )
        self.telegram.world.whispers = self.rng.random() < WHISPERS
        self.safaricom = SeededSafaricom(clock=self.true_clock, rng=self._fork(), post=self.post)

    def _fork(self) -> random.Random:
        return random.Random(self.rng.getrandbits(60))

    @property
    def fingerprint(self) -> str:
        """The same for two runs that took the same steps at the same moments."""
        return self._hash.hexdigest()

    def message(self, chat_id: int, message_id: int | None) -> Message | None:
        """A message; a group that became a supergroup keeps its old ones where they were."""
        chats = self.telegram.world.chats
        here = [each for key, each in chats.items() if key == chat_id]
        here += [each for each in chats.values() if each.migrated_to == chat_id]
        return next((m for each in here for m in each.messages if m.id == message_id), None)

    def note(self, what: str) -> None:
        """One more line of the trace."""
        line = f"{asyncio.get_running_loop().time():.3f} {what}"
        self._hash.update(line.encode())
        if self.settings.keep_trace:
            self.trace.append(line)

    async def post(self, url: str, body: bytes) -> int | None:
        """A POST from anywhere to one of our instances; None if nobody answered."""
        found = ADDRESS.search(url)
        if found is None:
            return None
        awake = [each for each in self.lives if each is not None and each.ready.is_set()]
        status = None
        if awake:
            status = await self.rng.choice(awake).post(found[0], body)
            if status not in (None, 200, 404) and self._is_well():
                self.broke.append(f"answered {status} though nothing was ill")
        self.posted.append((found[0], body, status))
        self.effects[f"callback answered {status}"] += 1
        return status

    def _is_well(self) -> bool:
        """Whether no trouble with the disk is left that a call could meet."""
        well_s = asyncio.get_running_loop().time() - NOTICED_AFTER_S[-1]
        ill = self.disk.mood is not DiskMood.WELL
        return self.quiet and not ill and all(end_s < well_s for _, end_s in self.witness.ill)

    # -- the course of things ------------------------------------------------------------------

    async def run(self) -> Process:
        """Live it; returns the last life, still open, for the judge."""
        self.network.world = _context()
        self._settle_in()
        loop = asyncio.get_running_loop()
        keepers = [loop.create_task(self._keep_alive(n)) for n in range(self.settings.instances)]
        worlds = [
            loop.create_task(each) for each in (self._people(), self._weather(), self._outage())
        ]
        stories = [loop.create_task(each.run()) for each in (self.drive, self.invoice, self.acts)]
        posting = loop.create_task(self._post_updates()) if self.webhook else None
        for course in worlds:
            await course
        self._calm_down()
        relapse = loop.create_task(self._relapse())
        await passes(HOURS * HOUR_S - loop.time())
        await relapse
        await asyncio.gather(*stories)
        await self.safaricom.settled()
        if posting is not None:
            posting.cancel()
            keepers.append(posting)
        for keeper in keepers:
            keeper.cancel()
        for ended in await asyncio.gather(*keepers, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        return next(each for each in self.lives if each is not None)

    def _settle_in(self) -> None:
        self.lives = [None] * self.settings.instances
        amina = self.telegram.person(OPERATOR, "Amina", started=True)
        baraka = self.telegram.person(SECOND_OPERATOR, "Baraka", started=True)
        mary = self.telegram.person(TREASURER, "Mary", started=True)
        for number in range(6):
            person = self.telegram.person(
                1001 + number,
                f"Jane{number}",
                language_code="sw" if number % 3 == 0 else "en",
                phone=f"25471200000{number}",
                started=True,
            )
            self.people.append(person)
        self.groups = [
            self.telegram.group(-700, "Harambee", [mary, *self.people]),
            self.telegram.group(-1009, "Chama", [mary, *self.people], supergroup=True),
        ]
        for group in self.groups:
            if self.rng.random() < PROMOTED:
                mary.promote_bot(group)
        place, told = self.rng.randrange(2), (self.telegram, self._fork(), self.diary)
        self.drive = DriveStory(
            *told,
            mary=mary,
            group=lambda: self.groups[place],
            closes_at_s=self.settings.chaos_h * HOUR_S * self.rng.uniform(0.6, 1.1),
        )
        english = [each for each in self.people if each.language_code == "en"]
        customer, friend = self.rng.sample(english, 2)
        self.invoice = InvoiceStory(*told, merchant=amina, customer=customer, friend=friend)
        self.acts = Acts(
            rng=self._fork(),
            chaos_s=self.settings.chaos_h * HOUR_S,
            desk=DeskStory(
                *told,
                operators=(amina, baraka),
                safaricom=self.safaricom,
                clock=self.true_clock,
            ),
            treasurer=TreasurerActs(*told, drive=self.drive),
            merchant=MerchantActs(*told, invoice=self.invoice),
            customers=CustomerActs(
                *told, people=self.people, groups=lambda: self.groups, safaricom=self.safaricom
            ),
        )

    async def _keep_alive(self, place: int) -> None:
        """Start the process, and again whenever it died or was stopped."""
        while True:
            at, name = self._dies()
            life = Life(self.births, dies_at=at, dies_in=name, note=self.note)
            self.births += 1
            process = Process(
                life,
                Outside(
                    config=self.settings.config,
                    texts=self.settings.texts,
                    clock=self.clocks[place],
                    look=self.ground.look,
                    instances=self.settings.instances,
                    webhook=self.webhook,
                    safaricom=self.safaricom,
                    network=self.network,
                    telegram=self.telegram,
                    broke=self.broke,
                ),
                self._fork(),
            )
            self.lives[place] = process
            ending = process.begin()
            dead = asyncio.ensure_future(life.dead.wait())
            await asyncio.wait((ending, dead), return_when=asyncio.FIRST_COMPLETED)
            dead.cancel()
            if ending.done() and life.alive and (failure := ending.exception()) is not None:
                self.note(f"start failed: {type(failure).__name__}")
                self.effects[f"start failed: {type(failure).__name__}"] += 1
                if self.quiet:
                    raise failure
                life.die("a start that failed")
            self.lives[place] = None
            self.witness.ends.append((life.number, asyncio.get_running_loop().time()))
            if life.died_in is not None:
                self.effects["died " + _kind_of_step(life.died_in)] += 1
            await life.bury()
            asyncio.get_running_loop().create_task(self._notice_a_death())
            if not self.quiet:
                await passes(self.rng.choice((0.5, 5, 100, 2000)) * self.rng.random())
            else:
                await passes(5)

    def _dies(self) -> tuple[int | None, str | None]:
        """At which of its steps a life ends, or in which; in none if both are None."""
        if self.quiet or self.births > BIRTHS * self.settings.instances or self.rng.random() < 0.25:
            return None, None
        if self.rng.random() < SELDOM:
            return None, self.rng.choice(SELDOM_STEPS)
        return self.rng.randrange(self.rng.choice(STEPS_OF_A_LIFE)) + 1, None

    def _calm_down(self) -> None:
        self.quiet = True
        self.safaricom.faults.quiet = True
        self.network.down, self.network.slow = "", 0.0
        self.telegram.noise = 0.0
        self.disk.mood = DiskMood.WELL
        for clock in self.clocks:
            clock.wrong_by = timedelta()
        for person in self.people:
            if person.blocked:
                person.unblock()
        for process in self.lives:
            if process is not None:
                process.life.dies_at = process.life.dies_in = None
                self._go_on(process)
                process.rouse(someone_is_gone=True)

    async def _weather(self) -> None:
        """Hours of bad network, full disks, wrong clocks, floods."""
        rng, loop = self._fork(), asyncio.get_running_loop()
        changes: list[Callable[[], None]] = [
            lambda: setattr(self.network, "down", rng.choice(("", "", "refused", "hanging"))),
            lambda: self._set_mood(rng.choice(list(DiskMood))),
            lambda: setattr(self.telegram, "noise", rng.choice((0.0, 0.1, 0.5))),
            lambda: self._set_clock(rng),
            lambda: self.telegram.updates.deliver_twice(3),
            lambda: self._block(rng),
            lambda: self._migrate(),
            lambda: self._stop_one(rng),
        ]
        if self.settings.instances > 1:
            changes.append(lambda: self._stall_one(rng))
        while loop.time() < self.settings.chaos_h * HOUR_S:
            await passes(rng.expovariate(1 / 900))
            rng.choices(changes, weights=WEATHER[: len(changes)])[0]()
            for mend, odds in (("network", 0.3), ("disk", 0.5), ("noise", 0.3)):
                if rng.random() < odds:
                    self._mend(mend)

    async def _outage(self) -> None:
        """Safaricom answers nobody, while many people want to pay."""
        rng = self._fork()
        if rng.random() >= OUTAGES:
            return
        await passes(rng.uniform(0, self.settings.chaos_h * HOUR_S - 2 * RUSH_S))
        self.network.down = "hanging"
        rush = []
        for _ in range(RUSH):
            rush.append(asyncio.get_running_loop().create_task(self._one_wish(rng)))
            await passes(rng.expovariate(RUSH / RUSH_S))
        self._mend("network")
        await asyncio.gather(*rush)

    async def _relapse(self) -> None:
        """Twice more some bad hours, while what waits longest is looked at for the last time."""
        rng, moods = self._fork(), [each for each in DiskMood if each is not DiskMood.WELL]
        for _ in range(RELAPSES):
            await passes(rng.uniform(*RELAPSE_AFTER_H) * HOUR_S)
            self.network.down = rng.choice(("refused", "hanging"))
            self.telegram.noise = rng.choice((0.0, 0.5, 1.0))
            if rng.random() < 0.5:
                self._set_mood(rng.choice(moods))
            await passes(rng.uniform(*RELAPSE_H) * HOUR_S)
            for what in ("network", "disk", "noise"):
                self._mend(what)
            process = rng.choice(self.lives)
            if process is not None and rng.random() < 0.5:
                process.life.die("in its sleep")
            self.effects["bad hours came back"] += 1

    def _mend(self, what: str) -> None:
        match what:
            case "network":
                self.network.down = ""
            case "disk":
                self._set_mood(DiskMood.WELL)
            case _:
                self.telegram.noise = 0.0

    def _set_mood(self, mood: DiskMood) -> None:
        """A disk that is ill for hours lets nothing happen: it is well again in minutes."""
        if mood is DiskMood.WELL and self.disk.mood is not DiskMood.WELL:
            asyncio.get_running_loop().create_task(self._rouse_after(SILENT_S))
        elif mood is not DiskMood.WELL:
            ill_s, loop = self.rng.expovariate(1 / ILL_S), asyncio.get_running_loop()
            loop.call_later(ill_s, self._set_mood, DiskMood.WELL)
            self.witness.ill.append((loop.time(), loop.time() + ill_s))
        self.disk.mood = mood

    def _set_clock(self, rng: random.Random) -> None:
        """Somebody sets it wrong, and after a while somebody notices."""
        clock = rng.choice(self.clocks)
        clock.wrong_by = timedelta(seconds=rng.choice((3600, -3600, 70, -70)))
        wrong_s = rng.expovariate(1 / WRONG_S)
        asyncio.get_running_loop().call_later(wrong_s, setattr, clock, "wrong_by", timedelta())
        self.effects["clock set"] += 1

    def _block(self, rng: random.Random) -> None:
        person = rng.choice(self.people)
        if person.blocked:
            person.unblock()
        else:
            person.block()
            self.effects["bot blocked"] += 1

    def _migrate(self) -> None:
        if not self.effects["group migrated"]:
            self.groups[0] = self.telegram.upgrade(self.groups[0], MOVED_TO)
            self.effects["group migrated"] += 1

    def _stop_one(self, rng: random.Random) -> None:
        process = rng.choice(self.lives)
        if process is not None and process.ready.is_set():
            process.stop.set()
            self.effects["stopped in order"] += 1

    def _stall_one(self, rng: random.Random) -> None:
        """SIGSTOP, or a machine that is suspended."""
        process = rng.choice(self.lives)
        if process is not None and process.ready.is_set() and not process.life.stalled:
            process.life.stall()
            self.witness.ends.append((process.life.number, process.life.stalled_at_s))
            self.effects["a process stalled"] += 1
            stalled = self._stalled(process, rng.choice(STALLS_S))
            asyncio.get_running_loop().create_task(stalled)

    async def _stalled(self, process: Process, seconds: float) -> None:
        """What the server makes of it, and the others, until it goes on."""
        life, ground, loop = process.life, self.ground, asyncio.get_running_loop()
        ends_s, taken_for_dead = loop.time() + seconds, False
        while life.stalled and loop.time() < ends_s:
            await passes(min(IN_TRANSACTION_S, ends_s - loop.time()))
            silent_s = loop.time() - life.stalled_at_s
            if life.stalled and silent_s >= IN_TRANSACTION_S:
                ended = ground.give_up(life, session=False)
                self.effects["stalled in a transaction, which the server ended"] += ended
            if life.stalled and silent_s >= SILENT_S and not taken_for_dead:
                taken_for_dead = True
                ended = ground.give_up(life, session=True)
                self.effects["stalled until it was taken for dead"] += ended
                loop.create_task(self._rouse_after(NOTICED_AFTER_S[0], someone_is_gone=True))
        self._go_on(process)
        await self._rouse_after(1.0, someone_is_gone=True)

    def _go_on(self, process: Process) -> None:
        loop, life = asyncio.get_running_loop(), process.life
        if life.stalled:
            assert isinstance(loop, StallingLoop), "or nothing of it would have been held"
            self.note(f"{life.number}:goes on")
            loop.go_on(life)
            life.went_on.set()

    async def _notice_a_death(self) -> None:
        began_s = asyncio.get_running_loop().time()
        for after_s in NOTICED_AFTER_S:
            left_s = began_s + after_s - asyncio.get_running_loop().time()
            await self._rouse_after(left_s, someone_is_gone=True)

    async def _rouse_after(self, seconds: float, *, someone_is_gone: bool = False) -> None:
        await passes(seconds)
        for each in self.lives:
            if each is not None:
                each.rouse(someone_is_gone=someone_is_gone)

    async def _post_updates(self) -> None:
        """Telegram's webhook: one update at a time, to whichever process the proxy chooses."""
        rng, updates, offset = self._fork(), self.telegram.updates, 0
        while True:
            for body in await updates.poll(offset, 1, HOUR_S):
                awake = [each for each in self.lives if each is not None and each.ready.is_set()]
                if awake and await rng.choice(awake).take(json.dumps(body).encode()):
                    offset = max(offset, body["update_id"] + 1)
                    self.effects["an update was posted"] += 1
                else:
                    self.effects["update not taken, and posted again"] += 1
                    await passes(rng.choice((1, 5, 20)))

    # -- people --------------------------------------------------------------------------------

    async def _people(self) -> None:
        rng, loop = self._fork(), asyncio.get_running_loop()
        count = self.settings.wishes + min(
            rng.getrandbits(4), rng.getrandbits(4), rng.getrandbits(4)
        )
        bursts = [
            rng.uniform(0, self.settings.chaos_h * HOUR_S - 1000) for _ in range(rng.randint(2, 6))
        ]
        at = sorted(rng.choice(bursts) + rng.uniform(0, 600) for _ in range(count))
        beside: list[asyncio.Task[None]] = []
        for moment in at:
            await passes(max(0.0, moment - loop.time()))
            beside.append(loop.create_task(self._one_wish(rng)))
        for _ in range(MORE_WISHES):
            await asyncio.gather(*beside)
            if len(self.safaricom.pushes) >= self.settings.payments:
                return
            await passes(rng.uniform(60, 600))
            beside = [loop.create_task(self._one_wish(rng))]
        await asyncio.gather(*beside)

    async def _one_wish(self, rng: random.Random) -> None:
        """Somebody wants to pay, and then does this and that."""
        person = rng.choice([each for each in self.people if not each.blocked] or self.people)
        if person.blocked:
            person.unblock()
        group = rng.choice((None, None, *self.groups))
        amount = rng.choice((50, 100, 500, 1500, 4999, 5000, 5001, 9000))
        # Few enough lines that limits are met, enough that most payments are made.
        command, card = "/pay", self.drive.card
        if card is not None and rng.random() < GIVES:
            command, group = "/give", self.drive.group()
        phone = f"07120000{rng.randrange(10, 40):02d}"
        text = f"{command} {amount} {phone}"
        if group is not None:
            text = text.replace(command, f"{command}@{self.telegram.world.bot.username}")
        said = person.say(text, chat=group)
        self.witness.wishes.append(
            Wish(said.chat.id, said.id, command == "/give", amount, f"254{phone[1:]}")
        )
        for _ in range(rng.randrange(3)):
            await passes(rng.choice((20, 200, 4000)) * rng.random())
            self._press_something(rng)
        if rng.random() < 0.35:
            await passes(rng.choice((5, 100, 3000)) * rng.random())
            self._lie(rng)

    def _press_something(self, rng: random.Random) -> None:
        chats = [person.chat for person in self.people] + self.groups
        shown: list[tuple[Message, Any]] = []
        for chat in chats:
            for message in chat.messages[-6:]:
                if message.keyboard is not None and message.sender is self.telegram.world.bot:
                    shown += [(message, b) for row in message.keyboard.rows for b in row]
        # To make a paper takes as long as all the rest of a history, and moves no money.
        pressable = [
            pair
            for pair in shown
            if pair[1].action == "callback_data"
            and (PAPER not in pair[1].text or rng.random() < PAPERS)
        ]
        if not pressable:
            return
        message, button = rng.choice(pressable)
        owner = message.chat.person
        someone = owner if owner is not None and rng.random() < 0.9 else rng.choice(self.people)
        assert isinstance(someone, Person)
        press = someone.press(message, button.value)
        self.effects["button pressed"] += 1
        if rng.random() < 0.2:
            someone.press_again(press)

    def _lie(self, rng: random.Random) -> None:
        pushes = [each for each in self.safaricom.pushes if each.order is not None]
        if not pushes:
            return
        victim: PushRecord = rng.choice(pushes[-8:])
        other = rng.choice(self._known_of(pushes) or [victim])
        told = lie(rng, victim, other, self.safaricom)
        self.effects[f"lie: {told.knowing}"] += 1
        assert victim.order is not None, "chosen among those with an order"
        url = victim.order.callback_url
        if rng.random() < GUESSED:
            self.effects["lie: at no address of ours"] += 1
            asyncio.get_running_loop().create_task(
                self._at_no_address(_guessed(rng, url), told.body)
            )
            return
        if rng.random() < FLOODS:
            self.effects["lie: a flood"] += 1
            for _ in range(FLOOD):
                more = lie(rng, victim, victim, self.safaricom)
                self.witness.lied(payment_at(url), more.body)
                asyncio.get_running_loop().create_task(self._tell(url, more.body))
        found = ADDRESS.search(url)
        if found is not None:
            self.lied_to.add(payment_at(found[0]))
            self.witness.lied(payment_at(found[0]), told.body)
        asyncio.get_running_loop().create_task(self._tell(url, told.body))

    def _known_of(self, pushes: list[PushRecord]) -> list[PushRecord]:
        """
        Those of whose callbacks a liar may have a copy: they came to us, and we kept them.

        Ids that Safaricom alone knows, nobody can lie with; and with them nobody could tell.
        """
        kept = {payment_at(path) for path, _, status in self.posted if status == 200}
        true = kept - self.lied_to
        return [
            each
            for each in pushes
            if each.order is not None and payment_at(each.order.callback_url) in true
        ]

    async def _tell(self, url: str, body: bytes) -> None:
        await self.post(url, body)

    async def _at_no_address(self, url: str, body: bytes) -> None:
        """Who guesses is turned away, whatever else is wrong; what it did, the judge would see."""
        status = await self.post(url, body)
        if status not in (None, 404):
            self.broke.append(f"a guessed address was answered {status}")


def _guessed(rng: random.Random, url: str) -> str:
    """The address of that payment with another signature, or of one that there never was."""
    signed = rng.random() < 0.5
    place = url.rindex(".") + 1 if signed else url.rindex("/") + 1
    digit = rng.choice([each for each in "0123456789abcdef" if each != url[place]])
    return url[:place] + digit + url[place + 1 :]


def payment_at(address: str) -> str:
    """The payment that a path or an address is of."""
    return address.rpartition("/")[2].partition(".")[0]


def _kind_of_step(step: str) -> str:
    return "in sql" if step.startswith("sql") else step


def _context() -> Any:
    from contextvars import copy_context

    return copy_context()
