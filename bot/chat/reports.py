"""Reports: the takings of some days as a picture, by day and by customer."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

from bot.core.core import Core
from bot.core.eat import at_eat
from bot.core.statements import Scope, Whose
from bot.documents.charts import (
    ChartsMissing,
    DayTakings,
    NamedTakings,
    TakingsReport,
    report_png,
)
from bot.documents.words import Words
from bot.texts import Texts, money
from storage.records import Document, Notice, Reply

__all__ = ["report_picture"]

EPOCH = date(1970, 1, 1)


async def report_picture(
    core: Core, texts: Texts, language: str, notice: Notice, *, title: str
) -> Reply:
    """The picture that a notice `report:<whose>:<first day>:<last day>` asks for."""
    _, whose, first, last = notice.topic.split(":")
    since, until = date.fromordinal(int(first)), date.fromordinal(int(last))
    scope = Scope(
        whose=Whose(whose),
        person_id=notice.chat_id,
        since=at_eat(since),
        until=at_eat(until + timedelta(days=1)),
    )
    days = await core.statements.by_day(scope)
    names = await core.statements.by_customer(scope)
    if not days:
        return Reply(chat_id=notice.chat_id, text=texts.say(language, "report.nothing"))
    other = texts.say(language, "report.no-invoice")
    report = TakingsReport(
        title=title,
        since=since,
        until=until,
        by_day=[DayTakings(EPOCH + timedelta(days=day), cents) for day, cents in days],
        by_name=[NamedTakings(name or other, cents) for name, cents in names],
        names_are="both" if scope.whose is Whose.EVERYBODY else "customer",
        practice=core.collector.practice,
    )
    total = money(sum(cents for _, cents in days))
    text = texts.say(language, "report.caption", title=title, sum=total)
    try:
        picture = await asyncio.to_thread(report_png, report, Words(texts, language))
    except ChartsMissing as exc:
        return Reply(chat_id=notice.chat_id, text=f"{text}\n{texts.say(language, exc.key)}")
    return Reply(
        chat_id=notice.chat_id,
        text=text,
        document=Document(filename=f"takings-{since}-{until}.png", content=picture),
    )
