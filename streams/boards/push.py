"""Puts data source, folder, boards and alert rules into a Grafana. Pushing again changes nothing.

    changes = push(grafana, read(), Options(...))

First everything is read and planned; if anything stands in the way, all of it is said at once and nothing is
written. Then, in this order, because each needs the one before: 1. data source, 2. folder, 3. boards, 4. alert
rules.

A board is known again by the message of its newest version, `spendstream <hash of our JSON>`: the same hash, nothing
to do; another hash, an older one of ours; no such message, somebody changed it by hand, and it is kept unless
`force`. Grafana rewrites boards when it stores them, so their text cannot be compared. Saving says which version it
replaces: who is faster wins, and we are told (412). Boards that Grafana has from files cannot be pushed. The data
source's password is written when it is made, or with `force`: Grafana never shows it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from streams.boards.files import Boards
from streams.boards.grafana import Grafana, GrafanaError, in_path
from streams.errors import UsageError

PLUGIN: Final = "grafana-clickhouse-datasource"
FOLDER: Final = ("spendstream", "Spendstream")
OLDEST: Final = (11, 6)
"""The plugin needs it."""

_MARK: Final = "spendstream "


@dataclass(frozen=True, slots=True)
class Options:
    """`clickhouse_url`: http(s)://user:password@host:8123/database of a read-only user, as Grafana reaches it; None
    leaves the data source as it is. `datasource_uid`: which one alert rules ask."""

    datasource_uid: str = "spendstream"
    clickhouse_url: str | None = None
    alerts: bool = True
    force: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One thing in Grafana. `action`: create, update, unchanged."""

    kind: str
    name: str
    action: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    change: Change
    method: str = ""
    path: str = ""
    body: Mapping[str, Any] | None = None


def push(grafana: Grafana, boards: Boards, options: Options) -> list[Change]:
    """What was done, or with a dry run would be. Raises `GrafanaError` with all obstacles: then nothing was written."""
    _suitable(grafana)
    obstacles: list[str] = []
    steps: list[_Step] = []
    for plan in (
        _datasource(grafana, options, obstacles),
        _folder(grafana),
        *(_board(grafana, board, options, obstacles) for board in boards.boards.values()),
        *((_rules(grafana, group, options, obstacles) for group in boards.rules["groups"]) if options.alerts else ()),
    ):
        steps += plan
    if obstacles:
        raise GrafanaError("nothing was pushed:\n" + "\n".join(f"  - {one}" for one in obstacles))
    if not grafana.dry_run:
        for step in steps:
            _apply(grafana, step)
        if options.clickhouse_url is not None:
            _reaches(grafana, options)
    return [step.change for step in steps]


