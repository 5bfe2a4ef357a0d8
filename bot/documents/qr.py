"""QR codes of links, as PNG for chats and papers and as SVG for pages."""

from __future__ import annotations

from io import BytesIO

__all__ = ["LinkTooLong", "qr_png", "qr_svg"]

LINK_CHARS_MAX = 600
QUIET_MODULES = 4
"""The white edge that the standard asks for: without it, cameras miss the code on dark chats."""


class LinkTooLong(Exception):
    """A code of so many characters could not be read from a phone's screen."""


def qr_png(link: str, *, pixels_per_module: int = 16) -> bytes:
    """A black on white PNG of *link*. Raises LinkTooLong."""
    image = BytesIO()
    _code(link).save(image, kind="png", scale=pixels_per_module, border=QUIET_MODULES)
    return image.getvalue()


def qr_svg(link: str) -> bytes:
    """A standalone SVG of *link* that takes the size of its box. Raises LinkTooLong."""
    image = BytesIO()
    _code(link).save(image, kind="svg", border=QUIET_MODULES, light="#fff", omitsize=True)
    return image.getvalue()


def _code(link: str):  # type: ignore[no-untyped-def]  # its type is segno's, which is not loaded yet
    if len(link) > LINK_CHARS_MAX:
        raise LinkTooLong(f"{len(link)} characters")
    import segno

    return segno.make_qr(link, error="m")
