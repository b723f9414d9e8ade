"""The outbox of notices on the real engine: an id counts once, and everything that was put can be read back."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.alert.box import NoticeBox
from streams.alert.notice import Notice
from streams.ledger.client import Database
from streams.ledger.store import LedgerStore
from tests.fakes import BASE_MS

_put: dict[str, tuple[str, str, dict[str, str]]] = {}
"""What was first put by the test of texts, by key."""

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def notice(id: str = "inc-1:1", **fields: object) -> Notice:
    """A notice that something opened."""
    values: dict[str, object] = {
        "id": id,
        "subject": "inc-1",
        "change": "opened",
        "severity": "warning",
        "title": "loop",
        "body": "43 calls",
        "team_id": "search",
        "tier": "frontier",
        "at_ms": BASE_MS,
    } | fields
    return Notice(**values)  # type: ignore[arg-type]


def test_putting_the_same_id_again_changes_nothing(store: LedgerStore) -> None:
    woken: list[int] = []
    box = NoticeBox(store.database, now_ms=lambda: BASE_MS + 5, on_put=lambda: woken.append(1))
    first = notice(links={"board": "https://g/d/x"}, labels={"kind": "loop"})
    assert box.put([first, notice(title="of two with one id the first counts")]) == 1
    assert box.put([notice(title="changed"), notice("inc-1:2", change="resolved", resolved=True)]) == 1
    assert box.put([]) == 0
    assert box.put([first]) == 0
    assert len(woken) == 2
    rows = store.database.rows(
        "SELECT id, title, severity, toUnixTimestamp64Milli(at), links, labels, resolved, "
        "toUnixTimestamp64Milli(recorded_at) FROM notices ORDER BY id"
    )
    assert rows == [
        ("inc-1:1", "loop", "warning", BASE_MS, {"board": "https://g/d/x"}, {"kind": "loop"}, False, BASE_MS + 5),
        ("inc-1:2", "loop", "warning", BASE_MS, {}, {}, True, BASE_MS + 5),
    ]


def test_two_workers_that_put_at_the_same_moment_make_one_notice(store: LedgerStore) -> None:
    class Blind(Database):
        """Sees an empty outbox, as a worker does that looked just before the other wrote."""

        def __init__(self, real: Database) -> None:
            self._real = real

        def rows(self, sql: str, parameters: object = None) -> list[tuple[object, ...]]:
            return []

        def insert(self, *arguments: object, **options: object) -> None:
            self._real.insert(*arguments, **options)  # type: ignore[arg-type]

    NoticeBox(store.database, now_ms=lambda: BASE_MS).put([notice()])
    NoticeBox(Blind(store.database), now_ms=lambda: BASE_MS + 1).put([notice(title="late"), notice("inc-2:1")])
    assert store.database.rows("SELECT id, title FROM notices ORDER BY id") == [
        ("inc-1:1", "loop"),
        ("inc-2:1", "loop"),
    ]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=_TEXT, body=_TEXT, label=_TEXT, key=_TEXT.filter(bool))
def test_any_text_comes_back(store: LedgerStore, title: str, body: str, label: str, key: str) -> None:
    NoticeBox(store.database).put([notice("a:" + key, title=title, body=body, labels={key: label})])
    [row] = store.database.rows("SELECT title, body, labels FROM notices WHERE id = {id:String}", {"id": "a:" + key})
    assert row == _put.setdefault(key, (title, body, {key: label}))
