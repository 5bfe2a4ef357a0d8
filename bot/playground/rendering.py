"""Owns how a formatted text looks: safe HTML made from its entities, all else escaped."""

from __future__ import annotations

from markupsafe import Markup, escape

from bot.playground.entities import Entity, FormattedText

_PLAIN = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}


def html_of(formatted: FormattedText) -> Markup:
    """The text as HTML in Telegram's own tags; only http(s) links stay links."""
    units = formatted.text.encode("utf-16-le", "surrogatepass")
    return _span(units, 0, len(units) // 2, list(formatted.entities))


def _span(units: bytes, start: int, end: int, entities: list[Entity]) -> Markup:
    out = Markup("")
    at = start
    while entities:
        entity = entities.pop(0)
        if entity.offset < at:
            continue
        out += _escaped(units, at, entity.offset)
        at = min(entity.end, end)
        inner: list[Entity] = []
        while entities and entities[0].offset < at:
            inner.append(entities.pop(0))
        out += _wrapped(entity, _span(units, entity.offset, at, inner))
    return out + _escaped(units, at, end)


def _escaped(units: bytes, start: int, end: int) -> Markup:
    return escape(units[2 * start : 2 * end].decode("utf-16-le", "replace"))


def _wrapped(entity: Entity, inner: Markup) -> Markup:
    if entity.type in _PLAIN:
        # The tag comes from the fixed table above, never from the message.
        return Markup(f"<{_PLAIN[entity.type]}>%s</{_PLAIN[entity.type]}>") % inner  # noqa: S704 - fixed tag names
    match entity.type:
        case "expandable_blockquote":
            return Markup("<blockquote expandable>%s</blockquote>") % inner
        case "spoiler":
            return Markup('<span class="tg-spoiler">%s</span>') % inner
        case "text_link" if (entity.url or "").startswith(("http://", "https://")):
            return Markup('<a href="%s" rel="noopener noreferrer" target="_blank">%s</a>') % (
                entity.url,
                inner,
            )
        case "url":
            return Markup('<a href="%s" rel="noopener noreferrer" target="_blank">%s</a>') % (
                inner.unescape(),
                inner,
            )
    return inner
