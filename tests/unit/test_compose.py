"""docker-compose.yml and what it mounts, checked as far as can be without a container engine.

There was none where this was tested: what is checked is that the file is well formed, that everything it names is there
and fits together, that the workers' settings are settings, and that the health check tells ready from not ready.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml

from streams.cli.reach import JSON_SETTINGS
from streams.config import PREFIX, load_settings
from streams.http.access import access_of
from streams.http.scopes import Caller

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {"CLICKHOUSE_WORKER_PASSWORD", "CLICKHOUSE_READER_PASSWORD", "GRAFANA_ADMIN_PASSWORD", "WORKER_TOKEN"}
WORKERS = ("worker-1", "worker-2")

SERVICE_KEYS = {
    "build", "image", "command", "user", "read_only", "tmpfs", "cap_drop", "security_opt", "init", "restart",
    "stop_grace_period", "depends_on", "healthcheck", "environment", "ports", "volumes", "ulimits",
}  # fmt: skip
"""The keys of the compose specification that are used here: a misspelt one would be ignored or refused by an engine."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    assert isinstance(parsed, dict)
    return parsed


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found = compose["services"]
    assert isinstance(found, dict)
    return found


def test_only_keys_that_compose_knows(compose: dict[str, Any], services: dict[str, Any]) -> None:
    assert {key for key in compose if not key.startswith("x-")} == {"name", "services", "volumes"}
    for name, service in services.items():
        assert set(service) <= SERVICE_KEYS, name
        assert set(service["healthcheck"]) <= {"test", "interval", "timeout", "retries", "start_period"}
        assert service["restart"] == "unless-stopped"
        for value in service["environment"].values():
            assert isinstance(value, str), f"{name}: YAML would hand on {value!r} in a form of its own"


def test_images_are_pinned(services: dict[str, Any]) -> None:
    assert services["kafka"]["image"] == "apache/kafka:4.3.1"
    assert services["clickhouse"]["image"] == "clickhouse/clickhouse-server:26.8"
    assert services["grafana"]["image"] == "grafana/grafana:13.2.3"
    assert services["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"] == "grafana-clickhouse-datasource@4.20.0"


def test_what_it_waits_for_has_a_health_check(services: dict[str, Any]) -> None:
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert services[other]["healthcheck"]["test"][0] == "CMD"


