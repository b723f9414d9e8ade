"""Whom the operator lets in: named tokens, each with one scope.

In a file (`http_tokens_file`, TOML):

    [prometheus]
    scope = "read"
    sha256 = "9f86d081..."              # of the token: printf %s "$TOKEN" | sha256sum

    [oncall]
    scope = "control"
    token = "env:ONCALL_TOKEN"          # or "file:/run/secrets/oncall": where the token itself stands

or in one setting (`http_tokens`), for containers: `prometheus:read:sha256:9f86...,oncall:control:env:ONCALL_TOKEN`.

Only hashes stay in memory. A token is random, so a plain SHA-256 is enough: there is nothing to guess. A presented
token is hashed and compared with every known one in constant time, so the time of an answer tells nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from streams import toml
from streams.errors import SettingsError
from streams.http.scopes import Caller, Scope

LEAST_CHARACTERS = 24
"""`openssl rand -hex 24` makes 48, 192 bits; less than 24 characters is a word that somebody made up."""

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIVEN: tuple[str, ...] = tuple(scope for scope in get_args(Scope) if scope != "open")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Known callers by the SHA-256 of their tokens."""

    known: Mapping[bytes, Caller] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.known)

    def caller(self, presented: str) -> Caller | None:
        """Whose token this is; every known one is compared, so that the time says nothing."""
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        found: Caller | None = None
        for known, caller in self.known.items():
            if hmac.compare_digest(known, digest):
                found = caller
        return found


def load_tokens(file: Path | None, setting: str, environment: Mapping[str, str]) -> Tokens:
    """Tokens of the file and of the setting. Raises `SettingsError` with every fault, and never quotes a secret."""
    faults: list[str] = []
    entries: list[tuple[str, str, Mapping[str, Any]]] = []
    if file is not None:
        entries += _of_file(file, faults)
    entries += _of_setting(setting, faults)
    known: dict[bytes, Caller] = {}
    names: set[str] = set()
    for where, name, entry in entries:
        at = f"{where}: token {name!r}"
        if not NAME.fullmatch(name):
            faults.append(f"{where}: a token's name has letters, digits, _ . - only, at most 64")
            continue
        if name in names:
            faults.append(f"{at} is there twice")
        names.add(name)
        scope = entry.get("scope")
        if scope not in _GIVEN:
            faults.append(f"{at}: scope must be one of {', '.join(_GIVEN)}")
            continue
        digest = _digest(entry, at, environment, faults)
        if digest is None:
            continue
        if digest in known:
            faults.append(f"{at} is the same token as {known[digest].name!r}: give each caller its own")
        known[digest] = Caller(name, scope)
    if faults:
        raise SettingsError(faults)
    return Tokens(known)


def _of_file(file: Path, faults: list[str]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    try:
        found = toml.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"http_tokens_file: {file} cannot be read: {getattr(error, 'strerror', None) or error}")
        return
    except toml.TOMLDecodeError as error:
        faults.append(f"http_tokens_file: {file}: {error}")
        return
    for name, entry in found.items():
        if not isinstance(entry, dict):
            faults.append(f"http_tokens_file: {file}: {name!r} must be a table [{name}] with scope and sha256 or token")
            continue
        for other in entry.keys() - {"scope", "sha256", "token"}:
            faults.append(f"http_tokens_file: {file}: token {name!r} has no field {other!r}")
        yield f"http_tokens_file: {file}", name, entry


def _of_setting(setting: str, faults: list[str]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    for number, part in enumerate(setting.split(",") if setting.strip() else [], 1):
        fields = part.strip().split(":", 2)
        if len(fields) != 3:
            faults.append(f"http_tokens: entry {number} must be NAME:SCOPE:sha256:HEX, :env:VARIABLE or :file:PATH")
            continue
        name, scope, secret = fields
        kind, _, value = secret.partition(":")
        entry = {"scope": scope, "sha256": value} if kind == "sha256" else {"scope": scope, "token": secret}
        yield "http_tokens", name, entry


def _digest(entry: Mapping[str, Any], at: str, environment: Mapping[str, str], faults: list[str]) -> bytes | None:
    if ("sha256" in entry) == ("token" in entry):
        faults.append(f"{at} needs either sha256 (of the token) or token (env:VARIABLE or file:PATH)")
        return None
    if "sha256" in entry:
        text = str(entry["sha256"]).strip().lower()
        if not _SHA256.fullmatch(text):
            faults.append(f"{at}: sha256 must be 64 hexadecimal digits: printf %s TOKEN | sha256sum")
            return None
        return bytes.fromhex(text)
    secret = _secret(str(entry["token"]), at, environment, faults)
    if secret is None:
        return None
    if len(secret) < LEAST_CHARACTERS:
        faults.append(f"{at} is shorter than {LEAST_CHARACTERS} characters: `openssl rand -hex 24` makes a good one")
        return None
    return hashlib.sha256(secret.encode()).digest()


def _secret(reference: str, at: str, environment: Mapping[str, str], faults: list[str]) -> str | None:
    kind, _, place = reference.partition(":")
    if kind == "env" and place:
        value = environment.get(place, "").strip()
        if not value:
            faults.append(f"{at}: the environment has no {place}")
        return value or None
    if kind == "file" and place:
        try:
            value = Path(place).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"{at}: {place} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}")
            return None
        if not value:
            faults.append(f"{at}: {place} is empty")
        return value or None
    faults.append(f"{at}: say where the token stands, env:VARIABLE or file:PATH; the token itself does not belong here")
    return None
