"""One service of those that apprise knows: Slack, PagerDuty, Teams, mail and a hundred others.

Only this module imports apprise, and only when a channel needs it. apprise says yes or no; why is in what it logs:
that is kept with every part of the URL struck out, and goes to no other log. No service gets an id that it could know
a message again by: a crash between sending and its confirmation repeats the message.
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

from streams.alert.channels.base import ChannelError
from streams.alert.message import Message
from streams.alert.notice import Notice
from streams.alert.policies import ChannelSettings

LOGGER: Final = "apprise"
SERVICE_SECONDS: Final = 20
"""For one message, throttling and retries of apprise's own included."""


_loading = threading.Lock()
_NOWHERE: Final = logging.NullHandler()


class AppriseService:
    """See the module."""

    remind_ms = 0

    def __init__(self, settings: ChannelSettings) -> None:
        self.name = settings.name
        self._url = settings.url

    def send(self, message: Message, now_ms: int) -> None:
        """See `Channel.send`."""
        apprise = _apprise()
        url = self._url.get_secret_value()
        kind = {
            "ticket": apprise.NotifyType.INFO,
            "warning": apprise.NotifyType.WARNING,
            "critical": apprise.NotifyType.FAILURE,
        }[message.severity]
        if all(notice.resolved for notice in message.notices):
            kind = apprise.NotifyType.SUCCESS
        # A new one each time: apprise makes one that has sent before wait, by seconds.
        service = apprise.Apprise(asset=_asset(apprise))
        if not service.add(url):
            raise ChannelError("apprise does not know this URL any more")
        try:
            result = service.notify(body=message.text or message.title, title=message.title, notify_type=kind)
        except Exception as error:
            # Whatever a plug-in of apprise raises is its way of saying no.
            raise ChannelError(f"apprise: {type(error).__name__}") from None
        if not result:
            said = [entry.message for entry in result.logs() if entry.level in {"WARNING", "ERROR", "CRITICAL"}]
            raise ChannelError(f"apprise: {struck(said, url) or 'not sent, and it does not say why'}")

    def remind(self, notices: Sequence[Notice], now_ms: int) -> None:
        """A service is told once."""
        raise ChannelError("an apprise service is not reminded")


def is_apprise_url(url: str) -> bool:
    """Whether apprise makes one service of this."""
    apprise = _apprise()
    return apprise.Apprise.instantiate(url, asset=_asset(apprise), suppress_exceptions=True) is not None


def struck(lines: Sequence[str], url: str) -> str:
    """What was logged, with every part of the URL (names, tokens, hosts) replaced by ***."""
    text = "; ".join(dict.fromkeys(" ".join(line.split()) for line in lines))
    scheme, _, rest = url.partition("://")
    parts = {rest, url}
    for piece in re.split(r"[/?&=@:#,\s]+", rest):
        parts |= {piece, unquote(piece)}
    for part in sorted((part for part in parts if len(part) >= 4 and part != scheme), key=len, reverse=True):
        text = re.sub(re.escape(part), "***", text, flags=re.IGNORECASE)
    return text[:300]


def _apprise() -> Any:
    """The library, its plug-ins loaded. Its log goes nowhere but into its results: it may hold what a URL hides."""
    with _loading, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # one plug-in imports the old module imghdr
        import apprise

        apprise.Apprise.instantiate("json://localhost")
        logger = logging.getLogger(LOGGER)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        logger.addHandler(_NOWHERE)
    return apprise


def _asset(apprise: Any) -> Any:
    return apprise.AppriseAsset(
        app_id="Spendstream",
        app_desc="Spendstream",
        http_redirects=False,
        async_mode=False,
        secure_logging=True,
        service_timeout=SERVICE_SECONDS,
    )
