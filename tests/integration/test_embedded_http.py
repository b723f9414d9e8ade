"""The read-only ClickHouse endpoint on the real engine, in another process, asked as its users ask it."""

from __future__ import annotations

import asyncio
import gzip
import json
import multiprocessing
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

SECRET = "a-secret-of-the-file-system"
ROWS = 1_000_000


def serve(root: str, told: Connection) -> None:
    """The owner's process: an engine, a table, the endpoint, until it is told to end."""
    import chdb

    from streams.embedded.clickhouse_http import ClickHouseHttp
    from streams.embedded.engine import ChdbEngine, Limits

    async def main() -> None:
        connect: Any = chdb.connect
        writer = connect(root)
        writer.query("CREATE DATABASE ledger")
        writer.query(
            "CREATE TABLE ledger.calls (id UInt64, agent String, cost Decimal(18, 12)) ENGINE = MergeTree ORDER BY id"
        )
        writer.query(f"INSERT INTO ledger.calls SELECT number, 'agent ' || number % 7, number / 8 FROM numbers({ROWS})")
        engine = ChdbEngine(Path(root), database="ledger", limits=Limits(seconds=3, result_bytes=64 * 1024 * 1024))
        endpoint = ClickHouseHttp(engine)
        told.send(await endpoint.start())
        while await asyncio.to_thread(told.recv) == "count":
            told.send(writer.query("SELECT count(), max(id) FROM ledger.calls", "JSONCompact").bytes())
        await endpoint.stop()
        engine.close()
        writer.close()

    asyncio.run(main())


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int
    root: Path
    told: Connection

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def get(
        self, query: str, headers: dict[str, str] | None = None, body: bytes | None = None, **fields: str
    ) -> Answer:
        target = f"{self.url}/?" + urllib.parse.urlencode(({"query": query} if query else {}) | fields)
        return self.open(urllib.request.Request(target, data=body, headers=headers or {}))

    def open(self, request: urllib.request.Request) -> Answer:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def code(self) -> int:
        return int(self.headers.get("X-ClickHouse-Exception-Code", "0"))


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    root = tmp_path_factory.mktemp("engine")
    (root / "secret.csv").write_text(f"{SECRET},1\n")
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(str(root / "ledger"), theirs))
    process.start()
    try:
        assert ours.poll(60)
        host, port = ours.recv()
        yield Endpoint(host, port, root, ours)
        ours.send("stop")
        process.join(20)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join()
        ours.close()
        theirs.close()


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[Client]:
    client = clickhouse_connect.get_client(
        interface="http", host=endpoint.host, port=endpoint.port, username="anyone", password="anything"
    )
    try:
        yield client
    finally:
        client.close()


def test_clickhouse_connect_opens_and_asks_with_parameters(client: Client) -> None:
    assert client.ping()
    assert int((client.server_version or "0").split(".")[0]) >= 25
    result = client.query(
        "SELECT agent, count() AS calls, sum(cost) AS cost FROM calls "
        "WHERE id < {top:UInt64} AND agent IN {agents:Array(String)} GROUP BY agent ORDER BY agent",
        parameters={"top": 14, "agents": ["agent 1", "agent 3"]},
    )
    assert result.column_names == ("agent", "calls", "cost")
    assert [(row[0], row[1], str(row[2])) for row in result.result_rows] == [
        ("agent 1", 2, "1.125000000000"),
        ("agent 3", 2, "1.625000000000"),
    ]
    assert int(result.summary["read_rows"]) >= 14


@pytest.mark.parametrize("text", ["ünï", "日本語 🦉", "a\tb\nc\\d'e\"f`g", "", "\\", "x" * 5000])
def test_text_of_any_kind_comes_back(client: Client, text: str) -> None:
    assert client.query(
        "SELECT {text:String} AS t, {text:String} = {again:String}", parameters={"text": text, "again": text}
    ).result_rows == [(text, 1)]


