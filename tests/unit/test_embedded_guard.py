"""The judge of statements, on canonical text; that real texts become canonical is the integration tests' part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.embedded import guard

FUNCTIONS = ["file", "url", "s3", "numbers", "format", "values", "view", "eval", "executable", "Python"]


@pytest.mark.parametrize(
    "canonical",
    [
        "SELECT 1",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "WITH 1 AS x SELECT x",
        "SELECT count() FROM numbers(10)",
        "SELECT format('{} {}', a, b) FROM calls",
        "SELECT 'file(\\'/etc/passwd\\') INTO OUTFILE' AS text",
        "SELECT url FROM calls WHERE url IN (1, 2)",
        "SELECT `b\\`t`, 1e5, 0.5, a.1 FROM view(SELECT 1)",
        "SHOW TABLES",
        "DESCRIBE TABLE calls",
        "EXISTS TABLE calls",
        "EXPLAIN PIPELINE SELECT 1",
        "SELECT 'new\nline'",
    ],
)
def test_what_reads_the_ledger_may_run(canonical: str) -> None:
    assert guard.judge(canonical, FUNCTIONS).refusal is None


@pytest.mark.parametrize(
    "canonical",
    [
        "INSERT INTO t FORMAT Values",
        "KILL QUERY WHERE 1",
        "SYSTEM SHUTDOWN",
        "BACKUP TABLE t TO Memory('b')",
        "SET readonly = 0",
        "USE system",
        "SELECT 1 INTO OUTFILE '/tmp/x' FORMAT CSV",
        "SELECT file('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "SELECT * APPLY file FROM t",
        "SELECT 1 IN file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM VALUES('a UInt8, b String ALIAS file(1)', 1)",
        "SELECT * FROM `values`('a UInt8', 1)",
        "SELECT * FROM python(x)",
        "SELECT '\\\\', file('/etc/passwd'), '\\\\'",
        "DESCRIBE TABLE url('http://127.0.0.1/a.csv')",
        "DESCRIBE TABLE format(CSV, 'a', 'b')",
        "SELECT * FROM eval('SELECT 1')",
        "",
        "SELECT 'unfinished",
        "SELECT `unfinished",
        'SELECT "double"',
    ],
)
def test_what_does_not_is_refused_with_a_reason(canonical: str) -> None:
    assert guard.judge(canonical, FUNCTIONS).refusal


@pytest.mark.parametrize(
    ("canonical", "named"),
    [
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "CSV"),
        ("SELECT format('{}', 1)", None),
        ("SELECT 'FORMAT JSON'", None),
        ("SELECT 1", None),
    ],
)
def test_the_format_that_a_statement_names_is_known(canonical: str, named: str | None) -> None:
    assert guard.judge(canonical, FUNCTIONS).format == named


@given(st.text())
def test_any_text_gets_a_verdict(text: str) -> None:
    guard.judge(text, FUNCTIONS)


@given(st.text())
def test_a_literal_never_decides(text: str) -> None:
    literal = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    assert guard.judge(f"SELECT {literal} FROM calls", FUNCTIONS).refusal is None
    assert guard.judge(f"SELECT {literal}, file({literal})", FUNCTIONS).refusal is not None


@pytest.mark.parametrize(
    "name",
    [
        *("max_execution_time", "max_threads", "output_format_json_quote_64bit_integers", "session_timezone", "final"),
        *("result_overflow_mode", "join_use_nulls", "use_query_cache", "log_comment", "date_time_output_format"),
    ],
)
def test_everyday_settings_pass(name: str) -> None:
    assert guard.setting_is_harmless(name)


@pytest.mark.parametrize(
    "name",
    [
        *("readonly", "allow_ddl", "dialect", "allow_experimental_kusto_dialect", "additional_table_filters"),
        *("additional_result_filter", "format_template_row", "format_schema", "output_format_schema", "filter"),
        *("allow_experimental_eval_table_function", "allow_experimental_ai_functions", "implicit_select", "profile"),
        *("input_format_record_errors_file_path", "parallel_replicas_custom_key", "max_parser_depth", "url_base"),
        *(
            "allow_introspection_functions",
            "allow_python_table_function",
            "max_threads = 1, readonly",
            "",
            "MAX_THREADS",
        ),
        *("enable_json_ast_dialect", "into_outfile_create_parent_directories", "http_max_tries", "workload"),
    ],
)
def test_settings_that_open_a_door_do_not(name: str) -> None:
    assert not guard.setting_is_harmless(name)


@pytest.mark.parametrize(
    ("wanted", "settled"),
    [
        ("5", "5"),
        ("0.5", "0.5"),
        ("30", "30"),
        ("31", "30"),
        ("0", "30"),
        ("-1", "30"),
        ("auto", "30"),
        ("nan", "30"),
        ("inf", "30"),
    ],
)
def test_a_client_may_ask_for_less_only(wanted: str, settled: str) -> None:
    caps = {"max_execution_time": 30}
    assert guard.clamp({"max_execution_time": wanted, "final": "1"}, caps) == {
        "max_execution_time": settled,
        "final": "1",
    }
    assert guard.clamp({}, caps) == {"max_execution_time": "30"}
