"""Checks share a fork of the notebook, and none of them can tell: what fails is judged alone."""

from __future__ import annotations

from collections.abc import Iterator
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


SEARCHES = """
import pytest

pytestmark = pytest.mark.question("numbers")


def judge(student, expect, x):
    expect(student.function("sought", example=((x,), x + 11))(x + 1)).close(x + 12)


@pytest.mark.part("sum", points=1)
def test_first(student, expect):
    judge(student, expect, 1)


@pytest.mark.part("sum", points=1)
def test_second(student, expect):
    judge(student, expect, 2)


@pytest.mark.part("sum", points=2)
def test_third(student, expect):
    judge(student, expect, 3)
"""


def course(root: Path, slug: str, checks: str, names: tuple[str, ...]) -> WarmGrader:
    (root / "course.toml").write_text(
        'title = { en = "Course" }\nlanguages = ["en"]\ncalendar = "gregorian"\n'
        f'time_zone = "Asia/Tehran"\nassignments = ["{slug}"]\n'
    )
    (root / "reference").mkdir()
    (root / "reference" / f"{slug}.py").write_text("# %%\ndef f(x):\n    return x + 1\n")
    folder = root / "assignments" / slug
    folder.mkdir(parents=True)
    (folder / "assignment.toml").write_text(
        'title = { en = "Little" }\ndue = "2026-01-01 00:00"\n[limits]\nprobe_seconds = 1.5\n'
        '[[question]]\nid = "numbers"\nlabel = { en = "1" }\ntitle = { en = "Numbers" }\n'
        '[[question.part]]\nid = "sum"\nkind = "auto"\ntitle = { en = "Sum" }\npoints = 4\n'
    )
    (folder / "feedback.toml").write_text(
        "".join(
            f'[check.{n}]\ntitle = {{ en = "{n}" }}\nhint = {{ en = "Look." }}\n' for n in names
        )
    )
    (folder / "rubric.toml").write_text("")
    (folder / f"test_{slug}.py").write_text(checks)
    return WarmGrader(read_assignment(read_course(root), slug), caged=False)


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmGrader]:
    names = ("test_first", "test_second", "test_third", "test_random")
    with course(tmp_path_factory.mktemp("course"), "little", CHECKS, names) as warm:
        yield warm


@pytest.fixture(scope="module")
def searching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmGrader]:
    with course(
        tmp_path_factory.mktemp("course"),
        "sought",
        SEARCHES,
        ("test_first", "test_second", "test_third"),
    ) as warm:
        yield warm


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """One run for each fork that was made."""
    made: list[Run] = []
    probe = Run.probe
    monkeypatch.setattr(Run, "probe", lambda run: made.append(run) or probe(run))
    return made


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
    grader: WarmGrader, tmp_path: Path, forks: list[Run], source: str, verdict: str
) -> None:
    found = verdicts(grader, tmp_path, source)
    assert found == {**dict.fromkeys(("first", "second", "third"), verdict), "random": "passed"}
    assert len(forks) == 1  # which told all variables before


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("def f(x):\n    return numpy.exp(x) + helped(x)\ndef helped(x):\n    return x", 1),
        # Of these something may have been changed by the calls before: each is tried once more.
        ("offsets = [1]\ndef f(x):\n    return x + 2 * offsets[0]", 4),
        ("n = 0\ndef f(x):\n    global n\n    n += 1\n    return x + 1 + n", 4),
        ("import time\ndef f(x):\n    return time.time()", 4),
    ],
)
def test_a_check_that_fails_is_judged_again_only_where_a_call_may_have_changed_it(
    grader: WarmGrader, tmp_path: Path, forks: list[Run], source: str, needed: int
) -> None:
    found = verdicts(grader, tmp_path, source)
    assert found == {**dict.fromkeys(("first", "second", "third"), "failed"), "random": "passed"}
    assert len(forks) == needed


@pytest.mark.parametrize(
    ("name", "source", "verdict", "needed"),
    [
        ("right", "def other(x): return x + 11", "passed", 1),
        ("right after a wrong one", "def a(x): return x\ndef other(x): return x + 11", "passed", 1),
        ("wrong", "def other(x): return x + 12", "missing", 1),
        ("of other arguments", "def other(x, y): return x + 11", "missing", 1),
        ("none", "", "missing", 1),
        (
            "right the first time",
            "n = 11\ndef other(x):\n    global n\n    n += 1\n    return x + n - 1",
            "passed",
            None,
        ),
        (
            "breaks itself",
            "def other(x):\n    global other\n    other = None\n    return x + 11",
            "passed",
            None,
        ),
        (
            "one breaks another",
            "def a(x):\n    global other\n    other = None\ndef other(x): return x + 11",
            "missing",  # in every search it is tried after the one that breaks it
            None,
        ),
    ],
)
def test_what_a_search_tries_changes_nothing_for_the_check(
    searching: WarmGrader,
    tmp_path: Path,
    forks: list[Run],
    name: str,
    source: str,
    verdict: str,
    needed: int | None,
) -> None:
    found = verdicts(searching, tmp_path, source)
    assert found == dict.fromkeys(("first", "second", "third"), verdict), name
    assert needed is None or len(forks) == needed
