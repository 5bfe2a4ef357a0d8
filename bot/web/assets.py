"""Static files of the pages: a style sheet and two scripts, named by what is in them."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from aiohttp import web

__all__ = ["STATIC", "Asset", "asset_address", "assets", "serve_asset"]

STATIC = "/static/"
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "png": "image/png"}
FOR_EVER = "public, max-age=31536000, immutable"
"""A file that changes gets another name, so nobody has to ask again."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is sent."""

    body: bytes
    zipped: bytes | None  # None where that saves nothing
    content_type: str


def asset_address(name: str) -> str:
    """Where a page finds the file *name*: `/static/page.0f1e2d3c4b.css`."""
    return STATIC + _named()[name]


async def serve_asset(request: web.Request) -> web.StreamResponse:
    """The file of that name, to be kept for ever by whoever has it."""
    asset = assets().get(request.match_info["name"])
    if asset is None:
        raise web.HTTPNotFound
    headers = {
        "Cache-Control": FOR_EVER,
        "Vary": "Accept-Encoding",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    body = asset.body
    if asset.zipped is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = asset.zipped
    return web.Response(body=body, content_type=asset.content_type, headers=headers)


@cache
def assets() -> dict[str, Asset]:
    """All files by the names they are served under, read once."""
    found = {}
    for name, served in _named().items():
        body = _bytes(name)
        zipped = gzip.compress(body, 9, mtime=0)
        found[served] = Asset(
            body=body,
            zipped=zipped if len(zipped) < len(body) else None,
            content_type=TYPES[name.rpartition(".")[2]],
        )
    return found


@cache
def _named() -> dict[str, str]:
    named = {}
    for each in sorted((files("bot") / "web" / "static").iterdir(), key=lambda file: file.name):
        stem, _, ending = each.name.rpartition(".")
        if ending in TYPES:
            named[each.name] = f"{stem}.{sha256(each.read_bytes()).hexdigest()[:10]}.{ending}"
    return named


def _bytes(name: str) -> bytes:
    return (files("bot") / "web" / "static" / name).read_bytes()
