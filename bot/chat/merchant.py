"""Merchant: `/appoint` by operators, and `/merchant`: how customers know the one who speaks."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence

from telegram import Document, Message, MessageOriginUser, PhotoSize, User
from telegram.error import TelegramError

from bot.chat.context import DeedPress, Toast, Turn, language_of
from bot.chat.invoices import DRAFT_LIFE, may_invoice
from bot.chat.keyboards import keyboard
from bot.core.merchants import DUE_DAYS_MAX, LOGO_BYTES_MAX, Appointed, is_kra_pin
from bot.texts import LANGUAGES, clean, plain
from storage.records import Button, Closing, Deed, Draft, DraftKind, Keyboard, Merchant, Reply

__all__ = [
    "account",
    "appoint",
    "appoint_back",
    "ask",
    "choose",
    "photo",
    "profile",
    "revoke",
    "typed",
]

log = logging.getLogger(__name__)

USERNAME = re.compile(r"@?([A-Za-z][A-Za-z0-9_]{3,31})")
NAME_CHARS_MAX = 64
ASKED = ("name", "pin", "days", "logo")
NOTHING = ("-", "–", "none", "hakuna", "ondoa", "remove")


async def appoint(turn: Turn) -> None:
    """`/appoint @peter`, or in answer to a message of that person; alone: who is a merchant."""
    meant = await _meant(turn)
    if meant is None:
        if turn.words.strip():
            link = turn.link("start")
            await turn.answer(turn.say("appoint.unknown", text=turn.words.strip(), link=link))
        else:
            await _merchants(turn)
        return
    await _appoint(turn, *meant)


async def _appoint(turn: Turn, person_id: int, name: str, language: str) -> None:
    """Appoint and tell both, in one commit; the merchant's menu follows."""
    collector = turn.core.collector.name
    welcome = turn.paper.texts.say(language, "merchant.welcome", collector=collector)

    def say(done: Appointed) -> Closing:
        text = turn.say(f"appointed.{done}", name=name)
        told = [Reply(chat_id=person_id, text=welcome)] if done is Appointed.DONE else []
        return turn.closing(turn.reply(text, _about(turn, person_id, done)), *told)

    await turn.core.merchants.appoint(
        person_id, name=name, language=language, by=turn.person.id, say=say
    )
    turn.refresh_menu(person_id)


def _about(turn: Turn, person_id: int, done: Appointed) -> Keyboard | None:
    """What an operator can do about a merchant: revoke, or choose whose money it becomes."""
    if done is Appointed.OPERATOR:
        return None
    accounts = turn.core.merchants.accounts
    chosen = [
        Button(
            label=clean(f"🏦 {turn.core.invoices.collector(name).name}", limit=24),
            does=_deed("mer-account", turn, f"{person_id}:{name}"),
        )
        for name in accounts
        if len(accounts) > 1
    ]
    return keyboard([_button("mer-revoke", "button.mer-revoke", turn, str(person_id)), *chosen])


async def revoke(press: DeedPress) -> Toast:
    """This person issues no more."""
    turn = press.turn
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    person_id = int(press.deed.argument)
    button = _button("mer-appoint", "button.mer-appoint", turn, str(person_id))

    def say(done: Appointed) -> Closing:
        return turn.closing(turn.reply(turn.say(f"revoke.{done}"), keyboard([button])))

    await turn.core.merchants.revoke(person_id, by=turn.person.id, say=say)
    turn.refresh_menu(person_id)
    return Toast()


async def appoint_back(press: DeedPress) -> Toast:
    """That was a mistake: this person is a merchant again."""
    turn = press.turn
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    person_id = int(press.deed.argument)
    person = await turn.core.people.get(person_id)
    if person is None:
        return turn.toast("toast.old")
    language = language_of(person.language, person.telegram_language)
    await _appoint(turn, person_id, person.first_name, language)
    return Toast()


async def account(press: DeedPress) -> Toast:
    """An operator chooses whose money a merchant's invoices become, from the next one on."""
    turn = press.turn
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    person_id, _, name = press.deed.argument.partition(":")
    closing = turn.closing(
        turn.reply(turn.say("appoint.account", collector=turn.core.invoices.collector(name).name))
    )
    if not await turn.core.merchants.change(int(person_id), closing=closing, account=name):
        await turn.answer(turn.say("revoke.nobody"))
    return Toast()


async def profile(turn: Turn) -> None:
    """What customers see of this merchant, and what can be changed about it."""
    merchant = await may_invoice(turn)
    if merchant is not None:
        await turn.answer(_profile(turn, merchant), _profile_keys(turn, merchant))


async def ask(press: DeedPress) -> Toast:
    """A question about the profile, whose answer is the next message (or picture)."""
    turn, what = press.turn, press.deed.argument
    merchant = await turn.core.merchants.get(turn.person.id)
    if merchant is None or what not in ASKED:
        return turn.toast("toast.not-yours")
    draft = Draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        kind=DraftKind.MERCHANT,
        message_id=turn.message_id,
        data=json.dumps({"what": what}),
        expires_at=turn.core.clock.now() + DRAFT_LIFE,
    )
    question = turn.reply(turn.say(f"merchant.ask-{what}"), Keyboard(force_reply="…"))
    await turn.core.people.keep_draft(draft, turn.closing(question))
    return Toast()


async def choose(press: DeedPress) -> Toast:
    """What is chosen by a press: language, the evening's summary."""
    turn = press.turn
    what, _, value = press.deed.argument.partition(":")
    changes: dict[str, object]
    match what:
        case "language" if value in LANGUAGES:
            changes = {"language": value}
        case "summary":
            changes = {"summary": value == "on", "summary_at": None}
        case _:
            return turn.toast("toast.old")
    await _change(turn, changes)
    return Toast()


