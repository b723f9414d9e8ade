"""The files that Grafana reads at its start fit together: data source, folder, boards, rules, points, policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dashboards.alerts import DATASOURCE_UID, FOLDER
from dashboards.kit import PLUGIN
from streams.boards.files import folder, read
from streams.boards.push import FOLDER as PUSHED_FOLDER

PROVISIONING = folder() / "provisioning"


def load(name: str) -> Any:
    """One file."""
    return yaml.safe_load((PROVISIONING / name).read_text("utf-8"))


def test_alert_rules_ask_the_provisioned_data_source() -> None:
    [source] = [
        s
        for path in (PROVISIONING / "datasources").glob("*.y*ml")
        for s in load(f"datasources/{path.name}")["datasources"]
    ]
    assert (source["uid"], source["type"]) == (DATASOURCE_UID, PLUGIN)
    for group in read().rules["groups"]:
        for rule in group["rules"]:
            assert [query["datasourceUid"] for query in rule["data"]] == [DATASOURCE_UID, "__expr__"]


def test_boards_and_rules_are_in_one_folder_whoever_brings_them() -> None:
    assert len(list((PROVISIONING / "dashboards").iterdir())) == 1, "two providers of the same boards fight over them"
    [provider] = load("dashboards/spendstream.yml")["providers"]
    assert (provider["folderUid"], provider["folder"]) == PUSHED_FOLDER
    assert {group["folder"] for group in read().rules["groups"]} == {FOLDER} == {provider["folder"]}


def test_the_boards_folder_is_mounted_where_grafana_looks() -> None:
    [provider] = load("dashboards/spendstream.yml")["providers"]
    compose = yaml.safe_load((folder().parent / "docker-compose.yml").read_text("utf-8"))
    mounts = dict(one.split(":")[:2] for one in compose["services"]["grafana"]["volumes"])
    inside = {target: source for source, target in mounts.items()}
    path = Path(provider["options"]["path"])
    source = next(
        inside[str(above)] + "/" + str(path.relative_to(above)) for above in path.parents if str(above) in inside
    )
    assert sorted(p.stem for p in (folder().parent / source).glob("*.json")) == sorted(read().boards)
    assert inside["/etc/grafana/provisioning"] == "./dashboards/provisioning"


def test_policies_send_to_contact_points_that_exist() -> None:
    points = {point["name"] for point in load("alerting/contact-points.yaml")["contactPoints"]}
    [tree] = load("alerting/policies.yaml")["policies"]
    assert {tree["receiver"], *(route["receiver"] for route in tree["routes"])} <= points
    labels = [rule["labels"] for group in read().rules["groups"] for rule in group["rules"]]
    for route in tree["routes"]:
        matchers = {name: value for name, operator, value in route["object_matchers"] if operator == "="}
        assert any(matchers.items() <= one.items() for one in labels), "a route that no rule takes"


def test_grafana_takes_every_file_of_the_alerting_folder() -> None:
    """It refuses to start on a file there that is neither YAML nor JSON."""
    assert {path.suffix for path in (PROVISIONING / "alerting").iterdir()} <= {".yaml", ".json"}
