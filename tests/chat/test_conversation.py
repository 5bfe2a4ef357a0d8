"""Conversations: what people write and press, through the whole chat side and a real core."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from telegram.ext import ExtBot

from bot.chat.application import ChatSettings, ChatSide, TokenRefused
from bot.chat.health import change_text
from bot.core.ask import Asking, AskSettings
from bot.core.billing import Billing
from bot.core.books import Books
from bot.core.buttons import Buttons
from bot.core.cash_book import CashBook
from bot.core.core import Core
from bot.core.drives import Drives
from bot.core.giving import guard_gift
from bot.core.health import Health
from bot.core.hear import Hear
from bot.core.inbox import Inbox
from bot.core.invoice_acts import Acts
from bot.core.invoice_news import InvoiceNews
from bot.core.invoice_talk import InvoiceTalk
from bot.core.invoices import Invoices, guard_instalment
from bot.core.lead import Lead
from bot.core.ledgers import Ledgers
from bot.core.limits import LimitSettings
from bot.core.merchants import Merchants
from bot.core.people import People
from bot.core.ports import Collector, Ids
from bot.core.post import Post
from bot.core.privacy import Privacy, PrivacySettings
from bot.core.receipts import Receipts
from bot.core.reconcile import Reconcile, ReconcileSettings
from bot.core.reminders import Reminders
from bot.core.review import Review
from bot.core.send import Sending, SendSettings
from bot.core.settle import Settle
from bot.core.statement_desk import StatementDesk
from bot.core.statements import Statements
from bot.core.touched import TouchedSubjects
from bot.playground.botapi import TOKEN, BotApi
from bot.playground.chats import Chat, Message
from bot.playground.people import Person
from bot.playground.world import Press
from bot.texts import Texts
from mpesa.errors import NoAnswer, OutcomeUnknown
from mpesa.models import Accepted, Push, QueryAnswer, StkCallback
from mpesa.results import look_up
from storage.engine import Store
from storage.errors import StoreBusy
from storage.records import IntentKind, PaymentView
from tests.desk import a_desk
from tests.stores import TestClock

OPERATOR = 900
MAMA_NJERI = Collector(name="Mama Njeri", kind="paybill", number="600000", practice=False)
LIMITS = LimitSettings()


class Accepting:
    """A Daraja that takes every push and knows no answer yet."""

    def __init__(self, pushed: Callable[[], None]) -> None:
        """*pushed* hears of each push: somebody may wait for one."""
        self._pushed = pushed
        self.pushes: list[Push] = []
        self.unheard = False  # whether the reply to a push is lost

    async def ready(self) -> None:
        """There is nothing to get ready."""

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        self.pushes.append(push)
        self._pushed()
        if self.unheard:
            raise OutcomeUnknown("the line was cut")
        number = len(self.pushes)
        return Accepted(f"merchant-{number}", f"ws_CO_{number}")

    async def query(self, checkout_request_id: str) -> QueryAnswer:
        raise NoAnswer("nobody knows yet")


class PlentyOfRoom:
    """A machine on which nothing is wrong."""

    def free_bytes(self) -> int | None:
        return 10 * 2**30

    def last_backup_at(self) -> datetime | None:
        return None


class FailingBooks(Books):
    """Books that cannot be read, while told so."""

    failures = 0
    trouble: type[Exception] = ZeroDivisionError

    async def latest(
        self, *, person_id: int, chat_id: int | None = None, limit: int = 3
    ) -> list[PaymentView]:
        if self.failures:
            self.failures -= 1
            raise self.trouble
        return await super().latest(person_id=person_id, chat_id=chat_id, limit=limit)


def invoicing(
    store: Store, clock: TestClock, asking: Asking, wake: Callable[[], None]
) -> dict[str, Any]:
    """The services of invoices."""
    collectors = {"": MAMA_NJERI}
    acts = Acts(store=store, clock=clock, operators=frozenset({OPERATOR}), wake=wake)
    merchants = Merchants(
        store=store,
        clock=clock,
        operators=frozenset({OPERATOR}),
        collectors=collectors,
        wake=wake,
    )
    return {
        "merchants": merchants,
        "invoices": Invoices(
            store=store,
            clock=clock,
            asking=asking,
            collectors=collectors,
            public_url="https://pay.example.org",
            wake=wake,
        ),
        "billing": Billing(
            store=store, clock=clock, ids=Ids(os.urandom), merchants=merchants, acts=acts
        ),
        "cash_book": CashBook(acts=acts),
        "invoice_talk": InvoiceTalk(store=store, clock=clock, acts=acts, limits=LIMITS, wake=wake),
        "ledgers": Ledgers(store=store, clock=clock, operators=frozenset({OPERATOR})),
        "reminders": Reminders(store=store, clock=clock, wake=wake),
        "statements": Statements(store=store),
        "statement_desk": StatementDesk(
            store=store,
            clock=clock,
            merchants=merchants,
            operators=frozenset({OPERATOR}),
            collector=MAMA_NJERI,
        ),
        "receipts": Receipts(
            store=store, collectors=collectors, public_url="https://pay.example.org"
        ),
    }


class Unlisted(ChatSide):
    """A chat side whose menus are left alone: that is two dozen calls to Telegram at each start."""

    async def _keep_menus(self, bot: ExtBot[None]) -> None:
        """Nobody who talks to it looks at a menu."""


class Office:
    """The bot at work, and everybody it talks to."""

    operators = frozenset({OPERATOR})
    group_messages_per_minute = 60_000.0
    side: type[ChatSide] = Unlisted

    def __init__(self, api: BotApi, store: Store, clock: TestClock) -> None:
        self.api = api
        self.store = store
        self.clock = clock
        self.daraja = Accepting(api.world.changes.notify)
        self.tasks: set[asyncio.Task[None]] = set()
        self.books = FailingBooks(store=store, clock=clock, limits=LIMITS)
        self.core = self._core(store)
        self.jane = api.person(1001, "Jane", phone="254712345678", started=True)
        self.otieno = api.person(1002, "Otieno", language_code="sw", started=True)
        self.boss = api.person(OPERATOR, "Boss", started=True)

    async def phone_of(self, person_id: int) -> str | None:
        """The number that is remembered for a person."""
        async with self.store.read() as tx:
            person = await tx.people.get(person_id)
        return None if person is None else person.phone

    def _core(self, store: Store) -> Core:
        clock, post = self.clock, Post(store=store, clock=self.clock)
        settle, wake = Settle(operators=[OPERATOR]), post.wake.set
        sending = Sending(
            store=store,
            daraja=self.daraja,
            settle=settle,
            clock=clock,
            settings=SendSettings(
                callback_base="https://pay.example.org",
                first_check_after_s=25,
                pushes_per_second=1000,
            ),
            background=self._background,
            wake=wake,
        )
        asking = Asking(
            store=store,
            clock=clock,
            ids=Ids(os.urandom),
            settings=AskSettings(
                confirm_above_kes=5000, limits=LIMITS, operators=frozenset({OPERATOR})
            ),
            start=sending.start,
            wake=wake,
            guards={IntentKind.GIFT: guard_gift, IntentKind.INSTALMENT: guard_instalment},
        )
        drives = Drives(store=store, clock=clock, ids=Ids(os.urandom), asking=asking, wake=wake)
        news = InvoiceNews(clock=clock, operators=frozenset({OPERATOR}))
        looks = {**drives.looks, "i": news.look}
        return Core(
            asking=asking,
            sending=sending,
            hear=Hear(
                store=store, settle=settle, clock=clock, unconfirmed_total_kes=10**6, wake=wake
            ),
            reconcile=Reconcile(
                store=store,
                daraja=self.daraja,
                settle=settle,
                clock=clock,
                settings=ReconcileSettings(check_after_s=(25, 60), queries_per_minute=5),
                wake=wake,
            ),
            people=People(store=store, settle=settle, clock=clock, wake=wake),
            books=self.books,
            review=Review(
                store=store,
                settle=settle,
                books=self.books,
                clock=clock,
                operators=self.operators,
                two_people_above_kes=10_000,
                wake=wake,
            ),
            post=post,
            inbox=Inbox(store=store, clock=clock, wake=wake),
            lead=Lead(store=store, clock=clock, role="polling"),
            buttons=Buttons(store=store, clock=clock, ids=Ids(os.urandom)),
            record=a_desk(store, clock, wake=wake),
            privacy=Privacy(store=store, clock=clock, settings=PrivacySettings(), wake=wake),
            health=self._health(store, wake),
            drives=drives,
            touched=TouchedSubjects(store=store, clock=clock, looks=looks, wake=wake),
            **invoicing(store, clock, asking, wake),
            collector=MAMA_NJERI,
            clock=clock,
            operators=self.operators,
        )

    def _health(self, store: Store, wake: Callable[[], None]) -> Health:
        return Health(
            store=store,
            clock=self.clock,
            machine=PlentyOfRoom(),
            operators=[OPERATOR],
            limits=LIMITS,
            say=partial(change_text, Texts.load()),
            timer_s=map(float, itertools.count()).__next__,
            wake=wake,
        )

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @asynccontextmanager
    async def open(
        self, *, token: str = TOKEN, webhook_url: str | None = None
    ) -> AsyncIterator[ChatSide]:
        settings = ChatSettings(
            token=token,
            api_url=self.api.url,
            messages_per_second=30_000,
            group_messages_per_minute=self.group_messages_per_minute,
            webhook_url=webhook_url,
            webhook_secret="made-up" if webhook_url else None,
        )
        chat = self.side(core=self.core, texts=Texts.load(), settings=settings)
        ready = asyncio.Event()
        async with chat.at_work(ready):
            async with asyncio.timeout(60):
                await ready.wait()
            yield chat

    async def said(self, chat: Chat, words: str, *, after: Message | None = None) -> Message:
        """The newest message of the bot that holds these words, once there is one."""

        def found() -> list[Message]:
            floor = 0 if after is None else after.id
            return [m for m in chat.from_bot if words in m.text and m.id > floor]

        await self.api.wait_for(lambda: bool(found()))
        return found()[-1]

    async def answered(self, press: Press) -> str:
        await self.api.wait_for(lambda: press.answered)
        return press.toast

    async def handled(self) -> None:
        """Everything the people did so far has been carried out and told."""
        await self.api.wait_for(lambda: not self.api.updates.pending)
        async with asyncio.timeout(60):
            while await self.core.inbox.waiting() or await self.core.post.owed():
                continue

    async def result(self, code: int, *, receipt: str | None = None, of: int | None = None) -> None:
        """Safaricom calls back about the last push, or the one *of* that number."""
        number = of or len(self.daraja.pushes)
        push = self.daraja.pushes[number - 1]
        payment_id = push.callback_url.rpartition("/")[2].partition(".")[0]
        heard = StkCallback(
            merchant_request_id=f"merchant-{number}",
            checkout_request_id=f"ws_CO_{number}",
            result=look_up(code),
            amount_cents=push.amount_kes * 100 if code == 0 else None,
            receipt=receipt,
            paid_at=self.clock.now() if code == 0 else None,
            phone=push.phone,
        )
        raw = json.dumps([number, code]).encode()
        await self.core.hear.callback(payment_id, heard, raw, source="127.0.0.1")

    async def pay(self, person: Person, words: str, chat: Chat | None = None) -> Message:
        """Ask for a payment and wait until its prompt is on the phone; the status message."""
        before = len(self.daraja.pushes)
        written = person.say(words, chat=chat)
        await self.api.wait_for(lambda: len(self.daraja.pushes) > before)
        return await self.said(chat or person.chat, "Check the phone", after=written)


class Listed(Office):
    """The same with menus, for those who look at them."""

    side = ChatSide


def written(text: str, **more: object) -> dict[str, object]:
    """An update as Telegram would post it."""
    message: dict[str, object] = {
        "message_id": 900,
        "date": 1795424400,
        "chat": {"id": 1001, "type": "private", "first_name": "Jane"},
        "from": {"id": 1001, "is_bot": False, "first_name": "Jane"},
        "text": text,
    }
    return {"update_id": 1, "message": message | more}


@pytest.fixture
def group(office: Office, api: BotApi) -> Chat:
    return api.group(-5001, "Harambee", [office.jane, office.otieno])


async def test_a_payment_is_one_message_that_ends_paid(office: Office) -> None:
    status = await office.pay(office.jane, "/pay 50 0712345678 lunch")
    await office.result(0, receipt="UKN4ABCDE7")

    await office.said(office.jane.chat, "✅")

    assert [m.id for m in office.jane.chat.from_bot] == [status.id]
    assert "<code>UKN4ABCDE7</code>" in status.html
    assert [(push.phone, push.amount_kes) for push in office.daraja.pushes] == [
        ("254712345678", 50)
    ]


async def test_start_and_help_name_what_works(office: Office) -> None:
    office.jane.start()
    office.jane.say("/help")
    office.boss.say("/help")

    await office.said(office.jane.chat, "Hello Jane")
    listed = await office.said(office.jane.chat, "M-Pesa payments for")
    bosses = await office.said(office.boss.chat, "M-Pesa payments for")

    assert "/pay 50" in listed.text
    assert "/pending" not in listed.text
    assert "/pending" in bosses.text


async def test_menus_are_set_per_place_and_language(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Listed(api, kept, clock)
    group = api.group(-5001, "Harambee", [office.jane, office.otieno])
    async with office.open():
        await api.wait_for(lambda: len(api.calls_of("setMyCommands")) == 6)

    def names(chat: Chat, person: Person) -> list[str]:
        return [each["command"] for each in office.api.menu(chat, person)]

    assert "history" in names(office.jane.chat, office.jane)
    assert "history" not in names(group, office.jane)
    assert "pending" in names(office.boss.chat, office.boss)
    assert "pending" not in names(office.jane.chat, office.jane)
    swahili = office.api.menu(office.otieno.chat, office.otieno)
    assert swahili[0]["description"].startswith("Omba malipo")


async def test_a_restart_finds_the_menus_as_they_should_be(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Listed(api, kept, clock)
    async with office.open():
        await api.wait_for(lambda: len(api.calls_of("setMyShortDescription")) == 2)
        await api.wait_for(lambda: len(api.calls_of("setMyCommands")) == 6)

    async with office.open():
        await api.wait_for(lambda: len(api.calls_of("getMyCommands")) == 12)

    assert len(api.calls_of("setMyCommands")) == 6


async def test_a_shared_number_is_remembered_and_the_payment_goes_on(office: Office) -> None:
    office.jane.say("/pay 50 lunch")
    await office.said(office.jane.chat, "Which M-Pesa number")

    office.jane.tap("📱 Share my number")
    await office.said(office.jane.chat, "I will remember 0712***678")
    await office.said(office.jane.chat, "Check the phone")
    await office.result(0, receipt="UKN4ABCDE7")
    await office.said(office.jane.chat, "✅")
    await office.pay(office.jane, "/pay 60")

    assert office.jane.chat.reply_keyboard is None
    assert [push.amount_kes for push in office.daraja.pushes] == [50, 60]
    assert {push.phone for push in office.daraja.pushes} == {"254712345678"}


async def test_somebody_elses_contact_is_not_ones_own(office: Office) -> None:
    office.jane.say("/pay 50")
    await office.said(office.jane.chat, "Which M-Pesa number")

    office.jane.share_contact("254722000111", user_id=1002)
    office.jane.share_contact("254722000111", user_id=None)
    await office.said(office.jane.chat, "somebody else's contact")
    await office.handled()

    assert office.daraja.pushes == []
    assert await office.phone_of(1001) is None


async def test_a_typed_answer_is_used_and_not_remembered(office: Office) -> None:
    office.jane.say("/pay 50")
    await office.said(office.jane.chat, "Which M-Pesa number")

    office.jane.say("0722 000")
    await office.said(office.jane.chat, "too few digits")
    office.jane.say("0722 000 111")
    await office.said(office.jane.chat, "Check the phone 0722***111")
    await office.said(office.jane.chat, "Asking 0722***111")

    assert await office.phone_of(1001) is None
    assert office.jane.chat.reply_keyboard is None


async def test_cancel_drops_the_question(office: Office) -> None:
    office.jane.say("/pay 50")
    await office.said(office.jane.chat, "Which M-Pesa number")

    office.jane.say("/cancel")
    await office.said(office.jane.chat, "Dropped")
    office.jane.say("0722000111")
    await office.said(office.jane.chat, "To ask for a payment")

    assert office.daraja.pushes == []


async def test_in_a_group_only_masks_are_seen_and_the_typed_number_is_taken_out(
    office: Office, group: Chat
) -> None:
    office.jane.promote_bot(group)
    status = await office.pay(office.jane, "/pay 50 0722000111", group)
    await office.handled()

    shown = " ".join(m.text for m in group.messages)

    assert "0722***111" in status.text
    assert "0722000111" not in shown


async def test_in_a_group_without_a_number_the_way_is_a_private_chat(
    office: Office, group: Chat
) -> None:
    written = office.jane.say("/pay@lipa_demo_bot 50", chat=group)

    told = await office.said(group, "Which phone pays?")
    opened = office.jane.press(told, "Share it in private").opened
    office.jane.start(opened.partition("start=")[2])

    assert told.reply_to is written
    await office.said(office.jane.chat, "I do not know your number")


async def test_a_group_learns_neither_why_nor_the_receipt(office: Office, group: Chat) -> None:
    office.jane.say("hello", chat=group)
    status = await office.pay(office.jane, "/pay@lipa_demo_bot 50 0712345678", group)
    await office.result(1)
    await office.said(group, "Not completed")

    others = office.otieno.press(status, "Why?")
    hers = office.jane.press(status, "Why?")

    assert await office.answered(others) == "Ni Jane tu anayeweza kubonyeza hii."
    assert "balance" in await office.answered(hers)
    assert hers.alert
    assert "balance" not in " ".join(m.text for m in group.from_bot)


async def test_a_mended_typo_pays_and_a_second_edit_does_not(office: Office) -> None:
    written = office.jane.say("/pay 1,5 0712345678")
    await office.said(office.jane.chat, "more than one way")

    office.jane.edit(written, "/pay 50 0712345678")
    await office.said(office.jane.chat, "Check the phone")
    office.jane.edit(written, "/pay 50 0712345678 lunch")
    office.jane.edit(written, "/pay 70 0712345678")
    await office.said(office.jane.chat, "has already asked for KES 50")
    await office.handled()

    assert len(office.daraja.pushes) == 1
    assert len(office.jane.chat.from_bot) == 3


async def test_a_mended_amount_whose_number_is_typed_again_asks_for_nothing_and_says_so(
    office: Office,
) -> None:
    jane = office.jane
    written = jane.say("/pay 50")
    await office.said(jane.chat, "Which M-Pesa number")
    jane.say("0712345678")
    await office.said(jane.chat, "Asking 0712***678")
    await office.result(1032)
    await office.handled()

    for words in ("/pay 60", "/pay 50 lunch"):
        edited = jane.edit(written, words)
        question = await office.said(jane.chat, "Which M-Pesa number", after=edited)
        jane.say("0712345678")
        await office.said(jane.chat, "has already asked for KES 50", after=question)
    await office.handled()

    assert len(office.daraja.pushes) == 1


async def test_what_was_written_while_we_were_away_puts_no_prompt_on_a_phone(
    office: Office,
) -> None:
    telegrams_s = office.api.world.clock() - office.clock.now().timestamp()
    office.clock.advance(telegrams_s + 3 * 24 * 3600)  # Telegram's own clock stays behind
    office.jane.say("/pay 50 0712345678")

    await office.api.wait_for(lambda: bool(office.jane.chat.from_bot))

    assert "I was away" in office.jane.chat.last.text
    assert office.daraja.pushes == []


async def test_an_offer_is_ready_to_be_copied(office: Office) -> None:
    office.jane.say("/pay 1.500 0712345678")

    told = await office.said(office.jane.chat, "two ways")

    assert office.jane.press(told, "KES 1,500").copied == "/pay 1500"


async def test_a_double_tap_tries_again_once(office: Office) -> None:
    status = await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(1032)
    await office.said(office.jane.chat, "Not paid")

    first, second = office.jane.press(status, "Try again"), office.jane.press(status, "Try again")

    assert await office.answered(first) == "Sending a new prompt to 0712***678."
    assert await office.answered(second) == "That was pressed already: see the newer message."
    await office.said(office.jane.chat, "Check the phone", after=status)
    assert len(office.daraja.pushes) == 2


async def test_no_prompt_came_waits_until_the_first_can_be_gone(office: Office) -> None:
    status = await office.pay(office.jane, "/pay 50 0712345678")

    early = await office.answered(office.jane.press(status, "No prompt came"))
    office.clock.advance(181)
    later = await office.answered(office.jane.press(status, "No prompt came"))

    assert early.startswith("⏳ The first prompt can still appear")
    assert later == "Sending a new prompt to 0712***678."


async def test_check_now_asks_once_in_a_while(office: Office) -> None:
    status = await office.pay(office.jane, "/pay 50 0712345678")
    await office.said(office.jane.chat, "Check the phone")

    first = await office.answered(office.jane.press(status, "check now"))
    second = await office.answered(office.jane.press(status, "check now"))

    assert first.startswith("Asking Safaricom now")
    assert second.startswith("I asked a moment ago")


async def paid_by_hand(office: Office) -> None:
    """Jane is asked for the message of what she paid by Paybill."""
    status = await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(1)
    await office.said(office.jane.chat, "Not paid")
    office.jane.press(status, "Pay by Paybill")
    card = await office.said(office.jane.chat, "by hand")
    office.jane.press(card, "I have paid")
    await office.said(office.jane.chat, "paste the whole M-PESA message")


async def test_paid_by_hand_is_claimed_and_a_person_is_told(office: Office) -> None:
    await paid_by_hand(office)

    office.jane.say("thanks")
    await office.said(office.jane.chat, "I see no M-Pesa code")
    office.jane.say("UKN4ABCDE7 Confirmed. Ksh50.00 sent to MAMA NJERI for account LIPA-7K2QX")

    await office.said(office.jane.chat, "A person will look")
    await office.said(office.boss.chat, "Somebody says they paid")
    office.jane.say("UKN4ABCDE8 Confirmed.")
    await office.said(office.jane.chat, "To ask for a payment")
    assert not any("✅" in message.text for message in office.jane.chat.from_bot)


async def test_a_message_whose_code_has_no_digit_is_a_claim(office: Office) -> None:
    await paid_by_hand(office)

    office.jane.say("UKNVUCVIIN Confirmed. Ksh50.00 sent to MAMA NJERI for account LIPA-7K2QX")

    await office.said(office.jane.chat, "A person will look")
    await office.said(office.boss.chat, "Somebody says they paid")
    assert not any("✅" in message.text for message in office.jane.chat.from_bot)


async def test_language_is_telegrams_until_it_is_chosen(office: Office) -> None:
    office.otieno.say("/start")
    await office.said(office.otieno.chat, "Habari Otieno")

    office.otieno.say("/language english")
    await office.said(office.otieno.chat, "I will speak English")
    office.otieno.say("/language")
    asked = await office.said(office.otieno.chat, "Which language")
    office.otieno.press(asked, "Kiswahili")
    await office.said(office.otieno.chat, "Nitaongea nawe kwa Kiswahili")
    known = await office.core.people.get(office.otieno.id)
    assert known is not None
    assert known.language == "sw"


async def test_a_number_can_be_forgotten(office: Office) -> None:
    office.jane.share_contact()
    await office.said(office.jane.chat, "I will remember")
    office.jane.say("/phone")
    known = await office.said(office.jane.chat, "I remember 0712***678")

    office.jane.press(known, "Forget it")
    await office.said(office.jane.chat, "Forgotten")

    assert await office.phone_of(1001) is None


async def test_a_receipt_is_shown_to_its_owner_and_to_operators(office: Office) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(0, receipt="UKN4ABCDE7")
    paid = await office.said(office.jane.chat, "✅")

    for person in (office.jane, office.otieno, office.boss):
        person.say("/receipt ukn4abcde7")
    await office.said(office.jane.chat, "✅", after=paid)
    await office.said(office.boss.chat, "✅")
    hidden = await office.said(office.otieno.chat, "UKN4ABCDE7")
    office.otieno.say("/receipt UKN4ABCDE9")
    unknown = await office.said(office.otieno.chat, "UKN4ABCDE9")

    assert hidden.text.replace("E7", "E9") == unknown.text


async def test_lists_tell_how_payments_stand(office: Office, group: Chat) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(1032)
    await office.pay(office.jane, "/pay@lipa_demo_bot 60 0722000111", group)

    office.jane.say("/history")
    office.jane.say("/status@lipa_demo_bot", chat=group)
    private = await office.said(office.jane.chat, "last ten")
    public = await office.said(group, "Your last payments")

    assert "KES 50" in private.text
    assert "KES 60" in private.text
    assert "KES 50" not in public.text
    assert "✅" not in private.text


async def test_what_would_tell_others_too_much_is_for_private_chats(
    office: Office, group: Chat
) -> None:
    for name in ("history", "receipt", "phone", "privacy"):
        office.jane.say(f"/{name}@lipa_demo_bot", chat=group)
        told = await office.said(group, f"/{name} works in a private chat")
        assert told.labels == ["💬 Open a private chat"]


async def test_pending_does_not_exist_for_others(office: Office) -> None:
    office.jane.say("/pending")
    office.boss.say("/pending")

    await office.said(office.jane.chat, "I do not know that command")
    await office.said(office.boss.chat, "Nothing is pending")


async def test_what_is_not_for_us_is_left_alone(office: Office, group: Chat) -> None:
    for words in ("/dance", "/pay@other_bot 50 0712345678", "0712345678"):
        office.jane.say(words, chat=group)
    office.jane.say("/pay@other_bot 50 0712345678")
    office.jane.say("/dance")

    await office.said(office.jane.chat, "I do not know that command")
    await office.handled()

    assert group.from_bot == []
    assert len(office.jane.chat.from_bot) == 1


async def test_a_group_that_adds_us_is_greeted_once(office: Office) -> None:
    group = office.api.group(-5002, "New group", [office.otieno], with_bot=False)

    office.otieno.add_bot(group)
    await office.said(group, "Napokea malipo")
    office.otieno.promote_bot(group)
    await office.handled()

    assert len(group.from_bot) == 1


async def test_a_group_that_moves_takes_its_payments_along(office: Office, group: Chat) -> None:
    await office.pay(office.jane, "/pay@lipa_demo_bot 50 0712345678", group)

    moved = office.api.upgrade(group, -1005001)
    await office.handled()
    await office.result(0, receipt="UKN4ABCDE7")

    await office.said(moved, "✅")
    assert not any("✅" in text for text in group.texts)
    [view] = await office.core.books.latest(person_id=office.jane.id)
    assert view.payment.credited_cents == 50_00


async def test_what_was_taken_before_a_crash_is_carried_out_after_it(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(api, kept, clock)
    await office.core.inbox.take(1, json.dumps(written("/pay 50 0712345678")))

    async with office.open():
        await office.said(office.jane.chat, "Check the phone")
        await office.handled()

    assert len(office.daraja.pushes) == 1


async def test_a_failing_store_is_outlived_however_long(office: Office) -> None:
    office.books.failures, office.books.trouble = 20, StoreBusy

    office.jane.say("/status")

    await office.said(office.jane.chat, "You have asked for no payment here yet")
    assert office.books.failures == 0


async def test_an_update_that_always_fails_is_set_aside_with_a_calm_word(office: Office) -> None:
    office.books.failures = 1000
    office.jane.say("/status")

    calm = await office.said(office.jane.chat, "Something went wrong on my side")
    office.books.failures = 0
    office.jane.say("/status")

    await office.said(office.jane.chat, "You have asked for no payment here yet", after=calm)


async def test_a_press_is_answered_even_when_it_fails(office: Office) -> None:
    status = await office.pay(office.jane, "/pay 50 0712345678")
    office.api.faults.drop(method="answerCallbackQuery", times=1)

    lost = office.jane.press(status, "check now")
    await office.handled()
    found = office.jane.press(status, "check now")

    assert await office.answered(found) == "I asked a moment ago. Please give it half a minute."
    assert not lost.answered


async def test_a_token_that_telegram_refuses_stops_the_start(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(api, kept, clock)

    with pytest.raises(TokenRefused, match=r"telegram\.token"):
        async with office.open(token="4242:another"):
            pass


async def test_a_telegram_that_is_away_at_start_is_waited_for(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    api.faults.server_error(502, method="getMe", times=5)
    office = Office(api, kept, clock)
    office.jane.say("/start")

    async with office.open():
        await office.said(office.jane.chat, "Hello Jane")


async def test_a_token_that_is_refused_for_a_while_ends_no_polling(office: Office) -> None:
    refusals = [office.api.faults.server_error(code, method="getUpdates") for code in (401, 404)]
    office.jane.say("/start")
    await office.api.wait_for(lambda: all(each.met for each in refusals))

    office.jane.say("/help")

    await office.said(office.jane.chat, "/privacy")


async def test_a_refusal_between_the_first_calls_is_waited_out(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    refusal = api.faults.server_error(404, method="deleteWebhook")
    office = Office(api, kept, clock)
    office.jane.say("/start")

    async with office.open():
        await office.said(office.jane.chat, "Hello Jane")

    assert refusal.met == 1


async def test_updates_of_many_people_do_not_wait_for_each_other(office: Office) -> None:
    people = [office.api.person(2000 + n, f"P{n}", started=True) for n in range(20)]

    for person, number in zip(people, itertools.count()):
        person.say(f"/pay 50 07120000{number:02d}")
    await office.api.wait_for(lambda: len(office.daraja.pushes) == 20)

    for person in people:
        await office.said(person.chat, "Check the phone")


async def test_presses_that_telegram_does_not_let_us_answer_hold_up_nobody(office: Office) -> None:
    people = [office.api.person(2000 + n, f"P{n}", started=True) for n in range(70)]
    for person in people:
        person.say("/language")
    await office.api.wait_for(lambda: all(person.chat.from_bot for person in people))
    silence = office.api.faults.silent(method="answerCallbackQuery", times=1000)
    for person in people:
        person.press(person.chat.from_bot[-1], "English")
    await office.api.wait_for(lambda: silence.met == len(people))

    office.jane.say("/start")

    await office.said(office.jane.chat, "Hello Jane")
    office.api.faults.clear()


async def test_a_webhook_is_set_and_what_it_brings_is_carried_out(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(api, kept, clock)

    async with office.open(webhook_url="https://pay.example.org/telegram") as chat:
        await chat.take_raw(json.dumps(written("/start")).encode())
        await office.said(office.jane.chat, "Hello Jane")

    set_up = api.calls_of("setWebhook")[-1].params
    assert set_up["url"] == "https://pay.example.org/telegram"
    assert set_up["secret_token"] == "made-up"
    assert api.calls_of("getUpdates") == []


async def test_who_writes_as_the_group_is_asked_to_write_as_themselves(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(api, kept, clock)
    group = api.group(-5001, "Harambee", [office.jane])
    as_group = written(
        "/pay@lipa_demo_bot 50 0712345678",
        chat={"id": -5001, "type": "group", "title": "Harambee"},
        sender_chat={"id": -5001, "type": "group", "title": "Harambee"},
        **{"from": {"id": 1087968824, "is_bot": True, "first_name": "Group"}},
    )

    async with office.open(webhook_url="https://pay.example.org/telegram") as chat:
        await chat.take_raw(json.dumps(as_group).encode())
        await office.said(group, "You are writing as the group")

    assert office.daraja.pushes == []


async def test_who_only_talks_in_a_group_is_not_written_down(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    office = Office(api, kept, clock)
    talk = written("50 bob", chat={"id": -5001, "type": "group", "title": "Harambee"})

    async with office.open(webhook_url="https://pay.example.org/telegram") as chat:
        await chat.take_raw(json.dumps(talk).encode())
        await office.handled()

    async with kept.read() as tx:
        assert await tx.people.get(1001) is None
