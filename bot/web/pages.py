"""The public pages: which there are, for people without Telegram."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from bot.web.assets import STATIC, serve_asset
from bot.web.drives import DriveNoun, Drives
from bot.web.progress import Progress
from bot.web.prompting import PromptPage
from bot.web.site import Site

__all__ = ["Pages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages over one site; `mount(app)` adds their routes."""

    site: Site
    drives: Drives | None = None

    def mount(self, app: web.Application) -> None:
        """Add the routes; the streams end as soon as the server stops."""
        site, progress = self.site, Progress(self.site)
        app.router.add_get(STATIC + "{name}", site.guarded(serve_asset))
        if self.drives is not None:
            page = PromptPage(site, DriveNoun(self.drives, site.read_amount), progress)
            app.router.add_get("/d/{code}", site.seated(page.get))
            app.router.add_post("/d/{code}", site.seated(page.post))
            app.router.add_get("/d/{code}/live", site.guarded(page.live))
            app.router.add_get("/d/{code}/p/{address}", site.seated(progress.get))
            app.router.add_get("/d/{code}/p/{address}/live", site.guarded(progress.live))
        app.on_shutdown.append(self._stop)

    async def _stop(self, app: web.Application) -> None:
        self.site.live.close()
