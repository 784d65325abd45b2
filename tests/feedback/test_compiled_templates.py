"""Templates are kept compiled where the user's cache is, and do without where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.feedback import html


def test_they_are_kept_between_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    environment = html._environment.__wrapped__()
    environment.get_template("base.html.jinja")
    assert list((tmp_path / "karnameh").iterdir())
    assert (tmp_path / "karnameh").stat().st_mode & 0o077 == 0


def test_without_a_cache_they_are_compiled_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    environment = html._environment.__wrapped__()
    assert environment.bytecode_cache is None
    assert environment.get_template("base.html.jinja") is not None
