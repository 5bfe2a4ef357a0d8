"""Owns the operators of a history: what they look up, decide, reverse, and drop into the chat."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from string import ascii_uppercase

from bot.playground.chats import Message
from bot.playground.people import Person
from bot.texts import money
from mpesa.simulator.books import ReversalReason, Row, RowKind
from mpesa.simulator.portal import Portal
from tests.prove.histories.diary import BORN, Dropped, Ruled
from tests.prove.histories.safaricom import SeededSafaricom
from tests.prove.histories.stories import HOUR_S, Story
from tests.prove.histories.virtual import WallClock, passes

__all__ = ["DeskStory"]

CREDIT, VOID, WENT_BACK = "It came: give the code", "Nothing came", "It went back"
OTHER, CODE = "🔎 Another payment", re.compile(r"\b[A-Z][A-Z0-9]{9}\b")
AGREE, YES = "I agree", "Yes, that is so"
CARD = re.compile(r"• account ([0-9A-Z-]+)")
PROMPT_IS_OVER = timedelta(hours=1)
WRONG, TWICE, AGAIN = 0.12, 0.3, 0.4
MISTYPES, OWN_LINE = 0.08, 0.5
SAYS = {
    "decided, and written down": "done",
    "so much money takes two. The other": "proposed",
    "another payment already has": "taken",
    "counts this very amount already": "counted",
    "counts already, as a payment of its own": "apart",
    "that is decided already": "settled",
    "since you looked": "heard since",
    "is not proposed any more": "gone",
    "you proposed it yourself": "same",
}


@dataclass
class DeskStory(Story):
    """Two operators, who look into Safaricom's portal, and sometimes at the wrong line."""

    operators: tuple[Person, Person]
    safaricom: SeededSafaricom
    clock: WallClock

    # -- rulings -------------------------------------------------------------------------------

    async def rule(self) -> bool:
        """Decide about a payment that waits, or about any."""
        first, second = self.rng.sample(self.operators, 2)
        async with self.diary.hands(first):
            card = await self._waiting(first)
            if card is None:
                return False
            ref, before = _ref(card), len(self.diary.ruled)
            proposed = await self._decide(first, card, wrong=self.rng.random() < WRONG)
            decided = len(self.diary.ruled) > before
        if proposed:
            await passes(self.rng.choice((60, 4000)) * self.rng.random())
            await self._second(second, ref)
        return decided

    async def contradict(self) -> bool:
        """Two operators decide about one payment at the same time; one looked at a wrong line."""
        first, second = self.rng.sample(self.operators, 2)
        async with self.diary.hands(first):
            found = await self._waiting(first)
        if found is None:
            return False
        ref, before = _ref(found), len(self.diary.ruled)

        async def one(who: Person, *, wrong: bool) -> None:
            async with self.diary.hands(who):
                card = await self._card(who, ref)
                if card is not None:
                    await self._decide(who, card, wrong=wrong)

        await asyncio.gather(one(first, wrong=False), one(second, wrong=self.rng.random() < 0.5))
        return len(self.diary.ruled) > before

    async def _waiting(self, who: Person) -> Message | None:
        if self.rng.random() < 0.7:
            title = await self.answered(who, "/pending", "Payments that need a person")
            if title is not None:
                await passes(60)
                cards = [m for m in who.chat.messages if m.id > title.id and CARD.search(m.text)]
                if cards:
                    return self.rng.choice(cards)
        ref = self._any_ref()
        return None if ref is None else await self._card(who, ref)

    def _any_ref(self) -> str | None:
        known = [each.order for each in self.safaricom.pushes if each.order is not None]
        return self.rng.choice(known).account_reference if known else None

    async def _card(self, who: Person, ref: str) -> Message | None:
        return await self.answered(who, f"/review {ref}", f"• account {ref}")

    async def _decide(self, who: Person, card: Message, *, wrong: bool) -> bool:
        """What the portal says, or what somebody took it to say; True if it was proposed only."""
        ref = _ref(card)
        row = self._row(ref)
        asked_at = [
            each.seen_at
            for each in self.safaricom.pushes
            if each.order is not None and each.order.account_reference == ref
        ]
        now = self.clock.now()
        if row is None and any(now - each < PROMPT_IS_OVER for each in asked_at):
            return False  # it may still be paid
        if (row is None) == wrong:
            code = self._another(ref) if row is None else row.receipt
            if row is not None and self.rng.random() < MISTYPES:
                code, wrong = self._mistyped(code), True
            return bool(code) and await self._typed(who, card, CREDIT, code, right=not wrong)
        sure = await self.pressed(who, card, VOID, "Only if you have looked")
        if sure is None:
            return False
        return await self._yes(who, sure, Ruled(ref, "void", "", who.id, not wrong), _id(card))

    async def _typed(
        self, who: Person, card: Message, button: str, code: str, *, right: bool
    ) -> bool:
        """Give a code; True if it takes another operator."""
        what = "credit" if button == CREDIT else "reverse"
        question = await self.pressed(who, card, button, "send the M-Pesa code")
        if question is None:
            return False
        sure = await self.answered(who, code.lower(), f"under {code}?")
        if sure is None:
            return False
        return await self._yes(who, sure, Ruled(_ref(card), what, code, who.id, right), _id(card))

    async def _second(self, who: Person, ref: str) -> None:
        """Agree with what another proposed."""
        async with self.diary.hands(who):
            card = await self._card(who, ref)
            if card is None or not any(AGREE in each for each in card.labels):
                return
            # Who reads "I agree" agrees with what stands there: with what was proposed last.
            proposed = [e for e in self.diary.ruled if e.ref == ref and "proposed" in e.said]
            if not proposed:
                return
            first = proposed[-1]
            ruled = Ruled(ref, first.what, first.code, who.id, first.right)
            await self._yes(who, card, ruled, _id(card), button=AGREE)

    async def _yes(
        self, who: Person, sure: Message, ruled: Ruled, short_id: str, button: str = YES
    ) -> bool:
        self.diary.ruled.append(ruled)
        last = who.chat.messages[-1]
        press = self.press(who, sure, button)
        if press is None:
            return False
        if self.rng.random() < TWICE:
            who.press_again(press)
        begins = f"{short_id}: "
        await self.until(lambda: self.newest(who.chat, begins, last))
        for message in who.chat.messages:
            if message.id > last.id and begins in message.text:
                ruled.said |= {said for words, said in SAYS.items() if words in message.text}
        return ruled.said == {"proposed"}

    # -- what went back ------------------------------------------------------------------------

    async def reverse(self) -> bool:
        """Money goes back in the portal; an operator writes that down, perhaps of another one."""
        row = self._to_give_back()
        if row is None:
            return False
        back = self.safaricom.books.reverse(row.receipt, ReversalReason.OPERATOR)
        assert back is not None, "it was chosen among those that stand"
        if self.rng.random() < 0.2:
            return True  # nobody writes it down: a statement will say it
        first, second = self.rng.sample(self.operators, 2)
        ref = row.account_reference
        other = self._any_ref()
        if self.rng.random() < WRONG and other not in (None, ref):
            assert other is not None, "there is another"
            await self._write_down(first, second, other, back.receipt, right=False)
        await self._write_down(first, second, ref, back.receipt, right=True)
        if self.rng.random() < TWICE:
            await passes(self.rng.uniform(60, 4 * HOUR_S))
            await self._write_down(second, first, ref, back.receipt, right=True)
        return True

    async def _write_down(
        self, who: Person, second: Person, ref: str, code: str, *, right: bool
    ) -> None:
        async with self.diary.hands(who):
            card = await self._card(who, ref)
            if card is None or not any(WENT_BACK in each for each in card.labels):
                return
            proposed = await self._typed(who, card, WENT_BACK, code, right=right)
        if proposed:
            await self._second(second, ref)

    def _to_give_back(self) -> Row | None:
        """What came too much, or late, if somebody remembers; else anything that stands."""
        every = self.safaricom.books.statement()
        gone = {each.linked_receipt for each in every}
        rows = [each for each in every if each.kind is RowKind.PAID and each.receipt not in gone]
        handed = {each.amount_kes * 100 for each in self.diary.late if not each.keep}
        wanted = [each for each in rows if each.amount_cents in handed] or rows
        return self.rng.choice(wanted) if wanted else None

    # -- statements ----------------------------------------------------------------------------

    async def drop(self, *, everything: bool = False) -> bool:
        """The portal's statement, of some hours or from the first row on; perhaps twice."""
        who = self.rng.choice(self.operators)
        now = self.clock.now()
        since = None if everything else now - timedelta(hours=self.rng.uniform(2, 12))
        every = self.safaricom.books.statement()
        rows = [each for each in every if since is None or since <= each.completed_at]
        if not rows:
            return False
        portal = Portal(self.safaricom.books, self.safaricom.settings)
        export = portal.export(until=now, since=since)
        dropped = Dropped(now, [each.receipt for each in rows], since is None)
        self.diary.dropped.append(dropped)
        paid = [each.amount_cents for each in rows if each.kind is RowKind.PAID]
        right = f"{len(paid)} payments, {money(sum(paid))}"
        content, many = export.csv(), 1 + (self.rng.random() < AGAIN)
        while many:
            async with self.diary.hands(who):
                said = who.send_file(f"{export.name}.csv", content, content_type="text/csv")
                answer = await self.until(partial(self.newest, who.chat, "📚 ", said))
            if answer is not None and " payments, " in answer.text:
                many -= 1
                dropped.told = True
                if right not in answer.text:
                    self.diary.untrue.append(f"{answer.text} is not {right}")
            if many:
                await passes(self.rng.uniform(600, 3 * HOUR_S))
        return True

    # -- what is open between the books --------------------------------------------------------

    async def give(self) -> bool:
        """Say of a line that nobody could place whose it is, as the portal has it; perhaps both."""
        first, second = self.rng.sample(self.operators, 2)
        receipt = await self._give_one(first, "")
        if receipt and self.rng.random() < AGAIN:
            await passes(self.rng.uniform(1, HOUR_S))
            await self._give_one(second, receipt)
        return bool(receipt)

    async def _give_one(self, who: Person, wanted: str) -> str:
        """Its code; empty where nothing is open that the portal has a line of."""
        async with self.diary.hands(who):
            title = await self.answered(who, "/unmatched", "Open between Safaricom")
            if title is None:
                return ""
            await passes(60)
            cards = [m for m in who.chat.messages if m.id > title.id and OTHER in m.labels]
            named = [(m, row) for m in cards if (row := self._line(m.text, wanted)) is not None]
            if not named:
                return ""
            card, row = self.rng.choice(named)
            asked = await self.pressed(who, card, OTHER, "Which payment?")
            ref = row.account_reference
            if self.rng.random() < OWN_LINE:
                ref = BORN + row.receipt
            sure = asked and await self.answered(who, ref, "Give it to this payment?")
            if not sure:
                return ""
            if row.kind is RowKind.PAID:
                self.diary.ruled.append(Ruled(ref, "credit", row.receipt, who.id, right=True))
            press = self.press(who, sure, YES)
            if press is not None and self.rng.random() < TWICE:
                who.press_again(press)
            return row.receipt

    def _line(self, text: str, wanted: str) -> Row | None:
        """The line of the portal that this is about."""
        found = (self.safaricom.books.row(code) for code in CODE.findall(text))
        return next((row for row in found if row and wanted in ("", row.receipt)), None)

    def _row(self, ref: str) -> Row | None:
        """What the portal has under that account."""
        if ref.startswith(BORN):
            return self.safaricom.books.row(ref.removeprefix(BORN))
        rows = self.safaricom.books.statement()
        return next(
            (r for r in rows if r.account_reference == ref and r.kind is RowKind.PAID), None
        )

    def _mistyped(self, code: str) -> str:
        """One letter of it is another one, which no line has."""
        place = self.rng.randrange(1, len(code))
        letter = self.rng.choice([each for each in ascii_uppercase if each != code[place]])
        typed = code[:place] + letter + code[place + 1 :]
        return "" if self.safaricom.books.row(typed) else typed

    def _another(self, ref: str) -> str:
        """The code of another payment, for whoever looks at the wrong line."""
        rows = [
            each.receipt
            for each in self.safaricom.books.statement()
            if each.kind is RowKind.PAID and each.account_reference != ref
        ]
        return self.rng.choice(rows) if rows else ""


def _ref(card: Message) -> str:
    found = CARD.search(card.text)
    assert found is not None, "a card names its account"
    return found[1]


def _id(card: Message) -> str:
    return card.text.split()[1]