def test_a_million_rows_stream(client: Client) -> None:
    rows = total = 0
    with client.query_column_block_stream("SELECT id, agent FROM calls") as stream:
        for block in stream:
            rows += len(block[0])
            total += sum(block[0])
    assert (rows, total) == (ROWS, ROWS * (ROWS - 1) // 2)


def test_arrow_empty_results_and_the_database_of_the_client(client: Client, endpoint: Endpoint) -> None:
    assert client.query_arrow("SELECT id FROM calls ORDER BY id LIMIT 3").column("id").to_pylist() == [0, 1, 2]
    assert client.query("SELECT id, agent FROM calls WHERE 0").result_rows == []
    assert client.query("SELECT id, agent FROM calls LIMIT 0").column_names == ("id", "agent")
    other = clickhouse_connect.get_client(interface="http", host=endpoint.host, port=endpoint.port, database="system")
    assert other.command("SELECT * FROM one") == 0
    other.close()


def test_errors_reach_clickhouse_connect_with_code_and_name(client: Client) -> None:
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE") as caught:
        client.query("SELECT * FROM nowhere")
    assert caught.value.code == 60
    with pytest.raises(DatabaseError) as caught:
        client.command("INSERT INTO calls VALUES (1, 'x', 1)")
    assert caught.value.code == 164
    with pytest.raises(DatabaseError):
        client.insert("calls", [[1, "x", 1]], column_names=["id", "agent", "cost"])


@pytest.mark.parametrize(
    ("fmt", "body"),
    [
        ("JSONEachRow", b'{"id":3,"agent":"agent 3"}\n'),
        ("CSV", b'3,"agent 3"\n'),
        ("TSV", b"3\tagent 3\n"),
        ("TabSeparatedWithNames", b"id\tagent\n3\tagent 3\n"),
    ],
)
def test_formats_by_clause_by_parameter_and_by_header(endpoint: Endpoint, fmt: str, body: bytes) -> None:
    query = "SELECT id, agent FROM calls WHERE id = 3"
    for answer in (
        endpoint.get(f"{query} FORMAT {fmt}", default_format="Native"),
        endpoint.get(query, default_format=fmt),
        endpoint.get(query, headers={"X-ClickHouse-Format": fmt}),
    ):
        assert (answer.status, answer.body) == (200, body)
        assert answer.headers["X-ClickHouse-Format"] == fmt


def test_json_has_names_types_and_a_summary(endpoint: Endpoint) -> None:
    answer = endpoint.get("SELECT id, cost FROM calls WHERE id = 3 FORMAT JSONCompact", query_id="mine")
    said = json.loads(answer.body)
    assert [column["name"] for column in said["meta"]] == ["id", "cost"]
    assert said["data"] == [[3, 0.375]]
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Timezone"]
    summary = json.loads(answer.headers["X-ClickHouse-Summary"])
    assert summary["result_rows"] == "1"
    assert int(summary["read_rows"]) >= 1


def test_the_query_may_stand_in_the_url_the_body_or_both(endpoint: Endpoint) -> None:
    assert endpoint.get("", body=b"SELECT 1").body == b"1\n"
    assert endpoint.get("SELECT 1 +", body=b"2").body == b"3\n"
    assert endpoint.get("SELECT {a:UInt8} + {b:UInt8}", param_a="1", param_b="2").body == b"3\n"
    form = b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {a:String}\r\n'
    form += b'--x\r\nContent-Disposition: form-data; name="param_a"\r\n\r\nhere\r\n--x--\r\n'
    assert endpoint.get("", body=form, headers={"Content-Type": "multipart/form-data; boundary=x"}).body == b"here\n"
    assert endpoint.get("SELECT count()", body=b"FROM system.one -- the end").body == b"1\n"


def test_long_queries_fit_in_the_url_and_absurd_ones_are_refused(endpoint: Endpoint) -> None:
    text = "x" * 100_000
    assert endpoint.get(f"SELECT length('{text}')").body == b"100000\n"
    assert endpoint.get("", body=b"SELECT '" + b"x" * (5 * 1024 * 1024) + b"'").status == 413


def test_ping_and_an_empty_query_answer_ok(endpoint: Endpoint) -> None:
    for path in ("/ping", "/"):
        answer = endpoint.open(urllib.request.Request(endpoint.url + path))
        assert (answer.status, answer.body) == (200, b"Ok.\n")
    assert endpoint.open(urllib.request.Request(endpoint.url + "/nowhere")).status == 404
    assert endpoint.open(urllib.request.Request(endpoint.url + "/", method="DELETE")).status == 405


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("SELEC 1", 400, 62),
        ("SELECT nothing_of_this_name", 404, 47),
        ("SELECT * FROM nowhere", 404, 60),
        ("SELECT * FROM nowhere.calls", 404, 81),
        ("SELECT nothing_of_this_name(1)", 404, 46),
        ("SELECT 1 FORMAT Nothing", 404, 73),
        ("SELECT {missing:String}", 500, 456),
        ("SELECT throwIf(1)", 500, 395),
        ("SELECT sum(cityHash64(number)) FROM numbers(1000000000000)", 408, 159),
        ("SELECT repeat(toString(number), 200) FROM numbers(200000)", 500, 396),
        ("SELECT repeat('x', 1000000) FROM numbers(10000)", 500, 241),
        ("SELECT 1; SELECT 2", 400, 62),
        ("SELECT '", 400, 62),
        ("SELECT 1 \0; DROP TABLE calls", 400, 62),
        (";", 400, 62),
    ],
)
def test_errors_have_the_status_and_code_of_a_server(endpoint: Endpoint, query: str, status: int, code: int) -> None:
    answer = endpoint.get(query)
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.body.startswith(b"Code: %d. DB::Exception: " % code)
    assert answer.body.count(b"DB::Exception") == 1


