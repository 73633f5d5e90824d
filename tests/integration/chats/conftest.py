"""The bot in these tests may be as slow as its machine."""

from tests.fakes.unhurried import unhurried

__all__ = ["unhurried"]
