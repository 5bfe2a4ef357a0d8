"""
Drive wizard: a drive described step by step, in private; what was answered is kept in a draft.

It goes on after a restart where it stood, and a button of an earlier step changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from markupsafe import Markup
from telegram import UsersShared

from bot.chat.answers import unclear_text
from bot.chat.asides import aside_reply, button, leads_in_private
from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.drive_cards import manage_key
from bot.chat.drive_words import NONE, kind_of, last_day, target, title
from bot.chat.parse import Unclear
from bot.core.drives import Named, NewDrive
from bot.core.treasurers import TREASURERS_MAX
from bot.texts import clean, kes, plain
from storage.records import (
    Button,
    Closing,
    Deed,
    Draft,
    DraftKind,
    Drive,
    DriveKind,
    Keyboard,
    Reply,
    Shows,
)

__all__ = ["RESUME", "begin", "open_drive", "pressed", "resumed", "shared", "written"]

LIFE = timedelta(minutes=30)
NAME_CHARS_MAX = 40
RESUME = "newdrive"
STEPS = ("title", "target", "closes", "shows", "kind", "treasurers", "preview")
SKIPPED = frozenset({"target", "closes"})
NAMED_MAX = TREASURERS_MAX - 1  # the opener is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What has been answered so far, and which step is being asked."""

    step: str = "title"
    chat_id: int
    thread_id: int | None
    language: str
    key: str
    title: str = ""
    target_kes: int | None = None
    closes_at: float | None = None  # seconds since 1970
    shows: str = Shows.ALL.value
    kind: str = DriveKind.HARAMBEE.value
    named: tuple[tuple[int, str], ...] = ()  # Telegram user id and name

    def packed(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def unpacked(cls, data: str) -> Plan:
        raw = json.loads(data)
        named = tuple((int(each), str(name)) for each, name in raw.pop("named", ()))
        return cls(**raw, named=named)

    @property
    def names(self) -> str:
        return ", ".join(name for _, name in self.named)

    @property
    def until(self) -> datetime | None:
        return None if self.closes_at is None else datetime.fromtimestamp(self.closes_at, UTC)


async def begin(turn: Turn) -> None:
    """The first question; from a group it is asked in private."""
    plan = Plan(
        chat_id=turn.chat_id,
        thread_id=turn.thread_id,
        language=turn.language,
        key=f"m:{turn.chat_id}:{turn.message_id}",
    )
    replies = [_question(turn, plan)] if leads_in_private(turn) else []
    if not turn.private:
        keys = button(turn, "button.open-private", RESUME)
        replies.append(turn.reply(turn.say("wizard.in-private"), keys))
    await turn.core.people.keep_draft(_draft(turn, plan), turn.closing(*replies))


async def resumed(turn: Turn) -> None:
    """The link in the group was opened: the question that stands open."""
    plan = await _plan(turn)
    if plan is None:
        await turn.answer(turn.say("newdrive.expired", command="/newdrive"))
        return
    await _ask(turn, plan)


async def written(turn: Turn, draft: Draft) -> None:
    """An answer in words."""
    plan = Plan.unpacked(draft.data)
    now = turn.core.clock.now()
    match plan.step:
        case "title":
            named = title(turn.words)
            if named is None:
                await turn.answer(turn.say("manage.title-unclear"))
                return
            plan = replace(plan, title=named, kind=kind_of(named).value)
        case "target":
            amount = target(turn.words)
            if isinstance(amount, Unclear):
                await turn.answer(unclear_text(amount, turn.language, turn.paper.texts))
                return
            if amount is None and turn.words.strip().lower() not in NONE:
                await turn.answer(turn.say("manage.target-unclear"))
                return
            plan = replace(plan, target_kes=amount)
        case "closes":
            over = last_day(turn.words, now=now)
            if over is None and turn.words.strip().lower() not in NONE:
                await turn.answer(turn.say("day.unclear"))
                return
            plan = replace(plan, closes_at=None if over is None else over.timestamp())
        case "treasurers":
            people = await _known(turn)
            if isinstance(people, str):
                await turn.answer(people)
            else:
                await _name(turn, plan, people)
            return
        case _:
            await turn.answer(turn.say("wizard.press"))
            return
    await _next(turn, plan)


async def shared(turn: Turn, chosen: UsersShared) -> None:
    """People were chosen with Telegram's own key."""
    plan = await _plan(turn)
    if plan is None or plan.step != "treasurers":
        await turn.answer(turn.say("toast.old"), Keyboard(remove=True))
        return
    people = [(each.user_id, each.first_name or each.username or "–") for each in chosen.users]
    await _name(turn, plan, people)


async def _known(turn: Turn) -> list[tuple[int, str]] | str:
    """Those whom `@ali @otieno` names; or what is to be said of somebody we have never met."""
    found = []
    for word in turn.words.replace(",", " ").split():
        person = await turn.core.people.known_as(word.removeprefix("@"))
        if person is None:
            return turn.say("wizard.who.unknown", name=word)
        found.append((person.id, person.first_name))
    return found


async def _name(turn: Turn, plan: Plan, people: Sequence[tuple[int, str]]) -> None:
    """Go on with these named; the key that chose them goes."""
    others = {each: clean(name, limit=NAME_CHARS_MAX) for each, name in people}
    others.pop(turn.person.id, None)
    if len(others) > NAMED_MAX:
        await turn.answer(turn.say("wizard.who.too-many", count=NAMED_MAX))
        return
    plan = replace(plan, named=tuple(others.items()), step="preview")
    noted = aside_reply(
        turn,
        turn.say("wizard.who.noted", names=plan.names) if others else turn.say("wizard.who.none"),
        Keyboard(remove=True),
    )
    closing = turn.closing(noted, _question(turn, plan))
    await turn.core.people.keep_draft(_draft(turn, plan), closing)


async def pressed(press: DeedPress) -> Toast:
    """A button of the wizard; its argument is the step that showed it, and what was chosen."""
    turn, plan = press.turn, await _plan(press.turn)
    step, _, value = press.deed.argument.partition(":")
    if plan is None or plan.step != step:
        return turn.toast("toast.old")
    match press.deed.action:
        case "w.cancel":
            said = turn.reply(turn.say("wizard.cancelled"), Keyboard(remove=True))
            closing = turn.closing(said)
            await turn.core.people.drop_draft(
                chat_id=turn.chat_id, person_id=turn.person.id, closing=closing
            )
        case "w.back":
            before = STEPS[max(0, STEPS.index(step) - 1)]
            await _ask(turn, replace(plan, step=before))
        case "w.skip":
            if step == "target":
                plan = replace(plan, target_kes=None)
            elif step == "closes":
                plan = replace(plan, closes_at=None)
            elif step == "treasurers":
                await _name(turn, plan, ())
                return Toast()
            await _next(turn, plan)
        case "w.pick":
            keys = Keyboard(
                ask_users=plain(turn.say("wizard.button.choose")), ask_users_max=NAMED_MAX
            )
            await turn.answer(turn.say("wizard.who.choose", count=NAMED_MAX), keys)
        case "w.set" if step == "shows":
            await _next(turn, replace(plan, shows=value))
        case "w.set":
            await _next(turn, replace(plan, kind=value))
        case "w.post":
            return await _post(turn, plan)
    return Toast()


async def open_drive(turn: Turn, new: NewDrive) -> Drive:
    """The drive with its card, and a word in private to whoever looks after it now."""
    told = []
    if leads_in_private(turn):
        words = {"title": new.title, "collector": turn.core.collector.name}
        told.append(aside_reply(turn, turn.say("newdrive.opened", **words)))
    closing = turn.closing()
    drive = await turn.core.drives.open(new, Closing())
    # The drive is known by its key: a crash here replays the update, and opens no second one.
    replies = [
        replace(each, keyboard=manage_key(drive.id, turn.paper, turn.language)) for each in told
    ]
    await turn.core.post.say(replace(closing, replies=tuple(replies)))
    return drive


async def _post(turn: Turn, plan: Plan) -> Toast:
    # A crash after it was opened replays the press: what could be refused then is past.
    drive = await turn.core.drives.by_open_key(plan.key)
    if drive is None:
        if (chat_id := await turn.core.post.chat_now(plan.chat_id)) != plan.chat_id:
            # A supergroup has no such topic.
            plan = replace(plan, chat_id=chat_id, thread_id=None)
        if not await _may_open(turn, plan):
            return turn.toast("newdrive.admins-only", alert=True)
        if plan.until is not None and plan.until <= turn.core.clock.now():
            # Described before midnight: it would be over before anybody could give.
            await _ask(turn, replace(plan, step="closes", closes_at=None))
            return turn.toast("wizard.day-over", alert=True)
        drive = await turn.core.drives.open(_new(turn, plan), Closing())
    keys = manage_key(drive.id, turn.paper, turn.language)
    closing = turn.closing(turn.reply(_posted(turn, plan, drive), keys))
    await turn.core.people.drop_draft(
        chat_id=turn.chat_id, person_id=turn.person.id, closing=closing
    )
    return turn.toast("treasury.done")


async def _may_open(turn: Turn, plan: Plan) -> bool:
    return plan.chat_id == turn.chat_id or await turn.desk.admins.is_admin(
        turn.desk.bot,
        chat_id=plan.chat_id,
        person_id=turn.person.id,
        now=turn.core.clock.now(),
    )


def _new(turn: Turn, plan: Plan) -> NewDrive:
    return NewDrive(
        title=plan.title,
        target_kes=plan.target_kes,
        closes_at=plan.until,
        shows=Shows(plan.shows),
        kind=DriveKind(plan.kind),
        chat_id=plan.chat_id,
        thread_id=plan.thread_id,
        language=plan.language,
        opened_by=turn.person.id,
        opener_name=clean(turn.person.first_name, limit=NAME_CHARS_MAX),
        open_key=plan.key,
        named=tuple(Named(id=each, name=name) for each, name in plan.named),
    )


def _posted(turn: Turn, plan: Plan, drive: Drive) -> str:
    if not plan.named:
        return turn.say("wizard.posted")
    # Telegram lets us write to nobody who has not written to us.
    link = Markup(turn.link(f"t_{drive.code}"))  # noqa: S704 -- our own, and meant to be one
    return turn.say("wizard.who.posted", names=plan.names, link=link)


async def _plan(turn: Turn) -> Plan | None:
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    if draft is None or draft.kind is not DraftKind.NEW_DRIVE:
        return None
    return Plan.unpacked(draft.data)


async def _next(turn: Turn, plan: Plan) -> None:
    await _ask(turn, replace(plan, step=STEPS[STEPS.index(plan.step) + 1]))


async def _ask(turn: Turn, plan: Plan) -> None:
    await turn.core.people.keep_draft(_draft(turn, plan), turn.closing(_question(turn, plan)))


def _draft(turn: Turn, plan: Plan) -> Draft:
    return Draft(
        chat_id=turn.person.id,
        person_id=turn.person.id,
        kind=DraftKind.NEW_DRIVE,
        data=plan.packed(),
        expires_at=turn.core.clock.now() + LIFE,
    )


def _question(turn: Turn, plan: Plan) -> Reply:
    step = plan.step

    def key(what: str, label: str, value: str = "", style: str | None = None) -> Button:
        does = Deed(
            action=f"w.{what}",
            subject=str(turn.person.id),
            argument=f"{step}:{value}" if value else step,
            owner=turn.person.id,
        )
        return Button(label=plain(turn.say(label)), does=does, style=style)

    rows: list[tuple[Button, ...]] = []
    if step == "shows":
        rows = [(key("set", f"manage.button.see-{each}", each.value),) for each in Shows]
    elif step == "kind":
        rows = [tuple(key("set", f"manage.button.{each}", each.value) for each in DriveKind)]
    elif step == "preview":
        rows = [(key("post", "wizard.button.post", style="success"),)]
    elif step == "treasurers":
        rows = [(key("pick", "wizard.button.choose"),), (key("skip", "wizard.button.alone"),)]
    elif step in SKIPPED:
        rows = [(key("skip", "wizard.button.skip"),)]
    back = [key("back", "wizard.button.back")] if step != STEPS[0] else []
    rows.append((*back, key("cancel", "wizard.button.cancel")))
    return aside_reply(turn, _words(turn, plan), Keyboard(rows=tuple(rows)))


def _words(turn: Turn, plan: Plan) -> str:
    if plan.step == "treasurers":
        return turn.say("wizard.who.question", count=NAMED_MAX)
    if plan.step != "preview":
        return turn.say(f"wizard.{plan.step}")
    until = plan.until
    named = plain(turn.say("wizard.who.asked", names=plan.names)) if plan.named else ""
    return turn.say(
        "wizard.preview.text",
        treasurers=f"{clean(turn.person.first_name, limit=NAME_CHARS_MAX)}{named}",
        title=plan.title,
        target=plain(turn.say("wizard.no-target"))
        if plan.target_kes is None
        else kes(plan.target_kes),
        closes=plain(turn.say("wizard.no-day"))
        if until is None
        else turn.paper.texts.day(turn.language, until - timedelta(hours=1)),
        shows=plain(turn.say(f"manage.button.see-{plan.shows}")),
    )
