"""What `deploy/` promises: no root, nothing open that need not be, and a stop that waits for us."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from bot.app import STOP_WITHIN_S
from bot.commands.common import BAD_CONFIG

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
BOTS = [("compose.yaml", ["lipabot"]), ("compose.postgres.yaml", ["lipabot-1", "lipabot-2"])]


def steps(dockerfile: str) -> list[list[tuple[str, str]]]:
    """The instructions of each stage."""
    text = re.sub(r"\\\n\s*", " ", dockerfile)
    stages: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest.strip()))
    return stages


BUILD, LAST = steps((DEPLOY / "Dockerfile").read_text())


def of(word: str) -> list[str]:
    return [rest for each, rest in LAST if each == word]


def test_the_image_is_made_in_two_stages_and_only_the_program_goes_into_the_last() -> None:
    assert [rest.split()[0] for word, rest in (BUILD[0], LAST[0]) if word == "FROM"] == [
        "python:3.11-slim"
    ] * 2
    assert of("COPY") == ["--from=build /opt/lipabot /opt/lipabot"]


def test_it_is_not_root_and_needs_no_shell() -> None:
    assert of("USER") == ["10001:10001"]
    for word in ("RUN", "ENTRYPOINT", "CMD"):
        assert all(isinstance(json.loads(rest), list) for rest in of(word))
    order = [word for word, _ in LAST]
    assert max(place for place, word in enumerate(order) if word == "RUN") < order.index("USER")


def test_it_writes_in_one_place_and_stops_when_it_is_told() -> None:
    assert of("VOLUME") == of("WORKDIR") == ["/var/lib/lipabot"]
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(of("ENTRYPOINT")[0]) == ["lipabot"]
    assert json.loads(of("CMD")[0])[0] == "run"


@asynccontextmanager
async def answering(status: int) -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=request.path)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
async def test_its_health_check_tells_ready_from_starting(status: int, healthy: bool) -> None:
    [check] = of("HEALTHCHECK")
    words = json.loads(check.partition("CMD ")[2])
    async with answering(status) as port:
        words[-1] = words[-1].replace(":8080/healthz", f":{port}/healthz")
        process = await asyncio.create_subprocess_exec(
            # In the image it is called `python`; on a Debian of its own only `python3` is.
            *(sys.executable if each == "python" else each for each in words),
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"]},
        )
        assert (await process.wait() == 0) is healthy


def test_no_secret_can_get_into_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    allowed = {line[1:] for line in lines if line.startswith("!")}

    assert lines[1] == "*"
    copied = {each for word, rest in BUILD if word == "COPY" for each in rest.split()[:-1]}
    assert allowed == copied
    assert not allowed & {"config.toml", ".git", "var"}


def compose(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return loaded


@pytest.mark.parametrize(("name", "bots"), BOTS)
def test_a_composed_bot_can_write_its_books_and_nothing_else(name: str, bots: list[str]) -> None:
    services = compose(name)["services"]
    for bot in bots:
        service = services[bot]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "ports" not in service, "only the proxy is reached from outside"
        assert "./config:/etc/lipabot:ro" in service["volumes"]
        assert int(service["stop_grace_period"].removesuffix("s")) > STOP_WITHIN_S
        [proxies] = json.loads(service["environment"]["LIPABOT_WEBHOOK__TRUSTED_PROXIES"])
        [network] = compose(name)["networks"]["front"]["ipam"]["config"]
        assert proxies == network["subnet"]


@pytest.mark.parametrize(("name", "bots"), BOTS)
def test_only_the_proxy_is_open_and_it_knows_every_bot(name: str, bots: list[str]) -> None:
    composed = compose(name)
    services = composed["services"]

    assert [each for each, service in services.items() if "ports" in service] == ["caddy"]
    upstreams = services["caddy"]["environment"]["LIPABOT_UPSTREAMS"].split()
    assert upstreams == [f"{bot}:8080" for bot in bots]
    named = {
        volume.partition(":")[0]
        for service in services.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert named == set(composed["volumes"])
    for service in services.values():
        assert set(service["networks"]) <= set(composed["networks"])


def test_the_database_server_is_on_an_inner_network() -> None:
    composed = compose("compose.postgres.yaml")

    assert composed["services"]["postgres"]["networks"] == ["back"]
    assert composed["networks"]["back"] == {"internal": True}
    assert "back" not in composed["services"]["caddy"]["networks"]


OPEN = ["/c/x.y", "/t/x", "/b/x", "/telegram", "/d/x", "/i/x", "/r/x", "/static/x.css"]
SHUT = ["/", "/metrics", "/healthz", "/c", "/admin", "/telegram/x", "/.git/config"]


def caddyfile() -> str:
    return (DEPLOY / "Caddyfile").read_text()


def test_the_proxy_lets_through_what_it_must_and_nothing_else() -> None:
    [line] = re.findall(r"@ours path (.*)", caddyfile())

    assert line.split() == [
        *("/c/*", "/t/*", "/b/*", "/telegram", "/d/*", "/i/*", "/r/*", "/static/*"),
    ]


def caddy() -> str:
    found = shutil.which("caddy")
    if found is None:
        pytest.skip("no Caddy here: apt install caddy")
    return found


@asynccontextmanager
async def proxied(
    folder: Path, *upstreams: int, variables: dict[str, str] | None = None
) -> AsyncIterator[str]:
    """The very Caddyfile, in front of one bot or several, by plain http."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LIPABOT_HOST": f"http://127.0.0.1:{port}",
        **(variables or {}),
        "LIPABOT_UPSTREAMS": " ".join(f"127.0.0.1:{port}" for port in upstreams),
    }
    config = folder / "Caddyfile"
    config.write_text("{\n\tadmin off\n}\n" + caddyfile())
    process = await asyncio.create_subprocess_exec(
        *(caddy(), "run", "--config", str(config), "--adapter", "caddyfile"),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(20):
            while b"serving initial configuration" not in await process.stderr.readline():
                assert process.returncode is None
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.communicate()


async def test_a_real_caddy_opens_those_doors_only(tmp_path: Path) -> None:
    async with (
        answering(200) as upstream,
        proxied(tmp_path, upstream) as base,
        aiohttp.ClientSession() as client,
    ):
        found = {}
        for path in [*OPEN, *SHUT]:
            async with client.get(f"{base}{path}") as answer:
                found[path] = answer.status, await answer.text()

    assert {path: found[path] for path in OPEN} == {path: (200, path) for path in OPEN}
    assert {found[path] for path in SHUT} == {(404, "Not found")}


def checked(variables: dict[str, str]) -> bool:
    """Whether Caddy, told this, looks at its upstreams before it hands them anything."""
    done = subprocess.run(
        [caddy(), "adapt", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return '"health_checks"' in done.stdout


async def test_a_bot_that_is_not_ready_is_handed_its_callbacks(tmp_path: Path) -> None:
    """It takes them while Telegram cannot be reached; and `lipabot doctor` has no /healthz."""
    alone = compose("compose.yaml")["services"]["caddy"]["environment"]

    assert not checked({})
    assert not checked({name: value for name, value in alone.items() if name != "LIPABOT_HOST"})
    async with (
        answering(503) as upstream,
        proxied(tmp_path, upstream) as base,
        aiohttp.ClientSession() as client,
        client.post(f"{base}/c/x.y") as answer,
    ):
        assert await answer.text() == "/c/x.y"


async def test_of_two_bots_the_one_that_is_not_ready_is_spared(tmp_path: Path) -> None:
    said = compose("compose.postgres.yaml")["services"]["caddy"]["environment"]
    variables = {"LIPABOT_CHECK": said["LIPABOT_CHECK"]}

    assert checked(variables)
    async with (
        answering(503) as ill,
        answering(200) as well,
        proxied(tmp_path, ill, well, variables=variables) as base,
        aiohttp.ClientSession() as client,
        asyncio.timeout(20),
    ):
        # Caddy looks as soon as it is there, but may be asked sooner.
        row = 0
        while row < 30:
            async with client.post(f"{base}/c/x.y") as answer:
                row = row + 1 if answer.status == 200 else 0


async def test_a_callback_that_may_have_been_taken_is_posted_once(tmp_path: Path) -> None:
    posted = []

    async def cut(request: web.Request) -> web.Response:
        posted.append(await request.read())
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", cut)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with (
            proxied(tmp_path, runner.addresses[0][1]) as base,
            aiohttp.ClientSession() as client,
            client.post(f"{base}/c/x.y", data=b"once") as answer,
        ):
            assert answer.status == 502
    finally:
        await runner.cleanup()
    assert posted == [b"once"]


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("no systemd here: apt install systemd")
    return found


UNITS = ["lipabot.service", "lipabot-backup.service", "lipabot-backup.timer"]


def test_systemd_reads_the_units_without_a_word(analyze: str, tmp_path: Path) -> None:
    for name in UNITS:
        text = (DEPLOY / name).read_text()
        # The program is not installed where these tests run.
        there = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        (tmp_path / name).write_text(there)

    done = subprocess.run(
        [analyze, "verify", *(str(tmp_path / name) for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_finds_the_unit_hardened(analyze: str) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", str(DEPLOY / "lipabot.service")],
        capture_output=True,
        text=True,
        check=False,
    )

    [exposure] = re.findall(r"exposure level for lipabot.service: ([\d.]+)", done.stdout)
    assert float(exposure) < 2.0


def test_the_unit_waits_for_us_and_does_not_repeat_a_wrong_configuration() -> None:
    unit = (DEPLOY / "lipabot.service").read_text()

    [stop_s] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(stop_s) > STOP_WITHIN_S
    assert f"\nRestartPreventExitStatus={BAD_CONFIG}\n" in unit
    [after] = re.findall(r"^After=(.*)$", unit, re.MULTILINE)
    assert "postgresql.service" in after.split()
    assert "\nUser=lipabot\n" in unit
