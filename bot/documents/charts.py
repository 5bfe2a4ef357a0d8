"""Charts: takings by day and by drive or customer as one picture that a phone can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from bot.documents.glyphs import FONTS, font_path, printable
from bot.documents.words import Words, line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "ChartsMissing",
    "DayTakings",
    "NamedTakings",
    "TakingsReport",
    "bars_by_name",
    "bars_by_time",
    "report_png",
]

WIDTH_PX: Final = 1200
DPI: Final = 150
DAYS_MAX: Final = 62
"""More bars than these cannot be told apart on a phone: then each is a week, or a month."""

WEEKS_MAX: Final = 62
NAMES_MAX: Final = 8
NAME_CHARS_MAX: Final = 36

# Okabe and Ito's blue and vermilion: told apart with any kind of colour blindness.
CAME: Final = "#0072B2"
WENT: Final = "#D55E00"
INK: Final = "#1A202C"
GRID: Final = "#D5DAE1"


class ChartsMissing(Exception):
    """The plotting library is not installed; the sentence named *key* says it to a person."""

    key = "paper.charts-missing"


class DayTakings(NamedTuple):
    """What one day in East Africa brought, net of reversals."""

    day: date
    cents: int


class NamedTakings(NamedTuple):
    """What one drive or customer brought, net of reversals."""

    name: str
    cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakingsReport:
    """What `/report` shows. Days without money may be left out: they are drawn as nothing."""

    title: str  # the merchant or the collector
    since: date
    until: date  # that day included
    by_day: Sequence[DayTakings]
    by_name: Sequence[NamedTakings]
    names_are: Literal["drive", "customer", "both"]
    practice: bool = False


def report_png(report: TakingsReport, words: Words) -> bytes:
    """
    The picture, 1200 px wide. Takes about a second: run it in a thread.

    Raises ChartsMissing.
    """
    try:
        from matplotlib import font_manager, rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ChartsMissing("the extra charts is not installed") from error

    families = []
    for family, style, name in FONTS:
        font_manager.fontManager.addfont(font_path(name))
        if not style:
            families.append("Noto Emoji" if family == "NotoEmoji" else "DejaVu Sans")
    names = bars_by_name(report.by_name, words)
    bars_in = 0.62 * max(len(names), 1)
    height_in = 5.4 + bars_in + 1.3
    with rc_context({"font.family": families, "font.size": 13, "text.color": INK}):
        figure = Figure(figsize=(WIDTH_PX / DPI, height_in), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        top, bottom = figure.subplots(2, 1, height_ratios=[3.4, bars_in + 0.5])
        total = sum(each.cents for each in report.by_day)
        same = report.since.year == report.until.year
        first = words.short_day(report.since) if same else words.day(report.since)
        span = f"{first} – {words.day(report.until)}"
        figure.suptitle(
            f"{_shown(report.title, 40)}\n{words.money(total)} · {span}",
            fontsize=18,
            x=0.03,
            ha="left",
        )
        _by_day(top, report, words)
        _by_name(bottom, report, names, words)
        if report.practice:
            practice = words.say("paper.stamp.practice")
            figure.text(0.97, 0.008, practice, ha="right", va="bottom", color=WENT, fontsize=12)
        figure.tight_layout(rect=(0.01, 0.02, 0.99, 0.99))
        box = bottom.get_position()  # it has no marks on the left, and needs no room for them
        bottom.set_position((0.03, box.y0, box.x1 - 0.03, box.height))
        picture = BytesIO()
        figure.savefig(picture, format="png")
    return picture.getvalue()


def _by_day(axes: Axes, report: TakingsReport, words: Words) -> None:
    steps, name = bars_by_time(report)
    values = [cents / 100 for _, cents in steps]
    places = range(len(steps))
    axes.bar(places, values, width=0.8, color=[CAME if each >= 0 else WENT for each in values])
    axes.set_title(words.say(f"paper.chart.by-{name}"), loc="left", fontsize=14)
    every = max(1, -(-len(steps) // 6))
    marked = list(places)[::every]
    axes.set_xticks(marked, [_step_name(steps[each][0], name, words) for each in marked])
    axes.set_xlim(-0.7, len(steps) - 0.3)
    _money_axis(axes.yaxis)
    _plain(axes, "y")
    axes.axhline(0, color=INK, linewidth=1)
    if not any(values):
        axes.set_ylim(0, 1)
        axes.set_yticks([0])
        axes.text(0.5, 0.5, words.say("paper.nothing"), transform=axes.transAxes, ha="center")


def _by_name(
    axes: Axes, report: TakingsReport, names: Sequence[NamedTakings], words: Words
) -> None:
    kind = report.names_are
    axes.set_title(words.say(f"paper.chart.by-{kind}"), loc="left", fontsize=14)
    if not names:
        axes.set_axis_off()
        axes.text(0, 0.5, words.say("paper.nothing"), transform=axes.transAxes)
        return
    values = [each.cents / 100 for each in names]
    colours = [CAME if each >= 0 else WENT for each in values]
    axes.barh(range(len(names)), values, height=0.34, color=colours)
    # Name and amount stand above their bar: beside it, a long one would leave no room for bars.
    across = axes.get_yaxis_transform()
    for place, each in enumerate(names):
        name, height = _shown(each.name, NAME_CHARS_MAX), place - 0.26
        axes.text(0, height, name, transform=across, fontsize=12, va="bottom")
        axes.text(1, height, words.money(each.cents), transform=across, ha="right", va="bottom")
    axes.set_ylim(len(names) - 0.6, -0.85)
    axes.set_xlim(min(0.0, *values, 0.0), max(0.0, *values, 0.0) or 1.0)
    axes.set_xticks([])
    axes.set_yticks([])
    _plain(axes, "")
    if min(values) < 0:
        axes.axvline(0, color=INK, linewidth=1)


def bars_by_time(report: TakingsReport) -> tuple[list[tuple[date, int]], str]:
    """One bar for every day, week or month of the time asked for, empty ones too."""
    days = (report.until - report.since).days + 1
    name = "day" if days <= DAYS_MAX else "week" if days <= WEEKS_MAX * 7 else "month"
    sums: dict[date, int] = {}
    for offset in range(days):
        sums.setdefault(_step(report.since + timedelta(days=offset), name), 0)
    for day, cents in report.by_day:
        step = _step(day, name)
        assert step in sums, f"{day} is not within the report"
        sums[step] += cents
    return sorted(sums.items()), name


def _step(day: date, name: str) -> date:
    if name == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if name == "month" else day


def _step_name(day: date, name: str, words: Words) -> str:
    return words.month(day) if name == "month" else words.short_day(day)


def bars_by_name(takings: Sequence[NamedTakings], words: Words) -> list[NamedTakings]:
    """The largest, and one bar for all the others, so that the bars come to the whole."""
    ranked = sorted(takings, key=lambda each: -each.cents)
    if len(ranked) <= NAMES_MAX:
        return ranked
    rest = ranked[NAMES_MAX - 1 :]
    others = words.say("paper.chart.others", number=len(rest))
    return [*ranked[: NAMES_MAX - 1], NamedTakings(others, sum(each.cents for each in rest))]


def _money_axis(axis: Any) -> None:
    """Whole shillings with separators, from zero, and few enough to read."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _plain(axes: Axes, grid: str) -> None:
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, pad=8)
    if grid:
        axes.grid(axis="y", color=GRID, linewidth=1)
        axes.set_axisbelow(True)


def _shown(text: str, limit: int) -> str:
    """A `$` would begin a formula."""
    return printable(line(text, limit)).replace("$", r"\$")
