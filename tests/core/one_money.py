"""One money: random lives of a few prompts and their lines, in which none counts twice unseen."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from string import ascii_uppercase

from bot.core.ask import Asked
from bot.core.decisions import Deciding
from bot.core.decisions import Ruling as Decision
from bot.core.record_desk import RecordDesk
from bot.core.references import read_reference
from bot.core.review import Review
from bot.core.ruled import Ruling
from mpesa.errors import NoAnswer, OutcomeUnknown
from storage.engine import Store
from storage.records import (
    BY_RECORD,
    NewRecordRow,
    OpenDifference,
    OpenKind,
    Payment,
    Source,
    Status,
)
from tests.core.bodies import failure, success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.core.one_money_judge import judge, shut_out
from tests.core.test_record import a_row
from tests.core.test_review import review_of
from tests.desk import ScriptedOffice, a_desk
from tests.fakes import PHONE
from tests.stores import TestClock

__all__ = ["Life", "Told", "lived"]

AMOUNTS = (50, 50, 50, 6000)
OPERATOR = 900
ACTS = 24
OVER_S = 60 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a life came to."""

    violations: tuple[str, ...]
    effects: Counter[str]
    trace: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Money:
    """What Safaricom's books say, once they do."""

    row: NewRecordRow
    prompt: str | None  # the payment whose prompt brought it; None: paid by hand


