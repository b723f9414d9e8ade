"""From a worker's settings to who may ask it, with every fault at once."""

from __future__ import annotations

from collections.abc import Mapping

from streams.config import Settings
from streams.errors import SettingsError
from streams.http.loopback import is_loopback
from streams.http.server import Access, open_refusal
from streams.http.tokens import Tokens, load_tokens


def access_of(settings: Settings, environment: Mapping[str, str]) -> Access:
    """`environment` gives what tokens refer to by `env:`. Raises `SettingsError`."""
    faults: list[str] = []
    tokens = Tokens()
    try:
        tokens = load_tokens(settings.http_tokens_file, settings.http_tokens.get_secret_value(), environment)
    except SettingsError as error:
        faults += error.faults
    if not tokens and not faults and not settings.http_open and not is_loopback(settings.http_host):
        faults.append(open_refusal(settings.http_host))
    if (settings.http_tls_certificate is None) != (settings.http_tls_key is None):
        faults.append("http_tls_certificate and http_tls_key belong together: set both or neither")
    if faults:
        raise SettingsError(faults)
    return Access(
        tokens=tokens,
        open_to_all=settings.http_open,
        requests_per_second=settings.http_requests_per_second,
        certificate=settings.http_tls_certificate,
        key=settings.http_tls_key,
    )
