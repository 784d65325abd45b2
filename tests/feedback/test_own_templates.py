"""A course changes how its cards look, by a style sheet and by blocks, and nothing else changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from jinja2 import TemplateError
from typer.testing import CliRunner

from grader.cli import app
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.feedback import Occasion, render_card, render_gallery, render_index
from grader.grading.material import material_of
from grader.grading.records import Settings, occasion
from grader.report import Report
from tests.feedback.pages import Page

WARMUP = Path(__file__).parents[1] / "warmup_course"


def own(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


BLOCK = (
    '{% extends "grader/card.html.jinja" %}'
    "{% block own %}<p>Office hours, {{ l.code }}, {{ report.student }}</p>{% endblock %}"
)


def test_a_block_is_replaced_and_all_others_stay(tmp_path: Path, report: Report) -> None:
    plain = Page(render_card(report))
    templates = own(tmp_path, card__html__jinja=BLOCK)
    page = Page(render_card(report, occasion=Occasion(templates=templates)))
    assert f"Office hours, fa, {report.student}" in page.text
    assert f"Office hours, en, {report.student}" in page.text
    assert len(page.elements) == len(plain.elements) + 2
    assert page.scripts == []


def test_a_style_sheet_comes_last_and_the_policy_allows_it(tmp_path: Path, report: Report) -> None:
    templates = own(tmp_path, course__css=":root { --accent: #123456; }")
    for page in (
        Page(render_card(report, occasion=Occasion(templates=templates))),
        Page(render_index([report], occasion=Occasion(templates=templates))),
        Page(render_gallery(templates=templates)),
    ):
        (style,) = page.styles
        assert style.rstrip().endswith(":root { --accent: #123456; }")
    assert "#123456" not in render_card(report)


def test_a_mistake_in_a_template_names_the_file(tmp_path: Path, report: Report) -> None:
    templates = own(tmp_path, card__html__jinja='{% extends "grader/card.html.jinja" %}\n{% block')
    with pytest.raises(TemplateError) as caught:
        render_card(report, occasion=Occasion(templates=templates))
    assert getattr(caught.value, "name", None) == "card.html.jinja"


def test_a_course_with_such_a_folder_uses_it_and_grades_anew_when_it_changes(course: Path) -> None:
    read = read_course(course)
    assignment = read_assignment(read, "warmup")
    settings = Settings(course, "warmup")
    assert occasion(read, assignment).templates is None
    before = material_of(read, assignment, settings)
    own(course / "templates", course__css="p { color: red }")
    assert occasion(read, assignment).templates == course / "templates"
    after = material_of(read, assignment, settings)
    assert (before.whole == after.whole, before.checks == after.checks) == (False, True)


def test_the_gallery_is_written_as_the_course_looks(course: Path) -> None:
    own(course / "templates", course__css="p { color: rgb(1, 2, 3) }")
    target = course / "pages" / "gallery.html"
    done = CliRunner().invoke(app, ["gallery", "--course", str(course), "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert "rgb(1, 2, 3)" in target.read_text("utf-8")
    assert Page(target.read_text("utf-8")).scripts == []


@pytest.fixture
def course(tmp_path: Path) -> Path:
    root = tmp_path / "course"
    shutil.copytree(WARMUP, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root
