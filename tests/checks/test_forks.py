"""Checks share a fork of the notebook, and none of them can tell: what fails is judged alone."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.warm import WarmGrader
from grader.kernel.run import Run
from grader.report import CheckResult

CHECKS = """
import pytest

pytestmark = pytest.mark.question("numbers")


@pytest.mark.part("sum", points=1)
def test_first(student, expect):
    expect(student.call("f", 1)).close(2)


@pytest.mark.part("sum", points=1)
def test_second(student, expect):
    expect(student.call("f", 2)).close(3)


@pytest.mark.part("sum", points=1)
def test_third(student, expect):
    expect(student.call("f", 3)).close(4)


@pytest.mark.part("sum", points=1)
def test_random(student, expect):
    expect(student.call("g")).close(student.value("drawn").value)
"""
DRAWN = "import random, numpy\nrandom.seed(0); numpy.random.seed(0)\ndrawn = random.random() + numpy.random.rand()\n"
RANDOM = DRAWN + "def g():\n    return random.random() + numpy.random.rand()\n"


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("course")
    (root / "course.toml").write_text(
        'title = { en = "Course" }\nlanguages = ["en"]\ncalendar = "gregorian"\n'
        'time_zone = "Asia/Tehran"\nassignments = ["little"]\n'
    )
    (root / "reference").mkdir()
    (root / "reference" / "little.py").write_text("# %%\ndef f(x):\n    return x + 1\n")
    folder = root / "assignments" / "little"
    folder.mkdir(parents=True)
    (folder / "assignment.toml").write_text(
        'title = { en = "Little" }\ndue = "2026-01-01 00:00"\n[limits]\nprobe_seconds = 1.5\n'
        '[[question]]\nid = "numbers"\nlabel = { en = "1" }\ntitle = { en = "Numbers" }\n'
        '[[question.part]]\nid = "sum"\nkind = "auto"\ntitle = { en = "Sum" }\npoints = 4\n'
    )
    names = ("test_first", "test_second", "test_third", "test_random")
    (folder / "feedback.toml").write_text(
        "".join(
            f'[check.{n}]\ntitle = {{ en = "{n}" }}\nhint = {{ en = "Look." }}\n' for n in names
        )
    )
    (folder / "rubric.toml").write_text("")
    (folder / "test_numbers.py").write_text(CHECKS)
    with WarmGrader(read_assignment(read_course(root), "little"), caged=False) as warm:
        yield warm


def verdicts(grader: WarmGrader, folder: Path, source: str) -> dict[str, str]:
    path = folder / "hand-in.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(RANDOM + source)]), path)
    graded = grader.grade("s", path)
    assert not graded.troubles, graded.troubles
    checks: list[CheckResult] = [
        c for q in graded.report.questions for p in q.parts for c in p.checks
    ]
    return {c.id.rpartition("::")[2].removeprefix("test_"): c.verdict for c in checks}


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("right", "def f(x):\n    return x + 1", set()),
        # Each of these is right the first time it is called in a process, and breaks it for later.
        ("counts", "n = 0\ndef f(x):\n    global n\n    n += 1\n    return x + n", set()),
        ("forgets", "def f(x):\n    global f\n    del f\n    return x + 1", set()),
        (
            "hangs later",
            "n = 0\ndef f(x):\n    global n\n    n += 1\n    while n > 1: pass\n    return x + 1",
            set(),
        ),
        (
            "dies later",
            "import os\nn = 0\ndef f(x):\n    global n\n    n += 1\n    if n > 1: os._exit(0)\n    return x + 1",
            set(),
        ),
        (
            "gives up later",
            "n = 0\ndef f(x):\n    global n\n    n += 1\n    if n > 1: raise NotImplementedError\n    return x + 1",
            set(),
        ),
        (
            "leaves later calls to one that only raises",
            "def stub(x): raise NotImplementedError\ndef f(x):\n    global f\n    f = stub\n    return x + 1",
            set(),
        ),
        ("draws", "def f(x):\n    random.random(); numpy.random.rand(5)\n    return x + 1", set()),
        ("one wrong", "def f(x):\n    return x + 1 if x != 2 else 0", {"second"}),
        (
            "wrong, and breaks",
            "def f(x):\n    global f\n    f = None\n    return x + (x != 2)",
            {"second"},
        ),
        ("one hangs", "def f(x):\n    while x == 2: pass\n    return x + 1", {"second"}),
        (
            "one dies",
            "import os\ndef f(x):\n    x == 2 and os._exit(1)\n    return x + 1",
            {"second"},
        ),
        ("all wrong", "def f(x):\n    return x", {"first", "second", "third"}),
    ],
)
def test_what_one_call_leaves_behind_costs_no_other_check(
    grader: WarmGrader, tmp_path: Path, name: str, source: str, wrong: set[str]
) -> None:
    found = verdicts(grader, tmp_path, source)
    assert {check for check, verdict in found.items() if verdict != "passed"} == wrong


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("def f(x):\n    return x + 1", "passed"),
        ("def f(x):\n    '''One more.'''\n    raise NotImplementedError('your turn')", "missing"),
        (
            "class f:\n    def __init__(self, x):\n        super().__init__()\n        raise NotImplementedError",
            "missing",
        ),
        ("", "missing"),
    ],
)
def test_checks_that_pass_or_find_nothing_need_one_fork_together(
    grader: WarmGrader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    verdict: str,
) -> None:
    forks = []
    probe = Run.probe
    monkeypatch.setattr(Run, "probe", lambda run: forks.append(run) or probe(run))
    found = verdicts(grader, tmp_path, source)
    assert found == {**dict.fromkeys(("first", "second", "third"), verdict), "random": "passed"}
    assert len(forks) == 1  # which told all variables before
