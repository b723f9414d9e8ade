"""Which channels a notice goes to, and when. Pure: the moment is an argument."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from schemas.policies import ControlPolicy, Match, Quiet, Route
from streams.alert.notice import Notice

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Target:
    """A channel, when it is due (epoch ms), and the digest that it waits for (empty: alone, at once)."""

    channel: str
    due_ms: int
    batch: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel heard of a subject: `at_once`, not by a digest; `paged`, at once and above a ticket."""

    at_once: bool
    paged: bool = False


def matches(match: Match, *, team_id: str, tier: str, severity: str, kind: str) -> bool:
    """Whether every field that `match` names has the value. An empty tier counts as `unknown`."""
    return (
        (not match.severities or severity in match.severities)
        and (not match.tiers or (tier or "unknown") in match.tiers)
        and (not match.teams or any(fnmatchcase(team_id, pattern) for pattern in match.teams))
        and (not match.kinds or any(fnmatchcase(kind, pattern) for pattern in match.kinds))
    )


def routes_of(notice: Notice, routes: Sequence[Route]) -> list[Route]:
    """The first route that matches; while a route says `also`, the next as well."""
    found: list[Route] = []
    for route in routes:
        if matches(route, team_id=notice.team_id, tier=notice.tier, severity=notice.severity, kind=notice.kind):
            found.append(route)
            if not route.also:
                break
    return found


def targets_of(
    notice: Notice,
    routes: Sequence[Route],
    told: Mapping[str, Told],
    channels: Collection[str],
    now_ms: int,
    follow: Collection[str] = (),
) -> list[Target]:
    """Where a notice goes; each channel once, as the first route that names it says.

    `told`: channels that heard of the subject before. Whoever was told at once hears of later changes at once, but an
    incident pages a channel once: that it got worse (`escalated`) goes only to channels that it has not paged, to
    those whose route wants `escalations`, and to `follow`, which keep the state of every subject. What has ended goes
    only to those who heard that it began, if there are any. `channels`: those that exist.
    """
    found: dict[str, Target] = {}
    chosen: set[str] = set()
    for route in routes_of(notice, routes):
        for name in route.channels:
            if name not in channels or name in chosen or (notice.resolved and told and name not in told):
                continue
            chosen.add(name)
            if route.escalations or not _paged_before(notice, told.get(name), name in follow):
                found[name] = when(route, name, now_ms)
    for name, heard in told.items():
        if heard.at_once and name in channels and (name in found or not _paged_before(notice, heard, name in follow)):
            found[name] = Target(name, now_ms)
    return sorted(found.values(), key=lambda target: target.channel)


def _paged_before(notice: Notice, heard: Told | None, follows: bool) -> bool:
    return notice.change == "escalated" and heard is not None and heard.paged and not follows


def when(route: Route, channel: str, now_ms: int) -> Target:
    """When a route sends: now, with the next digest, or at the end of its quiet hours."""
    due_ms, batch = now_ms, ""
    if route.digest_hours is not None:
        every = route.digest_hours * HOUR_MS
        due_ms = (now_ms // every + 1) * every
        batch = f"digest:{channel}:{due_ms}"
    if route.quiet is not None:
        end_ms = quiet_until(route.quiet, due_ms)
        if end_ms > due_ms:
            due_ms, batch = end_ms, f"digest:{channel}:{end_ms}"
    return Target(channel, due_ms, batch)


def quiet_until(quiet: Quiet, now_ms: int) -> int:
    """The end of the quiet hours that `now_ms` lies in, epoch ms; `now_ms` itself when it lies in none."""
    zone = ZoneInfo(quiet.zone)
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone)
    begin, end = _minutes(quiet.begin), _minutes(quiet.end)
    minute = local.hour * 60 + local.minute
    if begin < end:
        inside, days = begin <= minute < end, 0
    else:
        inside, days = minute >= begin or minute < end, int(minute >= begin)
    if not inside:
        return now_ms
    day = (local + timedelta(days=days)).date()
    until = datetime(day.year, day.month, day.day, end // 60, end % 60, tzinfo=zone)
    return max(now_ms, int(until.timestamp() * 1000))


def control_of(
    policies: Sequence[ControlPolicy], *, team_id: str, tier: str, severity: str, kind: str
) -> ControlPolicy | None:
    """The first control policy that matches an incident."""
    return next(
        (policy for policy in policies if matches(policy, team_id=team_id, tier=tier, severity=severity, kind=kind)),
        None,
    )


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
