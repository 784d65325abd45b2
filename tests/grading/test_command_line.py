"""The command line as people and programs use it: files written, exit codes, messages."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.release import skeleton, solution
from tests.kernel.refusing import WITHOUT_LANDLOCK, WITHOUT_NAMESPACES


def grader(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    command = [sys.executable, "-m", "grader.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture
def class_of_four(course: Path) -> Path:
    """The course with four hand-ins: solved, untouched, not a notebook, and in a zip-less folder."""
    read = read_course(course)
    assignment = read_assignment(read, "warmup")
    folder = course / "submissions" / "warmup"
    (folder / "1001").mkdir(parents=True)
    nbformat.write(solution(assignment, read.languages), folder / "1001" / "warmup.ipynb")
    (folder / "1002").mkdir()
    nbformat.write(skeleton(assignment, "fa", read.languages), folder / "1002" / "x.ipynb")
    (folder / "1003.ipynb").write_text("<!doctype html><title>Sign in</title>", "utf-8")
    (folder / "1004").mkdir()
    return course


def test_a_class_is_graded_whatever_is_in_it(class_of_four: Path) -> None:
    done = grader("grade", "warmup", "--course", class_of_four, "-j", "2")
    assert done.returncode == 0, done.stderr
    reports = class_of_four / "reports" / "warmup"
    for student in ("1001", "1002", "1003", "1004"):
        assert (reports / student / "feedback.html").read_text("utf-8").startswith("<!")
        report = json.loads((reports / student / "report.json").read_bytes())
        assert (report["schema"], report["student"]) == (1, student)
        assert report["provenance"]["hashes"]["checks"]
    with (reports / "gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert {s: float(r["final"]) for s, r in rows.items()} == {
        "1001": 12.0,
        "1002": 0.0,
        "1003": 0.0,
        "1004": 0.0,
    }
    assert all(student in (reports / "index.html").read_text("utf-8") for student in rows)
    assert not list(reports.rglob(".*.new"))


def test_what_is_odd_about_a_class_is_told_beside_the_grades(class_of_four: Path) -> None:
    """Two days late with one day of grace; a mark for an answer that is another one now."""
    root = class_of_four
    folder = root / "submissions" / "warmup"
    (root / "roster.csv").write_text("id,name\n1001,Sara\n2001,=1+1\n", "utf-8")
    (folder / "received.csv").write_text(
        "id,received\n۱۰۰۱,2026-02-02 23:59\n77,2026-01-01 10:00\n", "utf-8"
    )
    (folder / "1002_v2.ipynb").write_text("{", "utf-8")
    (root / "marks").mkdir()
    marks = {"network/why": {"answer": "another", "criteria": {"nonlinear": {"points": "1.5"}}}}
    book = {"schema": 1, "assignment": "warmup", "students": {"1001": marks}}
    (root / "marks" / "warmup.json").write_text(json.dumps(book), "utf-8")
    path = root / "course.toml"
    late = '[late]\npolicy = "grace-then-linear"\ngrace_hours = 24\npercent_per_day = 50\n'
    path.write_text(f'roster = "roster.csv"\n{path.read_text("utf-8")}\n{late}', "utf-8")
    done = grader("grade", "warmup", "--course", root, "-j", "1", "--student", "1001")
    assert done.returncode == 0, done.stderr
    for told in (
        "several attempts of 1002: 1002_v2.ipynb counts, not 1002",
        "no time is noted in received.csv, counted as on time: 1002, 1003, 1004",
        "a time is noted, and there is no hand-in: 77",
        "1001, network/why: the answer is another one than was marked",
        "1 of the roster handed nothing in",
    ):
        assert told in done.stderr
    reports = root / "reports" / "warmup"
    report = json.loads((reports / "1001" / "report.json").read_bytes())
    assert (report["score"]["penalty"], report["score"]["final"]) == (6.75, 6.75)
    assert report["late"]["grace_used"] == 24
    with (reports / "gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert (rows["2001"]["final"], rows["2001"]["handed_in"]) == ("0.0", "no")
    assert rows["2001"]["name"] == "'=1+1"
    assert "2001" in (reports / "index.html").read_text("utf-8")


def test_fail_under_and_single_students(class_of_four: Path) -> None:
    where = ("--course", class_of_four, "-j", "1")
    good = grader("grade", "warmup", *where, "--student", "1001", "--fail-under", "50", "--profile")
    assert good.returncode == 0, good.stderr
    stages = ("read", "fork", "cells", "probes", "judge", "report", "render", "write", "all")
    lines = [line.split() for line in good.stdout.splitlines()]
    spent = {line[0]: float(line[1]) for line in lines if len(line) == 4 and line[0] in stages}
    assert tuple(spent) == stages
    assert spent["all"] == pytest.approx(sum(spent.values()) / 2, abs=0.05)
    bad = grader("grade", "warmup", *where, "--student", "1002", "--fail-under", "50")
    assert bad.returncode == 1, bad.stderr
    unknown = grader("grade", "warmup", *where, "--student", "1002", "--student", "9999")
    assert unknown.returncode == 2
    assert "9999" in unknown.stderr


def test_usage_errors_name_the_remedy(course: Path, tmp_path: Path) -> None:
    nothing = grader("grade", "warmup", "--course", course)
    assert nothing.returncode == 2
    assert "no hand-in" in nothing.stderr
    wrong = grader("grade", "warmpu", "--course", course)
    assert wrong.returncode == 2
    assert "warmup" in wrong.stderr
    nowhere = grader("grade", "--course", tmp_path)
    assert nowhere.returncode == 2
    assert "course.toml" in nowhere.stderr
    assert "Traceback" not in nothing.stderr + wrong.stderr + nowhere.stderr


def test_mistakes_of_the_author_are_named_and_nothing_is_graded(class_of_four: Path) -> None:
    path = class_of_four / "assignments" / "warmup" / "assignment.toml"
    path.write_text(path.read_text("utf-8").replace("points = 4", "points = 5"), "utf-8")
    done = grader("grade", "warmup", "--course", class_of_four)
    assert done.returncode == 2
    assert "numbers/sum" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (class_of_four / "reports" / "warmup" / "1001").exists()


def test_a_broken_check_blames_the_grader_and_exits_with_3(class_of_four: Path) -> None:
    path = class_of_four / "assignments" / "warmup" / "test_numbers.py"
    source = path.read_text("utf-8").replace(
        'answer = student.value("total", like=expected)', "answer = 1 / 0"
    )
    path.write_text(source, "utf-8")
    done = grader("grade", "warmup", "--course", class_of_four, "--student", "1001", "-j", "1")
    assert done.returncode == 3, done.stderr
    folder = class_of_four / "reports" / "warmup" / "1001"
    report = json.loads((folder / "report.json").read_bytes())
    part = report["questions"][0]["parts"][0]
    assert (part["verdict"], part["points"], part["pending"]) == ("error", 0, 4)
    assert "ZeroDivisionError" in (folder / "errors.txt").read_text("utf-8")
    assert "ZeroDivisionError" not in (folder / "feedback.html").read_text("utf-8")


def test_a_student_checks_their_own_notebook(class_of_four: Path, tmp_path: Path) -> None:
    folder = class_of_four / "submissions" / "warmup"
    card = tmp_path / "card.html"
    notebook = folder / "1001" / "warmup.ipynb"
    good = grader("check", notebook, "--course", class_of_four, "--html", card, "--language", "en")
    assert good.returncode == 0, good.stderr
    assert card.is_file()
    bad = grader("check", folder / "1002" / "x.ipynb", "--course", class_of_four)
    assert bad.returncode == 1
    missing = grader("check", tmp_path / "none.ipynb", "--course", class_of_four)
    assert missing.returncode == 2


def test_checks_can_be_debugged_with_pytest(class_of_four: Path) -> None:
    folder = class_of_four / "submissions" / "warmup"
    command = [
        *(sys.executable, "-m", "pytest", "-p", "grader.checks.plugin", "-c", "/dev/null"),
        *("--rootdir", class_of_four, class_of_four / "assignments" / "warmup", "-q"),
    ]

    def run(*more: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, command), *map(str, more)],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    good = run("--submission", folder / "1001")
    assert good.returncode == 0, good.stdout
    assert "6 passed" in good.stdout
    bad = run("--submission", folder / "1002" / "x.ipynb", "-k", "row_sums")
    assert bad.returncode == 1
    assert "test_row_sums" in bad.stdout
    none = run()
    assert none.returncode != 0
    assert "--submission" in none.stdout + none.stderr


def on_a_machine(lacking: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command where the kernel refuses something."""
    program = f"{lacking}\nfrom grader.cli import main\nmain()"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_where_namespaces_are_forbidden_a_batch_is_refused_and_the_doctor_says_why(
    class_of_four: Path,
) -> None:
    refused = on_a_machine(WITHOUT_NAMESPACES, "grade", "warmup", "--course", class_of_four)
    assert refused.returncode == 2
    assert "the cage does not close on this machine" in refused.stderr
    assert "--no-cage" in refused.stderr
    assert "grader doctor" in refused.stderr
    assert not (class_of_four / "reports").exists()
    told = on_a_machine(WITHOUT_NAMESPACES, "doctor")
    assert told.returncode == 1
    said = " ".join(told.stdout.split())
    assert "✗ user namespace: refused ([Errno 1] unshare: Operation not permitted)" in said
    assert "✗ the whole cage" in said
    assert "--cap-add SYS_ADMIN" in said
    assert "not tried, for the cage does not close" in said
    assert "mount a tmpfs" not in said, "nobody knows that it is missing"


