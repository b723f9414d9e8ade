"""From settings to channels."""

from __future__ import annotations

from collections.abc import Mapping

from streams.alert.channels.alertmanager import Alertmanager
from streams.alert.channels.apprise import AppriseService
from streams.alert.channels.base import Channel
from streams.alert.channels.webhook import Webhook
from streams.alert.policies import ChannelSettings


def make_channels(settings: Mapping[str, ChannelSettings]) -> dict[str, Channel]:
    """A channel for each; connects to nothing."""
    return {name: make_channel(one) for name, one in settings.items()}


def make_channel(settings: ChannelSettings) -> Channel:
    """One channel."""
    if settings.type == "webhook":
        return Webhook(settings)
    if settings.type == "apprise":
        return AppriseService(settings)
    return Alertmanager(settings)
