"""Names and notes are whatever people like: no card is bent, linked or flooded by them."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.cards import (
    by_hand_card,
    history_line,
    pending_card,
    receipt_card,
    ring_card,
    status_card,
    why,
)
from bot.core.books import PendingItem
from bot.playground.botapi import BotApi
from bot.playground.entities import FormattedText, parse_html, with_automatic
from bot.texts import VALUE_CHARS_MAX, WORD_JOINER, clean
from storage.engine import open_store
from storage.records import PaymentView, Status
from tests.chat.test_cards import LATER, TEXTS, stationery, view
from tests.chat.test_conversation import Office
from tests.stores import KEY, TestClock

HOSTILE = {
    "a link": '<a href="https://evil.example">Jane</a>',
    "a user link": '<a href="tg://user?id=1">Jane</a>',
    "an unclosed tag": "<b>Jane",
    "a closing tag": "</b></code></i>",
    "entities": "&lt;b&gt; &amp;amp; &#60;b&#62; &",
    "markdown": "_*[Jane](https://evil.example)`~|",
    "an address": "https://evil.example/win",
    "a bare address": "evil.example/win now",
    "a number's address": "41.90.1.2/pay",
    "a mail address": "jane@evil.example",
    "our own link": "t.me/evil_bot?start=x",
    "a call": "@evil_bot @jane hello",
    "turned round": "\u202eenaJ\u2066 050 SEK\u2069\u200f",
    "invisible": "J\u200ba\u200cn\u200de\ufeff\u2060\u00ad",
    "a tower": "Z" + "\u0336\u0353\u0489\u035c" * 40 + "algo",
    "four bytes": "🎉👩‍👩‍👧‍👦𝕁𝕒𝕟𝕖𐍈" * 30,
    "many lines": "Jane\n\n\n✅ Paid KES 1,000,000\r\u2028\u2029\x0b",
    "controls": "Jane\x00\x07\x1b[31m\x7f",
    "nothing to see": "\u200b\u200b \u3164 \u2800",
    "long": "J" * 4000,
    "braces": "{amount} {0} %s %(x)s {",
    "a half": "Jane \ud83d",
}
LINKS = {"text_link", "text_mention", "url", "mention", "email", "custom_emoji"}

Write = Callable[[PaymentView, str], str]


def status(seen: PaymentView, name: str) -> str:
    return status_card(seen, stationery(name=name), now=LATER).text


def ring(seen: PaymentView, name: str) -> str:
    return ring_card(seen, stationery(name=name), now=LATER).text


def by_hand(seen: PaymentView, name: str) -> str:
    return by_hand_card(seen, stationery(name=name)).text


def pending(seen: PaymentView, name: str) -> str:
    item = PendingItem(view=seen, phone="254712345678")
    return pending_card(item, stationery(name=name), language="en").text


def receipt(seen: PaymentView, name: str) -> str:
    return receipt_card(_standing(seen, Status.PAID), stationery(name=name)).text


def line(seen: PaymentView, _name: str) -> str:
    return history_line(seen, TEXTS, language="sw", private=True)


def greeting(_seen: PaymentView, name: str) -> str:
    return TEXTS.say("en", "start.hello", name=name, collector=name, pay="/pay", help="/help")


CARDS: tuple[Write, ...] = (status, ring, by_hand, pending, receipt, line, greeting)


def _standing(seen: PaymentView, wanted: Status) -> PaymentView:
    return replace(view(wanted), intent=seen.intent)


def with_note(wanted: Status, note: str) -> PaymentView:
    seen = view(wanted)
    return replace(seen, intent=replace(seen.intent, note=note))


def as_telegram_shows(text: str) -> FormattedText:
    return with_automatic(parse_html(text))


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("write", CARDS)
def test_a_card_has_the_same_marks_whoever_it_is_about(write: Write, name: str) -> None:
    for wanted in (Status.CREATED, Status.PROMPTED, Status.PAID, Status.DECLINED, Status.LAPSED):
        plain_one = as_telegram_shows(write(with_note(wanted, "lunch"), "Jane"))

        shown = as_telegram_shows(write(with_note(wanted, name), name))

        marks = [each.type for each in shown.entities]
        assert not LINKS & set(marks)
        # A note of which nothing can be seen has no line, and no mark before it.
        assert marks == [each.type for each in plain_one.entities]
        unseen = {char for char in shown.text if unicodedata.category(char) in {"Cf", "Cc", "Cs"}}
        assert unseen <= {WORD_JOINER, "\n"}
        assert shown.text.count("\n") <= plain_one.text.count("\n")
        # Each is in a card a few times at most, and 64 characters long, held apart here and there.
        assert len(shown.text) <= len(plain_one.text) + 5 * 2 * VALUE_CHARS_MAX


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_name_is_one_short_line_of_what_can_be_seen(name: str) -> None:
    shown = clean(name)

    assert len(shown) <= VALUE_CHARS_MAX
    assert "\n" not in shown
    assert not [char for char in shown if unicodedata.category(char) in {"Cf", "Cc", "Cs", "Zl"}]
    shown.encode()


def test_a_tower_of_marks_is_pulled_down_and_no_language_is_hurt() -> None:
    assert clean(HOSTILE["a tower"]).count("\u0336") <= 1
    for honest in ("Wanjikũ", "Ng’ang’a", "مُحَمَّد", "Nguyễn", "שָׁלוֹם", "ดี", "हिन्दी"):
        assert clean(honest) == unicodedata.normalize("NFC", honest)
    assert clean("Wanjiku\u0303") == "Wanjikũ"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("evil.example", "evil.\u2060example"),
        ("https://evil", "https:\u2060//evil"),
        ("41.90.1.2/pay", "41.\u206090.1.2/pay"),
        ("http://41.90.1.2:80", "http:\u2060//41.\u206090.1.2:80"),
        ("on 25.11.2026, v1.2.3", "on 25.11.2026, v1.2.3"),
        ("@jane", "@\u2060jane"),
        ("@@jane /@jane (@jane)", "@@\u2060jane /@\u2060jane (@\u2060jane)"),
        ("KES 1,500.50", "KES 1,500.50"),
        ("/pay@lipa_demo_bot", "/pay@lipa_demo_bot"),
        ("St. Mary's 2.0 @ 21:05", "St. Mary's 2.0 @ 21:05"),
    ],
)
def test_only_what_would_become_a_link_is_held_apart(name: str, shown: str) -> None:
    said = TEXTS.say("en", "note", note=name)

    assert said.replace("&#39;", "'") == f"📝 {shown}"


def test_why_says_the_same_to_a_hostile_name() -> None:
    for name in HOSTILE.values():
        for wanted in Status:
            assert len(why(with_note(wanted, name), stationery(name=name))) <= 200


async def test_every_name_gets_through_telegrams_own_reading(
    api: BotApi, tmp_path: Path, clock: TestClock
) -> None:
    names = [name for label, name in HOSTILE.items() if label != "a half"]
    async with open_store(f"sqlite:///{tmp_path / 'bot.db'}", key=KEY, now=clock.now) as store:
        office = Office(api, store, clock)
        people = [
            api.person(3000 + number, name, started=True) for number, name in enumerate(names)
        ]
        async with office.open():
            for number, (person, name) in enumerate(zip(people, names, strict=True)):
                person.say("/start")
                one_line = " ".join(name.split())[:300]
                person.say(f"/pay 50 07120000{number:02d} {one_line}")
            for person in people:
                await api.wait_for(lambda: len(person.chat.from_bot) >= 2, timeout_s=60)  # noqa: B023 - waited for within the turn
            await office.handled()
        await asyncio.gather(*office.tasks)

    answers = [*api.calls_of("sendMessage"), *api.calls_of("editMessageText")]
    assert len(answers) >= 2 * len(names)
    for call in answers:
        assert call.params.get("parse_mode") == "HTML", "it fell back to plain text"
    told = [message for person in people for message in person.chat.from_bot]
    assert not [m for m in told for each in m.body.entities if each.type in LINKS]