HOSTILE = [
    "INSERT INTO calls VALUES (1, 'x', 1)",
    "INSERT INTO calls SELECT 1, 'x', 1 SETTINGS readonly = 0",
    "INSERT INTO FUNCTION file('{root}/out.csv') SELECT 1",
    "CREATE TABLE t (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE t (a Int8)",
    "CREATE DATABASE d",
    "CREATE VIEW v AS SELECT 1",
    "CREATE FUNCTION f AS x -> x",
    "CREATE NAMED COLLECTION c AS a = 1",
    "CREATE USER u",
    "GRANT ALL ON *.* TO default",
    "DROP TABLE calls",
    "DROP DATABASE ledger",
    "TRUNCATE TABLE calls",
    "ALTER TABLE calls DELETE WHERE 1",
    "ALTER TABLE calls UPDATE agent = '' WHERE 1",
    "DELETE FROM calls WHERE 1",
    "UPDATE calls SET agent = '' WHERE 1",
    "RENAME TABLE calls TO t",
    "EXCHANGE TABLES calls AND calls",
    "OPTIMIZE TABLE calls FINAL",
    "DETACH TABLE calls",
    "ATTACH TABLE t",
    "UNDROP TABLE t",
    "CHECK TABLE calls",
    "BACKUP TABLE calls TO Memory('b')",
    "BACKUP TABLE calls TO File('{root}/backup')",
    "RESTORE TABLE calls FROM Memory('b')",
    "SET readonly = 0",
    "SET max_threads = 1",
    "USE system",
    "SYSTEM FLUSH LOGS",
    "SYSTEM SHUTDOWN",
    "SYSTEM DROP MARK CACHE",
    "KILL QUERY WHERE 1",
    "KILL MUTATION WHERE 1",
    "BEGIN TRANSACTION",
    "EXECUTE AS default SELECT 1",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS readonly = 2",
    "SELECT 1 SETTINGS max_execution_time = 1000",
    "SELECT 1 INTO OUTFILE '{root}/out.csv'",
    "SELECT 1 /* x */ into/**/outfile '{root}/out.csv' FORMAT CSV",
    "SELECT 1 INTO OUTFILE '{root}/out.csv' TRUNCATE AND STDOUT",
    "SELECT 1; DROP TABLE calls",
    "SELECT 1; SELECT file('{root}/secret.csv')",
    "SELECT file('{root}/secret.csv')",
    "SELECT `file`('{root}/secret.csv')",
    "SELECT \"file\"('{root}/secret.csv')",
    "SELECT file /* */ ('{root}/secret.csv')",
    "SELECT * APPLY file FROM (SELECT '{root}/secret.csv')",
    "SELECT * APPLY(file) FROM (SELECT '{root}/secret.csv')",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{root}/secret.csv')",
    "SELECT 1 IN file('{root}/secret.csv')",
    "WITH '{root}/secret.csv' AS p SELECT file(p)",
    "SELECT arrayMap(p -> file(p), ['{root}/secret.csv'])",
    "EXPLAIN SYNTAX run_query_tree_passes = 1 SELECT file('{root}/secret.csv')",
    "SELECT * FROM file('{root}/secret.csv')",
    "SELECT * FROM `{root}/secret.csv`",
    "SELECT * FROM default.`{root}/secret.csv`",
    "DESCRIBE file('{root}/secret.csv')",
    "DESCRIBE TABLE file('{root}/secret.csv', 'CSV')",
    "SHOW CREATE TABLE default.`{root}/secret.csv`",
    "SELECT b FROM values('a UInt8, b String ALIAS file(\\'{root}/secret.csv\\')', (1))",
    "SELECT b FROM VALUES('a UInt8, b String ALIAS file(\\'{root}/secret.csv\\')', (1))",
    "SELECT b FROM values(concat('a UInt8, b String ALIAS fi', 'le(\\'{root}/secret.csv\\')'), (1))",
    "SELECT b FROM generateRandom('a UInt8, b String ALIAS file(\\'{root}/secret.csv\\')') LIMIT 1",
    "SELECT b FROM null('a UInt8, b String ALIAS file(\\'{root}/secret.csv\\')')",
    "SELECT b FROM format(CSV, 'a UInt8, b String ALIAS file(\\'{root}/secret.csv\\')', '1')",
    "SELECT * FROM eval('SELECT file(\\'{root}/secret.csv\\')')",
    "SELECT * FROM view(SELECT file('{root}/secret.csv'))",
    "SELECT * FROM filesystem('{root}')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "DESCRIBE url('http://127.0.0.1:1/a.csv')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/key.csv', 'CSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1', 'system', 'one')",
    "SELECT * FROM cluster('default', 'system', 'one')",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM sqlite('{root}/x.db', 't')",
    "SELECT * FROM executable('cat', 'TSV', 'a String')",
    "SELECT * FROM python(handle)",
    "SELECT * FROM Python(handle)",
    "SELECT * FROM input('a Int8')",
    "SELECT * FROM loop('ledger', 'calls') LIMIT 1",
    "SELECT aiGenerate('x')",
    "SELECT 1 FORMAT Template SETTINGS format_template_row = '{root}/secret.csv'",
]


