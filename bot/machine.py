"""The machine under the bot: its disk, and when the database was last copied."""

from __future__ import annotations

import importlib.metadata
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy.engine import make_url

from bot.chat.health import change_text
from bot.config import Config
from bot.core.health import Health
from bot.core.latencies import Latencies
from bot.core.limits import LimitSettings
from bot.core.ports import Clock
from bot.core.privacy import Privacy, PrivacySettings
from bot.core.skew import Skew
from bot.texts import Texts
from storage.backups import last_backup_file
from storage.engine import Store

__all__ = ["VERSION", "Machine", "health_of", "privacy_of"]


def _version() -> str:
    try:
        return importlib.metadata.version("lipabot")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


VERSION = _version()


class Machine:
    """A `bot.core.health.Machine`. Of PostgreSQL, which may be elsewhere, it knows nothing."""

    def __init__(self, config: Config) -> None:
        url = make_url(config.storage.url.get_secret_value())
        file = url.get_backend_name() == "sqlite"
        self._database = Path(url.database or "") if file else None

    def free_bytes(self) -> int | None:
        if self._database is None:
            return None
        try:
            return shutil.disk_usage(self._database.parent).free
        except OSError:
            return None

    def last_backup_at(self) -> datetime | None:
        if self._database is None:
            return None
        try:
            changed_at = last_backup_file(self._database).stat().st_mtime
        except OSError:
            return None
        return datetime.fromtimestamp(changed_at, UTC)


def health_of(
    config: Config,
    store: Store,
    limits: LimitSettings,
    machine: Machine,
    *,
    clock: Clock,
    wake: Callable[[], None],
    latencies: Latencies,
    skew: Skew | None = None,
) -> Health:
    """The health of the bot of this configuration, told in the catalogues' words."""
    return Health(
        store=store,
        clock=clock,
        machine=machine,
        operators=sorted(config.telegram.operators),
        limits=limits,
        say=partial(change_text, Texts.load()),
        timer_s=time.perf_counter,
        wake=wake,
        latencies=latencies.seen,
        skew=skew,
    )


def privacy_of(config: Config, store: Store, *, clock: Clock, wake: Callable[[], None]) -> Privacy:
    """People's data, kept for as long as the configuration says."""
    settings = PrivacySettings(
        raw_bodies_months=config.privacy.raw_bodies_months,
        looks_months=config.privacy.looks_months,
    )
    return Privacy(store=store, clock=clock, settings=settings, wake=wake)
