"""
Drive cards: a drive as its one message in the group, as a list, as thanks and as a last word.

Pure: a view and the stationery go in, text and buttons come out. Nothing here carries ✅, which
only the message of a paid payment does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from bot.chat.keyboards import Stationery
from bot.chat.pens import Card
from bot.core.drive_views import CardView, ShownGift
from bot.texts import clean, kes, money, plain, signed
from storage.records import (
    AWAY,
    Button,
    Deed,
    Drive,
    DriveEdit,
    DriveStatus,
    Keyboard,
    Shows,
    Totals,
)

__all__ = [
    "AMOUNTS_KES",
    "accept_keys",
    "card",
    "closed_text",
    "last_day",
    "link_of",
    "list_text",
    "manage_key",
    "offered",
    "plain_list",
    "sheet",
    "thanks_text",
    "title_line",
]

AMOUNTS_KES = (100, 500, 1000)
BAR_CELLS = 10
TEXT_CHARS_MAX = 3500
"""Of Telegram's 4096: the rest is for what stands around a list."""
THANKED_BY_NAME = 2
TREASURERS_NAMED = 3
DAY = timedelta(days=1)


def title_line(drive: Drive, paper: Stationery, language: str | None = None) -> str:
    return paper.texts.say(
        language or drive.language, f"drive.title.{drive.kind}", title=drive.title
    )


def last_day(drive: Drive, paper: Stationery, language: str) -> str:
    """The last day on which it takes gifts, or nothing."""
    if drive.closes_at is None:
        return ""
    day = paper.texts.day(language, drive.closes_at - DAY / 2)
    return paper.texts.say(language, "drive.closes", day=day)


def link_of(drive: Drive, paper: Stationery, amount_kes: int | None = None) -> str:
    """The address that opens our private chat with this drive."""
    amount = "" if amount_kes is None else f"_{amount_kes}"
    return f"https://t.me/{paper.username}?start=d_{drive.code}{amount}"


def card(view: CardView, paper: Stationery, *, language: str | None = None) -> Card:
    """The one message of a drive, as things stand now."""
    drive = view.drive
    language = language or drive.language
    say = paper.texts.say
    lines = [title_line(drive, paper, language), _sum_line(view, paper, language)]
    lines += [f"• {line_of(each, paper, language)}" for each in view.newest]
    if view.more and view.newest:
        lines.append(say(language, "drive.more", count=view.more))
    if not view.totals.gifts and drive.status is DriveStatus.OPEN:
        lines.append(say(language, f"drive.nobody-yet.{drive.kind}"))
    if view.promised[1]:
        lines.append(say(language, "drive.promised", amount=kes(view.promised[1])))
    names = ", ".join(clean(each.name) for each in view.treasurers[:TREASURERS_NAMED])
    lines.append(say(language, "drive.treasurers", names=names))
    lines.append(_by_hand(drive, paper, language))
    if drive.status is DriveStatus.PAUSED:
        lines.append(say(language, "drive.paused"))
    if drive.status is DriveStatus.CLOSED:
        lines.append(say(language, f"drive.closed.{drive.kind}"))
    return Card(
        text="\n".join(line for line in lines if line), keyboard=_card_keys(drive, paper, language)
    )


def sheet(view: CardView, paper: Stationery, *, language: str, amount_kes: int | None) -> Card:
    """A drive in somebody's private chat; with an amount, ready to be given."""
    drive = view.drive
    whole = card(view, paper, language=language)
    text = f"{whole.text}\n\n{_sheet_words(paper, language)}"
    if drive.status is not DriveStatus.OPEN:
        return Card(text=whole.text, keyboard=Keyboard(rows=(_reading(drive, paper, language),)))
    rows: list[tuple[Button, ...]] = []
    if amount_kes is not None:
        rows = offered(drive, paper, language, amount_kes)
    others = tuple(each for each in AMOUNTS_KES if each != amount_kes)
    rows.append(tuple(_gives(drive, kes(each), str(each)) for each in others))
    rows.append(_other_and_pledge(drive, paper, language))
    rows.append(_reading(drive, paper, language))
    return Card(text=text, keyboard=Keyboard(rows=tuple(rows)))


def offered(
    drive: Drive, paper: Stationery, language: str, amount_kes: int
) -> list[tuple[Button, ...]]:
    """One amount, with a name and without."""
    amount = kes(amount_kes)
    give = plain(paper.texts.say(language, "drive.button.give", amount=amount))
    unnamed = plain(paper.texts.say(language, "drive.button.give-unnamed", amount=amount))
    return [
        (_gives(drive, give, str(amount_kes), style="success"),),
        (_gives(drive, unnamed, f"{amount_kes}a"),),
    ]


