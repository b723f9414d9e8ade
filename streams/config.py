"""Settings: from the environment (`SPENDSTREAM_...`), over a TOML file, over the defaults. Read once, at start.

Secrets come from the environment or the file only and are never shown: their type hides them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from streams import kafka_security, toml
from streams.errors import SettingsError

PREFIX = "SPENDSTREAM_"

DIRECTORY_FILE = "spendstream.toml"
"""The settings file in DIR of `--embedded DIR`."""


class Settings(BaseModel):
    """All settings of a worker. `spendstream worker --help` lists them with these descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    broker_url: str = Field(
        "localhost:9092",
        description="Kafka bootstrap servers, host:port, several separated by commas.",
        pattern=r"^[^\s,/]+:\d+(,[^\s,/]+:\d+)*$",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How Kafka is spoken to: SSL is TLS, SASL a user with a password."
    )
    kafka_ca_file: Path | None = Field(
        None, description="PEM file of who signed the brokers' certificates; empty: those that the system trusts."
    )
    kafka_cert_file: Path | None = Field(None, description="PEM file of this client's certificate, for mutual TLS.")
    kafka_key_file: Path | None = Field(None, description="PEM file of that certificate's key.")
    kafka_key_password: SecretStr = Field(SecretStr(""), description="Password of the key file, where it has one.")
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How the password is shown; PLAIN only over TLS."
    )
    kafka_sasl_username: str = Field("", description="User name at Kafka.")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="The user's password.")
    kafka_sasl_password_file: Path | None = Field(None, description="File with the password, instead of it.")
    clickhouse_url: SecretStr = Field(
        SecretStr("http://localhost:8123/spendstream"),
        description="http(s)://user:password@host:8123/database, or chdb:///directory for the engine in this process.",
    )
    group_id: str = Field("spendstream", min_length=1, description="Kafka consumer group of the workers.")
    worker_id: str = Field(
        "", description="Stable name of this worker, for static group membership; empty: the host's name."
    )
    data_dir: Path = Field(Path(".spendstream/worker"), description="Where the worker keeps small files of its own.")

    partitions: int = Field(
        4,
        ge=1,
        le=1024,
        description="Partitions of a topic that the worker has to create; never changes one that exists.",
    )
    replication: int = Field(1, ge=1, le=9, description="Replication factor of a topic that the worker has to create.")
    calls_retention_hours: float = Field(
        168,
        gt=0,
        allow_inf_nan=False,
        description="How long Kafka keeps calls, in hours, on a topic that the worker has to create.",
    )

    flush_calls: int = Field(
        40_000,
        ge=1,
        le=100_000,
        description="Calls that make one ledger insert; an insert is at most about twice that.",
    )
    flush_seconds: float = Field(
        0.3, gt=0, le=60, description="The longest a call waits for its ledger insert, in seconds."
    )
    fetch_records: int = Field(
        4_000, ge=1, le=50_000, description="Most records that one fetch hands on; the unit of work of the meter."
    )
    fetch_bytes: int = Field(
        4 << 20, ge=1024, description="Most bytes that one fetch takes from one partition, in bytes."
    )
    dedupe_window_calls: int = Field(
        8_000_000,
        ge=1,
        description="Calls whose identity is kept in memory (16 bytes each); older ones are looked up in the ledger.",
    )
    usage_cells: int = Field(
        1_000_000, ge=1000, description="Sums per (agent, tier, second) that the meter keeps in memory."
    )
    window_seconds: int = Field(
        900, ge=60, description="How long 1-second windows stay in memory, in seconds of event time."
    )
    window_minutes: int = Field(
        360, ge=5, description="How long 1-minute windows stay in memory, in minutes of event time."
    )
    window_hours: int = Field(48, ge=2, description="How long 1-hour windows stay in memory, in hours of event time.")

    detect: bool = Field(
        True, description="Watch the calls: runaways become incidents. Off, calls are metered and nobody looks at them."
    )
    detect_partitions: int = Field(
        1,
        ge=1,
        le=64,
        description="Partitions of the steps topic: each is watched by itself, its tenants being a fleet of their own.",
    )
    detect_history_days: int = Field(
        14, ge=0, le=3660, description="Days of the ledger that a watch which begins without a state learns from."
    )

    retention_days: int = Field(
        0, ge=0, description="Ledger rows older than this many days of ingestion are dropped; 0 keeps them for ever."
    )
    prices_file: Path | None = Field(None, description="TOML file with the operator's own prices.")
    reported_cost_share: Decimal = Field(
        Decimal("0.05"),
        ge=0,
        lt=1,
        description="How much the cost that routers report may differ from the computed one, as a share of the larger.",
    )
    tiers_file: Path | None = Field(None, description="TOML file that maps models to tiers.")
    plans_file: Path | None = Field(None, description="TOML file with plans: flat fees, commitments, per-token.")
    budgets_file: Path | None = Field(None, description="TOML file with budgets.")
    policies_file: Path | None = Field(
        None, description="TOML file with channels, routes and controls: who hears of what (docs/oncall.md)."
    )
    grafana_url: str = Field(
        "", description="Base URL of your Grafana, for links in notices.", pattern=r"^(https?://[^\s?#]+)?$"
    )
    grafana_token: SecretStr = Field(
        SecretStr(""),
        description="Of a service account that may write annotations: incidents and changes then stand on the boards.",
    )

    http_host: str = Field("127.0.0.1", description="Where the worker's HTTP endpoints listen.")
    http_port: int = Field(
        8127, ge=0, le=65535, description="Port of /v1/usage, /health, /ready, /metrics; 0 picks a free one."
    )
    http_tokens_file: Path | None = Field(
        None, description="TOML file with the tokens that the HTTP endpoints accept (docs/security.md)."
    )
    http_tokens: SecretStr = Field(
        SecretStr(""), description="The same in one line: NAME:SCOPE:sha256:HEX, :env:VARIABLE or :file:PATH; commas."
    )
    http_open: bool = Field(
        False, description="Listen beyond loopback without tokens: only where something in front of the worker asks."
    )
    http_requests_per_second: float = Field(
        200, gt=0, allow_inf_nan=False, description="HTTP requests that one address may make a second, on average."
    )
    http_tls_certificate: Path | None = Field(None, description="PEM file: with it the HTTP endpoints speak TLS.")
    http_tls_key: Path | None = Field(None, description="PEM file of the certificate's key.")
    token: SecretStr = Field(SecretStr(""), description="The token that commands show to a worker.")
    session_timeout_seconds: float = Field(
        30, ge=2, le=60, description="How long a silent worker keeps its partitions, in seconds."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, JSON lines elsewhere."
    )

    @model_validator(mode="after")
    def _files_exist(self) -> Settings:
        faults = [
            f"{name}: there is no file {path}"
            for name in ("prices_file", "tiers_file", "plans_file", "budgets_file", "policies_file")
            if (path := getattr(self, name)) is not None and not path.is_file()
        ]
        faults += kafka_security.faults(self)
        if faults:
            raise ValueError("; ".join(faults))
        return self


