"""Owns the phones: how each person behaves, and the prompt and SMS on the screen."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from mpesa.simulator.books import Books
from mpesa.simulator.changes import Changes, Topic
from mpesa.simulator.outcomes import PAID, PROCESSING, failure_codes

INBOX_LENGTH = 50
WRONG_PINS_TO_LOCK = 3
UNCOMPLETED_TO_BLOCK = 5
BLOCKED_FOR = timedelta(hours=24)
SAME_AMOUNT_WITHIN = timedelta(minutes=2)


class Behaviour(StrEnum):
    """What a phone, or the person holding it, does with a prompt."""

    PAY = "pay"
    CANCEL = "cancel"
    IGNORE = "ignore"
    WRONG_PIN = "wrong-pin"
    NO_BALANCE = "no-balance"
    OFF = "off"
    LOCKED = "locked"
    NO_APPLET = "no-applet"
    NOT_REGISTERED = "not-registered"
    BUSY = "busy"
    BUSY_LATER = "busy-later"
    FAIL_AFTER_PIN = "fail-after-pin"
    MANUAL = "manual"


@dataclass(frozen=True)
class PinEntered:
    """The person typed a PIN and pressed Send."""

    pin: str


@dataclass(frozen=True)
class Cancelled:
    """The person pressed Cancel."""


@dataclass(frozen=True)
class Ignored:
    """The person put the phone away: the prompt ends when its time is up."""


PromptAnswer = PinEntered | Cancelled | Ignored


@dataclass(frozen=True)
class Plan:
    """What will happen to one push on one phone, fixed when the push is accepted.

    `early` is a result without any prompt; `reaches` is whether the phone can show the prompt;
    `answer` is what its person does by themselves, if anything; `failure` is the result although
    the PIN was right.
    """

    early: str | None = None
    reaches: bool = True
    answer: PromptAnswer | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Prompt:
    """The STK prompt now on a phone's screen."""

    checkout_request_id: str
    text: str
    amount_kes: int
    shown_at: datetime
    closes_at: datetime
    answer: asyncio.Future[PromptAnswer]


@dataclass(frozen=True)
class Sms:
    """A message in the phone's inbox."""

    at: datetime
    text: str


@dataclass(frozen=True)
class Habit:
    """A behaviour, with the result code that FAIL_AFTER_PIN ends with."""

    behaviour: Behaviour
    result_code: str = "26"


def habit(behaviour: Behaviour, result_code: str | None = None) -> Habit:
    """A habit. Raises ValueError for a result code that is no failure, or has no use."""
    if result_code is None:
        return Habit(behaviour)
    if behaviour is not Behaviour.FAIL_AFTER_PIN:
        raise ValueError("only fail-after-pin takes a result code")
    if result_code in {PAID, PROCESSING, ""}:
        raise ValueError("the result code must be a failure")
    return Habit(behaviour, result_code)


_HABITS_BY_CODE = {
    1: Behaviour.NO_BALANCE,
    1001: Behaviour.BUSY_LATER,
    1032: Behaviour.CANCEL,
    1037: Behaviour.OFF,
    2001: Behaviour.WRONG_PIN,
    2040: Behaviour.NOT_REGISTERED,
    8006: Behaviour.LOCKED,
}
RESULT_AMOUNTS_FROM_KES = 10_000


def habit_for_amount(amount_kes: int) -> Habit | None:
    """The habit that an amount of 10,000 and a listed result code brings with it."""
    code = amount_kes - RESULT_AMOUNTS_FROM_KES
    if code in _HABITS_BY_CODE:
        return Habit(_HABITS_BY_CODE[code])
    if code > 0 and str(code) in failure_codes():
        return Habit(Behaviour.FAIL_AFTER_PIN, str(code))
    return None