def test_a_machine_without_landlock_is_fit_and_told_so() -> None:
    told = on_a_machine(WITHOUT_LANDLOCK, "doctor")
    assert told.returncode == 0, told.stdout
    assert "– Landlock: this kernel has none" in told.stdout
    assert "✓ the whole cage" in told.stdout


def test_a_bubblewrap_that_may_not_make_namespaces_refuses_a_batch(
    class_of_four: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    refused = grader("grade", "warmup", "--course", class_of_four)
    assert refused.returncode == 2
    assert "No permissions to create new namespace" in " ".join(refused.stderr.split())
    assert not (class_of_four / "reports").exists()


def test_without_bubblewrap_a_batch_is_refused(
    class_of_four: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = grader("grade", "warmup", "--course", class_of_four)
    assert refused.returncode == 2
    assert "bubblewrap" in refused.stderr
    assert "--no-cage" in refused.stderr
    assert not (class_of_four / "reports").exists()
    done = grader("grade", "warmup", "--course", class_of_four, "--no-cage", "--student", "1001")
    assert done.returncode == 0, done.stderr
    report = json.loads(
        (class_of_four / "reports" / "warmup" / "1001" / "report.json").read_bytes()
    )
    assert "bubblewrap" not in report["provenance"]["cage"]
    assert report["score"]["final"] == 12
