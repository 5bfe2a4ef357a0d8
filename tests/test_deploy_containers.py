"""What each container of `deploy/` may do, to the letter: whatever is added there is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from tests.test_deploy import BOTS, compose

NO_NEW_PRIVILEGES = ["no-new-privileges:true"]
STAYS_IN = {"restart", "networks", "environment", "volumes", "security_opt"}
SHUT_IN = STAYS_IN | {"read_only", "cap_drop", "tmpfs"}
LIMITED = {"mem_limit", "pids_limit", "stop_grace_period"}
KEYS = {
    "bot": SHUT_IN | LIMITED | {"build", "env_file", "depends_on"},
    "caddy": SHUT_IN | {"image", "cap_add", "ports", "depends_on"},
    "postgres": STAYS_IN | {"image", "stop_grace_period", "shm_size", "env_file", "healthcheck"},
}
"""Every word that a service may use; `user`, `privileged` and the like are not among them."""
CONFIG = "./config:/etc/lipabot:ro"
MOUNTS = {
    "lipabot": [CONFIG, "books:/var/lib/lipabot"],
    "lipabot-1": [CONFIG],
    "lipabot-2": [CONFIG],
    "caddy": ["./Caddyfile:/etc/caddy/Caddyfile:ro", "certificates:/data", "caddy:/config"],
    "postgres": ["books:/var/lib/postgresql/data"],
}
"""From this machine only what is read; what is written lies in volumes that Docker keeps."""
FILES = [name for name, _ in BOTS]

Composed = dict[str, Any]


def faults(composed: Composed) -> list[str]:
    """What a container could do beyond what it must, a line each."""
    found = []
    for name, service in composed["services"].items():
        kind = name if name in KEYS else "bot"
        found += [f"{name}: {key}" for key in sorted(service.keys() - KEYS[kind])]
        wanted: dict[str, object] = {"security_opt": NO_NEW_PRIVILEGES, "volumes": MOUNTS[name]}
        if kind != "postgres":
            # Its image begins as root, to give its folder to the user that it goes on as.
            wanted |= {"read_only": True, "cap_drop": ["ALL"]}
        if kind == "caddy":
            wanted |= {"cap_add": ["NET_BIND_SERVICE"], "ports": ["80:80", "443:443"]}
        found += [f"{name}: {key}" for key in wanted if service.get(key) != wanted[key]]
    # A named volume can be told to be any folder of this machine.
    found += [f"volume {name}" for name, how in composed["volumes"].items() if how is not None]
    return found


@pytest.mark.parametrize("name", FILES)
def test_no_container_can_do_more_than_it_must(name: str) -> None:
    assert faults(compose(name)) == []


WEAKER: dict[str, dict[str, object]] = {
    "root": {"user": "root"},
    "privileged": {"privileged": True},
    "capabilities": {"cap_add": ["SYS_ADMIN"]},
    "the machine's network": {"network_mode": "host"},
    "the machine's processes": {"pid": "host"},
    "a device": {"devices": ["/dev/mem:/dev/mem"]},
    "another's volumes": {"volumes_from": ["caddy"]},
    "a file that is not here": {"extends": {"file": "other.yaml", "service": "bot"}},
    "no lock on capabilities": {"cap_drop": []},
    "no lock on privileges": {"security_opt": []},
    "no profile": {"security_opt": [*NO_NEW_PRIVILEGES, "seccomp:unconfined"]},
    "a writable image": {"read_only": False},
    "a door": {"ports": ["8080:8080"]},
    "the configuration, to write": {"volumes": ["./config:/etc/lipabot", "books:/var/lib/lipabot"]},
    "a second folder": {"volumes": [*MOUNTS["lipabot"], "./more:/srv"]},
    "Docker itself": {
        "volumes": [*MOUNTS["lipabot"], "/var/run/docker.sock:/var/run/docker.sock:ro"]
    },
    "a folder, in many words": {
        "volumes": [*MOUNTS["lipabot"], {"type": "bind", "source": "/", "target": "/srv"}]
    },
}


def with_more(composed: Composed, service: str, more: dict[str, object]) -> Composed:
    services = composed["services"]
    return composed | {"services": services | {service: services[service] | more}}


@pytest.mark.parametrize("weaker", WEAKER.values(), ids=WEAKER)
@pytest.mark.parametrize(("name", "bots"), BOTS)
def test_a_bot_that_can_do_more_is_seen(
    name: str, bots: list[str], weaker: dict[str, object]
) -> None:
    for bot in bots:
        composed = with_more(compose(name), bot, weaker)

        assert faults(composed) == [f"{bot}: {key}" for key in weaker]


@pytest.mark.parametrize("service", ["postgres", "caddy"])
@pytest.mark.parametrize(
    "weaker",
    [{"privileged": True}, {"security_opt": []}, {"network_mode": "host"}, {"user": "root"}],
    ids=str,
)
def test_a_helper_that_can_do_more_is_seen(service: str, weaker: dict[str, object]) -> None:
    composed = with_more(compose("compose.postgres.yaml"), service, weaker)

    assert faults(composed) == [f"{service}: {key}" for key in weaker]


@pytest.mark.parametrize("name", FILES)
def test_a_volume_that_is_a_folder_of_the_machine_is_seen(name: str) -> None:
    composed = compose(name)
    composed["volumes"]["books"] = {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}

    assert faults(composed) == ["volume books"]
