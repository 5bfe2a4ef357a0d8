"""The command line as its user meets it: a process, its words and its exit status."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.commands import WITHIN_S, environment, fresh_lipabot, lipabot


def test_help_lists_the_commands(tmp_path: Path) -> None:
    done = fresh_lipabot("--help", folder=tmp_path)

    assert done.returncode == 0
    for command in ("run", "demo", "simulate"):
        assert re.search(rf"^  {command} ", done.stdout, re.MULTILINE)


def test_the_version_is_told(tmp_path: Path) -> None:
    done = fresh_lipabot("--version", folder=tmp_path)

    assert done.returncode == 0
    assert done.stdout.startswith("lipabot ")


def test_a_missing_configuration_ends_in_one_line(tmp_path: Path) -> None:
    done = fresh_lipabot("run", folder=tmp_path)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "lipabot: config.toml: no such file: copy config.example.toml and fill it in\n"
    )


def test_the_example_as_it_is_is_refused_by_the_names_of_its_gaps(tmp_path: Path) -> None:
    example = Path(__file__).parents[1] / "config.example.toml"

    done = lipabot("run", "--config", str(example), folder=tmp_path)

    assert done.returncode == 2
    named = [line.split(":")[1].strip() for line in done.stderr.splitlines()]
    assert named == [
        *("telegram.token", "mpesa.consumer_key", "mpesa.consumer_secret", "mpesa.passkey"),
        "webhook.public_url",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_simulate_serves_until_it_is_told_to_stop(tmp_path: Path, number: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "simulate", "--port", "0", "--callback-delay", "0"),
        cwd=tmp_path,
        env={**environment(), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            words = (await process.stdout.readline()).decode()
            address = re.search(r"http://127\.0\.0\.1:\d+", words)
            assert address is not None
            async with (
                aiohttp.ClientSession() as client,
                client.get(f"{address.group()}/control/state") as answer,
            ):
                assert answer.status == 200
            process.send_signal(number)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def test_a_port_that_is_taken_ends_in_one_line(tmp_path: Path) -> None:
    done = lipabot("simulate", "--host", "192.0.2.1", folder=tmp_path)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("lipabot: ")


def runnable(folder: Path, *, port: int = 1, storage: str = "sqlite:///bot.db") -> Path:
    """A configuration in which nothing is wrong by itself."""
    config = folder / "config.toml"
    config.touch(mode=0o600)
    config.write_text(
        f"""
[telegram]
token = "123456:made-up-token"
api_url = "http://127.0.0.1:9"
[mpesa]
base_url = "http://127.0.0.1:9"
consumer_key = "made-up-key"
consumer_secret = "made-up-secret"
shortcode = "174379"
passkey = "made-up-passkey"
[webhook]
public_url = "https://pay.example.org"
port = {port}
[storage]
url = "{storage}"
[security]
key = "{"0" * 32}"
"""
    )
    return config


def the_one_line(done: subprocess.CompletedProcess[str]) -> str:
    """All that a start that fails says."""
    [line] = done.stderr.splitlines()
    assert "Traceback" not in done.stdout
    assert "sesame" not in done.stdout + done.stderr
    return line


@pytest.mark.parametrize(
    "url", ["sqlite:///other.db", "sqlite:///folder", "sqlite:///other.db/bot.db"]
)
def test_a_url_that_names_no_database_is_a_wrong_configuration(tmp_path: Path, url: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.db").write_text("Dear diary, this is no database. " * 50)

    done = lipabot("run", "--config", str(runnable(tmp_path, storage=url)), folder=tmp_path)

    assert done.returncode == 2
    assert the_one_line(done).startswith("lipabot: storage.url: ")


@pytest.mark.parametrize("host", ["127.0.0.1:9", "database.invalid"])
def test_a_database_that_is_not_there_yet_is_worth_another_try(tmp_path: Path, host: str) -> None:
    """After a power cut the server, or the DNS, may come later than we do."""
    url = f"postgresql://lipabot:sesame-sesame@{host}/lipabot"

    done = lipabot("run", "--config", str(runnable(tmp_path, storage=url)), folder=tmp_path)

    assert done.returncode == 1
    assert the_one_line(done).startswith("lipabot: storage.url: ")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("who", "where", "status"),
    [("lipabot", "nowhere", 2), ("nobody", "postgres", 2), ("guest", "full", 1)],
)
def test_what_a_server_says_is_wrong_stays_so_unless_it_is_only_busy(
    tmp_path: Path, migrated_server: str, who: str, where: str, status: int
) -> None:
    for words in ("ROLE guest LOGIN", 'DATABASE "full" CONNECTION LIMIT 0'):
        subprocess.run(
            ["psql", migrated_server, "-qc", f"CREATE {words}"],
            capture_output=True,  # it may be there from another case
            check=False,
        )
    server = migrated_server.replace("lipabot@", f"{who}@").removesuffix("postgres")

    config = str(runnable(tmp_path, storage=f"{server}{where}"))
    done = lipabot("run", "--config", config, folder=tmp_path)

    assert done.returncode == status
    assert the_one_line(done).startswith("lipabot: storage.url: ")


def test_a_folder_that_cannot_be_written_is_worth_another_try(tmp_path: Path) -> None:
    """A disk that is not mounted yet; /proc takes no files, not even root's."""
    config = str(runnable(tmp_path, storage="sqlite:////proc/lipabot/bot.db"))

    done = lipabot("run", "--config", config, folder=tmp_path)

    assert done.returncode == 1
    assert the_one_line(done).startswith("lipabot: storage.url: ")


def test_a_taken_port_is_named_by_its_key_and_worth_another_try(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = runnable(tmp_path, port=taken.getsockname()[1])

        done = lipabot("run", "--config", str(config), folder=tmp_path)

    assert done.returncode == 1
    assert the_one_line(done).startswith("lipabot: webhook.host, webhook.port: ")