async def typed(turn: Turn, draft: Draft) -> None:
    """The answer to a question about the profile."""
    what, text = json.loads(draft.data)["what"], turn.words.strip()
    match what:
        case "name":
            await _change(turn, {"name": clean(text, limit=NAME_CHARS_MAX)})
        case "pin" if text.lower() in NOTHING:
            await _change(turn, {"kra_pin": None})
        case "pin" if is_kra_pin(text.upper().replace(" ", "")):
            await _change(turn, {"kra_pin": text.upper().replace(" ", "")})
        case "pin":
            await turn.answer(turn.say("merchant.bad-pin", text=text))
        case "days" if text.isascii() and text.isdigit() and int(text[:4]) <= DUE_DAYS_MAX:
            await _change(turn, {"due_days": int(text)})
        case "days":
            await turn.answer(turn.say("merchant.bad-days", most=DUE_DAYS_MAX))
        case _ if text.lower() in NOTHING:
            await _change(turn, {"logo": None})
        case _:
            await turn.answer(turn.say("merchant.logo-wanted"))


async def photo(turn: Turn, message: Message) -> bool:
    """A picture, as photo or as file: the logo, if one was asked for; True if it was."""
    if not message.photo and message.document is None:
        return False
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    asked = draft is not None and draft.kind is DraftKind.MERCHANT
    if draft is None or not asked or json.loads(draft.data)["what"] != "logo":
        return False
    best = _largest([*message.photo, *filter(None, (message.document,))])
    if best is None:
        await turn.answer(turn.say("merchant.logo-large", most=LOGO_BYTES_MAX // 1024))
        return True
    try:
        file = await turn.desk.bot.get_file(best.file_id)
        content = bytes(await file.download_as_bytearray())
    except TelegramError as exc:
        log.warning("merchant.logo_not_fetched why=%s", exc.message)
        await turn.answer(turn.say("merchant.logo-lost"))
        return True
    if len(content) > LOGO_BYTES_MAX or not content.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        await turn.answer(turn.say("merchant.logo-large", most=LOGO_BYTES_MAX // 1024))
        return True
    await _change(turn, {"logo": content})
    return True


def _largest(offered: Sequence[PhotoSize | Document]) -> PhotoSize | Document | None:
    """Telegram offers a photo in several sizes: the largest that is small enough."""
    fitting = [each for each in offered if (each.file_size or 0) <= LOGO_BYTES_MAX]
    return max(fitting, key=lambda each: each.file_size or 0, default=None)


async def _meant(turn: Turn) -> tuple[int, str, str] | None:
    """Id, name and language of the person that an operator means."""
    above = None if turn.message is None else turn.message.reply_to_message
    if above is not None and above.forum_topic_created is not None:
        above = None  # whatever is written in a topic answers the message that opened it
    user: User | None = None if above is None else above.from_user
    if above is not None and isinstance(above.forward_origin, MessageOriginUser):
        user = above.forward_origin.sender_user
    if user is not None and not user.is_bot:
        known = await turn.core.people.get(user.id)
        chosen = None if known is None else known.language
        return user.id, user.first_name, language_of(chosen, user.language_code)
    found = USERNAME.fullmatch(turn.words.strip())
    person = None if found is None else await turn.core.people.known_as(found[1])
    if person is None:
        return None
    return person.id, person.first_name, language_of(person.language, person.telegram_language)


async def _merchants(turn: Turn) -> None:
    known = await turn.core.merchants.all()
    if not known:
        await turn.answer(turn.say("appoint.how"))
        return
    buttons = [
        Button(
            label=clean(f"✖ {each.name}", limit=24),
            does=_deed("mer-revoke", turn, str(each.id)),
        )
        for each in known
        if each.id not in turn.core.operators
    ]
    names = "\n".join(turn.say("appoint.line", name=each.name) for each in known)
    await turn.answer(f"{turn.say('appoint.list')}\n{names}", keyboard(buttons))


async def _change(turn: Turn, changes: dict[str, object]) -> None:
    """Change the profile and say how it is now; the question, if there was one, is answered."""
    merchant = await turn.core.merchants.get(turn.person.id)
    if merchant is None:
        await turn.answer(turn.say("merchant.not-you", collector=turn.core.collector.name))
        return
    closing = turn.answered(turn.reply(turn.say("merchant.changed")))
    await turn.core.merchants.change(turn.person.id, closing=closing, **changes)


def _profile(turn: Turn, merchant: Merchant) -> str:
    nothing = turn.say("merchant.none")
    return turn.say(
        "merchant.profile",
        name=merchant.name,
        pin=merchant.kra_pin or nothing,
        days=merchant.due_days,
        collector=turn.core.invoices.collector(merchant.account).name,
    )


def _profile_keys(turn: Turn, merchant: Merchant) -> Keyboard | None:
    other = "sw" if merchant.language == "en" else "en"
    summary = "off" if merchant.summary else "on"
    buttons = [_button("mer-ask", f"button.mer-{what}", turn, what) for what in ASKED]
    buttons += [
        _button("mer-set", f"button.mer-papers-{other}", turn, f"language:{other}"),
        _button("mer-set", f"button.mer-summary-{summary}", turn, f"summary:{summary}"),
    ]
    return keyboard(buttons)


def _button(action: str, key: str, turn: Turn, argument: str) -> Button:
    return Button(label=plain(turn.say(key)), does=_deed(action, turn, argument))


def _deed(action: str, turn: Turn, argument: str) -> Deed:
    return Deed(action=action, subject=str(turn.person.id), argument=argument, owner=turn.person.id)