@pytest.mark.parametrize("statement", HOSTILE)
def test_hostile_statements_are_refused_and_reveal_nothing(endpoint: Endpoint, statement: str) -> None:
    before = sorted(path.name for path in endpoint.root.iterdir())
    text = statement.replace("{root}", str(endpoint.root))
    for answer in (endpoint.get(text), endpoint.get("", body=text.encode())):
        assert answer.status >= 400, answer.body
        assert answer.code > 0
        assert SECRET.encode() not in answer.body
    assert sorted(path.name for path in endpoint.root.iterdir()) == before


@pytest.mark.parametrize(
    ("settings", "statement"),
    [
        ({"additional_table_filters": "{'ledger.calls': 'length(file(\\'/etc/passwd\\')) > 0'}"}, "SELECT 1"),
        ({"additional_result_filter": "length(file('/etc/passwd')) > 0"}, "SELECT 1"),
        ({"dialect": "kusto", "allow_experimental_kusto_dialect": "1"}, "print 1"),
        ({"format_template_row": "/etc/passwd"}, "SELECT 1 AS a FORMAT Template"),
        ({"allow_experimental_eval_table_function": "1"}, "SELECT * FROM eval('SELECT 1')"),
        ({"allow_ddl": "1"}, "SELECT 1"),
        ({"max_threads = 1, readonly": "0"}, "SELECT 1"),
        ({"profile": "default"}, "SELECT 1"),
    ],
)
def test_hostile_settings_are_refused(endpoint: Endpoint, settings: dict[str, str], statement: str) -> None:
    target = f"{endpoint.url}/?" + urllib.parse.urlencode({"query": statement} | settings)
    answer = endpoint.open(urllib.request.Request(target))
    assert (answer.status, answer.code) == (500, 164), answer.body


