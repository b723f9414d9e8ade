"""The operator's file of policies: who hears of what, and what routers are asked to do.

    [channel.oncall]
    type = "webhook"                     # signed; docs/oncall.md says how a receiver checks it
    url = "env:ONCALL_URL"               # secrets stand in the environment or in a file, never here
    secret = "file:/run/secrets/oncall"

    [channel.chat]
    type = "apprise"
    url = "env:CHAT_URL"                 # one apprise URL: slack://..., pagerduty://..., mailto://...

    [channel.prometheus]
    type = "alertmanager"
    url = "http://alertmanager:9093"     # a plain URL without user, password or query may stand here

    [[route]]                            # the first that matches decides; with also = true later ones are asked, too
    severities = ["warning", "critical"] # ticket, warning, critical
    teams = ["search", "support-*"]      # patterns; what is not named is not limited
    tiers = ["frontier"]
    kinds = ["loop", "retry_storm"]
    channels = ["oncall", "prometheus"]

    [[route]]
    channels = ["chat"]
    escalations = false                  # true: page again when what has paged becomes critical
    digest_hours = 4                     # one message every four hours
    quiet = { from = "22:00", to = "07:00", zone = "Europe/Berlin" }   # kept until the morning, then one message

    [[control]]                          # the first that matches decides
    name = "loops-of-search"
    kinds = ["loop"]
    severities = ["critical"]
    teams = ["search"]
    mode = "enforce"                     # observe (default): written down only; warn: routers are told; enforce: action
    action = "throttle"                  # or "block"
    rate_per_minute = 6
    scope = "run"                        # or "agent"
    minutes = 60                         # then the control ends by itself

Values are checked here one by one and together; `streams.alert.policies` looks the secrets up.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.base import NO_NUL

SeverityName = Literal["ticket", "warning", "critical"]
TierName = Literal["oss", "mid", "frontier", "unknown"]

KIND_PATTERN: Final = r"^[a-z0-9_*?]+$"
"""Kinds of signals (`loop`, `retry_storm`, ...) and of other notices (`budget`, `unpriced`); with `*` and `?`."""

_Pattern = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
_Kind = Annotated[str, Field(min_length=1, max_length=64, pattern=KIND_PATTERN)]
_ChannelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_Reference = Annotated[str, Field(min_length=5, max_length=4096, pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
_Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Seconds = Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookChannel(_Part):
    """A signed POST."""

    type: Literal["webhook"]
    url: Annotated[str, Field(min_length=5, max_length=4096)]
    secret: _Reference
    timeout_seconds: _Seconds = 10.0


class AppriseChannel(_Part):
    """One service of those that apprise knows."""

    type: Literal["apprise"]
    url: _Reference


class AlertmanagerChannel(_Part):
    """A Prometheus Alertmanager; open alerts are sent again until they end, for `remind_days` at most."""

    type: Literal["alertmanager"]
    url: Annotated[str, Field(min_length=5, max_length=4096)]
    token: _Reference | None = None
    timeout_seconds: _Seconds = 10.0
    remind_days: Annotated[int, Field(ge=1, le=31)] = 7


Channel = Annotated[WebhookChannel | AppriseChannel | AlertmanagerChannel, Field(discriminator="type")]


class Quiet(_Part):
    """Hours of local time in which nothing is sent; `to` may be the next morning."""

    begin: _Clock = Field(alias="from")
    end: _Clock = Field(alias="to")
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {value!r}: use a name such as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _some_hours(self) -> Quiet:
        if self.begin == self.end:
            raise ValueError("from and to are the same moment: quiet all day is no route")
        return self


class Match(_Part):
    """What a route or a control is for. Empty fields limit nothing; teams and kinds are patterns (`*`, `?`)."""

    teams: tuple[_Pattern, ...] = ()
    tiers: tuple[TierName, ...] = ()
    severities: tuple[SeverityName, ...] = ()
    kinds: tuple[_Kind, ...] = ()


class Route(Match):
    """Where notices go."""

    channels: Annotated[tuple[_ChannelName, ...], Field(min_length=1)]
    digest_hours: Annotated[int, Field(ge=1, le=24, strict=True)] | None = None
    quiet: Quiet | None = None
    also: Annotated[bool, Field(strict=True)] = False
    escalations: Annotated[bool, Field(strict=True)] = False
    """Page again when what has paged gets worse; else whoever was paged hears of it when it is over."""

    @field_validator("channels")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a channel stands twice")
        return value


class ControlPolicy(Match):
    """What routers are asked to do about an incident."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    mode: Literal["observe", "warn", "enforce"] = "observe"
    action: Literal["throttle", "block"] | None = None
    rate_per_minute: (
        Annotated[Decimal, Field(gt=0, le=100_000, max_digits=9, decimal_places=3, allow_inf_nan=False)] | None
    ) = None
    scope: Literal["run", "agent"] = "run"
    minutes: Annotated[int, Field(ge=1, le=43_200, strict=True)] = 60

    @model_validator(mode="after")
    def _sensible(self) -> ControlPolicy:
        if self.mode == "enforce" and self.action is None:
            raise ValueError('mode = "enforce" needs an action: "throttle" or "block"')
        if self.action == "throttle" and self.rate_per_minute is None:
            raise ValueError('action = "throttle" needs rate_per_minute')
        if self.action != "throttle" and self.rate_per_minute is not None:
            raise ValueError('rate_per_minute belongs to action = "throttle"')
        return self


class PoliciesFile(_Part):
    """The whole file."""

    channel: dict[_ChannelName, Channel] = Field(default_factory=dict)
    route: tuple[Route, ...] = ()
    control: tuple[ControlPolicy, ...] = ()
    give_up_hours: Annotated[int, Field(ge=1, le=168, strict=True)] = 24
    """How long a channel that does not take a notice is tried again."""

    def contradictions(self) -> list[str]:
        """What single values cannot show: one line each."""
        faults: list[str] = []
        for number, route in enumerate(self.route, 1):
            for name in route.channels:
                channel = self.channel.get(name)
                if channel is None:
                    faults.append(f"route {number}: there is no channel {name!r}")
                elif channel.type == "alertmanager" and (route.digest_hours or route.quiet):
                    faults.append(
                        f"route {number}: {name!r} is an Alertmanager, which groups and waits by itself: "
                        "leave digest_hours and quiet away"
                    )
        used = {name for route in self.route for name in route.channels}
        faults += [f"channel {name!r}: no route uses it" for name in self.channel if name not in used]
        names = [policy.name for policy in self.control]
        faults += [f"control {name!r} stands twice" for name in sorted({n for n in names if names.count(n) > 1})]
        return faults
