"""One HTTP POST from a thread: redirects refused, one deadline for connecting, sending and the answer.

Errors say what went wrong and never where: the address may be the secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from streams.alert.channels.base import ChannelError

_ALONE: Final = frozenset({400, 413, 415, 422})
"""The receiver takes no offence at us but at this message."""


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float, now_ms: int) -> None:
    """POST `body`; returns when it was answered with 2xx. Raises `ChannelError` otherwise. Blocks."""
    status, retry_after = asyncio.run(_post(url, body, headers, timeout_s))
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise ChannelError(f"answered {status}, a redirect: redirects are refused, put the final address into the file")
    raise ChannelError(f"answered {status}", retry_after_s=_seconds(retry_after, now_ms), alone=status in _ALONE)


async def _post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> tuple[int, str]:
    limit = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, max_line_size=8190) as session,
            session.post(url, data=body, headers=dict(headers), allow_redirects=False) as answer,
        ):
            await answer.content.read(1)  # an answer that never ends is no affair of ours
            return answer.status, answer.headers.get("Retry-After", "")
    except TimeoutError:
        raise ChannelError(f"no answer within {timeout_s:g} s") from None
    except aiohttp.ClientSSLError as error:
        raise ChannelError(f"TLS failed: {type(error).__name__}") from None
    except aiohttp.ClientConnectorError as error:
        raise ChannelError(f"cannot connect: {type(error.os_error).__name__}") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ChannelError(f"the connection broke: {type(error).__name__}") from None


def _seconds(text: str, now_ms: int) -> float | None:
    """`Retry-After` as seconds; None when it is absent or nonsense."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_ms / 1000) if text else None
    except (ValueError, OverflowError):
        return None