def test_settings_in_the_url_work_within_the_limits(endpoint: Endpoint) -> None:
    query = "SELECT getSetting('max_execution_time'), getSetting('readonly')"
    assert endpoint.get(query, max_execution_time="2", readonly="0").body == b"2\t1\n"
    assert endpoint.get(query, max_execution_time="3600").body == b"3\t1\n"
    assert endpoint.get(query, max_execution_time="0").body == b"3\t1\n"
    number = endpoint.get("SELECT 1::UInt64 AS a FORMAT JSONEachRow", output_format_json_quote_64bit_integers="1")
    assert number.body == b'{"a":"1"}\n'
    assert endpoint.get("SELECT number FROM numbers(100)", max_result_rows="10").code == 396
    assert endpoint.get("SELECT 1", max_threads="x' ; DROP").status == 200
    assert endpoint.get("SELECT 1", output_format_json_quote_64bit_integers="x").status >= 400


def test_no_request_sees_what_another_set(endpoint: Endpoint) -> None:
    assert endpoint.get("SELECT currentDatabase()", database="system").body == b"system\n"
    assert endpoint.get("SELECT currentDatabase()").body == b"ledger\n"
    assert endpoint.get("SELECT 1", database="nowhere").code == 81
    assert endpoint.get("SELECT 1", database="a` ; DROP").code == 81


def test_the_data_is_as_it_was_after_all_of_this(endpoint: Endpoint) -> None:
    for statement in HOSTILE:
        endpoint.get(statement.replace("{root}", str(endpoint.root)))
    endpoint.told.send("count")
    assert json.loads(endpoint.told.recv())["data"] == [[ROWS, ROWS - 1]]


def test_gzip_when_asked_for(endpoint: Endpoint) -> None:
    query = "SELECT id FROM calls WHERE id < 1000 ORDER BY id"
    plain = endpoint.get(query, headers={"Accept-Encoding": "gzip"})
    packed = endpoint.get(query, headers={"Accept-Encoding": "gzip, deflate"}, enable_http_compression="1")
    assert plain.headers["Content-Encoding"] is None
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body)
    assert endpoint.get("SELECT 1", compress="1").status == 501


def test_other_sites_cannot_ask(endpoint: Endpoint) -> None:
    assert endpoint.get("SELECT 1", headers={"Host": "evil.example"}).status == 403
    assert endpoint.get("SELECT 1", headers={"Host": f"evil.example:{endpoint.port}"}).status == 403
    assert endpoint.get("SELECT 1", headers={"Origin": "http://evil.example"}).status == 403
    assert endpoint.get("SELECT 1", headers={"Origin": "null"}).status == 403
    assert endpoint.get("SELECT 1", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    for host in ("localhost", f"localhost:{endpoint.port}", "127.0.0.1", f"[::1]:{endpoint.port}"):
        assert endpoint.get("SELECT 1", headers={"Host": host}).status == 200


def test_credentials_are_accepted_and_ignored(endpoint: Endpoint) -> None:
    for headers in ({"Authorization": "Basic YTpi"}, {"X-ClickHouse-User": "a", "X-ClickHouse-Key": "b"}):
        assert endpoint.get("SELECT 1", headers=headers, user="x", password="y", session_id="z").body == b"1\n"


def test_a_body_that_is_not_text_is_a_clear_error(endpoint: Endpoint) -> None:
    answer = endpoint.get("", body=b"SELECT '\xff'")
    assert (answer.code, answer.status) == (36, 500)
    assert b"UTF-8" in answer.body


def test_a_slow_query_delays_nobody(endpoint: Endpoint) -> None:
    slow = "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)"
    with ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        waiting = pool.submit(endpoint.get, slow, max_execution_time="2")
        time.sleep(0.2)
        assert endpoint.get("SELECT count() FROM calls").body == b"%d\n" % ROWS
        assert time.monotonic() - began < 1.5
        assert waiting.result().code == 159


def test_many_clients_at_once_get_their_own_answers(endpoint: Endpoint) -> None:
    with ThreadPoolExecutor(16) as pool:
        queries = [f"SELECT {number}, currentDatabase()" for number in range(200)]
        answers = pool.map(lambda query: endpoint.get(query, database="system" if "7" in query else ""), queries)
        for number, answer in enumerate(answers):
            database = b"system" if "7" in str(number) else b"ledger"
            assert answer.body == b"%d\t%s\n" % (number, database)
