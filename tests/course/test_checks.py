"""Whether checks fit their assignment: every way in which they may not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from grader.course import (
    CourseError,
    DeclaredCheck,
    UsedText,
    read_assignment,
    read_course,
    validate_checks,
)


@pytest.fixture
def assignment(folder):
    return read_assignment(read_course(folder.root), "hw4_convnets")


def check(assignment, name, question, part, points=None, line=10):
    return DeclaredCheck(
        name=name,
        question=question,
        part=part,
        points=None if points is None else Decimal(points),
        hidden=False,
        file=assignment.folder / "test_theory.py",
        line=line,
    )


@pytest.fixture
def checks(assignment):
    """The checks that fit the assignment of conftest.py, by name."""
    fitting = [
        check(assignment, "test_gradient_of_the_weights", "conv-gradients", "weights", "5", 10),
        check(assignment, "test_curves_fall", "conv-gradients", "curves", None, 20),
        check(assignment, "test_channel_weights", "grad-cam", "weights", "0.1", 30),
    ]
    return {each.name: each for each in fitting}


def uses(assignment, *ids):
    file = assignment.folder / "test_theory.py"
    kinds = {"flipped": "misconception", "rotated-form": "note"}
    return [
        UsedText(kind=kinds.get(each, "misconception"), id=each, file=file, line=12) for each in ids
    ]


def problems_of(assignment, checks, used=None):
    with pytest.raises(CourseError) as caught:
        validate_checks(assignment, checks, used)
    return [
        (each.file.rpartition("/")[2], each.key, each.problem, each.remedy)
        for each in caught.value.problems
    ]


def test_checks_that_fit_pass(assignment, checks):
    validate_checks(assignment, list(checks.values()))
    validate_checks(assignment, list(checks.values()), uses(assignment, "flipped", "rotated-form"))


def test_a_part_without_a_check_is_told(assignment, checks, folder):
    del checks["test_curves_fall"]
    folder.replace("feedback.toml", "[check.test_curves_fall]", "[check.test_zzz]")
    problems = problems_of(assignment, list(checks.values()))
    assert problems[0][:3] == (
        "assignment.toml",
        "question[1].part[1]",
        'no check belongs to the part "conv-gradients/curves"',
    )


@pytest.mark.parametrize(
    ("question", "part", "problem", "remedy"),
    [
        (None, "weights", "no question is named", "pytest.mark.question"),
        ("conv-gradient", "weights", 'no question "conv-gradient"', '"conv-gradients"?'),
        ("conv-gradients", None, "no part is named", "pytest.mark.part"),
        ("conv-gradients", "weight", 'has no part "weight"', '"weights"?'),
        ("depth", "why", '"depth/why" is marked by a person', "another part"),
    ],
)
def test_a_mark_that_names_no_part_for_checks_is_told(
    assignment, checks, question, part, problem, remedy
):
    name = "test_gradient_of_the_weights"
    found = problems_of(
        assignment,
        [
            check(assignment, name, question, part, "5"),
            checks["test_curves_fall"],
            checks["test_channel_weights"],
        ],
    )
    assert found[0][:2] == ("test_theory.py", name)
    assert problem in found[0][2]
    assert remedy in found[0][3]
    assert found[1][2] == 'no check belongs to the part "conv-gradients/weights"'
    assert len(found) == 2


def test_the_line_of_a_check_is_shown(assignment, checks):
    stray = check(assignment, "test_curves_fall", "conv-gradients", "curve", None, 77)
    with pytest.raises(CourseError, match=r"test_theory\.py:77, test_curves_fall\n"):
        validate_checks(assignment, [*checks.values(), stray])


def test_points_that_do_not_add_up_are_told(assignment, checks):
    more = check(assignment, "test_channel_weights", "grad-cam", "weights", "0.2")
    checks["test_channel_weights"] = more
    assert problems_of(assignment, list(checks.values())) == [
        (
            "assignment.toml",
            "question[2].part[0].points",
            'the checks of "grad-cam/weights" add up to 0.2 points, not 0.1',
            "change the points of the checks, or those of the part",
        )
    ]


def test_tenths_add_up_exactly(assignment, checks, folder):
    text = folder.file("feedback.toml").read_text("utf-8")
    title = '\ntitle = { fa = "ب", en = "b" }\n'
    folder.write("feedback.toml", text + f"[check.test_b]{title}[check.test_c]{title}")
    assignment = read_assignment(read_course(folder.root), "hw4_convnets")
    parts = [("test_gradient_of_the_weights", "0.1"), ("test_b", "0.2"), ("test_c", "4.7")]
    split = [check(assignment, name, "conv-gradients", "weights", p) for name, p in parts]
    rest = [checks["test_curves_fall"], checks["test_channel_weights"]]
    validate_checks(assignment, [*split, *rest])


def test_points_on_some_checks_of_a_part_only_are_told(assignment, checks):
    extra = check(assignment, "test_curves_fall", "conv-gradients", "weights")
    found = problems_of(assignment, [*checks.values(), extra])
    assert (
        "assignment.toml",
        "question[1].part[0].points",
        'some checks of the part "conv-gradients/weights" have points, but not "test_curves_fall"',
        "give points to all checks of a part, or to none",
    ) in found


@pytest.mark.parametrize("points", ["0", "-1", "NaN"])
def test_points_that_cannot_be_earned_are_told(assignment, checks, points):
    name = "test_channel_weights"
    checks[name] = check(assignment, name, "grad-cam", "weights", points)
    found = problems_of(assignment, list(checks.values()))
    assert found[0][1:3] == (name, f"{points} points cannot be earned")


def test_two_checks_of_one_name_are_told(assignment, checks):
    twin = check(assignment, "test_curves_fall", "conv-gradients", "curves", None, 99)
    ((file, key, problem, _),) = problems_of(assignment, [*checks.values(), twin])
    assert (file, key) == ("test_theory.py", "test_curves_fall")
    assert problem == "test_theory.py:20 defines a check of this name already"


def test_a_check_without_a_text_is_told(assignment, checks):
    extra = check(assignment, "test_zeros", "conv-gradients", "curves")
    assert problems_of(assignment, [*checks.values(), extra]) == [
        (
            "feedback.toml",
            "check.test_zeros",
            "the check test_zeros has no text",
            "add [check.test_zeros] with a title in every language",
        )
    ]


def test_a_text_without_a_check_is_told(assignment, checks, folder):
    text = folder.file("feedback.toml").read_text("utf-8")
    folder.write("feedback.toml", text + '[check.test_zeros]\ntitle = { fa = "آ", en = "a" }\n')
    assignment = read_assignment(read_course(folder.root), "hw4_convnets")
    assert problems_of(assignment, list(checks.values())) == [
        (
            "feedback.toml",
            "check.test_zeros",
            "there is no check test_zeros",
            "write it, or remove this text",
        )
    ]


def test_a_misspelt_check_is_one_mistake_not_two(assignment, checks):
    renamed = check(assignment, "test_curve_falls", "conv-gradients", "curves")
    del checks["test_curves_fall"]
    assert problems_of(assignment, [*checks.values(), renamed]) == [
        (
            "feedback.toml",
            "check.test_curves_fall",
            "there is no check test_curves_fall",
            "did you mean test_curve_falls?",
        )
    ]


def test_texts_used_but_not_declared_are_told_with_their_line(assignment, checks):
    used = uses(assignment, "flipped", "rotated-form", "fliped")
    with pytest.raises(CourseError) as caught:
        validate_checks(assignment, list(checks.values()), used)
    (problem,) = caught.value.problems
    assert (problem.file.rpartition("/")[2], problem.line) == ("test_theory.py", 12)
    assert problem.problem == 'feedback.toml has no misconception "fliped"'
    assert problem.remedy == 'did you mean "flipped"?'


def test_texts_declared_but_never_used_are_told(assignment, checks):
    assert problems_of(assignment, list(checks.values()), []) == [
        ("feedback.toml", "misconception.flipped", 'no check names the misconception "flipped"',
         "use it, or remove this text"),
        ("feedback.toml", "note.rotated-form", 'no check names the note "rotated-form"',
         "use it, or remove this text"),
    ]  # fmt: skip


def test_a_text_of_either_kind_may_be_a_note_or_a_misconception(assignment, checks):
    file = assignment.folder / "test_theory.py"
    used = [
        UsedText(kind="either", id=name, file=file, line=3) for name in ("flipped", "rotated-form")
    ]
    validate_checks(assignment, list(checks.values()), used)
    used.append(UsedText(kind="either", id="unheard-of", file=file, line=3))
    ((_, _, problem, _),) = problems_of(assignment, list(checks.values()), used)
    assert problem == 'feedback.toml has no misconception or note "unheard-of"'
