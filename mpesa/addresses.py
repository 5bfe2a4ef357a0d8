"""The addresses that Safaricom says it calls from: a signal, for such lists differ and change."""

from typing import Final

__all__ = ["CALLS_FROM"]

# "Going live and certificates" in the Daraja pages.
CALLS_FROM: Final = (
    *("196.201.212.69", "196.201.212.74", "196.201.212.127", "196.201.212.129"),
    *("196.201.212.136", "196.201.212.138", "196.201.213.44", "196.201.213.114"),
    *("196.201.214.200", "196.201.214.206", "196.201.214.207", "196.201.214.208"),
)