@dataclass
class Life:
    """
    A few prompts, what comes of them, and people who decide; all of it drawn from one seed.

    What is drawn: payers who pay, or do not, by the prompt or by hand, under its account or none;
    callbacks that are honest, forged, lost and doubled; answers of Safaricom; lines of the books
    in any order, of a wrong hour, and first without their account; operators who look things up,
    mistype, and press whatever is shown.
    """

    desk: Desk
    record: RecordDesk
    review: Review
    rng: random.Random
    amount_kes: int = 50
    prompts: list[str] = field(default_factory=list)
    money: list[_Money] = field(default_factory=list)
    written_off: set[str] = field(default_factory=set)  # though the card named the account
    effects: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    presses: int = 0
    off_h: int = 0

    async def live(self) -> Told:
        """Everything in some order; then quiet, all lines told, and the judgement."""
        self.amount_kes = self.rng.choice(AMOUNTS)
        self.off_h = self.rng.choice((0, 1, 1))
        for _ in range(self.rng.randint(1, 2)):
            await self._ask()
        acts: list[Callable[[], Awaitable[object]]] = [
            *(self._ask, self._again, self._honest, self._forged, self._by_hand),
            *(self._query, self._query, self._wait, self._check_now),
            *(self._tell, self._tell, self._tell_code, self._typed, self._mistyped),
            *(self._line, self._line, self._own, self._own, self._nothing, self._dismiss),
        ]
        for _ in range(ACTS):
            act = self.rng.choice(acts)
            was = await self._credited()
            await act()
            self._kept(was, await self._credited(), act.__name__)
        await self._quiet()
        codes = [each.row.receipt for each in self.money]
        judged = await judge(self.desk, self.record, await self._every(), codes)
        await self._counted()
        judged.violations += await shut_out(
            self.desk, await self._every(), codes, written_off=self.written_off
        )
        await self._closed()
        self.violations += judged.violations
        return Told(
            violations=tuple(self.violations),
            effects=self.effects + judged.effects,
            trace=tuple(self.trace),
        )

    # -- what comes ----------------------------------------------------------------------------

    async def _ask(self) -> None:
        if len(self.prompts) > 3:
            return
        if self.rng.random() < 0.25:
            self.desk.daraja.replies = [OutcomeUnknown("lost")]
        number = len(self.prompts)
        asked = await self.desk.open(
            amount_kes=self.amount_kes, ask_key=f"m:{number}", phone=f"2547120000{number:02d}"
        )
        await self._opened(asked)

    async def _again(self) -> None:
        asked = await self.desk.asking.again(
            self.rng.choice(self.prompts), by=1001, update_id=None, language="en"
        )
        await self._opened(asked)

    async def _opened(self, asked: object) -> None:
        await self.desk.finish()
        self.desk.daraja.replies = []
        if not isinstance(asked, Asked) or asked.payment.id in self.prompts:
            return
        payment = await self.desk.get(asked.payment.id)
        self.prompts.append(payment.id)
        self._note("asked", payment.id, payment.status)
        if self.rng.random() < 0.6:
            # Whichever clock it is, ours or Safaricom's, one of them is wrong by so much.
            at = (payment.begun_at or payment.created_at) + timedelta(seconds=20)
            self._came(payment.push_ref, at - timedelta(hours=self.off_h), payment.id)

    def _came(self, account: str, at: datetime, prompt: str | None, kes: int | None = None) -> None:
        receipt = f"UKN{len(self.money)}ABCDEF"
        row = a_row(at, reference=account, receipt=receipt, kes=kes or self.amount_kes)
        self.money.append(_Money(row=row, prompt=prompt))
        self._note("came", receipt, account, prompt or "by hand")

    async def _by_hand(self) -> None:
        payment = await self.desk.get(self.rng.choice(self.prompts))
        account = self.rng.choice((payment.push_ref, payment.push_ref, ""))
        kes = self.rng.choice((None, None, 70))
        self._came(account, self.desk.clock.now(), None, kes)

    async def _honest(self) -> None:
        payment = await self.desk.get(self.rng.choice(self.prompts))
        came = next((each for each in self.money if each.prompt == payment.id), None)
        body = failure(1032)
        if came is not None:
            body = success(amount=self.amount_kes, receipt=came.row.receipt)
        await self._post(payment, body, "honest")

    async def _forged(self) -> None:
        payment = await self.desk.get(self.rng.choice(self.prompts))
        codes = ["ZKN9ABCDEF", "ZKN8ABCDEF", *(each.row.receipt for each in self.money)]
        body = success(amount=self.amount_kes, receipt=self.rng.choice(codes))
        await self._post(payment, body if self.rng.random() < 0.8 else failure(1032), "forged")

    async def _post(self, payment: Payment, body: bytes, by: str) -> None:
        pushed = [each.reference for each in self.desk.daraja.pushes]
        if payment.push_ref in pushed:
            ids = self.desk.daraja.ids(pushed.index(payment.push_ref) + 1)
            body = body.replace(b"merchant-1", ids.merchant_request_id.encode())
            body = body.replace(b"ws_CO_1712345678", ids.checkout_request_id.encode())
        after = await self.desk.post(payment, body)
        self._note(by, payment.id, after.status)

    async def _query(self) -> None:
        self.desk.clock.advance(self.rng.choice((15, 60, 200, 3600)))
        brought = {await self._push_ref(each.prompt) for each in self.money if each.prompt}
        pushed = [each.reference for each in self.desk.daraja.pushes]
        paid = {
            self.desk.daraja.ids(number).checkout_request_id
            for number, reference in enumerate(pushed, 1)
            if reference in brought
        }
        silent = self.rng.random() < 0.3

        def answer() -> str:
            if silent:
                raise NoAnswer("down")
            return "0" if self.desk.daraja.queries[-1] in paid else "1032"

        self.desk.daraja.answers = [answer] * 8
        await self.desk.reconcile.run_due()
        self._note("asked Safaricom", "silent" if silent else "")

    async def _push_ref(self, payment_id: str) -> str:
        return (await self.desk.get(payment_id)).push_ref

    async def _wait(self) -> None:
        self.desk.clock.advance(self.rng.choice((600, 6 * 3600, 30 * 3600)))
        self.desk.daraja.answers = []
        await self.desk.reconcile.run_due()

    async def _check_now(self) -> None:
        payment_id = self.rng.choice(self.prompts)
        answer = await self.desk.reconcile.check_now(payment_id, by=1001, update_id=None)
        self._note("check now", payment_id, answer)
        await self._query()

    # -- what the books tell ---------------------------------------------------------------------

    async def _tell(self) -> None:
        if self.money:
            await self._books(self.rng.choice(self.money).row)

    async def _tell_code(self) -> None:
        """Safaricom's answer about one code names no account."""
        if self.money:
            row = self.rng.choice(self.money).row
            await self._books(_without_account(row))

    async def _books(self, row: NewRecordRow) -> None:
        await self.record.rows.take([row])
        self._note("told", row.receipt, row.reference)

    # -- what people decide ----------------------------------------------------------------------

    async def _typed(self) -> None:
        """A code that came: its own, or another's, looked at in the wrong line."""
        if self.money:
            await self._credit(
                self.rng.choice(self.prompts), self.rng.choice(self.money).row.receipt
            )

    async def _mistyped(self) -> None:
        if self.money:
            code = self.rng.choice(self.money).row.receipt
            await self._credit(self.rng.choice(self.prompts), code[:-1] + self._letter(code[-1]))

    def _letter(self, other: str) -> str:
        return self.rng.choice([each for each in ascii_uppercase[:6] if each != other])

    async def _own(self) -> None:
        """The money of a line counts as a payment of its own."""
        born = [each for each in await self._every() if each.ask_key.startswith(BY_RECORD)]
        if born:
            payment = self.rng.choice(born)
            await self._credit(payment.id, payment.ask_key.removeprefix(BY_RECORD))

    async def _credit(self, payment_id: str, receipt: str) -> None:
        ruling = Decision(
            payment_id=payment_id,
            deciding=Deciding.CREDIT,
            by=OPERATOR,
            key=self._press(),
            receipt=receipt,
        )
        verdict = await self.review.decide(ruling)
        self._note("credit", payment_id, receipt, verdict)
        self.effects[f"credit: {verdict}"] += 1

    async def _nothing(self) -> None:
        waits = [each for each in await self._every() if each.status is not Status.PAID]
        if not waits:
            return
        payment = self.rng.choice(waits)
        item = await self.review.one(payment.id, by=OPERATOR)
        assert item is not None, "it is one of ours"
        ruling = Decision(
            payment_id=payment.id,
            deciding=Deciding.VOID,
            by=OPERATOR,
            key=self._press(),
            read_up_to=item.read_up_to,
        )
        self._note("nothing came", payment.id, await self.review.decide(ruling))

    async def _line(self) -> None:
        """Whose an open line is: as it says, or somebody's."""
        open_one = await self._open_one()
        if open_one is None:
            return
        every = [each.id for each in await self._every()]
        to = self.rng.choice([None, None, *every])
        ruling = await self.record.assign(open_one.id, to=to, by=OPERATOR, why="looked up")
        self._note("line", open_one.kind, open_one.receipt, to, ruling)
        self.effects[f"line: {ruling}"] += 1

    async def _dismiss(self) -> None:
        open_one = await self._open_one()
        if open_one is not None and self.rng.random() < 0.3:
            ruling = await self.record.dismiss(open_one.id, by=OPERATOR, why="none of ours")
            self._note("none of ours", open_one.kind, open_one.receipt, ruling)
            if open_one.kind is OpenKind.REVIEW and ruling is Ruling.DONE and open_one.receipt:
                self.written_off.add(open_one.receipt)

    async def _open_one(self) -> OpenDifference | None:
        found = await self.record.open_differences(limit=100)
        return self.rng.choice(found) if found else None

    def _press(self) -> str:
        self.presses += 1
        return f"press-{self.presses}"

    # -- quiet, and the judgement ------------------------------------------------------------------

    async def _quiet(self) -> None:
        for each in self.money:
            await self._books(each.row)
        for hours in range(OVER_S // 3600):
            self.desk.clock.advance(3600)
            if hours % 4 == 0:
                await self._query()
        self.desk.daraja.answers = []
        await self.desk.reconcile.run_due()
        await self.record.rows.look_again()

    async def _counted(self) -> None:
        """Whoever looks up all that waits counts what there is to count."""
        for _ in range(2):
            for each in await self._every():
                if each.ask_key.startswith(BY_RECORD) and each.credited_cents is None:
                    await self._credit(each.id, each.ask_key.removeprefix(BY_RECORD))
            for open_one in await self.record.open_differences(limit=100):
                row = await self.record.rows.get(open_one.receipt or "")
                named = None if row is None else read_reference(row.reference)
                mine = [each.id for each in await self._every() if each.push_ref == named]
                for to in (None, *mine):
                    await self.record.assign(open_one.id, to=to, by=OPERATOR, why="as it says")

    async def _closed(self) -> None:
        """Something can be pressed that closes what is open."""
        for open_one in await self.record.open_differences(limit=100):
            for to in (None, *[each.id for each in await self._every()]):
                await self.record.assign(open_one.id, to=to, by=OPERATOR, why="looked up")
            await self.record.dismiss(open_one.id, by=OPERATOR, why="none of ours")
            await self._taken_off(open_one.receipt or "")
            await self.record.dismiss(open_one.id, by=OPERATOR, why="none of ours")
        for open_one in await self.record.open_differences(limit=100):
            self.violations.append(f"I8: {open_one.kind} {open_one.receipt} stays open for ever")

    async def _taken_off(self, receipt: str) -> None:
        for each in await self._every():
            if each.ask_key == f"{BY_RECORD}{receipt}" and each.credited_cents:
                ruling = Decision(
                    payment_id=each.id,
                    deciding=Deciding.REVERSE,
                    by=OPERATOR,
                    key=self._press(),
                    receipt=receipt,
                )
                self._note("taken off", each.id, await self.review.decide(ruling))

    async def _every(self) -> list[Payment]:
        found = []
        async with self.desk.store.read() as tx:
            for intent in {(await self.desk.get(each)).intent_id for each in self.prompts}:
                found += [*await tx.attempts.of_intent(intent)]
        return sorted(found, key=lambda each: each.id)

    async def _credited(self) -> dict[str, int]:
        return {each.id: each.arrived_cents or 0 for each in await self._every()}

    def _kept(self, was: dict[str, int], now: dict[str, int], act: str) -> None:
        for payment_id, cents in was.items():
            if cents and not now.get(payment_id):
                self.violations.append(f"I5: {payment_id} lost its credit by {act}")

    def _note(self, *what: object) -> None:
        self.trace.append(" ".join(str(each) for each in what))


async def lived(store: Store, clock: TestClock, seed: int) -> Told:
    """The life of that seed, on a fresh *store*."""
    desk = make_desk(store, clock, ScriptedDaraja())
    record = a_desk(store, clock, ScriptedOffice(), pull=True, pull_number=PHONE, c2b="v2")
    review = review_of(desk, two_people_above_kes=50_000)
    try:
        return await Life(desk=desk, record=record, review=review, rng=random.Random(seed)).live()
    finally:
        await desk.close()


def _without_account(row: NewRecordRow) -> NewRecordRow:
    return replace(row, reference="", source=Source.STATUS)
