"""A private PostgreSQL server for the tests, from Debian's package, also when run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.memory import in_memory

__all__ = ["binaries", "running_server"]

ROOM_BYTES = 6 * 2**30
"""A hundred databases are a gigabyte."""


def binaries() -> Path | None:
    """Where initdb and postgres are: on PATH, or in Debian's versioned folder."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


@contextmanager
def running_server(bin_folder: Path, *, durable: bool = False) -> Iterator[str]:
    """
    A fresh server on a free loopback port; yields `postgresql://…/postgres`.

    PostgreSQL refuses to run as root, so root starts it as the package's own user. Unless
    *durable*, it keeps its promises off the disk (in memory, fsync off): the tests are about SQL,
    not about power cuts.
    """
    memory = None if durable else in_memory(ROOM_BYTES)
    folder = Path(tempfile.mkdtemp(prefix="lipabot-pg-", dir=memory))
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    data = folder / "data"
    port = _free_port()

    def run(*command: str) -> None:
        subprocess.run(
            command,
            user=user,
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            env={"LC_ALL": "C"},
        )

    run(str(bin_folder / "initdb"), "-D", str(data), "-U", "lipabot", "--auth=trust", "-E", "UTF8")
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= "
        "-c max_connections=200 -c autovacuum=off"
    )
    if not durable:
        options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    control = str(bin_folder / "pg_ctl")
    log = str(folder / "log")
    run(control, "-D", str(data), "-l", log, "-o", options, "-w", "start")
    try:
        yield f"postgresql://lipabot@127.0.0.1:{port}/postgres"
    finally:
        run(control, "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
