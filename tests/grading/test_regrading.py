"""A changed check is judged again where it is asked of a student, and nothing else is."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.report import Report
from tests.grading import quick
from tests.grading.test_command_line import grader

STUDENTS = 4


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = quick.make_course(tmp_path_factory.mktemp("regrading") / "course", STUDENTS)
    quick.grade(root, 1)
    return root


@pytest.fixture
def course(graded: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of a graded course."""
    root = tmp_path / "course"
    shutil.copytree(graded, root)
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def checks(root: Path) -> Path:
    return root / "assignments" / quick.SLUG / "test_quick.py"


def runs(root: Path) -> dict[str, list[str]]:
    """What the first cell of each hand-in printed: the time of its run."""
    return {s: [o.data for o in r.cells[0].outputs] for s, r in quick.reports(root).items()}


def seconds(root: Path) -> dict[tuple[str, str], float]:
    """How long each check took, which tells whether it was judged again."""
    folder = root / "reports" / quick.SLUG
    found = {p.parent.name: quick.from_json(p.read_bytes()) for p in folder.glob("*/report.json")}
    return {
        (student, check.id): check.seconds
        for student, report in found.items()
        for question in report.questions
        for part in question.parts
        for check in part.checks
    }


def judged_again(root: Path, change: Callable[[], None]) -> set[str]:
    """Grade after `change`, see that no notebook ran, and return the checks that were judged."""
    before, times = runs(root), seconds(root)
    change()
    done = quick.grade(root, 1)
    assert len(done.outcomes) == STUDENTS
    assert runs(root) == before
    return {
        check for (student, check), time in seconds(root).items() if times[student, check] != time
    }


def verdicts(report: Report) -> dict[str, str]:
    return {c.id: c.verdict for q in report.questions for p in q.parts for c in p.checks}


def test_a_changed_check_is_judged_from_the_stored_run_and_the_others_keep_their_results(
    course: Path,
) -> None:
    before = {s: verdicts(r) for s, r in quick.reports(course).items()}
    again = judged_again(
        course,
        lambda: edit(
            checks(course), "close(reference.mean(NUMBERS))", "close(-reference.mean(NUMBERS))"
        ),
    )
    assert again == {"test_mean"}
    after = quick.reports(course)
    assert {s: v["test_mean"] for s, v in before.items()} != {
        s: verdicts(r)["test_mean"] for s, r in after.items()
    }
    quick.grade(course, 1, force=True)
    fresh = quick.reports(course)
    assert {s: (r.score, r.questions) for s, r in after.items()} == {
        s: (r.score, r.questions) for s, r in fresh.items()
    }


def test_a_changed_function_of_the_reference_concerns_the_checks_that_use_it(course: Path) -> None:
    reference = course / "reference" / "quick.py"
    change = lambda: edit(reference, "/ len(numbers)", "/ len(numbers) + 0")  # noqa: E731
    assert judged_again(course, change) == {"test_mean"}
    change = lambda: edit(reference, "np.sum(numbers)", "np.sum(numbers) + 0")  # noqa: E731
    assert judged_again(course, change) == {"test_mean", "test_total"}


def test_a_constant_concerns_the_checks_that_name_it_and_a_comment_concerns_none(
    course: Path,
) -> None:
    change = lambda: edit(checks(course), "TOLERANCE = 1e-9", "TOLERANCE = 1e-8")  # noqa: E731
    assert judged_again(course, change) == {"test_total"}
    change = lambda: edit(checks(course), "import pytest\n", "import pytest  # a comment\n")  # noqa: E731
    assert judged_again(course, change) == set()


def test_a_changed_text_reaches_the_cards_without_a_run(course: Path) -> None:
    texts = course / "assignments" / quick.SLUG / "feedback.toml"
    assert judged_again(course, lambda: edit(texts, "Twice a", "Double a")) == {"test_double"}
    card = (course / "reports" / quick.SLUG / "101" / "feedback.html").read_text("utf-8")
    assert "Double a" in card


def test_a_check_that_asks_something_new_runs_the_notebook_again(course: Path) -> None:
    before = runs(course)
    edit(checks(course), "(3.0, -1.5)", "(3.0, -2.5)")
    quick.grade(course, 1)
    after = runs(course)
    passing = {
        s for s, r in quick.reports(course).items() if verdicts(r)["test_double"] == "passed"
    }
    assert passing
    assert all(before[student] != after[student] for student in passing)


def test_a_changed_limit_runs_everything_again(course: Path) -> None:
    before = runs(course)
    path = course / "assignments" / quick.SLUG / "assignment.toml"
    path.write_text(path.read_text("utf-8") + "\n[limits]\ncell_seconds = 7\n", "utf-8")
    quick.grade(course, 1)
    assert all(before[student] != after for student, after in runs(course).items())


def test_the_difference_of_two_gradings_names_student_check_and_points(
    course: Path, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    shutil.copytree(course / "reports" / quick.SLUG, before)
    nothing = grader("diff", before, course / "reports" / quick.SLUG)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    edit(checks(course), "close(reference.mean(NUMBERS))", "close(reference.mean(NUMBERS), atol=9)")
    quick.grade(course, 1)
    table = tmp_path / "changes.csv"
    done = grader("diff", before, course / "reports" / quick.SLUG, "--csv", table)
    assert done.returncode == 1, done.stderr
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["check"]]
    assert {row["check"] for row in rows} == {"test_mean"}
    assert all((row["before"], row["after"]) == ("failed", "passed") for row in rows)
    assert all(float(row["points_after"]) - float(row["points_before"]) == 1 for row in rows)
    assert all(row["student"] in done.stdout for row in rows)
    wrong = grader("diff", before, tmp_path)
    assert wrong.returncode == 2
    assert "no report" in wrong.stderr
