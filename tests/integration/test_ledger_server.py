"""The ledger on a server: inserts over HTTP, faults in the middle of them, TLS and passwords.

The server is the tests' own before the real engine (`tests.faults.clickhouse_server`); what it is not is said there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest

from streams.errors import LedgerError, Unavailable, UsageError
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.ledger.store import LedgerStore
from streams.meter.sums import CellKey
from tests.faults.ledger import LedgerServer
from tests.faults.proxy import Proxy

COLUMNS = (("partition", "UInt32"), ("epoch", "UInt64"), ("id", "String"), ("outcome", "Enum8('call' = 1)"))
_numbers = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerServer]:
    with LedgerServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def proxy(server: LedgerServer) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def store(server: LedgerServer, proxy: Proxy) -> Iterator[LedgerStore]:
    """A ledger of the test's own; partition 0 is ours since epoch 1."""
    url = f"http://127.0.0.1:{proxy.port}/test_{next(_numbers)}"
    database = Database(url, create=True, timeout_s=5)
    migrate(database)
    store = LedgerStore(database)
    assert store.fence(0, "me") == 1
    yield store
    server.order()
    database.close()


def rows(*ids: str, partition: int = 0, epoch: int = 1) -> pa.Table:
    return pa.table(
        {
            "partition": pa.array([partition] * len(ids), pa.uint32()),
            "epoch": pa.array([epoch] * len(ids), pa.uint64()),
            "id": list(ids),
            "outcome": ["call"] * len(ids),
        }
    )


def ids(store: LedgerStore) -> list[str]:
    return sorted(str(row[0]) for row in store.database.rows("SELECT id FROM intake"))


def test_an_insert_is_done_once_and_by_the_owner_only(store: LedgerStore) -> None:
    odd = ["a'b", "c\\d", "é\n\t", "🙂", ""]
    for _ in range(2):
        store.write(COLUMNS, rows(*odd), "token")
    assert ids(store) == sorted(odd)
    store.write(COLUMNS, rows("not mine", partition=1), "other")
    store.write(COLUMNS, rows("an old epoch", epoch=0), "old")
    assert ids(store) == sorted(odd)


def test_a_lost_answer_is_unavailable_and_the_repetition_writes_nothing(
    server: LedgerServer, proxy: Proxy, store: LedgerStore
) -> None:
    server.order(lose=True, times=1)
    with pytest.raises(Unavailable):
        store.write(COLUMNS, rows("a"), "a")
    store.write(COLUMNS, rows("a"), "a")
    proxy.lose_answer(b"spendstream_intake")
    with pytest.raises(Unavailable):
        store.write(COLUMNS, rows("b"), "b")
    assert proxy.lost == 1
    store.write(COLUMNS, rows("b"), "b")
    assert ids(store) == ["a", "b"]


@pytest.mark.parametrize("code", [75, 159, 202, 209, 210, 241, 242, 243, 252, 319, 394, 999])
def test_errors_that_pass_are_unavailable(server: LedgerServer, store: LedgerStore, code: int) -> None:
    server.order(code=code, times=1)
    with pytest.raises(Unavailable, match=f"code: {code}"):
        store.write(COLUMNS, rows("a"), "a")
    store.write(COLUMNS, rows("a"), "a")
    assert ids(store) == ["a"]


def test_errors_that_do_not_pass_are_the_ledgers(server: LedgerServer, store: LedgerStore) -> None:
    server.order(code=60, times=1)
    with pytest.raises(LedgerError, match="code: 60"):
        store.write(COLUMNS, rows("a"), "a")
    with pytest.raises(LedgerError, match="no_such_column"):
        store.database.rows("SELECT no_such_column FROM intake")


def test_a_network_that_is_cut_hangs_and_comes_back(proxy: Proxy, store: LedgerStore) -> None:
    proxy.cut()
    with pytest.raises(Unavailable):
        store.write(COLUMNS, rows("a"), "a")
    proxy.mend()
    store.write(COLUMNS, rows("a"), "a")
    proxy.hang()
    with pytest.raises(Unavailable):
        store.write(COLUMNS, rows("b"), "b")
    proxy.mend()
    store.write(COLUMNS, rows("b"), "b")
    assert ids(store) == ["a", "b"]


def test_a_killed_server_comes_back_with_all_that_it_answered(server: LedgerServer, store: LedgerStore) -> None:
    written = []
    for number in range(20):
        store.write(COLUMNS, rows(f"{number:02}"), f"{number}")
        written.append(f"{number:02}")
    server.kill()
    with pytest.raises(Unavailable):
        store.position(0)
    server.start()
    assert ids(store) == written
    store.write(COLUMNS, rows("19"), "19")
    assert ids(store) == written, "tokens survive too"


def test_running_inserts_of_others_are_waited_for(server: LedgerServer, store: LedgerStore) -> None:
    """The slow one began before the fence; what it writes must be there before the position is read."""
    slow = "INSERT INTO intake (partition, epoch, id) SELECT 0, 1, 'slow' FROM numbers(1) WHERE sleep(2) = 0"
    with ThreadPoolExecutor(1) as pool:
        insert = pool.submit(store.database.command, f"{slow} AND 'spendstream_intake' != ''")
        while not store.database.rows(
            "SELECT 1 FROM system.processes WHERE query LIKE '%sleep(2)%' AND query LIKE 'I%'"
        ):
            pass
        assert store.fence(0, "another") == 2
        store.wait_for_inserts()
        assert ids(store) == ["slow"]
        insert.result()


def test_names_as_long_as_the_contract_allows(store: LedgerStore) -> None:
    """Five thousand agents of 256 characters, asked for in one question: too long for any URL."""
    names = [f"{number:05}" + "ü" * 251 for number in range(5000)]
    found = store.cell_totals(0, [CellKey(name, "mid", 1) for name in names])
    assert found.shape[0] == 5000
    assert not found.any()


# -- TLS and passwords ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LedgerServer, Path]]:
    """A server with a certificate and a password, and the file of who signed the certificate."""
    root = tmp_path_factory.mktemp("secret")
    certificate, key = self_signed(root)
    with LedgerServer(root, user="spend", password="p@ss/wörd", certificate=certificate, key=key) as server:
        yield server, certificate


def self_signed(root: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    certificate, key = root / "server.pem", root / "server.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def test_tls_with_user_and_password(secret: tuple[LedgerServer, Path]) -> None:
    server, certificate = secret
    good = f"https://spend:p%40ss%2Fw%C3%B6rd@127.0.0.1:{server.port}/one"
    with pytest.raises(Unavailable, match="certificate verify failed") as refused:
        Database(good)
    assert "p@ss" not in str(refused.value)
    assert "p%40ss" not in str(refused.value)
    known = f"{good}?ca_file={certificate}"
    database = Database(known, create=True)
    assert database.rows("SELECT 1") == [(1,)]
    database.close()
    with pytest.raises(LedgerError, match="Authentication failed") as wrong:
        Database(known.replace("p%40ss", "secret"))
    assert "secret" not in str(wrong.value)
    with pytest.raises(Unavailable):
        Database(good.replace("https", "http"))
    with pytest.raises(UsageError, match="no file"):
        Database(good + "?ca_file=/nowhere.pem")
    with pytest.raises(UsageError, match="no option verify"):
        Database(good + "?verify=0")
