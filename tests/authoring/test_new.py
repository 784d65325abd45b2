"""``grader new``: an assignment to begin from is valid as it is, and never covers another."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from grader.authoring.placing import NotPlaced, place
from grader.authoring.scaffold import new_assignment, new_course, read_languages
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.release import write_skeletons
from tests.desk import Desk

PERSIAN = re.compile("[\u0600-\u06ff]")


def new(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader.cli", "new", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A new course with the assignment ``first``."""
    new_course(tmp_path / "course", "first", ("en",))
    return tmp_path / "course"


def test_a_new_course_is_graded_as_it_is(tmp_path: Path) -> None:
    done = new("week1", "--new-course", "course", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    root = tmp_path / "course"
    assert [tmp_path / line for line in done.stdout.splitlines()] == [
        root / name
        for name in (
            "course.toml",
            "assignments/week1/assignment.toml",
            "reference/week1.py",
            "assignments/week1/test_means.py",
            "assignments/week1/test_softmax.py",
            "assignments/week1/feedback.toml",
            "assignments/week1/rubric.toml",
            "submissions/week1/00000000.ipynb",
        )
    ]
    read = read_course(root)
    desk = Desk(read, "week1", tmp_path)
    try:
        reference, sample = (
            desk.reference(),
            desk.notebook(nbformat.read(root / "submissions/week1/00000000.ipynb", 4)),
        )
        assert [reference.score.points, reference.score.pending] == [6, 2]
        assert [sample.score.points, sample.score.pending] == [5, 2]
        misconceptions = [
            c.misconception for q in sample.questions for p in q.parts for c in p.checks
        ]
        assert misconceptions == ["means-of-rows", None, None]
        for language in read.languages:
            assert desk.skeleton(language).score.points == 0
        wrong = desk.solution(softmax="def softmax(x):\n    e = np.exp(x)\n    return e / e.sum(0)")
        assert wrong["test_softmax_of_two_rows"].misconception == "along-columns"
        overflows = "def softmax(x):\n    e = np.exp(x)\n    return e / e.sum(1, keepdims=True)"
        assert desk.solution(softmax=overflows)["test_softmax_of_other_logits"].verdict == "failed"
    finally:
        desk.close()


@pytest.mark.parametrize("languages", [("fa",), ("en",), ("en", "fa")])
def test_a_course_gets_the_texts_of_its_languages_alone(
    tmp_path: Path, languages: tuple[str, ...]
) -> None:
    written = new_course(tmp_path, "first", languages)
    course = read_course(tmp_path)
    assignment = read_assignment(course, "first")
    assert course.languages == languages
    assert set(assignment.title) == set(languages)
    skeletons = write_skeletons(course, assignment)
    assert [path.name for path in skeletons] == [f"first.{code}.ipynb" for code in languages]
    if "fa" not in languages:
        assert not [path for path in written if PERSIAN.search(path.read_text("utf-8"))]
    if "en" not in languages:
        hand_in = nbformat.read(tmp_path / "submissions/first/00000000.ipynb", 4)
        assert not [c for c in hand_in.cells if c.cell_type == "markdown" and "the" in c.source]


@pytest.mark.parametrize(
    "listed",
    ['["first"] # in order', '[\n  "first", # the first\n]', '[\n  "first"\n]', '[ "first" ]'],
)
def test_an_assignment_is_added_to_the_course_and_nothing_else_changes(
    course: Path, listed: str
) -> None:
    file = course / "course.toml"
    before = re.sub(r"assignments = .*", f"assignments = {listed}", file.read_text("utf-8"))
    file.write_text(before, "utf-8")
    new_assignment(read_course(course), "second")
    after = file.read_text("utf-8")
    read = read_course(course)
    assert read.assignments == ("first", "second")
    assert read_assignment(read, "second").points == 8
    comments = re.compile("#.*")
    assert comments.findall(after) == comments.findall(before)
    assert after.partition("assignments =")[0] == before.partition("assignments =")[0]
    assert (course / "submissions" / "second" / "00000000.ipynb").is_file()


def test_no_sample_hand_in_where_the_course_keeps_none(course: Path) -> None:
    (course / "submissions").rename(course / "elsewhere")
    new_assignment(read_course(course), "second")
    assert not (course / "submissions").exists()


@pytest.mark.parametrize(
    "there", ["assignments/second/notes.txt", "reference/second.py", "submissions/second/1.ipynb"]
)
def test_nothing_is_overwritten(course: Path, there: str) -> None:
    path = course / there
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine", "utf-8")
    before = {p: p.read_bytes() for p in course.rglob("*") if p.is_file()}
    with pytest.raises(NotPlaced, match=r"second\S* is there already.*choose another slug"):
        new_assignment(read_course(course), "second")
    assert {p: p.read_bytes() for p in course.rglob("*") if p.is_file()} == before


def test_an_assignment_that_cannot_be_written_whole_leaves_nothing(course: Path) -> None:
    (course / "reference" / "first.py").unlink()
    (course / "reference").rmdir()
    (course / "reference").write_text("a file where a folder should be", "utf-8")
    before = {p: p.read_bytes() for p in course.rglob("*") if p.is_file()}
    with pytest.raises(OSError, match="reference"):
        new_assignment(read_course(course), "second")
    assert not (course / "assignments" / "second").exists()
    assert {p: p.read_bytes() for p in course.rglob("*") if p.is_file()} == before


def test_a_course_is_not_begun_over_another(course: Path) -> None:
    with pytest.raises(NotPlaced, match=r"course\.toml is there already"):
        new_course(course, "second", ("en",))
    assert not (course / "assignments" / "second").exists()


def slug_with_a_slash(root: Path) -> None:
    place(root, "../second", {})


def languages_that_are_none(root: Path) -> None:
    read_languages("fa,de")


def languages_twice(root: Path) -> None:
    read_languages("en,en")


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (slug_with_a_slash, "cannot name an assignment: use lower-case"),
        (languages_that_are_none, "write some of fa,en"),
        (languages_twice, "each once"),
    ],
)
def test_what_is_asked_for_wrongly_is_told_with_its_remedy(
    course: Path, attempt: Callable[[Path], None], told: str
) -> None:
    with pytest.raises(NotPlaced, match=told):
        attempt(course)


def test_usage_errors_exit_with_2(course: Path) -> None:
    nowhere = new("second", cwd=course.parent)
    both = new("second", "--new-course", "x", "--course", "course", cwd=course.parent)
    for done, told in ((nowhere, "begin a course with --new-course"), (both, "give one")):
        assert done.returncode == 2
        assert told in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    assert not (course.parent / "x").exists()