def line_of(gift: ShownGift, paper: Stationery, language: str) -> str:
    """One line of a list."""
    say = paper.texts.say
    name = gift.name or plain(say(language, "drive.well-wisher"))
    if gift.through:
        name = plain(say(language, "drive.line.through", name=name, through=gift.through))
    amount = "" if gift.cents is None else money(gift.cents)
    if gift.correction:
        return say(
            language,
            "drive.line.correction",
            by=gift.by_name or "–",
            amount="…" if gift.cents is None else signed(gift.cents),
            reason=gift.reason,
        )
    if gift.once:
        return say(language, "drive.line.once", name=name, amount=amount)
    if gift.untold:
        return say(language, "drive.line.untold", name=name, amount=amount)
    if gift.returned:
        return say(language, "drive.line.returned", name=name, amount=amount)
    key = "drive.line" if amount else "drive.line.hidden"
    values = {"amount": amount} if amount else {}
    line = say(language, key, name=name, **values)
    if gift.cash:
        line += f" ({say(language, 'drive.line.cash', by=gift.by_name or '–')})"
    return line


def list_text(
    drive: Drive,
    gifts: Sequence[ShownGift],
    trail: Sequence[DriveEdit],
    totals: Totals,
    paper: Stationery,
    *,
    language: str,
) -> str:
    """The list and the trail of changes, as long as one message may be; newest first."""
    say = paper.texts.say
    head = [title_line(drive, paper, language), f"<b>{money(totals.cents)}</b>"]
    if drive.shows is Shows.TOTALS:
        head.append(say(language, "drive.list.totals-only"))
    lines = [f"{mark} {line_of(each, paper, language)}" for mark, each in _marked(gifts, totals)]
    changes = [_trail_line(each, paper, language) for each in trail]
    if changes:
        changes.insert(0, say(language, "drive.list.trail"))
    kept = _fitting(lines, TEXT_CHARS_MAX - sum(map(len, (*head, *changes))))
    left = totals.gifts - sum(each.counts for each in gifts[: len(kept)])
    if left > 0:
        kept.append(say(language, "drive.more", count=left))
    return "\n".join([*head, *kept, *changes])


def plain_list(view: CardView, gifts: Sequence[ShownGift], paper: Stationery, language: str) -> str:
    """For WhatsApp: plain, numbered from the first gift on, without a phone number."""
    drive, say = view.drive, paper.texts.say
    target = drive.target_kes
    total = money(view.totals.cents)
    lines = [plain(title_line(drive, paper, language))]
    if target is None:
        lines.append(plain(say(language, "drive.plain.total", total=total)))
    else:
        values = {"total": total, "target": kes(target)}
        lines.append(plain(say(language, "drive.plain.of-target", **values)))
    numbered = [
        f"{mark} {plain(line_of(each, paper, language))}"
        for mark, each in _marked(gifts, view.totals)
    ]
    foot = []
    if paper.collector.kind == "paybill":
        values = {"number": paper.collector.number, "reference": drive.reference}
        foot.append(plain(say(language, "drive.plain.by-hand", **values)))
    link = link_of(drive, paper)
    foot.append(plain(say(language, "drive.plain.link", link=link)).replace("\u2060", ""))
    return "\n".join([*lines, *_fitting(numbered, TEXT_CHARS_MAX - 500)[::-1], *foot])


def accept_keys(drive_id: str, person_id: int, paper: Stationery, language: str) -> Keyboard:
    """Yes and no, for whoever was named as a treasurer."""
    keys = tuple(
        Button(
            label=plain(paper.texts.say(language, f"treasurer.button.{what}")),
            does=Deed(action=f"d.{what}", subject=drive_id, owner=person_id),
        )
        for what in ("accept", "decline")
    )
    return Keyboard(rows=(keys,))


def manage_key(drive_id: str, paper: Stationery, language: str) -> Keyboard:
    """The door to what treasurers do."""
    label = plain(paper.texts.say(language, "drive.button.manage"))
    does = Deed(action="d.manage", subject=drive_id)
    return Keyboard(rows=((Button(label=label, does=does),),))


def thanks_text(drive: Drive, gifts: Sequence[ShownGift], count: int, paper: Stationery) -> str:
    """One line for all gifts of the last two minutes; no amount where one would be found out."""
    language, say = drive.language, paper.texts.say
    stranger = plain(say(language, "drive.well-wisher"))
    named = list(dict.fromkeys(each.name or stranger for each in gifts))
    names = ", ".join(clean(each) for each in named[:THANKED_BY_NAME])
    if len(named) > THANKED_BY_NAME:
        more = len(named) - THANKED_BY_NAME
        names = plain(say(language, "drive.and-more", names=names, count=more))
    cents = [each.cents for each in gifts]
    form = "nameless"
    if named:
        form = ("one" if len(named) == 1 else "many") + ("-quiet" if None in cents else "")
    amount = money(sum(each or 0 for each in cents))
    values = {"names": names, "amount": amount, "count": count}
    return say(language, f"thanks.{drive.kind}.{form}", **values)


