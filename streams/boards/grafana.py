"""A Grafana by its HTTP API. Only this module imports grafana_api.

That library's own methods are used where Grafana 13 still answers to them (folders, boards); the rest goes through
its low-level calls. Two of its habits are put right in one place, `_ask`: a 204 has no body, which it tries to read
as JSON; and its errors become `GrafanaError` (Grafana says no) or `Unavailable` (nobody answers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from streams.errors import SpendstreamError, Unavailable, UsageError


class GrafanaError(SpendstreamError):
    """Grafana refused, or is not in a state to do it. `status`: of the answer, 0 when it is not about one."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Grafana:
    """One organisation of one Grafana. With `dry_run` nothing can be written: every write raises `AssertionError`."""

    def __init__(self, url: str, token: str, *, dry_run: bool = False, timeout_s: float = 30.0) -> None:
        """`url`: http(s)://host:port/prefix, `token` of a service account. Connects to nothing yet."""
        from grafana_api.grafana_face import GrafanaFace

        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(f"{url!r} is no Grafana URL: use http(s)://host:3000")
        if not token.strip():
            raise UsageError(
                "no token: make a service account in Grafana (role Admin), and set SPENDSTREAM_GRAFANA_TOKEN"
            )
        prefix = parts.path.strip("/")
        self.url = url.rstrip("/")
        self.dry_run = dry_run
        self._face = GrafanaFace(
            auth=token.strip(),
            host=f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname,
            port=parts.port,
            protocol=parts.scheme,
            url_path_prefix=f"{prefix}/" if prefix else "",
            timeout=timeout_s,
        )
        self._statuses: list[int] = []
        self._face.api.s.hooks["response"].append(lambda answer, *_, **__: self._statuses.append(answer.status_code))

    # -- reading -------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any | None:
        """What stands at `/api<path>`; None when there is nothing (404)."""
        return self._or_none(lambda: self._face.api.GET(path), f"GET {path}")

    def board(self, uid: str) -> dict[str, Any] | None:
        """`dashboard` and `meta` of a board."""
        return self._or_none(lambda: self._face.dashboard.get_dashboard(uid), f"read board {uid}")

    def folder(self, uid: str) -> dict[str, Any] | None:
        """A folder."""
        return self._or_none(lambda: self._face.folder.get_folder(uid), f"read folder {uid}")

    # -- writing -------------------------------------------------------------------------------------------------

    def create_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        self._write(lambda: self._face.folder.create_folder(title, uid), f"create folder {title!r}")

    def save_board(self, body: Mapping[str, Any]) -> None:
        """Save a board. Status 412: somebody was faster."""
        self._write(lambda: self._face.dashboard.update_dashboard(dict(body)), f"save board {body['dashboard']['uid']}")

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any | None:
        """POST, PUT or DELETE at `/api<path>`; None when Grafana has nothing to say (204)."""
        call = getattr(self._face.api, method)
        return self._write(lambda: call(path, json=None if body is None else dict(body)), f"{method} {path}")

    # -- annotations ---------------------------------------------------------------------------------------------

    def annotation(self, tags: Sequence[str]) -> int | None:
        """The number of an annotation that has all `tags`; None when there is none."""
        escaped = [in_path(tag) for tag in tags]
        found = self._ask(lambda: self._face.annotations.get_annotation(tags=escaped, limit=1), "look for annotations")
        return int(found[0]["id"]) if found else None

    def annotate(self, at_ms: int, until_ms: int, text: str, tags: Sequence[str]) -> int:
        """Write an annotation of the whole organisation; `until_ms` 0: a moment. Its number."""
        made = self._write(
            lambda: self._face.annotations.add_annotation(
                time_from=at_ms, time_to=until_ms or at_ms, tags=list(tags), text=text
            ),
            "write an annotation",
        )
        return int(made["id"]) if made else 0

    def change_annotation(self, number: int, at_ms: int, until_ms: int, text: str, tags: Sequence[str]) -> None:
        """Replace an annotation. Status 404: somebody removed it."""
        self._write(
            lambda: self._face.annotations.update_annotation(
                number, time_from=at_ms, time_to=until_ms or at_ms, tags=list(tags), text=text
            ),
            f"change annotation {number}",
        )

    def close(self) -> None:
        """Close the connections."""
        self._face.api.s.close()

    # -- one place for errors ------------------------------------------------------------------------------------

    def _write(self, call: Callable[[], Any], what: str) -> Any | None:
        assert not self.dry_run, f"a dry run must not {what}"
        return self._ask(call, what)

    def _or_none(self, call: Callable[[], Any], what: str) -> Any | None:
        try:
            return self._ask(call, what)
        except GrafanaError as error:
            if error.status == 404:
                return None
            raise

    def _ask(self, call: Callable[[], Any], what: str) -> Any | None:
        import requests
        from grafana_api.grafana_api import GrafanaException

        self._statuses.clear()
        try:
            return call()
        except GrafanaException as error:
            raise self._refused(error.status_code, error.response, what) from error
        except requests.exceptions.JSONDecodeError as error:
            status = self._statuses[-1] if self._statuses else 0
            if status == 204:
                return None
            raise GrafanaError(f"{self.url} answers {status} without JSON: is it a Grafana?", status) from error
        except requests.exceptions.InvalidURL as error:
            raise UsageError(f"{self.url!r} is no Grafana URL: {error}") from error
        except requests.exceptions.RequestException as error:
            raise Unavailable(f"Grafana at {self.url} does not answer: {type(error).__name__}") from error

    def _refused(self, status: int, answer: object, what: str) -> GrafanaError | Unavailable:
        said = answer.get("message") or answer.get("error") if isinstance(answer, Mapping) else str(answer)[:200]
        if status == 401:
            return GrafanaError(
                f"Grafana at {self.url} does not know the token (401): is it of this Grafana, and not expired?", 401
            )
        if status == 403:
            return GrafanaError(
                f"the token may not {what} (403): give its service account the role Admin. Grafana says: {said}", 403
            )
        if status >= 500:
            return Unavailable(f"Grafana at {self.url} cannot {what} now ({status}): {said}")
        return GrafanaError(f"Grafana refused to {what} ({status}): {said}", status)


def in_path(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")
