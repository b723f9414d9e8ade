"""Policies as the worker uses them: the operator's file, checked whole, with its secrets looked up.

`load_policies(path, environment)`; the file is described in `schemas.policies`. Secrets are `SecretStr`: they are never
in a log, an error, the ledger or `repr`. Without a file nothing is sent: notices are recorded and logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from schemas.policies import AppriseChannel, Channel, ControlPolicy, PoliciesFile, Route, WebhookChannel
from streams import toml
from streams.errors import SettingsError

LEAST_SECRET: Final = 16
"""Characters of a webhook's secret; `openssl rand -base64 24` makes 32."""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One channel, ready to be made (`streams.alert.channels`)."""

    name: str
    type: Literal["webhook", "apprise", "alertmanager"]
    url: SecretStr
    secret: SecretStr | None = None
    """webhook: the key of the signature; alertmanager: a bearer token."""
    timeout_s: float = 10.0
    remind_ms: int = 0
    """How long after its last change an open alert is sent again; only an Alertmanager wants that."""


@dataclass(frozen=True, slots=True)
class Policies:
    """What the operator wants."""

    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    controls: tuple[ControlPolicy, ...] = ()
    give_up_ms: int = 24 * 3_600_000


DEFAULT_CONTROLS: Final = (ControlPolicy(name="default", severities=("warning", "critical")),)
"""Without a control of the operator's: incidents that page are written down as `observe`, which asks nothing."""


def load_policies(path: Path | None, environment: Mapping[str, str]) -> Policies:
    """The policies of a file; without one, the default. Raises `SettingsError` with every fault, secrets unnamed."""
    if path is None:
        return Policies(controls=DEFAULT_CONTROLS)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError([f"policies_file: {path} cannot be read: {why}"]) from None
    return parse_policies(text, str(path.name), environment)


def parse_policies(text: str, name: str, environment: Mapping[str, str]) -> Policies:
    """As `load_policies`, from the text of a file called `name`."""
    try:
        found = toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise SettingsError([f"{name}: is not TOML: {error}"]) from None
    try:
        file = PoliciesFile.model_validate(found)
    except ValidationError as error:
        # The input is left out of the messages: somebody may have written a secret where none belongs.
        raise SettingsError(
            [
                f"{name}: {_where(part['loc'])}: {_message(part)}"
                for part in error.errors(include_url=False, include_input=False)
            ]
        ) from None
    faults = file.contradictions()
    channels: dict[str, ChannelSettings] = {}
    for channel_name, channel in file.channel.items():
        settings = _channel(channel_name, channel, environment, faults)
        if settings is not None:
            channels[channel_name] = settings
    if faults:
        raise SettingsError([f"{name}: {fault}" for fault in faults])
    return Policies(channels, file.route, file.control or DEFAULT_CONTROLS, file.give_up_hours * 3_600_000)


def _channel(name: str, channel: Channel, environment: Mapping[str, str], faults: list[str]) -> ChannelSettings | None:
    at = f"channel {name!r}"
    before = len(faults)
    reference = channel.url
    url = _secret(reference, f"{at}: url", environment, faults) if _is_reference(reference) else reference
    if url is not None:
        _check_url(url, _is_reference(reference), channel.type, at, faults)
    secret: str | None = None
    if isinstance(channel, WebhookChannel):
        secret = _secret(channel.secret, f"{at}: secret", environment, faults)
        if secret is not None and len(secret) < LEAST_SECRET:
            faults.append(f"{at}: the secret has less than {LEAST_SECRET} characters: `openssl rand -base64 24`")
        timeout_s, remind_ms = channel.timeout_seconds, 0
    elif isinstance(channel, AppriseChannel):
        timeout_s, remind_ms = 0.0, 0
    else:
        if channel.token is not None:
            secret = _secret(channel.token, f"{at}: token", environment, faults)
        timeout_s, remind_ms = channel.timeout_seconds, channel.remind_days * 86_400_000
    if len(faults) > before or url is None:
        return None
    return ChannelSettings(
        name, channel.type, SecretStr(url), None if secret is None else SecretStr(secret), timeout_s, remind_ms
    )


def _check_url(url: str, referred: bool, kind: str, at: str, faults: list[str]) -> None:
    """Says what is wrong without quoting the URL: it may be a secret."""
    if kind == "apprise":
        from streams.alert.channels.apprise import is_apprise_url

        if any(character.isspace() for character in url) or not is_apprise_url(url):
            faults.append(
                f"{at}: its url is not one URL that apprise knows (slack://..., pagerduty://..., mailto://...)"
            )
        return
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        faults.append(f"{at}: its url cannot be read")
        return
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine:
        faults.append(f"{at}: its url must be http(s)://host/path, or env:VARIABLE or file:PATH where that stands")
    elif not referred and (parts.username or parts.password or parts.query):
        faults.append(f"{at}: its url holds a secret: put it into the environment (env:VARIABLE) or a file (file:PATH)")


def _is_reference(text: str) -> bool:
    return text.startswith(("env:", "file:"))


def _secret(reference: str, at: str, environment: Mapping[str, str], faults: list[str]) -> str | None:
    kind, _, place = reference.partition(":")
    if kind == "env":
        value = environment.get(place, "").strip()
        if not value:
            faults.append(f"{at}: the environment has no {place}")
        return value or None
    try:
        value = Path(place).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{at}: {place} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}")
        return None
    if not value:
        faults.append(f"{at}: {place} is empty")
    return value or None


def _where(loc: tuple[int | str, ...]) -> str:
    return " ".join(str(part + 1) if isinstance(part, int) else part for part in loc) or "file"


def _message(part: Mapping[str, Any]) -> str:
    message = str(part["msg"]).removeprefix("Value error, ")
    if part["type"] == "string_pattern_mismatch" and "env:" in message:
        return "say where the secret stands, env:VARIABLE or file:PATH; the secret itself does not belong here"
    return message
