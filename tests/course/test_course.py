"""course.toml: what is read from it, and how every mistake is told."""

from __future__ import annotations

import pickle
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from grader.course import CourseError, read_assignment, read_course
from grader.course.policy import GraceThenLinear, NoPenalty


def problems_of(folder):
    """Return {key: (problem, remedy)} of the error that reading the course raises."""
    with pytest.raises(CourseError) as caught:
        read_course(folder.root)
    assert all(each.file == "course.toml" for each in caught.value.problems)
    return {each.key: (each.problem, each.remedy) for each in caught.value.problems}


def test_a_course_is_read_whole(folder):
    course = read_course(folder.root)
    assert course.title == {"fa": "یادگیری ژرف", "en": "Deep learning"}
    assert course.languages == ("fa", "en")
    assert course.calendar == "jalali"
    assert course.time_zone == ZoneInfo("Asia/Tehran")
    assert course.assignments == ("hw4_convnets",)
    assert course.roster == folder.root / "roster.csv"
    assert course.late == GraceThenLinear(grace_hours=Decimal(72), percent_per_day=Decimal(50))
    assert course.folder("hw4_convnets") == folder.assignment


def test_roster_and_late_policy_are_optional(folder):
    folder.replace("course.toml", 'roster = "roster.csv"\n', "")
    text = folder.file("course.toml").read_text("utf-8").partition("[late]")[0]
    folder.write("course.toml", text)
    course = read_course(folder.root)
    assert course.roster is None
    assert course.late == NoPenalty()


def test_a_byte_order_mark_is_no_mistake(folder):
    path = folder.file("course.toml")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_course(folder.root).calendar == "jalali"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CourseError, match=r"course\.toml\n    this file does not exist"):
        read_course(tmp_path)


def test_a_syntax_error_names_its_line(folder):
    folder.replace("course.toml", 'calendar = "jalali"', 'calendar = "jalali')
    with pytest.raises(CourseError) as caught:
        read_course(folder.root)
    (problem,) = caught.value.problems
    assert problem.line == 3
    assert problem.problem.startswith("not valid TOML")
    assert str(caught.value).startswith("course.toml:3\n")


def test_a_syntax_error_at_the_end_names_the_last_line(folder):
    folder.write("course.toml", "a = 1\nb = [")
    with pytest.raises(CourseError) as caught:
        read_course(folder.root)
    assert caught.value.problems[0].line == 2


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("9" * 5000, "too long or too large"),
        ("1e" + "9" * 20, "too long or too large"),
        ("[" * 2000, "nested too deep"),
        ("{ a = " * 2000, "nested too deep"),
    ],
)
def test_what_toml_allows_and_python_does_not_names_its_line(folder, value, problem):
    folder.replace("course.toml", "grace_hours = 72", f"grace_hours = {value}")
    with pytest.raises(CourseError) as caught:
        read_course(folder.root)
    (told,) = caught.value.problems
    line = 10
    assert (told.file, told.line) == ("course.toml", line)
    assert problem in told.problem
    assert told.remedy


def test_a_roster_whose_name_no_file_can_have_is_told(folder):
    folder.replace("course.toml", '"roster.csv"', '"' + "x" * 5000 + '"')
    problem, _ = problems_of(folder)["roster"]
    assert problem.startswith("there is no file xxx")


def test_bytes_that_are_not_utf8_name_their_line(folder):
    folder.file("course.toml").write_bytes(b'calendar = "jalali"\ntitle = "\xe3\xd1"\n')
    with pytest.raises(CourseError) as caught:
        read_course(folder.root)
    assert caught.value.problems[0].line == 2
    assert "UTF-8" in caught.value.problems[0].remedy


