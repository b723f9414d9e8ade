"""The generated files are those of the models, and the generator is deterministic."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import generate
from schemas.call import Call


def test_committed_files_are_those_of_the_models() -> None:
    assert generate.stale() == [], "run `python -m schemas.generate` and commit the result"
    assert generate.main(["--check"]) == 0


def test_same_models_give_the_same_bytes() -> None:
    assert generate.outputs() == generate.outputs()


def test_a_changed_file_is_found_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_text((generate.HERE / "README.md").read_text("utf-8").replace("`agent_id`", "`x`"))
    monkeypatch.setattr(generate, "HERE", tmp_path)
    assert generate.main(["--check"]) == 1
    assert not (tmp_path / "json").exists()
    assert generate.main([]) == 0
    assert generate.stale() == []
    assert sorted(path.name for path in (tmp_path / "json").iterdir()) == [
        f"{name}.schema.json" for name in sorted(generate.CONTRACTS)
    ]


def test_readme_without_marks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_text("nothing")
    monkeypatch.setattr(generate, "HERE", tmp_path)
    with pytest.raises(ValueError, match="marks"):
        generate.outputs()


def test_table_names_every_field_once() -> None:
    rows = generate.fields_table("call").splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(Call.model_fields)
    assert sum("required" in row for row in rows) == 6
