"""The operator's pages: every alarm has its place, and nothing is named that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from bot.cli import main
from bot.config import Config
from bot.core.health import Snapshot, Trouble
from bot.core.reach import Reached, Sight
from bot.metrics import Metrics
from storage.records import Alarm
from tests.core.test_health import snapshot
from tests.stores import TestClock

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ["install.md", "going-live.md", "alerts.md", "money-missing.md", "running.md"]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def headings(text: str) -> list[str]:
    return re.findall(r"^##? (.*)$", text, re.MULTILINE)


def anchors(text: str) -> set[str]:
    """As GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(text)
    }


def test_every_alarm_and_every_trouble_has_a_heading_and_no_other_does() -> None:
    told = re.findall(r"^## (.*)$", page("alerts.md"), re.MULTILINE)

    assert sorted(told) == sorted([*Alarm, *Trouble])


def test_every_alarm_says_what_to_do() -> None:
    for part in re.split(r"^## ", page("alerts.md"), flags=re.MULTILINE)[1:]:
        assert "**Do:**" in part, part.splitlines()[0]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page(name)):
        file = DOCS / (target or name)
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), anchor


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_told_exists_with_its_options(name: str) -> None:
    code = "\n".join(
        [
            *re.findall(r"^```sh\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL),
            *re.findall(r"`(lipabot [^`]+)`", page(name)),
        ]
    ).replace("\\\n", " ")
    told = re.findall(r"(?:^|bin/|lipabot )lipabot ([a-z]+)((?: [^\n]*)?)", code, re.MULTILINE)
    for word, rest in told:
        command = main.commands[word]
        known = {
            option
            for parameter in command.params
            if isinstance(parameter, click.Option)
            for option in parameter.opts
        }
        assert set(re.findall(r"(--[a-z-]+)", rest.partition("#")[0])) <= known, rest


@pytest.mark.parametrize("name", PAGES)
def test_every_configuration_key_that_is_told_exists(name: str) -> None:
    tables = "|".join(Config.model_fields)
    for table, key in re.findall(rf"`({tables})\.([a-z_]+)", page(name)):
        section = Config.model_fields[table].annotation
        assert section is not None
        assert key in section.model_fields, f"{table}.{key}"


async def test_every_number_that_metrics_gives_is_told() -> None:
    async def look() -> Snapshot:
        now = TestClock().now()
        return snapshot(last_backup_at=now, sight=Sight(at=now, reached=Reached.OURS, failures=0))

    made = await Metrics(look=look, clock=TestClock(), version="1").page()
    given = set(re.findall(r"^# TYPE (lipabot_[a-z_]+) ", made.decode(), re.MULTILINE))
    told = set(re.findall(r"`(lipabot_[a-z_]+)", page("running.md")))

    assert given == told
