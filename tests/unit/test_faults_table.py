"""The table of docs/faults.md: rows of several runs together, and the page around it as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.faults.table import BEGIN, END, Row, keep, table, write

ONE = Row("one", "kill -9", 3, 12_345, 0, 0, 4.21, 60.0, True)
TWO = Row("two", "cut", 1, 1_000, 0, 0, 0.5, 120.0, True)


def test_a_fault_that_is_run_again_takes_its_own_place(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    assert keep(file, [TWO], ["one", "two"]) == [TWO]
    assert keep(file, [ONE], ["one", "two"]) == [ONE, TWO]
    again = replace(TWO, injected=2)
    assert keep(file, [again], ["one", "two"]) == [ONE, again]
    assert keep(file, [], ["two"]) == [again]


def test_the_table_sums_up_and_leaves_the_page_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, [ONE, TWO])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "| one | kill -9 | 3 | 12,345 | 0 | 0 | 4.2 |" in text
    assert "2 faults, 13,345 calls, the full form, 3 minutes" in text
    assert "old" not in text
    assert "the short form" in table([ONE, replace(TWO, full=False)])
