"""`grader similar` writes a page for a person, and changes nothing else."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from typer.testing import CliRunner

from grader.cli import app
from grader.cli.console import Stop
from tests.notebook.test_similarity import CLASS, renamed


def test_a_page_shows_the_pairs_side_by_side_with_what_they_share(course: Path) -> None:
    folder = course / "submissions" / "warmup"
    folder.mkdir(parents=True)
    sources = {**CLASS, "<b>x": [*renamed(CLASS["student02"]), "'<script>alert(1)</script>'"]}
    for student, cells in sources.items():
        notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
        nbformat.write(notebook, folder / f"{student}.ipynb")
    (folder / "broken.ipynb").write_text("no notebook")
    done = CliRunner().invoke(app, ["similar", "warmup", "--course", str(course)])
    assert done.exit_code == 0, done.output
    assert "31 compared, 1 pairs stand out" in " ".join(done.output.split())
    page = (course / "reports" / "warmup" / "similar.html").read_text("utf-8")
    assert "student02" in page
    assert "<b>x" not in page
    assert "<script" not in page
    assert '<span class="marked">' in page
    assert "student05" not in page
    assert [path.name for path in (course / "reports" / "warmup").iterdir()] == ["similar.html"]


def test_nothing_to_compare_is_said(course: Path) -> None:
    for arguments in (["similar", "warmup"], ["similar", "wramup"]):
        done = CliRunner().invoke(app, [*arguments, "--course", str(course)])
        assert isinstance(done.exception, Stop)
        assert done.exception.code == 2
        assert "warmup" in done.output
