"""assignment.toml, rubric.toml and feedback.toml: records, and every mistake with its key."""

from __future__ import annotations

import pickle
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from grader.course import CourseError, Limits, read_assignment, read_course


def read(folder):
    return read_assignment(read_course(folder.root), "hw4_convnets")


def problems_of(folder):
    """Return [(file name, key, problem, remedy)] of the error that reading raises."""
    with pytest.raises(CourseError) as caught:
        read(folder)
    return [
        (each.file.rpartition("/")[2], each.key, each.problem, each.remedy)
        for each in caught.value.problems
    ]


def test_an_assignment_is_read_whole(folder):
    assignment = read(folder)
    assert assignment.slug == "hw4_convnets"
    assert assignment.due == datetime(2024, 12, 31, 23, 59, tzinfo=ZoneInfo("Asia/Tehran"))
    assert assignment.due.utcoffset().total_seconds() == 3.5 * 3600
    assert assignment.limits == Limits(cell_seconds=12.5, memory_mb=4096)
    assert assignment.limits.processes == 64
    assert assignment.aliases == {"dW": ("grad_W", "weight_gradient")}
    assert [q.id for q in assignment.questions] == ["depth", "conv-gradients", "grad-cam"]
    assert assignment.part("conv-gradients", "curves").kind == "recorded"
    assert assignment.question("grad-cam").bonus
    assert [c.id for c in assignment.rubric["depth/why"].criteria] == ["vanishing", "reason"]
    assert assignment.texts.misconceptions["flipped"].credit == Decimal("0.4")
    assert assignment.texts.checks["test_curves_fall"].hint == {}
    assert set(assignment.texts.notes) == {"rotated-form"}


def test_course_and_assignment_travel_to_other_processes(folder):
    course, assignment = read_course(folder.root), read(folder)
    assert pickle.loads(pickle.dumps(course)) == course
    assert pickle.loads(pickle.dumps(assignment)) == assignment


def test_points_are_exact_decimals(folder):
    assignment = read(folder)
    assert assignment.part("grad-cam", "weights").points == Decimal("0.1")
    assert assignment.points == Decimal("12.5")
    assert assignment.bonus_points == Decimal("0.1")


def test_asking_for_what_is_not_there_is_a_key_error(folder):
    assignment = read(folder)
    with pytest.raises(KeyError, match="no question depht"):
        assignment.question("depht")
    with pytest.raises(KeyError, match="no part who"):
        assignment.part("depth", "who")


def test_files_that_nothing_needs_may_be_absent(folder):
    head = folder.file("assignment.toml").read_text("utf-8").split("[[question]]")[:2]
    folder.write("assignment.toml", "[[question]]".join(head).replace('"rubric"', '"auto"'))
    folder.file("rubric.toml").unlink()
    assert read(folder).rubric == {}
    folder.file("feedback.toml").unlink()
    ((file, _, problem, _),) = problems_of(folder)
    assert (file, problem) == ("feedback.toml", "this file does not exist")


def test_an_unknown_slug_suggests_the_nearest(folder):
    with pytest.raises(CourseError) as caught:
        read_assignment(read_course(folder.root), "hw4_convnet")
    (problem,) = caught.value.problems
    assert (problem.file, problem.key) == ("course.toml", "assignments")
    assert problem.remedy == 'did you mean "hw4_convnets"?'


