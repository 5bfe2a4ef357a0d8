"""Owns the life of an accepted push on its phone: from the prompt to the result."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mpesa.simulator import messages
from mpesa.simulator.books import Books
from mpesa.simulator.changes import Changes, Topic
from mpesa.simulator.clock import Clock
from mpesa.simulator.handsets import (
    Cancelled,
    Handset,
    Ignored,
    PinEntered,
    Plan,
    Prompt,
    PromptAnswer,
    Sms,
)
from mpesa.simulator.outcomes import PAID, Outcome, outcome
from mpesa.simulator.pushes import PushOrder
from mpesa.simulator.settings import SimulatorSettings

_NO_ANSWER = "1037"
_PIN_LOCKED = "8006"
_SHORT = "1"


@dataclass(frozen=True)
class AcceptedPush:
    """A push that Safaricom took, with the phone it goes to and what will happen there."""

    order: PushOrder
    merchant_request_id: str
    checkout_request_id: str
    handset: Handset
    plan: Plan


@dataclass(frozen=True)
class Prompter:
    """Puts prompts on phones, and moves the money when the PIN is right."""

    settings: SimulatorSettings
    clock: Clock
    books: Books
    changes: Changes

    async def play(self, push: AcceptedPush) -> Outcome:
        """Ask the phone and return the result; what was paid is in the books by then.

        A line blocked for 24 hours is not described anywhere. Here its pushes are accepted, no
        prompt appears, and the result is 1037 as for a phone that cannot be reached.
        """
        handset = push.handset
        if (early := self._refused_early(push)) is not None:
            return outcome(early)
        if handset.is_blocked(self.clock.now()):
            await self.clock.sleep(self.settings.unreachable_after_s)
            return outcome(_NO_ANSWER, seen=False)
        if push.plan.reaches:
            code = self._judge(push, await self._ask(push))
        else:
            await self.clock.sleep(self.settings.unreachable_after_s)
            code = _NO_ANSWER
        handset.count(paid=code == PAID, at=self.clock.now(), blocks=self.settings.blocks_lines)
        return outcome(code, seen=push.plan.reaches)

    def prompt_text(self, order: PushOrder) -> str:
        """What the prompt says."""
        merchant = self._merchant(order)
        paybill = merchant.transaction_type == "paybill"
        return messages.prompt_text(
            business=merchant.business_name,
            amount_kes=order.amount_kes,
            account_reference=order.account_reference if paybill else None,
        )

    def _merchant(self, order: PushOrder) -> SimulatorSettings:
        """Who asks."""
        return self.settings.merchant(order.shortcode) or self.settings

    def _refused_early(self, push: AcceptedPush) -> str | None:
        order, merchant = push.order, self._merchant(push.order)
        if order.transaction_type != merchant.transaction_name:
            return "2028"
        if order.party_b != merchant.party_b:
            return "SFC_IC0003"
        if push.plan.early is not None:
            return push.plan.early
        if len(self.prompt_text(order)) > messages.PROMPT_LENGTH:
            return "1025"
        if push.handset.paid_lately(order.amount_kes, self.clock.now()):
            return "17"
        return None

    async def _ask(self, push: AcceptedPush) -> PromptAnswer | None:
        lifetime_s = self.settings.prompt_lifetime_s
        now = self.clock.now()
        prompt = Prompt(
            checkout_request_id=push.checkout_request_id,
            text=self.prompt_text(push.order),
            amount_kes=push.order.amount_kes,
            shown_at=now,
            closes_at=now + timedelta(seconds=lifetime_s),
            answer=asyncio.get_running_loop().create_future(),
        )
        time_up = asyncio.ensure_future(self.clock.sleep(lifetime_s))
        robot = asyncio.ensure_future(self._answer_by_itself(prompt, push.plan.answer))
        push.handset.show(prompt)
        try:
            either: set[asyncio.Future[Any]] = {prompt.answer, time_up}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if prompt.answer.done() and prompt.answer.result() == Ignored():
                push.handset.close_prompt()
                await time_up
        finally:
            time_up.cancel()
            robot.cancel()
            push.handset.close_prompt()
        return prompt.answer.result() if prompt.answer.done() else None

    async def _answer_by_itself(self, prompt: Prompt, answer: PromptAnswer | None) -> None:
        if answer is None:
            return
        await self.clock.sleep(self.settings.answer_after_s)
        if not prompt.answer.done():
            prompt.answer.set_result(answer)

    def _judge(self, push: AcceptedPush, answer: PromptAnswer | None) -> str:
        match answer:
            case PinEntered(pin):
                return self._judge_pin(push, pin)
            case Cancelled():
                return "1032"
            case Ignored() | None:
                return _NO_ANSWER

    def _judge_pin(self, push: AcceptedPush, pin: str) -> str:
        handset = push.handset
        if handset.locked or push.plan.failure == _PIN_LOCKED:
            return _PIN_LOCKED
        if pin != handset.pin:
            handset.wrong_pins += 1
            self._text(handset, messages.wrong_pin_text())
            return "2001"
        handset.wrong_pins = 0
        if push.plan.failure is None:
            return self._pay(push)
        return self._short(push) if push.plan.failure == _SHORT else push.plan.failure

    def _pay(self, push: AcceptedPush) -> str:
        row = self.books.pay(
            phone=push.order.phone,
            amount_cents=push.order.amount_kes * 100,
            account_reference=push.order.account_reference,
            merchant_request_id=push.merchant_request_id,
            checkout_request_id=push.checkout_request_id,
            shortcode=push.order.shortcode,
        )
        if row is None:
            return self._short(push)
        handset, merchant = push.handset, self._merchant(push.order)
        handset.note_paid(push.order.amount_kes, row.completed_at)
        text = messages.paid_text(
            row,
            business=merchant.business_name,
            balance_cents=self.books.balance_cents(row.phone),
            till=merchant.transaction_type == "till",
        )
        self._text(handset, text)
        self.changes.announce(Topic.STATEMENT, row.phone)
        return PAID

    def _short(self, push: AcceptedPush) -> str:
        text = messages.short_text(
            business=self._merchant(push.order).business_name,
            amount_kes=push.order.amount_kes,
            balance_cents=self.books.balance_cents(push.order.phone),
        )
        self._text(push.handset, text)
        return _SHORT

    def _text(self, handset: Handset, text: str) -> None:
        handset.receive(Sms(self.clock.now(), text))
