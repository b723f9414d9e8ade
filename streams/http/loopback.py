"""Whether a name means this machine. Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def names_loopback(header: str, host: str) -> bool:
    """Whether a Host header names loopback, or `host` itself; the port does not matter."""
    if not header.isprintable() or " " in header:  # `urlsplit` takes tabs and line ends out without a word
        return False
    try:
        name = urlsplit(f"//{header}").hostname
    except ValueError:
        return False
    return name is not None and (name == host or is_loopback(name))


def is_own_origin(origin: str | None, host_header: str | None) -> bool:
    """Whether an Origin header is missing or names the host that is asked."""
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == host_header
    except ValueError:
        return False
