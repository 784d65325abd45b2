"""nbgrader's assignments become ours: graded as they were, and nothing lost in silence."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from grader.authoring.foreign import NotImported
from grader.authoring.importing import Imported, import_anew, import_into
from grader.authoring.nbgrader import read_nbgrader
from grader.authoring.placing import NotPlaced
from grader.authoring.scaffold import new_course
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.course.errors import CourseError
from tests.authoring.foreign_notebooks import code, nbgrader_notebook, saved, text
from tests.desk import Desk


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nbgrader")
    (folder / "data.csv").write_text("a,b\n", "utf-8")
    return nbgrader_notebook(folder / "sheet3.ipynb")


@pytest.fixture(scope="module")
def imported(sheet: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Imported]:
    root = tmp_path_factory.mktemp("imported") / "course"
    return root, import_anew(root, "sheet3", read_nbgrader(sheet), "en")


def test_points_and_kinds_are_those_of_the_notebook(imported: tuple[Path, Imported]) -> None:
    assignment = read_assignment(read_course(imported[0]), "sheet3")
    assert assignment.title == {"en": "Sheet 3: sequences"}
    assert [(q.id, q.title["en"]) for q in assignment.questions] == [
        ("part-a", "Part A"),
        ("part-b", "Part B"),
        ("part-c", "Part C"),
    ]
    parts = {f"{q.id}/{p.id}": (p.kind, p.points) for q in assignment.questions for p in q.parts}
    assert parts == {
        "part-a/test-evens": ("auto", Decimal(2)),
        "part-a/negative-numbers": ("auto", Decimal(1)),
        "part-b/zeros-are-zero": ("auto", Decimal("0.5")),
        "part-b/does-not-use-evens": ("rubric", Decimal("0.5")),
        "part-b/as-the-solution": ("auto", Decimal(1)),
        "part-c/why": ("rubric", Decimal(2)),
        "part-c/drawing": ("rubric", Decimal(1)),
        "part-c/answer": ("rubric", Decimal(1)),
    }
    rubric = assignment.rubric
    assert rubric["part-c/why"].model_answer["en"] == "Because each number has a successor."
    assert rubric["part-c/answer"].model_answer["en"] == "- 1 mark for a unit"
    assert "del evens" in rubric["part-b/does-not-use-evens"].model_answer["en"]


def test_an_imported_assignment_grades_its_solution_its_skeleton_and_a_mistake(
    imported: tuple[Path, Imported], tmp_path: Path
) -> None:
    desk = Desk(read_course(imported[0]), "sheet3", tmp_path)
    try:
        reference, skeleton = desk.reference(), desk.skeleton("en")
        assert (reference.score.points, reference.score.pending) == (4.5, 4.5)
        assert skeleton.score.points == 0
        wrong = desk.solution(evens="def evens(n):\n    return [2 * i for i in range(1, n + 1)]")
        verdicts = {name: check.verdict for name, check in wrong.items()}
        assert verdicts == {
            "test_test_evens": "failed",
            "test_test_evens_hidden": "failed",
            "test_negative_numbers": "failed",
            "test_zeros_are_zero": "passed",
            "test_as_the_solution": "failed",
        }
        other_length = desk.solution(evens="def evens(n):\n    return [0]")["test_test_evens"]
        assert "five numbers were asked for" in other_length.message["en"]
        # None has no length: an answer of another kind does not pass, and is no fault of ours.
        nothing = desk.solution(evens="def evens(n):\n    return [0] if n == 1 else None")
        assert nothing["test_test_evens"].verdict == "failed"
    finally:
        desk.close()


def test_the_report_names_what_was_not_carried_over_by_cell(
    imported: tuple[Path, Imported],
) -> None:
    root, done = imported
    assert not done.whole
    assert (root / "assignments" / "sheet3" / "imported.md").read_text("utf-8") == done.report
    assert (root / "assignments" / "sheet3" / "files" / "data.csv").read_text("utf-8") == "a,b\n"
    for line in (
        "- 3 questions, 9 points",
        "- 5 of 6 tests carried over, with 9 of 11 assertions",
        "- all checks accept the notebook's own solution",
        "- part-b/does-not-use-evens",
        "- Cell 3: the picture `numbers.png`, which is not beside the notebook",
        "- students get, in `files/` of the assignment: `data.csv`",
        "- Cell 10: in the test `does-not-use-evens`: it changes the student's variables",
        "  del evens",
        "- Cell 12: the test `for_nothing` is worth 0 points, and every check here has some",
        "  assert zeros is not None",
        "- Cell 17: a raw cell, which notebooks here have none of",
    ):
        assert line in done.report.splitlines(), line


def test_a_comparison_that_loses_its_meaning_on_the_way_is_kept_as_it_is_written(
    imported: tuple[Path, Imported],
) -> None:
    """`np.allclose(zeros, 0)` compares with one number; ours would ask for its shape."""
    checks = (imported[0] / "assignments" / "sheet3" / "test_part_b.py").read_text("utf-8")
    assert "expect.satisfies(lambda: np.allclose(zeros.value, 0)" in checks


def test_hidden_tests_stand_neither_in_the_reference_nor_in_what_students_read(
    imported: tuple[Path, Imported],
) -> None:
    root, _ = imported
    for name in ("reference/sheet3.py", "assignments/sheet3/feedback.toml"):
        written = (root / name).read_text("utf-8")
        assert "90" not in written
        assert "HIDDEN" not in written


def test_a_course_in_more_languages_asks_for_translations(sheet: Path, tmp_path: Path) -> None:
    new_course(tmp_path, "first", ("fa", "en"))
    done = import_into(read_course(tmp_path), "sheet3", read_nbgrader(sheet), "en", tried=False)
    assert "the course is also taught in fa" in done.report
    assert "were not tried" in done.report
    assert 'lang="en" answer="part-c/why"' in (tmp_path / "reference/sheet3.py").read_text("utf-8")
    course = read_course(tmp_path)
    assert course.assignments == ("first", "sheet3")
    with pytest.raises(CourseError) as error:
        read_assignment(course, "sheet3")
    keys = {problem.key for problem in error.value.problems}
    assert {"title.fa", "question[0].title.fa"} <= keys
    assert {problem.problem for problem in error.value.problems} == {"the translation is missing"}


def test_nothing_is_overwritten(sheet: Path, imported: tuple[Path, Imported]) -> None:
    with pytest.raises(NotPlaced, match="sheet3 is there already"):
        import_into(read_course(imported[0]), "sheet3", read_nbgrader(sheet), "en")


def test_what_is_no_source_notebook_is_refused_with_the_remedy(tmp_path: Path) -> None:
    plain = saved(tmp_path / "plain.ipynb", text("# Nothing"), code("1 + 1"))
    julia = saved(tmp_path / "julia.ipynb", code("1 + 1", grade=True, points=1), language="julia")
    broken = tmp_path / "broken.ipynb"
    broken.write_text("<html>", "utf-8")
    odd = saved(tmp_path / "odd.ipynb", code("assert f() == 1", grade=True, points="many"))
    ungraded = saved(tmp_path / "ungraded.ipynb", code("x = 1", solution=True))
    for path, told in (
        (plain, "Create Assignment"),
        (julia, "its language is julia"),
        (broken, "save it again"),
        (odd, "cell 1: its points are 'many'"),
        (ungraded, "no cell is graded"),
        (tmp_path, "one at a time"),
        (tmp_path / "missing.ipynb", "cannot be read"),
    ):
        with pytest.raises(NotImported, match=told):
            read_nbgrader(path)


def test_the_command_says_by_its_exit_code_that_something_is_left_to_do(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "Small sheet.ipynb",
        code("x = 3", grade_id="x", solution=True),
        code("assert x == 3", grade_id="right", grade=True, points=1),
    )

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "grader.cli", "import-nbgrader", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run(path, "--new-course", tmp_path / "course", "--no-try")
    assert done.returncode == 1, done.stderr
    assert "1 of 1 test carried over, with 1 of 1 assertion" in done.stdout
    assert "were not tried" in done.stdout
    assert read_assignment(read_course(tmp_path / "course"), "small_sheet").points == 1
    wrong = run(path, "--new-course", tmp_path / "other", "--language", "de")
    assert wrong.returncode == 2
    assert "write one of fa, en" in wrong.stderr
