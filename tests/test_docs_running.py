"""The operator's pages: every alarm has its place, and nothing is named that there is not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from bot.chat.review import Act
from bot.cli import main
from bot.config import Config
from bot.core.health import Snapshot, Trouble
from bot.core.reach import Reached, Sight
from bot.metrics import Metrics
from bot.texts import Texts
from storage.records import Alarm
from tests.core.test_health import snapshot
from tests.stores import TestClock

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
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


def blocks(text: str) -> str:
    """What is to be typed, each command on a line of its own."""
    fenced = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join(fenced).replace("\\\n", " ")


@pytest.mark.parametrize(
    "path",
    ["README.md", "deploy/lipabot-backup.service", *(f"docs/{name}" for name in PAGES)],
)
def test_a_backup_goes_into_a_folder_that_is_named_as_one(path: str) -> None:
    """Without the slash a folder that is not there yet becomes a file, and no night's copy fits."""
    text = (ROOT / path).read_text(encoding="utf-8")
    told = re.findall(r"lipabot backup (?:--config \S+ )?([^\s-]\S*)", text)

    assert [each for each in told if not each.strip("`").endswith("/")] == []
    assert told or path not in ("README.md", "docs/running.md", "deploy/lipabot-backup.service")


def test_the_folder_of_the_nightly_copy_is_there_before_the_first_night() -> None:
    unit = (ROOT / "deploy/lipabot-backup.service").read_text(encoding="utf-8")
    [folder] = re.findall(r"^ExecStart=.* (\S+)/$", unit, re.MULTILINE)
    made = re.findall(r"^sudo install -d .*", blocks(page("install.md")), re.MULTILINE)

    assert any(folder in line.split() for line in made)


@pytest.mark.parametrize("name", PAGES)
def test_nobody_is_told_to_find_lipabot_on_sudos_path(name: str) -> None:
    assert re.findall(r"sudo -u lipabot lipabot\b", page(name)) == []


COMPOSED = re.compile(r"\$C (exec|run|stop|start|restart|cp|up)((?: -\S+)*)([^>|<]*)")


def test_every_composed_command_names_its_file_and_a_service_of_it() -> None:
    file, seen = "", 0
    for line in blocks(page("install.md")).splitlines():
        if named := re.fullmatch(r"C='docker compose -f (deploy/\S+)'", line):
            file = named[1]
            continue
        assert "docker compose" not in line
        for verb, _, rest in COMPOSED.findall(line):
            services = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["services"]
            words = [word.partition(":")[0] for word in rest.split() if word != "."]
            if verb in ("exec", "run", "cp"):
                words = words[:1]
            assert set(words) <= set(services), line
            seen += 1
    assert seen > 10


def test_every_extra_that_is_told_exists() -> None:
    extras = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    )
    pages = [(ROOT / "README.md").read_text(encoding="utf-8"), *map(page, PAGES)]
    told = {
        extra
        for text in pages
        for listed in re.findall(r"(?:lipabot|\.)\[([a-z,]+)\]", text)
        for extra in listed.split(",")
    }

    assert told == extras - {"dev"}


def test_the_buttons_that_decide_about_money_are_called_what_they_say() -> None:
    texts, told = Texts.load(), " ".join(page("money-missing.md").split())
    for act in (Act.CREDIT, Act.VOID):
        said = texts.say("en", f"button.{act}").partition(" ")[2]
        assert f"*{said}*" in told


def test_what_the_checks_install_is_told() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    needed = set(re.findall(r"missing\+=\(([a-z0-9-]+)\)", script))
    [told] = re.findall(
        r"`\.ci/run` installs (.*?) if", (ROOT / "README.md").read_text(), re.DOTALL
    )

    assert needed == set(told.lower().replace(" and ", ", ").replace("\n", " ").split(", "))


async def test_every_number_that_metrics_gives_is_told() -> None:
    async def look() -> Snapshot:
        now = TestClock().now()
        return snapshot(last_backup_at=now, sight=Sight(at=now, reached=Reached.OURS, failures=0))

    made = await Metrics(look=look, clock=TestClock(), version="1").page()
    given = set(re.findall(r"^# TYPE (lipabot_[a-z_]+) ", made.decode(), re.MULTILINE))
    told = set(re.findall(r"`(lipabot_[a-z_]+)", page("running.md")))

    assert given == told
