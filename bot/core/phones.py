"""What the rest of the bot may know of phone numbers, handed on from `mpesa.phones`."""

from mpesa.phones import BadPhone, PhoneProblem, carrier_hint, mask, read_phone

__all__ = ["BadPhone", "PhoneProblem", "carrier_hint", "mask", "read_phone"]