def load_settings(
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
    directory: Path | None = None,
    **overrides: Any,
) -> Settings:
    """Read the settings; later sources win: defaults, file, environment, `overrides` (the command line).

    The file is TOML with the settings' names as keys; `SPENDSTREAM_CONFIG` names one when `file` is None.
    `directory` is DIR of `--embedded DIR`: when neither names a file, `DIRECTORY_FILE` in it is read, if it is there;
    relative paths in that one are relative to DIR, so that DIR can be moved.
    Raises `SettingsError` with every fault of every source at once.
    """
    environment = os.environ if environment is None else environment
    faults: list[str] = []
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    named = environment.get(PREFIX + "CONFIG")
    if file is None and named:
        file = Path(named)
    beside = None
    if file is None and directory is not None and (directory / DIRECTORY_FILE).is_file():
        file, beside = directory / DIRECTORY_FILE, directory
    if file is not None:
        try:
            values.update(toml.loads(file.read_text("utf-8")))
            if beside is not None:
                values.update({name: beside / values[name] for name in _paths() if isinstance(values.get(name), str)})
            origin.update(dict.fromkeys(values, f" (in {file})"))
        except (OSError, UnicodeDecodeError, toml.TOMLDecodeError) as error:
            faults.append(f"{file}: {error}")
    fields = Settings.model_fields
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name == PREFIX + "CONFIG":
            continue
        key = name.removeprefix(PREFIX).lower()
        if key in _NOT_SETTINGS:
            continue
        if key not in fields:
            faults.append(f"{name}: there is no such setting{_hint(key)}")
            continue
        values[key] = value
        origin[key] = f" (from {name})"
    for key, value in overrides.items():
        if value is not None:
            values[key] = value
            origin.pop(key, None)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            key = str(fault["loc"][0]) if fault["loc"] else ""
            if fault["type"] == "extra_forbidden":
                faults.append(f"{key}{origin.get(key, '')}: there is no such setting{_hint(key)}")
                continue
            message = fault["msg"].removeprefix("Value error, ")
            faults.append(f"{key}{origin.get(key, '')}: {message}" if key else message)
        raise SettingsError(faults) from None
    if faults:
        raise SettingsError(faults)
    return settings


_NOT_SETTINGS = frozenset({"grafana_clickhouse_url", "data", "kill_point", "require_kafka", "kafka_jars"})
"""Variables with our prefix that other things read: the tests' data folder and Kafka, the crash tests' kill points."""


def _paths() -> list[str]:
    """Settings that are paths."""
    fields = Settings.model_fields.items()
    return [name for name, field in fields if Path in (field.annotation, *get_args(field.annotation))]


def _hint(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, Settings.model_fields, n=1)
    return f"; did you mean {near[0]}?" if near else ""
