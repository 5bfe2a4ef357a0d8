"""
Drive wizard: a drive described step by step, in private; what was answered is kept in a draft.

It goes on after a restart where it stood, and a button of an earlier step changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.chat.asides import aside_reply, button, leads_in_private
from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.drive_cards import manage_key
from bot.chat.drive_words import NONE, kind_of, last_day, target, title
from bot.core.drives import NewDrive
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

__all__ = ["RESUME", "begin", "open_drive", "pressed", "resumed", "written"]

LIFE = timedelta(minutes=30)
NAME_CHARS_MAX = 40
RESUME = "newdrive"
STEPS = ("title", "target", "closes", "shows", "kind", "preview")
SKIPPED = frozenset({"target", "closes"})


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

    def packed(self) -> str:
        return json.dumps(asdict(self))

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
        keys = button(turn, "drive.button.open", RESUME)
        replies.append(turn.reply(turn.say("wizard.in-private"), keys))
    await turn.core.people.keep_draft(_draft(turn, plan), turn.closing(*replies))


async def resumed(turn: Turn) -> None:
    """The link in the group was opened: the question that stands open."""
    plan = await _plan(turn)
    if plan is None:
        await turn.answer(turn.say("newdrive.expired", command="/newdrive"))
        return
    await turn.core.post.say(turn.closing(_question(turn, plan)))


async def written(turn: Turn, draft: Draft) -> None:
    """An answer in words."""
    plan = Plan(**json.loads(draft.data))
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
        case _:
            await turn.answer(turn.say("wizard.press"))
            return
    await _next(turn, plan)


async def pressed(press: DeedPress) -> Toast:
    """A button of the wizard; its argument is the step that showed it, and what was chosen."""
    turn, plan = press.turn, await _plan(press.turn)
    step, _, value = press.deed.argument.partition(":")
    if plan is None or plan.step != step:
        return turn.toast("toast.old")
    match press.deed.action:
        case "w.cancel":
            closing = turn.closing(turn.reply(turn.say("wizard.cancelled")))
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
            await _next(turn, plan)
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
    allowed = plan.chat_id == turn.chat_id or await turn.desk.admins.is_admin(
        turn.desk.bot,
        chat_id=plan.chat_id,
        person_id=turn.person.id,
        now=turn.core.clock.now(),
    )
    if not allowed:
        return turn.toast("newdrive.admins-only", alert=True)
    new = NewDrive(
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
    )
    drive = await turn.core.drives.open(new, Closing())
    keys = manage_key(drive.id, turn.paper, turn.language)
    closing = turn.closing(turn.reply(turn.say("wizard.posted"), keys))
    await turn.core.people.drop_draft(
        chat_id=turn.chat_id, person_id=turn.person.id, closing=closing
    )
    return turn.toast("treasury.done")


async def _plan(turn: Turn) -> Plan | None:
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    if draft is None or draft.kind is not DraftKind.NEW_DRIVE:
        return None
    return Plan(**json.loads(draft.data))


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
    elif step in SKIPPED:
        rows = [(key("skip", "wizard.button.skip"),)]
    back = [key("back", "wizard.button.back")] if step != STEPS[0] else []
    rows.append((*back, key("cancel", "wizard.button.cancel")))
    return aside_reply(turn, _words(turn, plan), Keyboard(rows=tuple(rows)))


def _words(turn: Turn, plan: Plan) -> str:
    if plan.step != "preview":
        return turn.say(f"wizard.{plan.step}")
    until = plan.until
    return turn.say(
        "wizard.preview.text",
        title=plan.title,
        target=plain(turn.say("wizard.no-target"))
        if plan.target_kes is None
        else kes(plan.target_kes),
        closes=plain(turn.say("wizard.no-day"))
        if until is None
        else turn.paper.texts.day(turn.language, until - timedelta(hours=1)),
        shows=plain(turn.say(f"manage.button.see-{plan.shows}")),
    )
