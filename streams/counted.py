"""A number of things in words."""

from __future__ import annotations


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 call`, `1,200 calls`. `things`: the plural where it is not `thing` with an s."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"
