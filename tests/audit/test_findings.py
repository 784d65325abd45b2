"""Whatever is wrong with a check is named, and what the author knows and accepts is not held against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import html
from typer.testing import CliRunner, Result

from grader.audit import audit_assignment
from grader.cli import app
from grader.cli.console import Stop
from grader.course.course import read_course
from grader.feedback import render_audit
from grader.feedback.audit import Audit
from tests.audit.planted import plant


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    root = plant(tmp_path_factory.mktemp("planted") / "course")
    return audit_assignment(read_course(root), "planted", per_function=6)


PLANTED = [
    ("never fails", "test_weak", "took points from no mutant"),
    ("flaky", "test_flaky", "tries"),
    ("loose tolerance", "test_loose", "1 % off"),
    ("impossible", "test_impossible", "does not pass it in any run"),
    ("skeleton", "test_given", "without an answer"),
    ("never fails", "test_given", "took points from no mutant"),
    ("breaks", "test_breaks", "KeyError"),
    ("never fails", "test_breaks", "took points from no mutant"),
    ("unchecked", "drawn", "No check notices"),
    ("misconception", "same-as-right", "accepted as right, and no check tells it"),
    ("alternative", "row", "does not accept it"),
    ("survivors", "13 of 20 mutants", "should"),
    ("stale", "audit.toml, equivalent[0]", "No mutant of norm becomes this"),
    ("stale", "audit.toml, unchecked.double", "A check looks at it"),
]


@pytest.mark.parametrize(("kind", "about", "says"), PLANTED)
def test_a_planted_fault_is_named(planted: Audit, kind: str, about: str, says: str) -> None:
    found = [f for f in planted.findings if f.kind == kind and f.about == about]
    assert found, [(f.kind, f.about) for f in planted.findings]
    assert any(says in finding.says for finding in found), found
    assert found[0].counts
    assert not planted.passed


def test_nothing_else_is_held_against_the_checks(planted: Audit) -> None:
    named = {(f.kind, f.about) for f in planted.findings if f.counts}
    assert named == {(kind, about) for kind, about, _ in PLANTED}


def test_what_the_author_accepts_is_told_and_does_not_count(planted: Audit) -> None:
    tight = [f for f in planted.findings if f.kind == "tight tolerance"]
    assert {f.about for f in tight} == {"test_tight"}
    assert {f.accepted for f in tight} == {"The last digit is asked for."}
    assert "At a tenth of its tolerance" in tight[0].says
    assert "float32 loses points" in tight[1].says


def test_survivors_come_with_their_change(planted: Audit) -> None:
    changes = {(m.function, m.was, m.becomes) for m in planted.survivors}
    assert ("norm", "return np.sqrt((v**2).sum())", "return (v ** 2).sum()") in changes
    assert {m.function for m in planted.survivors} == {"norm", "shifted", "label"}
    page = html.fromstring(render_audit(planted))
    assert "return (v ** 2).sum()" in page.text_content()
    assert "not ready for students" in page.text_content()


def audited(course: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments, "--course", str(course)])


def test_an_audit_that_passes_leaves_with_nothing_and_a_page(course: Path) -> None:
    done = audited(course, "warmup", "-j", "1", "--mutants", "3")
    assert done.exit_code == 0, done.output
    assert "warmup: passed" in done.output
    folder = course / "reports" / "warmup"
    plain = json.loads((folder / "audit.json").read_bytes())
    assert plain["misconceptions"] == [2, 2]
    assert plain["alternatives"] == [1, 1]
    caught = {row["check"]: row["caught"] + row["outputs"] for row in plain["checks"]}
    assert min(caught.values()) > 0, caught
    page = (folder / "audit.html").read_text("utf-8")
    assert "The checks tell right from wrong" in page
    assert "<script" not in page


def test_mistakes_in_the_statement_are_named_with_their_place(course: Path) -> None:
    file = course / "assignments" / "warmup" / "audit.toml"
    file.write_text('[[equivalent]]\nfunction = "scale"\nwas = "a"\nreason = " "\n')
    done = audited(course, "warmup")
    assert isinstance(done.exception, Stop)
    assert done.exception.code == 2
    told = " ".join(done.output.split())
    assert "audit.toml, equivalent[0].becomes this key is missing" in told
    assert "equivalent[0].reason nothing is said here write a reason" in told


def test_an_assignment_that_is_none_is_a_mistake_of_usage(course: Path) -> None:
    done = audited(course, "wramup")
    assert isinstance(done.exception, Stop)
    assert done.exception.code == 2
    assert "there are: warmup" in " ".join(done.output.split())