def test_ports_are_open_on_this_machine_only_and_once(services: dict[str, Any]) -> None:
    published = [port.rsplit(":", 1)[0] for service in services.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert len(published) == len(set(published))


def test_volumes_are_declared_and_mounted_files_exist(compose: dict[str, Any], services: dict[str, Any]) -> None:
    used = set()
    for service in services.values():
        for volume in service.get("volumes", ()):
            source, target, *mode = volume.split(":")
            assert target.startswith("/")
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
                assert mode == ["ro"]
            else:
                used.add(source)
    assert used == set(compose["volumes"])


def test_no_password_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert set(re.findall(r"\$\{(\w+):\?", text)) == SECRETS
    assert len(re.findall(r"\$\{", text)) == len(re.findall(r"\$\{\w+:\?[^}]+\}", text))
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    assert {line for line in lines if line and not line.startswith("#")} == {f"{name}=" for name in SECRETS}


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """With the secrets put in."""
    secret = "s3cret-of-enough-characters"
    return {name: re.sub(r"\$\{\w+:\?[^}]+\}", secret, value) for name, value in service["environment"].items()}


@pytest.mark.parametrize("name", WORKERS)
def test_a_workers_settings_are_settings(services: dict[str, Any], name: str) -> None:
    service = services[name]
    environment = environment_of(service)
    assert all(variable.startswith(PREFIX) for variable in environment)
    settings = load_settings(environment)
    access = access_of(settings, environment)
    assert access.tokens.caller("s3cret-of-enough-characters") == Caller("operator", "admin")
    assert not access.open_to_all
    assert settings.worker_id == name
    assert settings.http_host == "0.0.0.0"
    assert service["ports"][0].endswith(f":{settings.http_port}")
    assert settings.partitions >= len(WORKERS)
    host, port = settings.broker_url.split(":")
    listeners = services[host]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"INSIDE://{host}:{port}" in listeners.split(",")
    url = urlsplit(settings.clickhouse_url.get_secret_value())
    assert url.hostname in services
    assert (url.port, url.path, url.username) == (8123, "/spendstream", "spendstream")
    # The root file system is read-only: what the worker writes must lie in the tmpfs.
    assert str(settings.data_dir).startswith(service["tmpfs"][0].split(":")[0] + "/")


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_has_no_rights_to_spare(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert int(service["stop_grace_period"].removesuffix("s")) > 60 + 30


class Ready(BaseHTTPRequestHandler):
    """Answers /ready with the status that its server says."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/ready" else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def ready() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Ready)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_tells_ready_from_not_ready(
    services: dict[str, Any], ready: HTTPServer, status: int, healthy: bool
) -> None:
    ready.status = status  # type: ignore[attr-defined]
    test = services["worker-1"]["healthcheck"]["test"]
    assert test[:3] == ["CMD", "python", "-c"]
    assert test[3].count("127.0.0.1:8127/ready") == 1
    code = test[3].replace(":8127/", f":{ready.server_port}/")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
    assert (done.returncode == 0) is healthy


def test_clickhouse_users_are_those_that_are_used(services: dict[str, Any]) -> None:
    tree = ElementTree.parse(ROOT / "deploy" / "clickhouse" / "users.xml").getroot()
    users = {user.tag: user for user in tree.findall("users/*")}
    assert set(users) == {"spendstream", "reader"}
    profiles = {profile.tag: profile for profile in tree.findall("profiles/*")}
    for user in users.values():
        password = user.find("password")
        assert password is not None
        assert password.text is None
        assert password.get("from_env") in services["clickhouse"]["environment"]
        assert user.findtext("profile") in profiles
    reader = [query.text for query in users["reader"].findall("grants/query")]
    assert reader == ["GRANT SELECT ON spendstream.*", "GRANT SHOW DATABASES ON default.*"]
    profile = profiles[str(users["reader"].findtext("profile"))]
    assert profile.findtext("readonly") == "1"
    changeable = {one.tag for one in profile.findall("constraints/*") if one.find("changeable_in_readonly") is not None}
    assert changeable == set(JSON_SETTINGS) | {"max_execution_time"}


def test_grafana_finds_ledger_and_boards(services: dict[str, Any]) -> None:
    grafana = services["grafana"]
    mounts = {volume.split(":")[1]: volume.split(":")[0] for volume in grafana["volumes"]}
    provisioning = ROOT / mounts["/etc/grafana/provisioning"]
    [source] = yaml.safe_load((provisioning / "datasources" / "spendstream.yml").read_text("utf-8"))["datasources"]
    assert source["type"] == grafana["environment"]["GF_PLUGINS_PREINSTALL_SYNC"].split("@")[0]
    data = source["jsonData"]
    assert data["host"] in services
    assert f"127.0.0.1:{data['port']}:{data['port']}" in services[data["host"]]["ports"]
    assert (data["username"], data["defaultDatabase"], data["protocol"]) == ("reader", "spendstream", "http")
    assert source["secureJsonData"]["password"].removeprefix("$") in grafana["environment"]
    [boards] = yaml.safe_load((provisioning / "dashboards" / "spendstream.yml").read_text("utf-8"))["providers"]
    [(target, folder)] = [(t, f) for t, f in mounts.items() if boards["options"]["path"].startswith(t + "/")]
    inside = ROOT / folder / boards["options"]["path"].removeprefix(target + "/")
    assert list(inside.glob("*.json"))


def test_the_image_is_built_from_files_that_reach_it_and_runs_without_root() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    let_in = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"
    }
    for word, *arguments in lines:
        if word == "COPY" and not arguments[0].startswith("--"):
            for source in arguments[:-1]:
                assert (ROOT / source).exists(), source
                assert source in let_in, source
    users = [arguments[0] for word, *arguments in lines if word == "USER"]
    assert users
    assert int(users[-1].split(":")[0]) > 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [entry] = [arguments for word, *arguments in lines if word == "ENTRYPOINT"]
    assert entry == ['["spendstream"]']
    assert "spendstream" in project["scripts"]
    [base] = {arguments[0] for word, *arguments in lines if word == "FROM"}
    assert base == f"python:{project['requires-python'].removeprefix('>=')}-slim"
