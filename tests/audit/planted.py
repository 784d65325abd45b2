"""A course whose checks have every fault that an audit names, one each, beside a sound one."""

from __future__ import annotations

from pathlib import Path

COURSE = """
title = { fa = "درس", en = "Planted" }
languages = ["fa", "en"]
calendar = "gregorian"
time_zone = "Asia/Tehran"
assignments = ["planted"]
"""

REFERENCE = '''# %% name="setup"
import numpy as np

V = np.array([0.1, 0.25, 0.7])


# %% name="functions"
def double(v):
    """Return twice v."""
    # BEGIN SOLUTION
    return 2.0 * v
    # END SOLUTION


def norm(v):
    """Return the length of v."""
    # BEGIN SOLUTION
    return np.sqrt((v**2).sum())
    # END SOLUTION


def shifted(v, by):
    """Return v, moved."""
    # BEGIN SOLUTION
    return v + 0.001 * by
    # END SOLUTION


def drawn(v):
    """Show v."""
    # BEGIN SOLUTION
    return v + 1
    # END SOLUTION


def label(n):
    """Return the name of a number."""
    # BEGIN SOLUTION
    return n + 1
    # END SOLUTION
'''

CHECKS = """import itertools

import numpy as np
import pytest

pytestmark = pytest.mark.question("all")
times = itertools.count()
V = np.array([0.1, 0.25, 0.7])


@pytest.mark.part("sound")
def test_sound(student, reference, expect):
    answer = student.call("double", V)
    expect(answer).close(
        reference.double(V),
        misconceptions={"halved": V / 2, "same-as-right": V + V},
        alternatives={"row": "twice as much"},
    )


@pytest.mark.part("weak")
def test_weak(student, expect):
    expect(student.call("norm", V)).shape(())


@pytest.mark.part("flaky")
def test_flaky(student, expect):
    expect.satisfies(next(times) % 3 != 0, "halved")


@pytest.mark.part("loose")
def test_loose(student, reference, expect):
    expect(student.call("shifted", V, 1.0)).close(reference.shifted(V, 1.0), atol=0.1)


@pytest.mark.part("tight")
def test_tight(student, expect):
    expect(student.call("double", V)).close(V / 0.5 * (1 + 5e-10), atol=0.0, rtol=1e-9)


@pytest.mark.part("impossible")
def test_impossible(student, expect):
    expect(student.call("double", V)).close(3.0 * V)


@pytest.mark.part("given")
def test_given(student, expect):
    expect(student.value("V")).shape((3,))


@pytest.mark.part("breaks")
def test_breaks(student, expect):
    expect({4: "four"}[student.call("label", 3).value]).equal("four")
"""

PARTS = ("sound", "weak", "flaky", "loose", "tight", "impossible", "given", "breaks")

STATEMENT = """
[unchecked]
double = "This is not so."

[[equivalent]]
function = "norm"
was = "return np.sqrt((v**2).sum())"
becomes = "return 0"
reason = "No mutant becomes this."

[[accepted]]
finding = "tight tolerance"
about = "test_tight"
reason = "The last digit is asked for."
"""


def plant(root: Path) -> Path:
    """Write the course to `root`."""
    folder = root / "assignments" / "planted"
    folder.mkdir(parents=True)
    (root / "reference").mkdir()
    (root / "course.toml").write_text(COURSE)
    (root / "reference" / "planted.py").write_text(REFERENCE)
    (folder / "test_planted.py").write_text(CHECKS)
    (folder / "audit.toml").write_text(STATEMENT)
    text = '{ fa = "متن", en = "text" }'
    parts = "".join(
        f'[[question.part]]\nid = "{part}"\ntitle = {text}\nkind = "auto"\npoints = 1\n'
        for part in PARTS
    )
    (folder / "assignment.toml").write_text(
        f'title = {text}\ndue = "2026-01-31 23:59"\n[[question]]\nid = "all"\n'
        f"label = {text}\ntitle = {text}\n{parts}"
    )
    checks = "".join(f"[check.test_{part}]\ntitle = {text}\n" for part in PARTS)
    (folder / "feedback.toml").write_text(
        f"{checks}[misconception.halved]\ntext = {text}\n"
        f"[misconception.same-as-right]\ntext = {text}\n[note.row]\ntext = {text}\n"
    )
    return root
