"""A panel's query as the ClickHouse plugin takes it, and the data source it is asked of."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from streams.boards.queries import BoardQuery

PLUGIN: Final = "grafana-clickhouse-datasource"
PLUGIN_VERSION: Final = "4.20.0"

Panel = cogbuilder.Builder[models.Panel]


class ClickHouseQuery(variants.Dataquery):
    """A target of the ClickHouse plugin; the SDK has no type for it."""

    def __init__(self, query: BoardQuery, *, series: bool) -> None:
        self.query = query
        self.series = series

    def to_json(self) -> dict[str, object]:
        """What the plugin reads."""
        return {
            "refId": "A",
            "datasource": {"type": PLUGIN, "uid": "${datasource}"},
            "editorType": "sql",
            "rawSql": self.query.sql,
            "queryType": "timeseries" if self.series else "table",
            "format": 0 if self.series else 1,
            "pluginVersion": PLUGIN_VERSION,
            "meta": {"query": self.query.name},
        }


class Target(cogbuilder.Builder[variants.Dataquery]):
    def __init__(self, query: BoardQuery, *, series: bool) -> None:
        self._query = ClickHouseQuery(query, series=series)

    def build(self) -> variants.Dataquery:
        return self._query


def source() -> common_models.DataSourceRef:
    return common_models.DataSourceRef(type_val=PLUGIN, uid="${datasource}")