@pytest.mark.parametrize(
    ("file", "old", "new", "key", "problem", "remedy"),
    [
        ("assignment.toml", "memory_mb", "memory", "limits.memory", "unknown key", "did you mean memory_mb?"),
        ("assignment.toml", "memory_mb = 4096", "memory_mb = 12", "limits.memory_mb", "12 is out of range", "256"),
        ("assignment.toml", "memory_mb = 4096", "memory_mb = 4096.5", "limits.memory_mb", "expected a whole", "whole"),
        ("assignment.toml", "cell_seconds = 12.5", "cell_seconds = 0", "limits.cell_seconds", "0 is out", "0.1"),
        ("assignment.toml", "cell_seconds = 12.5", "cell_seconds = 301", "limits.cell_seconds", "more than submission", "lower"),
        ("assignment.toml", "cell_seconds = 12.5", "probe_seconds = 301", "limits.probe_seconds", "more than judging_seconds (300)", "raise judging_seconds"),
        ("assignment.toml", '"grad_W"', '"dW"', "aliases.dW[0]", "name of an answer itself", "remove it"),
        ("assignment.toml", '"grad_W"', '"grad W"', "aliases.dW[0]", "not a Python name", "in code"),
        ("assignment.toml", '["grad_W", "weight_gradient"]', "[]", "aliases.dW", "there is no name", "at least"),
        ("assignment.toml", 'id = "grad-cam"', 'id = "Depth of_Nets"', "question[2].id", "kebab-case", '"depth-of-nets"'),
        ("assignment.toml", 'id = "grad-cam"', 'id = "depth"', "question[2].id", "question[0] has the id", "another"),
        ("assignment.toml", 'id = "curves"', 'id = "weights"', "question[1].part[1].id", "part[0]", "another id"),
        ("assignment.toml", '"recorded"', '"record"', "question[1].part[1].kind", '"record"', 'mean "recorded"?'),
        ("assignment.toml", "points = 2.5", "points = -1", "question[1].part[1].points", "-1 is not above 0", "above 0"),
        ("assignment.toml", "points = 2.5", 'points = "۲"', "question[1].part[1].points", "found text", "quotes: 2"),
        ("assignment.toml", "points = 2.5", "points = inf", "question[1].part[1].points", "Infinity", "finite"),
        ("assignment.toml", "points = 2.5", "", "question[1].part[1].points", "missing", "add points"),
        ("assignment.toml", "points = 2.5", "pionts = 2.5", "question[1].part[1].pionts", "unknown", "points?"),
        ("assignment.toml", "bonus = true", "bonus = 1", "question[2].bonus", "expected true or false", "true"),
        ("assignment.toml", ', en = "Bonus"', "", "question[2].label.en", "missing", "add en"),
        ("assignment.toml", '"1403/10/11 23:59"', '"1403/13/11"', "due", "does not have", "month"),
        ("assignment.toml", '"1403/10/11 23:59"', "2024-12-31", "due", "found a date", 'quotes: "2024-12-31"'),
        ("rubric.toml", "points = 1.5", "points = 1", '"depth/why".criterion', "add up to 4.5 points, the part has 5", "change"),
        ("rubric.toml", '"reason"', '"vanishing"', '"depth/why".criterion[1].id', "criterion[0]", "another"),
        ("rubric.toml", '"Names the vanishing gradient."', '"محو شدن گرادیان را نام می‌برد."', '"depth/why".criterion[0].text.en', "copy of the fa text", "translate"),
        ("feedback.toml", "credit = 0.4", "credit = 1", "misconception.flipped.credit", "not a fraction", "[note]"),
        ("feedback.toml", "credit = 0.4", "credits = 0.4", "misconception.flipped.credits", "unknown", "credit?"),
        ("feedback.toml", "check.test_curves_fall", "check.curves_fall", "check.curves_fall", "test function", "test_"),
        ("feedback.toml", "note.rotated-form", "note.rotatedForm", "note.rotatedForm", "kebab-case", '"rotated-form"'),
        ("feedback.toml", "note.rotated-form", "remark.x", "remark", "unknown key", "check, misconception, note"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_key_and_remedy(folder, file, old, new, key, problem, remedy):
    folder.replace(file, old, new)
    ((found_file, found_key, found_problem, found_remedy),) = problems_of(folder)
    assert (found_file, found_key) == (file, key)
    assert problem in found_problem
    assert remedy in found_remedy


def test_single_brackets_for_a_question_are_explained(folder):
    first = folder.file("assignment.toml").read_text("utf-8").split("[[question]]")[0]
    folder.write("assignment.toml", first + '[question]\nid = "a"\n')
    assert (
        "assignment.toml",
        "question",
        "expected a list, found a table",
        "write [[double brackets]] around the name of each table, or [ … ] for a list",
    ) in problems_of(folder)


def test_a_question_without_parts_is_told(folder):
    folder.replace(
        "assignment.toml", '[[question.part]]\nid = "why"', '[[question.prat]]\nid = "why"'
    )
    assert problems_of(folder)[0][1:] == ("question[0].prat", "unknown key", "did you mean part?")


def test_one_alias_may_not_mean_two_answers(folder):
    folder.replace("assignment.toml", "[aliases]", '[aliases]\ndX = ["grad_W"]')
    problems = problems_of(folder)
    assert [key for _, key, _, _ in problems] == ["aliases.dX[0]", "aliases.dW[0]"]
    assert all("several answers" in problem for _, _, problem, _ in problems)


def test_a_rubric_part_without_a_table_and_a_table_without_a_part_are_told(folder):
    text = folder.file("rubric.toml").read_text("utf-8")
    folder.write("rubric.toml", text.replace("depth/why", "depth/wy"))
    assert problems_of(folder) == [
        ("rubric.toml", '"depth/wy"', 'assignment.toml has no part "depth/wy"', 'did you mean "depth/why"?'),
        ("rubric.toml", '"depth/why"', 'the part "depth/why" is of kind "rubric" and has no table here',
         'add ["depth/why"] with a model_answer and criteria'),
    ]  # fmt: skip


def test_a_rubric_for_a_part_that_is_checked_by_machine_is_told(folder):
    text = folder.file("rubric.toml").read_text("utf-8")
    folder.write("rubric.toml", text + text.replace("depth/why", "conv-gradients/weights"))
    ((_, key, problem, _),) = problems_of(folder)
    assert key == '"conv-gradients/weights"'
    assert problem == 'assignment.toml says that "conv-gradients/weights" is of kind "auto"'


def test_mistakes_of_all_three_files_come_together(folder):
    folder.replace("assignment.toml", '"recorded"', '"record"')
    folder.replace("assignment.toml", "memory_mb", "memory")
    folder.replace("rubric.toml", "points = 3.5", "points = 0")
    folder.replace("feedback.toml", "credit = 0.4", "credit = 4")
    found = [(file, key) for file, key, _, _ in problems_of(folder)]
    assert found == [
        ("assignment.toml", "limits.memory"),
        ("assignment.toml", "question[1].part[1].kind"),
        ("rubric.toml", '"depth/why".criterion[0].points'),
        ("feedback.toml", "misconception.flipped.credit"),
    ]


def test_a_lesser_mistake_does_not_hide_a_wrong_sum(folder):
    folder.replace("assignment.toml", "memory_mb", "memory")
    folder.replace("rubric.toml", "points = 3.5", "points = 3")
    keys = [key for _, key, _, _ in problems_of(folder)]
    assert keys == ["limits.memory", '"depth/why".criterion']


def test_paths_in_messages_start_at_the_course(folder):
    folder.replace("rubric.toml", "points = 3.5", "points = 3")
    with pytest.raises(CourseError, match=r"^assignments/hw4_convnets/rubric\.toml, \"depth/why\""):
        read(folder)
