"""Health: `/health` for operators, and the words of what changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.chat.context import DeedPress, Toast, Turn
from bot.core.health import Change, Snapshot, Told, Trouble
from bot.texts import DEFAULT_LANGUAGE, Texts, plain
from storage.records import Button, Deed, Keyboard

__all__ = ["change_text", "details", "health", "lift", "refresh", "resume"]


async def health(turn: Turn) -> None:
    """How things are now."""
    await _answer(turn, await turn.core.health.look(), whole=False)


async def refresh(turn: Turn) -> Toast:
    """A press of 🔄."""
    if turn.is_operator:
        await health(turn)
        return Toast()
    return turn.toast("toast.old")


async def details(turn: Turn) -> Toast:
    """A press of "details"."""
    if turn.is_operator:
        await _answer(turn, await turn.core.health.look(), whole=True)
        return Toast()
    return turn.toast("toast.old")


async def resume(turn: Turn) -> Toast:
    """The gap after a restore is reconciled, says somebody; they are asked once more."""
    as_of = (await turn.core.health.look()).restored_as_of
    if not turn.is_operator or as_of is None:
        return turn.toast("toast.old")
    sure = _button(turn, "lift", "button.lift", style="danger", argument=as_of.isoformat())
    text = turn.say("health.resume", when=turn.paper.texts.when(turn.language, as_of))
    await turn.answer(text, Keyboard(rows=((sure,),)))
    return Toast()


async def lift(press: DeedPress) -> Toast:
    """They are sure of the gap that they were asked about: prompts go out again."""
    turn, about = press.turn, press.deed.argument
    if not turn.is_operator or not about:
        return turn.toast("toast.old")
    lifted = turn.closing(turn.reply(turn.say("health.lifted")))
    as_of = datetime.fromisoformat(about)
    if await turn.core.health.lift(by=turn.person.id, as_of=as_of, closing=lifted):
        return Toast()
    turn.closed = False
    return turn.toast("toast.old")


def change_text(texts: Texts, change: Change, language: str | None) -> str:
    """What went wrong and what to do about it, or that it is over; HTML."""
    spoken = language or DEFAULT_LANGUAGE
    if change.over:
        minutes = round((change.snapshot.at - change.since).total_seconds() / 60)
        what = texts.say(spoken, f"health.name.{change.trouble}")
        return texts.say(spoken, "health.over", what=plain(what), minutes=minutes)
    return _trouble(texts, spoken, change.trouble, change.snapshot)


def _trouble(texts: Texts, language: str, trouble: Trouble, snapshot: Snapshot) -> str:
    waiting, told = snapshot.waiting, snapshot.within_the_hour
    as_of = snapshot.restored_as_of or snapshot.at
    return texts.say(
        language,
        f"health.on.{trouble}",
        found=snapshot.lately.paid_by_query,
        percent=_percent(told),
        owed=waiting.outbox,
        unread=waiting.inbox,
        late=waiting.checks_late,
        paused=snapshot.lines_paused,
        free=_megabytes(snapshot.free_bytes),
        when=texts.when(language, as_of),
        why=_reached(texts, language, snapshot),
        skew=round(abs((snapshot.skew or timedelta()).total_seconds())),
    )


def _reached(texts: Texts, language: str, snapshot: Snapshot) -> str:
    """Who answers at our own address, by the last look."""
    if snapshot.sight is None:
        return texts.say(language, "reach.unknown")
    when = texts.when(language, snapshot.sight.at)
    return texts.say(language, f"reach.{snapshot.sight.reached}", when=when)


async def _answer(turn: Turn, snapshot: Snapshot, *, whole: bool) -> None:
    texts, language, waiting = turn.paper.texts, turn.language, snapshot.waiting
    told = snapshot.lately
    backup = snapshot.last_backup_at
    lines = [
        turn.say("health.bad", count=len(snapshot.wrong))
        if snapshot.wrong
        else turn.say("health.good"),
        *(_trouble(texts, language, each, snapshot) for each in snapshot.wrong),
        turn.say(
            "health.now",
            ms=round(snapshot.database_ms),
            called=told.by_callback,
            all=told.by_callback + told.by_query,
            found=told.by_query,
            unsure=waiting.unsure,
            confirming=waiting.confirming,
            pending=waiting.pending,
            paused=snapshot.lines_paused,
            backup="–" if backup is None else texts.when(language, backup),
        ),
        _reached(texts, language, snapshot),
    ]
    if whole:
        lines += _latencies(turn, snapshot)
        lines.append(
            turn.say(
                "health.details",
                instances=snapshot.instances,
                owed=waiting.outbox,
                owed_s=round(snapshot.age_s(waiting.outbox_since)),
                unread=waiting.inbox,
                unread_s=round(snapshot.age_s(waiting.inbox_since)),
                late=waiting.checks_late,
                unsettled=waiting.unsettled,
                percent=_percent(snapshot.within_the_hour),
                free=_megabytes(snapshot.free_bytes),
            )
        )
    row = [_button(turn, "health", "button.refresh")]
    if not whole:
        row.insert(0, _button(turn, "health-details", "button.details"))
    rows = [tuple(row)]
    if snapshot.restored_as_of is not None:
        rows.append((_button(turn, "resume", "button.resume"),))
    await turn.answer("\n".join(lines), Keyboard(rows=tuple(rows)))


def _latencies(turn: Turn, snapshot: Snapshot) -> list[str]:
    """How long Safaricom takes to answer us."""
    return [
        turn.say(f"latency.{kind}", seconds=f"{each.p95_s:.1f}", among=each.among)
        for kind, each in snapshot.latencies.items()
    ]


def _percent(told: Told) -> int:
    among = told.by_callback + told.by_query
    return round(100 * told.by_query / among) if among else 0


def _megabytes(free_bytes: int | None) -> str:
    return "–" if free_bytes is None else f"{free_bytes / 2**20:,.0f} MB"


def _button(
    turn: Turn, action: str, label: str, *, style: str | None = None, argument: str = ""
) -> Button:
    person_id = turn.person.id
    does = Deed(action=action, subject=str(person_id), argument=argument, owner=person_id)
    return Button(label=plain(turn.say(label)), does=does, style=style)
