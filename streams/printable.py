"""Names come from routers: none of them may steer a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with everything that is not printable replaced."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
