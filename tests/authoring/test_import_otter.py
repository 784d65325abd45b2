"""Otter's assignments become ours: questions, solutions, tests with their points, and a report."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from grader.authoring.foreign import NotImported
from grader.authoring.importing import Imported, import_anew
from grader.authoring.otter import read_otter
from grader.authoring.otter_code import case_of, marked
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.release import skeleton
from tests.authoring.foreign_notebooks import code, otter_notebook, raw, saved, text


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Imported]:
    folder = tmp_path_factory.mktemp("otter")
    (folder / "table.csv").write_text("a,b\n", "utf-8")
    lab = otter_notebook(folder / "lab01.ipynb")
    return folder / "course", import_anew(folder / "course", "lab01", read_otter(lab), "en")


def test_points_are_those_of_otter(imported: tuple[Path, Imported]) -> None:
    assignment = read_assignment(read_course(imported[0]), "lab01")
    assert assignment.title == {"en": "Lab 1: numbers"}
    assert [q.title["en"] for q in assignment.questions] == [
        "Write `half`",
        "Fill `numbers`",
        "Put 7 into `seven`",
        "Why is 7 prime?",
    ]
    parts = {f"{q.id}/{p.id}": (p.kind, p.points) for q in assignment.questions for p in q.parts}
    assert parts == {
        "q1/tests": ("auto", Decimal(2)),
        "q2/tests": ("auto", Decimal("2.25")),
        "q2/tests-by-hand": ("rubric", Decimal("0.75")),
        "q3/tests": ("auto", Decimal(1)),
        "q4/answer": ("rubric", Decimal("1.5")),
    }
    assert assignment.part("q1", "tests").title == {"en": "Tests"}
    assert assignment.texts.checks["test_q1"].title == {"en": "Write `half`"}
    answer = assignment.rubric["q4/answer"].model_answer
    assert answer == {"en": "Nothing but 1 and 7 divides it."}
    assert assignment.texts.checks["test_q1_hidden"].hint == {"en": "Try odd numbers."}


def test_tests_of_both_kinds_become_checks_that_accept_the_solution(
    imported: tuple[Path, Imported],
) -> None:
    root, done = imported
    assert "- all checks accept the notebook's own solution" in done.report.splitlines()
    checks = "".join(
        p.read_text("utf-8") for p in sorted((root / "assignments/lab01").glob("*.py"))
    )
    for line in (
        '@pytest.mark.part("tests", points=0.2)',  # a tenth, for Otter gives it nothing
        "expect(half(4)).equal(2)",
        '@pytest.mark.part("tests", points=1.8)\n@pytest.mark.hidden',
        "expect(half(3)).close(1.5, rtol=1e-05, atol=1e-08)",
        "expect(quarter).equal(0.25)",
        "expect.satisfies(lambda: len(numbers.value) == 2, 'q2-1')",
        "expect(numbers).close(np.array([0.5, 1.5]), rtol=1e-06, atol=1e-08)",
        "expect.satisfies(lambda: not numbers.value.sum() > 5, 'q2-2-1')",
        "expect.satisfies(lambda: isinstance(seven.value, int), 'q3-1')",
        "expect.satisfies(lambda: isinstance(seven.value, int), 'hidden-test')\n    expect(seven)",
    ):
        assert line in checks, line


def test_the_skeleton_has_the_gaps_of_otters(imported: tuple[Path, Imported]) -> None:
    course = read_course(imported[0])
    cells = skeleton(read_assignment(course, "lab01"), "en", course.languages).cells
    sources = [cell.source for cell in cells]
    half = next(source for source in sources if source.startswith("def half"))
    assert half.split("\n") == [
        "def half(n):",
        "    # your code here",
        "    raise NotImplementedError",
        "",
        "# your code here",
        "quarter = None",
        "shown = [quarter]",
    ]
    assert not [s for s in sources if "debugging" in s or "SystemExit" in s or "BEGIN" in s]
    assert "Your answer" in sources


def test_the_report_names_what_was_left_out_by_cell(imported: tuple[Path, Imported]) -> None:
    root, done = imported
    assert (root / "assignments" / "lab01" / "files" / "table.csv").read_text("utf-8") == "a,b\n"
    for line in (
        "- 4 questions, 7.5 points",
        "- 7 of 8 tests carried over, with 9 of 10 assertions",
        "- q1: tests worth 0 points in Otter (1) share a tenth of the question's points here",
        "- students get, in `files/` of the assignment: `table.csv`",
        "- not found inside the notebook's folder, or more than 20 MB together: `gone.csv`",
        "- Cell 16: what stood in the place of the solution, to begin from",
        "- Cell 17: a solution in words that carries no points",
        "- Cell 23: the test `q2-3`: what it expects is no value that can be read: <built-in method tolist>",
        "- Cell 39: what stood in the place of the answer, to begin from",
        "- Cell 45: the question `practice` has no tests, and carries no points here",
    ):
        assert line in done.report.splitlines(), line


def test_a_whole_import_leaves_nothing_to_look_at(tmp_path: Path) -> None:
    lab = saved(
        tmp_path / "lab.ipynb",
        raw("# BEGIN QUESTION\nname: q1"),
        raw("# BEGIN SOLUTION"),
        code("x = 3  # SOLUTION"),
        raw("# END SOLUTION"),
        raw("# BEGIN TESTS"),
        code("x == 3", "True"),
        raw("# END TESTS"),
        raw("# END QUESTION"),
    )
    done = import_anew(tmp_path / "course", "lab", read_otter(lab), "fa")
    assert done.whole, done.report
    assert read_course(tmp_path / "course").languages == ("fa",)


def test_neighbouring_lines_of_a_solution_are_one_gap() -> None:
    source, changes = marked(
        "if True:\n    a = [1,\n         2]  # SOLUTION\n    b = 2  # SOLUTION\n    c = 3\nprint(a)"
    )
    assert source.split("\n") == [
        "if True:",
        "    # BEGIN SOLUTION",
        "    a = [1,",
        "         2]",
        "    b = 2",
        "    # END SOLUTION",
        "    c = 3",
        "print(a)",
    ]
    assert not changes


@pytest.mark.parametrize(
    ("result", "source"),
    [
        ("True", "assert f(2)"),
        ("'a'", "assert f(2) == 'a'"),
        ("{1, 2}", "assert f(2) == {1, 2}"),
        ("np.float64(0.5)", "import numpy as np\nassert np.allclose(f(2), np.float64(0.5), rtol"),
    ],
)
def test_what_a_test_cell_gave_is_what_it_expects(result: str, source: str) -> None:
    outputs = [{"output_type": "execute_result", "data": {"text/plain": result}}]
    case = case_of("f(2)", outputs)
    assert case.source.replace("(f(2))", "f(2)").startswith(source)
    assert not case.unreadable


def test_what_a_test_prints_is_not_compared() -> None:
    case = case_of("print(f(2))", [{"output_type": "stream", "text": "4\n"}])
    assert case.unreadable == "it compares what is printed"


def test_what_is_no_master_notebook_is_refused_with_its_place(tmp_path: Path) -> None:
    begin, end = raw("# BEGIN QUESTION\nname: q1"), raw("# END QUESTION")
    again = raw("# BEGIN QUESTION\nname: q1")
    tests = [raw("# BEGIN TESTS"), code("x == 1", "True"), raw("# END TESTS")]
    cases = (
        ((text("# Nothing"),), "no raw cell begins a question"),
        ((begin, *tests), "cell 1: this question has no end"),
        ((begin, tests[0], end), "cell 3: a block of tests has no end"),
        ((tests[0], end), "cell 1: a block of tests outside a question"),
        ((begin, again), "cell 2: a question begins inside another"),
        ((raw("# BEGIN QUESTION\npoints: 1"), end), "cell 1: this question has no name"),
        ((raw("# BEGIN QUESTION\nname: [q"), end), "cell 1: this is no YAML"),
        ((raw("# BEGIN QUESTION\nname: q1\npoints: many"), *tests, end), "are 'many'"),
        ((raw("# BEGIN QUESTION\nname: q1\npoints: [1, 2]"), *tests, end), "for 2 tests and has 1"),
        ((raw("# ASSIGNMENT CONFIG\nconfig_file: no.yml"), begin, end), "no.yml cannot be read"),
        ((begin, end), "no question carries points"),
    )
    for cells, told in cases:
        with pytest.raises(NotImported, match=told.replace("[", r"\[")):
            read_otter(saved(tmp_path / "lab.ipynb", *cells))
