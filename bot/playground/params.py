"""Owns what a call carries: query, form, multipart or JSON body read into typed parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.playground.errors import ApiError, Json, bad_request

MAX_UPLOAD_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True)
class Upload:
    """One file of a multipart body."""

    name: str
    content: bytes
    content_type: str


class Params:
    """Named values; text from a form and native values from JSON read alike."""

    def __init__(self, values: Json, uploads: dict[str, Upload] | None = None) -> None:
        self.values = values
        self.uploads = uploads or {}

    def has(self, name: str) -> bool:
        return self.values.get(name) not in (None, "")

    def text(self, name: str) -> str:
        """The value as text, "" when absent."""
        value = self.values.get(name)
        return "" if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        """The value as an integer, `default` when absent or not a number (as Telegram does)."""
        try:
            return int(self.values.get(name, default))
        except (TypeError, ValueError):
            return default

    def flag(self, name: str) -> bool:
        """True for true, "true", "yes" and "1", as Telegram reads a Boolean."""
        return str(self.values.get(name, "")).lower() in ("true", "yes", "1")

    def object(self, name: str) -> Any:
        """The value with JSON text decoded; None when absent.

        Raises ApiError 400 when the text is not JSON.
        """
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {name} JSON object") from None

    def upload(self, name: str) -> Upload | None:
        """The file given under `name`, directly or by `attach://part`."""
        value = self.values.get(name)
        if isinstance(value, str) and value.startswith("attach://"):
            return self.uploads.get(value.removeprefix("attach://"))
        return self.uploads.get(name)


async def read_params(request: web.Request) -> Params:
    """Read a request as Telegram does: the query first, then a body of any of its three kinds.

    Raises ApiError 400 for a body that is not JSON though it says so, 413 for one too large.
    """
    values: Json = dict(request.query)
    uploads: dict[str, Upload] = {}
    try:
        if request.content_type == "application/json":
            body = await request.text()
            decoded = json.loads(body) if body.strip() else {}
            if not isinstance(decoded, dict):
                raise bad_request("can't parse JSON object")
            values |= decoded
        else:
            for name, value in (await request.post()).items():
                if isinstance(value, web.FileField):
                    content = value.file.read()
                    uploads[name] = Upload(value.filename, content, value.content_type)
                else:
                    values[name] = value
    except ValueError:
        raise bad_request("can't parse JSON object") from None
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, "Request Entity Too Large") from None
    return Params(values, uploads)
