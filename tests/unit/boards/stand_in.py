"""A stand-in for Grafana 13's HTTP API, as far as `push` uses it: same paths, status codes and odd habits.

Odd habits kept: a missing body with 204, durations written otherwise (120s as 2m0s), boards stored with fields added,
versions wrapped in an object, 412 for a board that somebody else saved, 409 for a name or uid that is taken, errors as
{"message": ...}.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

TOKEN = "glsa_secret"
PLUGIN = "grafana-clickhouse-datasource"


@dataclass
class Instance:
    """What one Grafana holds. Tests change it as people would."""

    version: str = "13.2.3"
    plugins: set[str] = field(default_factory=lambda: {PLUGIN})
    folders: dict[str, str] = field(default_factory=dict)
    datasources: dict[str, dict[str, Any]] = field(default_factory=dict)
    boards: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """All versions: {"dashboard", "folderUid", "message"}."""
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    provisioned: set[str] = field(default_factory=set)
    annotations: dict[int, dict[str, Any]] = field(default_factory=dict)
    writes_allowed: bool = True
    reaches_clickhouse: bool = True
    log: list[tuple[str, str]] = field(default_factory=list)
    before_save: Callable[[], None] = lambda: None

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Requests that were not reading."""
        return [one for one in self.log if one[0] != "GET"]

    def save(self, uid: str, dashboard: dict[str, Any], folder: str, message: str) -> int:
        """A new version of a board."""
        versions = self.boards.setdefault(uid, [])
        # The schema migrations of Grafana touch what they store.
        stored = {**dashboard, "id": 7, "version": len(versions) + 1, "liveNow": False}
        versions.append({"dashboard": stored, "folderUid": folder, "message": message})
        return len(versions)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and body of one request below /api."""
        for pattern, of in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and of == "health":
                return 200, {"database": "ok", "version": self.version}
            if match:
                if method != "GET" and not self.writes_allowed:
                    return 403, {
                        "message": "You'll need additional permissions to perform this action.",
                        "title": "Access denied",
                    }
                answer: tuple[int, Any] = getattr(self, "_" + of)(method, body, *match.groups())
                return answer
        return 404, {"message": "Not found"}

    def _org(self, method: str, body: Any) -> tuple[int, Any]:
        return 200, {"id": 1, "name": "Main Org."}

    def _plugin(self, method: str, body: Any, name: str) -> tuple[int, Any]:
        if name in self.plugins:
            return 200, {"id": name, "enabled": True}
        return 404, {"message": "Plugin not found, no installed plugin with that id"}

    def _folders(self, method: str, body: Any) -> tuple[int, Any]:
        if body["uid"] in self.folders:
            return 409, {"message": "a folder with the same uid already exists"}
        self.folders[body["uid"]] = body["title"]
        return 200, {"uid": body["uid"], "title": body["title"]}

    def _folder(self, method: str, body: Any, uid: str) -> tuple[int, Any]:
        if uid not in self.folders:
            return 404, {"message": "folder not found", "status": "not-found"}
        return 200, {"uid": uid, "title": self.folders[uid]}

    def _datasources(self, method: str, body: Any) -> tuple[int, Any]:
        if any(one["name"] == body["name"] for one in self.datasources.values()):
            return 409, {"message": "data source with the same name already exists"}
        self.datasources[body["uid"]] = self._stored(body)
        return 200, {"datasource": self.datasources[body["uid"]], "message": "Datasource added"}

    def _datasource(self, method: str, body: Any, uid: str) -> tuple[int, Any]:
        if uid not in self.datasources:
            return 404, {"message": "Data source not found"}
        if method == "PUT":
            self.datasources[uid] = self._stored(body)
        return 200, self.datasources[uid]

    @staticmethod
    def _stored(body: dict[str, Any]) -> dict[str, Any]:
        secrets = body.get("secureJsonData", {})
        kept = {key: value for key, value in body.items() if key != "secureJsonData"}
        return {"id": 3, "readOnly": False, **kept, "secureJsonFields": dict.fromkeys(secrets, True)}

    def _datasource_health(self, method: str, body: Any, uid: str) -> tuple[int, Any]:
        if self.reaches_clickhouse:
            return 200, {"status": "OK", "message": "Data source is working"}
        return 400, {"status": "ERROR", "message": "dial tcp: connection refused"}

    def _board(self, method: str, body: Any, uid: str) -> tuple[int, Any]:
        if uid not in self.boards:
            return 404, {"message": "Dashboard not found"}
        newest = self.boards[uid][-1]
        meta = {"folderUid": newest["folderUid"], "provisioned": uid in self.provisioned}
        return 200, {"dashboard": newest["dashboard"], "meta": meta}

    def _versions(self, method: str, body: Any, uid: str) -> tuple[int, Any]:
        versions = [
            {"uid": uid, "version": at, "message": one["message"], "createdBy": "admin"}
            for at, one in enumerate(self.boards[uid], start=1)
        ]
        return 200, {"continueToken": "", "versions": versions[::-1][:1]}

    def _save(self, method: str, body: Any) -> tuple[int, Any]:
        self.before_save()
        uid = body["dashboard"]["uid"]
        if uid in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        if uid in self.boards and not body["overwrite"] and body["dashboard"].get("version") != len(self.boards[uid]):
            return 412, {"status": "version-mismatch", "message": "The dashboard has been changed by someone else"}
        version = self.save(uid, body["dashboard"], body["folderUid"], body["message"])
        return 200, {"uid": uid, "status": "success", "version": version}

    def _group(self, method: str, body: Any, folder: str, name: str) -> tuple[int, Any]:
        if method == "GET":
            found = self.groups.get((folder, name))
            return (200, found) if found else (404, {"message": "rule group not found"})
        taken = {rule["uid"] for key, group in self.groups.items() if key != (folder, name) for rule in group["rules"]}
        if any(rule["uid"] in taken for rule in body["rules"]):
            return 409, {"message": "alert rule with this uid already exists"}
        rules = [
            {**rule, "id": at, "for": _go_duration(rule["for"]), "updated": "2026-01-01T00:00:00Z", "provenance": "api"}
            for at, rule in enumerate(body["rules"])
        ]
        self.groups[folder, name] = {**body, "rules": rules}
        return 200, body

    def _annotations(self, method: str, body: Any) -> tuple[int, Any]:
        number = len(self.annotations) + 1
        self.annotations[number] = body
        return 200, {"message": "Annotation added", "id": number}

    def _find_annotations(self, method: str, body: Any, query: str) -> tuple[int, Any]:
        wanted = set(parse_qs(query)["tags"])
        return 200, [{"id": at, **one} for at, one in self.annotations.items() if wanted <= set(one["tags"])]

    def _annotation(self, method: str, body: Any, number: str) -> tuple[int, Any]:
        if int(number) not in self.annotations:
            return 404, {"message": "Annotation not found"}
        self.annotations[int(number)] = body
        return 200, {"message": "Annotation updated"}

    def _rule(self, method: str, body: Any, uid: str) -> tuple[int, Any]:
        for group in self.groups.values():
            group["rules"] = [rule for rule in group["rules"] if rule["uid"] != uid]
        return 204, None


_ROUTES = (
    (r"/health", "health"),
    (r"/org", "org"),
    (r"/plugins/([\w-]+)/settings", "plugin"),
    (r"/folders", "folders"),
    (r"/folders/([\w-]+)", "folder"),
    (r"/datasources", "datasources"),
    (r"/datasources/uid/([\w-]+)", "datasource"),
    (r"/datasources/uid/([\w-]+)/health", "datasource_health"),
    (r"/dashboards/uid/([\w-]+)", "board"),
    (r"/dashboards/uid/([\w-]+)/versions\?limit=1", "versions"),
    (r"/dashboards/db", "save"),
    (r"/v1/provisioning/folder/([\w-]+)/rule-groups/([\w-]+)", "group"),
    (r"/v1/provisioning/alert-rules/([\w-]+)", "rule"),
    (r"/annotations", "annotations"),
    (r"/annotations\?(.*)", "find_annotations"),
    (r"/annotations/(\d+)", "annotation"),
)


def _go_duration(text: str) -> str:
    seconds = int(text.removesuffix("s"))
    return f"{seconds // 60}m{seconds % 60}s" if seconds >= 60 else f"{seconds}s"


@contextmanager
def serving(instance: Instance, prefix: str = "") -> Iterator[str]:
    """The URL at which `instance` answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            sent = self.rfile.read(length)
            path = self.path.removeprefix(prefix).removeprefix("/api")
            instance.log.append((self.command, path))
            if path != "/health" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, told = 401, {"message": "Invalid API key", "messageId": "api-key.invalid"}
            else:
                status, told = instance.answer(self.command, path, json.loads(sent) if sent else None)
            body = b"" if status == 204 else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