@dataclass
class Handset:
    """One line and the phone it is in. Made by the simulator; use `Simulator.phone`."""

    phone: str
    books: Books
    changes: Changes
    standing: Habit
    pin: str = "1234"
    prompt: Prompt | None = None
    session: str | None = None
    """The push that now holds the line; a second push is refused meanwhile."""
    uncompleted: int = 0
    """Prompts sent since the last that was paid."""
    blocked_until: datetime | None = None
    wrong_pins: int = 0
    inbox: deque[Sms] = field(default_factory=lambda: deque(maxlen=INBOX_LENGTH))
    _next: deque[Habit] = field(default_factory=deque)
    _last_paid: dict[int, datetime] = field(default_factory=dict)

    @property
    def behaviour(self) -> Behaviour:
        """What the phone does as a rule."""
        return self.standing.behaviour

    @property
    def balance_kes(self) -> int:
        """Whole shillings in this M-PESA."""
        return self.books.balance_cents(self.phone) // 100

    @property
    def locked(self) -> bool:
        """Whether M-PESA takes no PIN from this line."""
        return self.wrong_pins >= WRONG_PINS_TO_LOCK

    def behave(self, behaviour: Behaviour, *, result_code: str | None = None) -> None:
        """Behave so from the next push on; also forgets wrong PINs."""
        self.standing = habit(behaviour, result_code)
        self.wrong_pins = 0
        self._changed()

    def next_time(self, *behaviours: Behaviour, result_code: str | None = None) -> None:
        """Behave so for the next pushes, one each, and then as before."""
        self._next.extend(habit(behaviour, result_code) for behaviour in behaviours)
        self._changed()

    def set_balance(self, kes: int) -> None:
        """Give this M-PESA that many shillings. Raises ValueError below zero."""
        self.books.set_balance(self.phone, kes * 100)
        self._changed()

    def set_pin(self, pin: str) -> None:
        """Make that the right PIN from the next push on."""
        self.pin = pin
        self._changed()

    def enter_pin(self, pin: str) -> bool:
        """Type a PIN into the prompt; False if no prompt is waiting."""
        return self._answer(PinEntered(pin))

    def cancel(self) -> bool:
        """Press Cancel; False if no prompt is waiting."""
        return self._answer(Cancelled())

    def ignore(self) -> bool:
        """Put the phone away; False if no prompt is waiting."""
        return self._answer(Ignored())

    def show(self, prompt: Prompt) -> None:
        """Put the prompt on the screen."""
        self.prompt = prompt
        self._changed()

    def close_prompt(self) -> None:
        """Take the prompt off the screen."""
        self.prompt = None
        self._changed()

    def receive(self, sms: Sms) -> None:
        """Put an SMS into the inbox."""
        self.inbox.append(sms)
        self._changed()

    def take_habit(self, by_amount: Habit | None) -> Habit:
        """The habit for one push: asked for once, else the amount's own, else the usual."""
        if self._next:
            return self._next.popleft()
        return by_amount or self.standing

    def take_busy(self) -> bool:
        """Whether this push finds the line in somebody else's session; uses up one such turn."""
        coming = self._next[0] if self._next else self.standing
        if coming.behaviour is not Behaviour.BUSY:
            return False
        if self._next:
            self._next.popleft()
        return True

    def is_blocked(self, at: datetime) -> bool:
        """Whether Safaricom sends this line no prompts at present."""
        return self.blocked_until is not None and at < self.blocked_until

    def paid_lately(self, amount_kes: int, at: datetime) -> bool:
        """Whether this line paid the same amount less than two minutes ago."""
        last = self._last_paid.get(amount_kes)
        return last is not None and at - last < SAME_AMOUNT_WITHIN

    def note_paid(self, amount_kes: int, at: datetime) -> None:
        """Remember a completed payment for the two-minute rule."""
        lately = {k: v for k, v in self._last_paid.items() if at - v < SAME_AMOUNT_WITHIN}
        self._last_paid = {**lately, amount_kes: at}

    def count(self, *, paid: bool, at: datetime, blocks: bool) -> None:
        """Count a prompt that was sent; the fifth in a row not completed blocks the line."""
        self.uncompleted = 0 if paid else self.uncompleted + 1
        if blocks and self.uncompleted >= UNCOMPLETED_TO_BLOCK:
            self.blocked_until = at + BLOCKED_FOR
            self.uncompleted = 0

    def _answer(self, answer: PromptAnswer) -> bool:
        if self.prompt is None or self.prompt.answer.done():
            return False
        self.prompt.answer.set_result(answer)
        self._changed()
        return True

    def _changed(self) -> None:
        self.changes.announce(Topic.PHONE, self.phone)


def plan_for(habit: Habit, pin: str) -> Plan:
    """What that habit makes of one push, on a phone with that PIN."""
    right = PinEntered(pin)
    match habit.behaviour:
        case Behaviour.PAY:
            return Plan(answer=right)
        case Behaviour.CANCEL:
            return Plan(answer=Cancelled())
        case Behaviour.IGNORE | Behaviour.MANUAL:
            return Plan()
        case Behaviour.WRONG_PIN:
            return Plan(answer=PinEntered(f"{pin}0"))
        case Behaviour.NO_BALANCE:
            return Plan(answer=right, failure="1")
        case Behaviour.OFF | Behaviour.NO_APPLET:
            return Plan(reaches=False)
        case Behaviour.LOCKED:
            return Plan(answer=right, failure="8006")
        case Behaviour.NOT_REGISTERED:
            return Plan(early="2040")
        case Behaviour.BUSY | Behaviour.BUSY_LATER:
            return Plan(early="1001")
        case Behaviour.FAIL_AFTER_PIN:
            return Plan(answer=right, failure=habit.result_code)
        case _ as never:
            assert_never(never)
