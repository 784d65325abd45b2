"""The roster: files as spreadsheets export them, and mistakes by line."""

from __future__ import annotations

import pytest

from grader.course import CourseError, Student, read_roster


def roster(tmp_path, content):
    file = tmp_path / "roster.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_roster(file)


def problems_of(tmp_path, content):
    with pytest.raises(CourseError) as caught:
        roster(tmp_path, content)
    return [(p.line, p.key, p.problem, p.remedy) for p in caught.value.problems]


def test_all_columns_in_any_order_with_others_between(tmp_path):
    read = roster(
        tmp_path,
        "Name, ID ,faculty,email,section,group\nمینا راد,400123,مهندسی,m@ut.ac.ir,2,alpha\n",
    )
    assert read.students == (
        Student(id="400123", name="مینا راد", email="m@ut.ac.ir", section="2", group="alpha"),
    )


def test_byte_order_mark_persian_digits_and_invisible_marks_are_taken_off(tmp_path):
    read = roster(tmp_path, "\ufeffid,name\r\n\u200f۴۰۰۱۲۳۴۵۶ ,مینا\r\n٤٠٠١,Sara\r\n")
    assert [student.id for student in read.students] == ["400123456", "4001"]
    assert read.find("۴۰۰۱").name == "Sara"
    assert read.find("4002") is None


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_of_spreadsheets(tmp_path, separator):
    read = roster(tmp_path, separator.join(["id", "name"]) + "\n" + separator.join(["1", "Sara"]))
    assert read.students == (Student(id="1", name="Sara"),)


def test_empty_lines_are_passed_over_and_still_counted(tmp_path):
    assert len(roster(tmp_path, "\nid,name\n\n1,Sara\n,\n2,Ali\n\n").students) == 2
    problems = problems_of(tmp_path, "id,name\n\n1,Sara\n,,\n\n1,Ali\n")
    assert problems == [
        (6, "id", 'line 3 has the student "1" already', "keep one of the two lines")
    ]


def test_one_student_with_two_spellings_is_a_duplicate(tmp_path):
    ((line, key, problem, _),) = problems_of(tmp_path, "id,name\n۴۰۰,Sara\n400,Sara\n")
    assert (line, key, problem) == (3, "id", 'line 2 has the student "400" already')


def test_every_bad_line_is_told(tmp_path):
    problems = problems_of(
        tmp_path, "id,name,email\n,Sara,\n4.00E+08,Ali,\n../x,Reza,\n5,,\n6,Mina,mina\n7,Nima,a@b\n"
    )
    assert [(line, key) for line, key, _, _ in problems] == [
        (2, "id"),
        (3, "id"),
        (4, "id"),
        (5, "name"),
        (6, "email"),
    ]
    assert problems[0][2] == "the id is missing"
    assert "a spreadsheet has rounded" in problems[1][2]
    assert '"../x" cannot be a student id' in problems[2][2]
    assert problems[4][2] == '"mina" is not an e-mail address'


def test_a_name_with_a_line_break_keeps_the_line_numbers_right(tmp_path):
    ((line, _, _, _),) = problems_of(tmp_path, 'id,name\n1,"Sara\nRad"\n,Ali\n')
    assert line == 4


def test_a_field_too_many_is_told(tmp_path):
    ((line, _, problem, remedy),) = problems_of(tmp_path, "id,name\n1,Rad, Sara\n")
    assert (line, problem) == (2, "3 fields stand here, but there are 2 columns")
    assert remedy == "put a field that contains a comma in double quotes"


@pytest.mark.parametrize(
    ("header", "key", "problem", "remedy"),
    [
        ("id,nmae", "nmae", '"nmae" is not a column', 'did you mean "name"?'),
        ("student,email", "", 'there is no column "id", "name"', "id,name,email,section,group"),
        ("id,name,id", "id", "two columns have this name", "rename"),
    ],
)
def test_a_wrong_header_is_told(tmp_path, header, key, problem, remedy):
    found = problems_of(tmp_path, f"{header}\n1,Sara,2\n")
    assert [(line, k) for line, k, _, _ in found] == [(1, key)]
    assert problem in found[0][2]
    assert remedy in found[0][3]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("", 1, "this file is empty"),
        ("id,name\n", None, "no student is listed"),
        ('id,name\n1,"Sara\n', 2, "not valid CSV"),
        ("id,name\n1,رضا\n".encode("cp1256"), 2, "not UTF-8"),
        ("id,name\n1,Sara\n".encode("utf-16"), 1, "not UTF-8"),
    ],
)
def test_a_file_that_is_no_roster_is_told(tmp_path, content, line, problem):
    ((found_line, _, found, _),) = problems_of(tmp_path, content)
    assert found_line == line
    assert problem in found


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(CourseError, match=r"roster\.csv\n    cannot be read: No such file"):
        read_roster(tmp_path / "roster.csv")
