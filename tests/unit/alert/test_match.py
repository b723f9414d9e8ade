"""Which channels a notice goes to, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from schemas.policies import ControlPolicy, Quiet, Route
from streams.alert.match import HOUR_MS, Told, control_of, matches, quiet_until, routes_of, targets_of, when
from streams.alert.notice import SEVERITIES, Notice
from tests.fakes import BASE_MS
from tests.notices import notice

TEAMS = ("search", "support-eu", "support-us", "")
KINDS = ("loop", "retry_storm", "budget")
TIERS = ("oss", "mid", "frontier", "unknown")

routes = st.builds(
    Route,
    channels=st.lists(st.sampled_from(("a", "b", "c")), min_size=1, max_size=3, unique=True).map(tuple),
    teams=st.lists(st.sampled_from(("search", "support-*", "*")), max_size=2).map(tuple),
    severities=st.lists(st.sampled_from(SEVERITIES), max_size=2).map(tuple),
    kinds=st.lists(st.sampled_from((*KINDS, "retry_*")), max_size=2).map(tuple),
    tiers=st.lists(st.sampled_from(TIERS), max_size=2).map(tuple),
    digest_hours=st.none() | st.integers(1, 24),
    also=st.booleans(),
)
notices = st.builds(
    lambda team, kind, tier, severity, resolved: notice(
        team_id=team, tier=tier, severity=severity, labels={"kind": kind}, resolved=resolved
    ),
    st.sampled_from(TEAMS),
    st.sampled_from(KINDS),
    st.sampled_from((*TIERS, "")),
    st.sampled_from(SEVERITIES),
    st.booleans(),
)
clocks = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: f"{t[0]:02d}:{t[1]:02d}")


def test_patterns_and_names() -> None:
    route = Route(channels=("a",), teams=("support-*",), kinds=("loop",))
    assert matches(route, team_id="support-eu", tier="", severity="ticket", kind="loop")
    assert not matches(route, team_id="search", tier="", severity="ticket", kind="loop")
    assert not matches(route, team_id="support-eu", tier="", severity="ticket", kind="budget")
    assert matches(Route(channels=("a",), tiers=("unknown",)), team_id="", tier="", severity="ticket", kind="")


@given(st.lists(routes, max_size=5), notices)
def test_the_first_route_decides_and_also_asks_on(given_routes: list[Route], one: object) -> None:
    assert isinstance(one, type(notice()))
    found = routes_of(one, given_routes)
    fitting = [
        r for r in given_routes if matches(r, team_id=one.team_id, tier=one.tier, severity=one.severity, kind=one.kind)
    ]
    assert found == fitting[: len(found)]
    assert all(route.also for route in found[:-1])
    assert len(found) == len(fitting) or not found[-1].also


@given(
    st.lists(routes, max_size=4),
    notices,
    st.dictionaries(st.sampled_from(("a", "b", "c", "gone")), st.builds(Told, st.booleans(), st.booleans())),
    st.sets(st.sampled_from(("a", "b", "c"))),
)
def test_targets_are_existing_channels_each_once(
    given_routes: list[Route], one: object, told: dict[str, Told], channels: set[str]
) -> None:
    assert isinstance(one, type(notice()))
    found = targets_of(one, given_routes, told, channels, BASE_MS)
    names = [target.channel for target in found]
    assert len(set(names)) == len(names)
    assert set(names) <= channels
    # Who was told at once hears of every change, at once.
    at_once = {name for name, heard in told.items() if heard.at_once} & channels
    assert at_once <= {target.channel for target in found if target.due_ms == BASE_MS and not target.batch}
    if one.resolved and told:
        assert set(names) <= set(told)


def test_an_incident_pages_a_channel_once() -> None:
    routes = [Route(channels=("chat", "pager"), severities=("critical",)), Route(channels=("chat", "prom"))]
    channels = ("chat", "pager", "prom")

    def names(one: Notice, told: dict[str, Told], given: list[Route] = routes) -> list[str]:
        return [target.channel for target in targets_of(one, given, told, channels, BASE_MS, ("prom",))]

    opened = notice()
    worse = notice(change="escalated", severity="critical")
    told = {"chat": Told(True, True), "prom": Told(True, True)}
    assert names(opened, {}) == ["chat", "prom"]
    assert names(worse, told) == ["pager", "prom"]  # who is new to it, and who keeps the state
    assert names(worse, {"chat": Told(True, False)}) == ["chat", "pager"]  # a ticket was no page
    assert names(worse, told, [Route(channels=("chat",), escalations=True)]) == ["chat", "prom"]
    over = notice(change="resolved", severity="critical", resolved=True)
    assert names(over, told | {"pager": Told(True, True)}) == ["chat", "pager", "prom"]
    assert names(notice(change="reopened"), told) == ["chat", "prom"]


@given(routes, st.integers(0, 10**13))
def test_a_digest_comes_within_its_hours(route: Route, now_ms: int) -> None:
    target = when(route, "a", now_ms)
    if route.digest_hours is None:
        assert (target.due_ms, target.batch) == (now_ms, "")
    else:
        assert 0 < target.due_ms - now_ms <= route.digest_hours * HOUR_MS
        assert target.due_ms % (route.digest_hours * HOUR_MS) == 0
        # All that is said before it goes with it.
        assert when(route, "a", target.due_ms - 1) == target


@given(clocks, clocks, st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu")), st.integers(0, 4 * 10**12))
def test_quiet_hours_end_at_their_end_and_nowhere_else(begin: str, end: str, zone: str, now_ms: int) -> None:
    if begin == end:
        return
    until = quiet_until(Quiet.model_validate({"from": begin, "to": end, "zone": zone}), now_ms)
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    clock = f"{local:%H:%M}"
    inside = begin <= clock < end if begin < end else clock >= begin or clock < end
    if not inside:
        assert until == now_ms
        return
    assert now_ms <= until <= now_ms + 26 * HOUR_MS
    after = datetime.fromtimestamp(until / 1000, UTC).astimezone(ZoneInfo(zone))
    assert f"{after:%H:%M}" == end or until == now_ms or after.utcoffset() != local.utcoffset()


def test_quiet_over_midnight() -> None:
    quiet = Quiet.model_validate({"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"})
    night = int(datetime(2026, 3, 2, 23, 30, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)
    morning = int(datetime(2026, 3, 3, 7, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)
    assert quiet_until(quiet, night) == morning
    assert quiet_until(quiet, morning - 1) == morning
    assert quiet_until(quiet, morning) == morning


def test_the_first_control_that_matches() -> None:
    policies = (ControlPolicy(name="a", kinds=("retry_*",)), ControlPolicy(name="b", severities=("critical",)))
    found = control_of(policies, team_id="", tier="", severity="critical", kind="loop")
    assert found is not None
    assert found.name == "b"
    assert control_of(policies, team_id="", tier="", severity="warning", kind="loop") is None