@pytest.mark.parametrize(
    ("old", "new", "key", "problem", "remedy"),
    [
        ("calendar =", "calender =", "calender", "unknown key", "did you mean calendar?"),
        ("roster =", "students =", "students", "unknown key", "known keys here: title, languages"),
        ('"jalali"', '"jalai"', "calendar", '"jalai" is not possible', 'did you mean "jalali"?'),
        ('"Asia/Tehran"', '"Asia/Teheran"', "time_zone", "not a time zone", '"Asia/Tehran"'),
        ('"Asia/Tehran"', '"../x"', "time_zone", "not a time zone", "Asia/Tehran"),
        ('"Asia/Tehran"', "3.5", "time_zone", "expected text, found a number", 'quotes: "3.5"'),
        ('["fa", "en"]', '["fa", "de"]', "languages[1]", 'does not speak "de"', "fa"),
        ('["fa", "en"]', '["fa", "fa"]', "languages", "more than once", "keep one"),
        ('["fa", "en"]', "[]", "languages", "there is no language", "at least one"),
        ('["fa", "en"]', '"fa"', "languages", "expected a list, found text", "write [ … ]"),
        ('["hw4_convnets"]', '["hw4"]', "assignments[0]", "no folder assignments/hw4", "hw4_convnets"),
        ('["hw4_convnets"]', '["../x"]', "assignments[0]", "cannot name", "lower-case"),
        ('"roster.csv"', '"list.csv"', "roster", "there is no file list.csv", "remove this key"),
        ('"grace-then-linear"', '"grace-linear"', "late.policy", "not possible", "grace-then-linear"),
        ("policy =", "policies =", "late.policy", "missing", '"hard-deadline"'),
        ("percent_per_day = 50", "percent_per_day = 150", "late.percent_per_day", "150 is out", "0 to 100"),
        ("percent_per_day = 50", 'percent_per_day = "50"', "late.percent_per_day", "found text", "quotes: 50"),
        ("percent_per_day = 50", "percent_per_day = nan", "late.percent_per_day", "NaN", "finite"),
        ("percent_per_day = 50", "percent_per_day = true", "late.percent_per_day", "true or false", "a number"),
        ("percent_per_day = 50", "", "late.percent_per_day", "missing", "add percent_per_day"),
        ("grace_hours", "grace_hour", "late.grace_hour", "unknown key", "grace_hours"),
        (', en = "Deep learning"', "", "title.en", "translation is missing", 'en = "…"'),
        ('"Deep learning"', '"  "', "title.en", "empty", "en"),
        ('"Deep learning"', '"Deep learning", fr = "L\'apprentissage"', "title.fr", '"fr"', "fa, en"),
        ('{ fa = "یادگیری ژرف", en = "Deep learning" }', '"x"', "title", "found text", '{ fa = "…", en = "…" }'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_key_and_remedy(folder, old, new, key, problem, remedy):
    folder.replace("course.toml", old, new)
    problems = problems_of(folder)
    assert list(problems) == [key]
    assert problem in problems[key][0]
    assert remedy in problems[key][1]


def test_all_mistakes_are_told_at_once(folder):
    folder.replace("course.toml", "calendar =", "calender =")
    folder.replace("course.toml", ', en = "Deep learning"', "")
    folder.replace("course.toml", "percent_per_day = 50", "percent_per_day = -1")
    folder.replace("course.toml", '"roster.csv"', '"list.csv"')
    with pytest.raises(CourseError) as caught:
        read_course(folder.root)
    keys = [each.key for each in caught.value.problems]
    assert keys == ["title.en", "calender", "late.percent_per_day", "roster"]
    assert str(caught.value).startswith(
        "4 mistakes in the course's files:\ncourse.toml, title.en\n"
    )


def test_a_course_in_one_language_needs_no_other(folder):
    folder.replace("course.toml", '["fa", "en"]', '["fa"]')
    folder.replace("course.toml", ', en = "Deep learning"', "")
    assert read_course(folder.root).languages == ("fa",)


def test_the_error_survives_a_journey_to_another_process(folder):
    folder.replace("course.toml", "calendar =", "calender =")
    with pytest.raises(CourseError) as caught:
        read_course(folder.root)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems
    assert str(again) == str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "problem", "remedy"),
    [
        ("HW10", "must hold {student} once", "HW{number}_{student}"),
        ("{student}_{student}", "must hold {student} once", "HW{number}_{student}"),
        ("HW_{id}", '"id" in braces', "{student}, {number}, {slug}, {any}"),
        ("HW_{student", "is no pattern", "HW{number}_{student}"),
    ],
)
def test_a_pattern_of_names_that_says_no_student_is_told(folder, pattern, problem, remedy):
    folder.file("course.toml").write_text(
        folder.file("course.toml").read_text("utf-8") + f'\n[hand_ins]\nnames = ["{pattern}"]\n',
        "utf-8",
    )
    problems = problems_of(folder)
    assert problem in problems["hand_ins.names[0]"][0]
    assert remedy in problems["hand_ins.names[0]"][1]


def test_an_assignment_may_name_its_hand_ins_otherwise_than_the_course(folder):
    text = folder.file("course.toml").read_text("utf-8")
    folder.write("course.toml", text + '\n[hand_ins]\nnames = ["HW{number}_{student}"]\n')
    course = read_course(folder.root)
    assert read_assignment(course, "hw4_convnets").hand_in_names == ("HW{number}_{student}",)
    path = folder.assignment / "assignment.toml"
    path.write_text('hand_in_names = ["{student}"]\n' + path.read_text("utf-8"), "utf-8")
    assert read_assignment(course, "hw4_convnets").hand_in_names == ("{student}",)