def closed_text(view: CardView, paper: Stationery) -> str:
    """What it has come to, when it is closed."""
    drive, language = view.drive, view.drive.language
    return paper.texts.say(
        language,
        f"drive.is-closed.{drive.kind}",
        title=drive.title,
        total=money(view.totals.cents),
        people=_people(view, paper, language),
        mpesa=money(view.totals.mpesa_cents),
        cash=money(view.totals.cash_cents),
    )


def _sum_line(view: CardView, paper: Stationery, language: str) -> str:
    drive, say = view.drive, paper.texts.say
    total = money(view.totals.cents)
    if drive.target_kes is None:
        line = say(language, "drive.total", total=total)
    else:
        percent = max(0, view.totals.cents // drive.target_kes)
        full = min(BAR_CELLS, percent * BAR_CELLS // 100)
        line = say(
            language,
            "drive.of-target",
            bar="▓" * full + "░" * (BAR_CELLS - full),
            percent=percent,
            total=total,
            target=kes(drive.target_kes),
        )
    more = [_people(view, paper, language) if view.totals.gifts else ""]
    if drive.status is not DriveStatus.CLOSED:
        more.append(last_day(drive, paper, language))
    return " · ".join([line, *(each for each in more if each)])


def _people(view: CardView, paper: Stationery, language: str) -> str:
    say = paper.texts.say
    if view.givers is None:
        return say(language, "drive.gifts", count=f"{view.totals.gifts:,}")
    if view.givers == 1:
        return say(language, "drive.people.one")
    return say(language, "drive.people.many", count=view.givers)


def _by_hand(drive: Drive, paper: Stationery, language: str) -> str:
    """A till knows no account, and so no drive: nothing is said of it."""
    if paper.collector.kind != "paybill" or drive.status is DriveStatus.CLOSED:
        return ""
    values = {"number": paper.collector.number, "reference": drive.reference}
    return paper.texts.say(language, "drive.by-hand", **values)


def _sheet_words(paper: Stationery, language: str) -> str:
    return paper.texts.say(language, "give.sheet", collector=paper.collector.name)


def _card_keys(drive: Drive, paper: Stationery, language: str) -> Keyboard:
    if drive.status is not DriveStatus.OPEN:
        return Keyboard(rows=(_reading(drive, paper, language),))
    amounts = tuple(_gives(drive, kes(each), str(each)) for each in AMOUNTS_KES)
    return Keyboard(
        rows=(
            amounts,
            _other_and_pledge(drive, paper, language),
            _reading(drive, paper, language),
        )
    )


def _other_and_pledge(drive: Drive, paper: Stationery, language: str) -> tuple[Button, ...]:
    other = plain(paper.texts.say(language, "drive.button.other"))
    pledge = plain(paper.texts.say(language, "drive.button.pledge"))
    return (
        _gives(drive, other, ""),
        Button(label=pledge, does=Deed(action="d.pledge", subject=drive.id)),
    )


def _reading(drive: Drive, paper: Stationery, language: str) -> tuple[Button, ...]:
    return tuple(
        Button(
            label=plain(paper.texts.say(language, f"drive.read.{what}")),
            does=Deed(action=f"d.{what}", subject=drive.id),
        )
        for what in ("list", "share")
    )


def _gives(drive: Drive, label: str, argument: str, *, style: str | None = None) -> Button:
    does = Deed(action="d.give", subject=drive.id, argument=argument)
    return Button(label=label, does=does, style=style)


def _trail_line(edit: DriveEdit, paper: Stationery, language: str) -> str:
    if edit.what == AWAY:
        day = paper.texts.day(language, edit.at)
        return paper.texts.say(language, "drive.trail.away", day=day, by=edit.by_name or "–")
    what = plain(paper.texts.say(language, f"drive.what.{edit.what}"))
    return paper.texts.say(
        language,
        "drive.trail.line",
        day=paper.texts.day(language, edit.at),
        by=edit.by_name or "–",
        what=what,
        before=edit.before or "–",
        after=edit.after or "–",
    )


def _marked(gifts: Sequence[ShownGift], totals: Totals) -> Iterable[tuple[str, ShownGift]]:
    """Each line, newest first, with which gift it is; or with a dot, where it counts as none."""
    # A gift may have come between the reading of the one and of the other.
    number = max(totals.gifts, sum(each.counts for each in gifts))
    for each in gifts:
        yield (f"{number}." if each.counts else "•"), each
        number -= each.counts


def _fitting(lines: Sequence[str], chars: int) -> list[str]:
    """As many lines as fit."""
    kept: list[str] = []
    for line in lines:
        chars -= len(line) + 1
        if chars < 0:
            break
        kept.append(line)
    return kept