def fingerprint(board: Mapping[str, Any]) -> str:
    """Names a board's content."""
    return hashlib.sha256(json.dumps(board, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


# -- planning: reads only ----------------------------------------------------------------------------------------


def _suitable(grafana: Grafana) -> None:
    health = grafana.get("/health") or {}
    version = str(health.get("version", ""))
    found = re.match(r"(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        raise GrafanaError(f"this Grafana is {version}; the ClickHouse plugin needs {OLDEST[0]}.{OLDEST[1]} or newer")
    grafana.get("/org")  # a wrong token is found here, not halfway


def _datasource(grafana: Grafana, options: Options, obstacles: list[str]) -> Iterator[_Step]:
    uid = options.datasource_uid
    if grafana.get(f"/plugins/{PLUGIN}/settings") is None:
        obstacles.append(
            f"the plugin {PLUGIN} is not installed: `grafana cli plugins install {PLUGIN}`, then restart Grafana"
        )
        return
    live = grafana.get(f"/datasources/uid/{in_path(uid)}")
    if live is not None and live.get("type") != PLUGIN:
        obstacles.append(f"the data source with uid {uid!r} is a {live.get('type')}; name another by --datasource-uid")
        return
    if options.clickhouse_url is None:
        if live is None:
            obstacles.append(
                f"there is no data source with uid {uid!r}: give --clickhouse-url, or its uid by --datasource-uid"
            )
        else:
            yield _Step(Change("data source", uid, "unchanged"))
        return
    wanted = _wanted(uid, options.clickhouse_url)
    if live is None:
        yield _Step(Change("data source", uid, "create"), "POST", "/datasources", wanted)
    elif live.get("readOnly"):
        yield _Step(Change("data source", uid, "unchanged", "Grafana has it from a file"))
    else:
        public = {key: value for key, value in wanted.items() if key not in {"secureJsonData", "isDefault", "name"}}
        if options.force or not _covers(public, live):
            body = {**live, **public, "secureJsonData": wanted["secureJsonData"]}
            yield _Step(Change("data source", uid, "update"), "PUT", f"/datasources/uid/{in_path(uid)}", body)
        else:
            yield _Step(Change("data source", uid, "unchanged"))


def _wanted(uid: str, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError("--clickhouse-url is no ClickHouse URL: use http(s)://user:password@host:8123/database")
    secure = parts.scheme == "https"
    return {
        "uid": uid,
        "name": "Spendstream",
        "type": PLUGIN,
        "access": "proxy",
        "isDefault": False,
        "jsonData": {
            "host": parts.hostname,
            "port": parts.port or (8443 if secure else 8123),
            "protocol": "http",
            "secure": secure,
            "username": unquote(parts.username or "default"),
            "defaultDatabase": parts.path.strip("/") or "spendstream",
            "queryTimeout": "60",
        },
        "secureJsonData": {"password": unquote(parts.password or "")},
    }


def _folder(grafana: Grafana) -> Iterator[_Step]:
    uid, title = FOLDER
    action = "unchanged" if grafana.folder(uid) is not None else "create"
    yield _Step(Change("folder", title, action), "folder")


def _board(grafana: Grafana, board: Mapping[str, Any], options: Options, obstacles: list[str]) -> Iterator[_Step]:
    uid, title = str(board["uid"]), str(board["title"])
    message = _MARK + fingerprint(board)
    live = grafana.board(uid)
    body: dict[str, Any] = {
        "dashboard": {**board, "id": None},
        "folderUid": FOLDER[0],
        "message": message,
        "overwrite": False,
    }
    if live is None:
        yield _Step(Change("board", title, "create"), "board", "", body)
        return
    if live["meta"].get("provisioned"):
        obstacles.append(
            f"board {title!r}: Grafana has it from a file; remove it there, or do not push to this Grafana"
        )
        return
    newest = _newest_message(grafana, uid)
    if newest == message:
        yield _Step(Change("board", title, "unchanged"))
        return
    by_hand = not newest.startswith(_MARK)
    if by_hand and not options.force:
        obstacles.append(
            f"board {title!r} was changed by hand ({newest or 'no message'}); --force puts ours in its place, and"
            " Grafana keeps the other among its versions"
        )
        return
    # Where somebody moved it, it stays.
    body["folderUid"] = live["meta"].get("folderUid", FOLDER[0])
    body["dashboard"]["version"] = live["dashboard"].get("version", 0)
    body["overwrite"] = options.force
    yield _Step(Change("board", title, "update", "was changed by hand" if by_hand else ""), "board", "", body)


def _newest_message(grafana: Grafana, uid: str) -> str:
    told = grafana.get(f"/dashboards/uid/{in_path(uid)}/versions?limit=1") or []
    # Grafana 11 and newer wrap the list.
    versions = told.get("versions", []) if isinstance(told, Mapping) else told
    return str(max(versions, key=lambda one: one.get("version", 0)).get("message", "")) if versions else ""


def _rules(grafana: Grafana, group: Mapping[str, Any], options: Options, obstacles: list[str]) -> Iterator[_Step]:
    name = str(group["name"])
    path = f"/v1/provisioning/folder/{FOLDER[0]}/rule-groups/{in_path(name)}"
    rules = [_rule(rule, name, options.datasource_uid) for rule in group["rules"]]
    body = {
        "title": name,
        "folderUid": FOLDER[0],
        "interval": int(group["interval"].removesuffix("s")),
        "rules": rules,
    }
    live = grafana.get(path)
    if live is None:
        yield _Step(Change("alert rules", name, "create"), "PUT", path, body)
    elif any(rule.get("provenance") == "file" for rule in live.get("rules", [])):
        obstacles.append(f"alert rules {name!r}: Grafana has them from a file; push with --no-alerts")
    elif _covers(body, live):
        yield _Step(Change("alert rules", name, "unchanged"))
    else:
        yield _Step(Change("alert rules", name, "update"), "PUT", path, body)


def _rule(rule: Mapping[str, Any], group: str, datasource_uid: str) -> dict[str, Any]:
    """A rule of the file as the API takes it: other names, and the data source that this Grafana has."""
    made = json.loads(json.dumps(rule))
    for query in made["data"]:
        if query["datasourceUid"] != "__expr__":
            query["datasourceUid"] = query["model"]["datasource"]["uid"] = datasource_uid
    return {**made, "orgID": 1, "folderUID": FOLDER[0], "ruleGroup": group}


def _covers(wanted: object, live: object) -> bool:
    """Does `live` say all that `wanted` says? It may say more: ids, times, defaults."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            key in live and _covers(value, live[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(_covers, wanted, live))
    if isinstance(wanted, str) and isinstance(live, str):
        return _seconds(wanted) == _seconds(live)
    return wanted == live


def _seconds(text: str) -> str:
    """Durations by one name: Grafana writes 120s as 2m."""
    if not re.fullmatch(r"(\d+h)?(\d+m)?(\d+s)?", text) or not text:
        return text
    parts = {unit: int(number) for number, unit in re.findall(r"(\d+)([hms])", text)}
    return f"{parts.get('h', 0) * 3600 + parts.get('m', 0) * 60 + parts.get('s', 0)} seconds"


# -- doing -------------------------------------------------------------------------------------------------------


def _apply(grafana: Grafana, step: _Step) -> None:
    if step.change.action == "unchanged":
        return
    try:
        if step.method == "folder":
            grafana.create_folder(*FOLDER)
        elif step.method == "board":
            assert step.body is not None
            grafana.save_board(step.body)
        else:
            grafana.send(step.method, step.path, step.body)
    except GrafanaError as error:
        what = f"{step.change.kind} {step.change.name!r}"
        if error.status == 412:
            why = "somebody changed it meanwhile, or another has its name; look, and push again"
        elif error.status == 409:
            why = "another one has its name or uid"
        else:
            raise
        raise GrafanaError(f"{what}: {why}. {error}", error.status) from error


def _reaches(grafana: Grafana, options: Options) -> None:
    """The data source can ask ClickHouse, or all panels would be red."""
    try:
        grafana.get(f"/datasources/uid/{in_path(options.datasource_uid)}/health")
    except GrafanaError as error:
        raise GrafanaError(
            f"all is pushed, but the data source cannot ask ClickHouse: {error}", error.status
        ) from error
