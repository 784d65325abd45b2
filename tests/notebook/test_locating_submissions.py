"""Which hand-ins there are, whose they are, and which notebook of each is graded."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from grader.notebook import (
    Bounds,
    Finding,
    Unreadable,
    assignment_of,
    find_notebook,
    list_submissions,
    read_notebook,
    survey,
)
from grader.notebook.naming import student_of

DATA = Path(__file__).parent / "data"
HW4 = (DATA / "jupyter_hw4.ipynb").read_bytes()
HW10 = (DATA / "colab_hw10.ipynb").read_bytes()
SLUG = "hw10_transfer_learning"


def pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def lay(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


# ---------------------------------------------------------------- whose


def test_folders_notebooks_and_archives_are_listed_by_student(tmp_path):
    root = tmp_path / SLUG
    lay(
        root,
        {
            "99123456/HW10 (1).ipynb": HW10,
            "sara/hw.ipynb": HW10,
            "97111111.ipynb": HW10,
            "HW10_98222222.zip": pack({"a.ipynb": HW10}),
            "HW10_98333333.rar": b"Rar!\x1a\x07",
            "۹۶۴۴۴۴۴۴-HW10.pdf": b"%PDF",
            "README.md": b"#",
            ".DS_Store": b"",
            "__MACOSX/._a": b"",
            "roster.csv": b"",
        },
    )
    found = list_submissions(tmp_path, SLUG)
    assert {student: path.name for student, path in found.items()} == {
        "96444444": "۹۶۴۴۴۴۴۴-HW10.pdf",
        "97111111": "97111111.ipynb",
        "98222222": "HW10_98222222.zip",
        "98333333": "HW10_98333333.rar",
        "99123456": "99123456",
        "sara": "sara",
    }
    assert list(found) == sorted(found)


def test_an_assignment_without_hand_ins_has_none(tmp_path):
    assert list_submissions(tmp_path, SLUG) == {}


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("HW10_99123456.zip", "HW10_99123456 (1).zip"), "HW10_99123456 (1).zip"),
        (("HW10_99123456.zip", "HW10_99123456_v2.zip", "HW10_99123456_v10.zip"), "HW10_99123456_v10.zip"),
        (("HW10_99123456_v2 (1).zip", "HW10_99123456_V2.zip"), "HW10_99123456_v2 (1).zip"),
        (("hw10-۹۹۱۲۳۴۵۶ نسخه ۲.zip", "HW10_99123456.zip"), "hw10-۹۹۱۲۳۴۵۶ نسخه ۲.zip"),
        (("99123456_2.ipynb", "99123456.ipynb"), "99123456_2.ipynb"),
        (("99123456", "HW10_99123456.zip"), "99123456"),
        (("۹۹۱۲۳۴۵۶", "HW10_99123456.zip"), "۹۹۱۲۳۴۵۶"),
        (("99123456.ipynb", "HW10_99123456.zip"), "99123456.ipynb"),
        (("HW10_99123456.zip", "HW10_99123456 (3).rar"), "HW10_99123456.zip"),
    ],
)  # fmt: skip
def test_of_several_attempts_of_a_student_the_last_that_can_be_read_is_graded(
    tmp_path, names, taken
):
    root = tmp_path / SLUG
    for name in names:
        if "." in name:
            lay(root, {name: b""})
        else:
            (root / name).mkdir(parents=True)
    found = survey(tmp_path, SLUG)
    assert {student: path.name.lower() for student, path in found.paths.items()} == {
        "99123456": taken.lower()
    }
    left = {path.name.lower() for path in found.superseded["99123456"]}
    assert left == {name.lower() for name in names} - {taken.lower()}


def test_a_pdf_beside_a_notebook_belongs_to_it_and_alone_it_is_the_hand_in(tmp_path):
    root = lay(
        tmp_path / SLUG,
        {
            "HW10_99123456.ipynb": HW10,
            "HW10_99123456.pdf": b"%PDF",
            "HW10_99777777.pdf": b"%PDF",
            "HW10_99777777_v2.pdf": b"%PDF",
        },
    )
    found = survey(tmp_path, SLUG)
    assert found.beside == {"99123456": (root / "HW10_99123456.pdf",)}
    assert found.paths["99777777"] == root / "HW10_99777777_v2.pdf"
    assert set(found.superseded) == {"99777777"}


def test_a_course_says_how_hand_ins_are_named_and_other_names_are_told(tmp_path):
    root = lay(
        tmp_path / SLUG,
        {
            "Ex10-ahmadi.42-Group 3.zip": b"",
            "ex۱۰-rezai.7-.zip": b"",
            "EX10-rezai.7- (1).zip": b"",
            "Ex9-omid-x.zip": b"",
            "homework.zip": b"",
            "notes.txt": b"",
            "received.csv": b"",
        },
    )
    found = survey(tmp_path, SLUG, ("Ex{number}-{student}-{any}",))
    assert {student: path.name for student, path in found.paths.items()} == {
        "Ex9-omid-x": "Ex9-omid-x.zip",
        "ahmadi.42": "Ex10-ahmadi.42-Group 3.zip",
        "homework": "homework.zip",
        "rezai.7": "EX10-rezai.7- (1).zip",
    }
    assert set(found.misnamed) == {"Ex9-omid-x", "homework"}
    assert found.passed_over == (root / "notes.txt",)


def test_without_a_pattern_only_names_that_say_nothing_are_told(tmp_path):
    names = ("99123456", "sara", "HW10 سارا", "final project", "سارا", "HW9_98111111", "HW_77")
    lay(tmp_path / SLUG, {f"{name}.ipynb": HW10 for name in names})
    told = survey(tmp_path, SLUG).misnamed
    assert set(told) == {"final project", "سارا", "98111111", "HW_77"}


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("．．／．．／up.ipynb", "_._.._up"),  # "../../up", once its letters are normalised
        ("‥.ipynb", "__"),
        ("a\x1b[2J\n.ipynb", "a_[2J"),
        ("\u202efdp.ipynb", "fdp"),
        ("index.html", "index.html_"),
        (b"\xff\xfe.ipynb", "__"),
        (f"{chr(0xFDFA) * 60}.ipynb", None),  # eighteen letters each, once normalised
    ],
)
def test_every_student_id_can_name_a_folder_of_reports(tmp_path, name, student):
    root = tmp_path / SLUG
    root.mkdir()
    path = root / os.fsdecode(name)
    if path.suffix == ".html":
        path.mkdir()
    else:
        path.write_bytes(HW10)
    (found,) = list_submissions(tmp_path, SLUG)
    assert student in (None, found)
    reports = tmp_path / "reports"
    (reports / found).mkdir(parents=True)
    assert (reports / found).resolve().parent == reports.resolve()
    assert found.encode("utf-8", "strict").decode().isprintable()
    find_notebook_or_say_why(path).encode()


def find_notebook_or_say_why(path):
    try:
        return find_notebook(path, SLUG).name
    except Unreadable as problem:
        return str(problem)


def test_two_names_that_become_one_id_are_both_listed(tmp_path):
    root = tmp_path / SLUG
    for name in ("آوا", "ا\u0653وا", "a\tb", "a\nb", "a_b"):
        (root / name).mkdir(parents=True)
    found = list_submissions(tmp_path, SLUG)
    assert sorted(found) == sorted(["آوا", "آوا-2", "a_b", "a_b-2", "a_b-3"])
    assert set(found.values()) == set(root.iterdir())


@pytest.mark.parametrize(
    ("stem", "student"),
    [
        ("HW10_99123456", "99123456"),
        ("99123456", "99123456"),
        ("hw10-۹۹۱۲۳۴۵۶", "99123456"),
        ("HW10_Ahmadi_99123456", "99123456"),
        ("99123456_hw_10", "99123456"),
        ("HW10_99123456 (2)", "99123456"),
        ("hw10_transfer_learning_sara", "sara"),
        ("Sara Ahmadi - HW10", "Sara Ahmadi"),
        ("تمرین ۱۰ سارا", "سارا"),
        ("sara", "sara"),
        ("sara (1)", "sara"),
        ("hw1_99", "hw1_99"),
        ("HW10", "HW10"),
    ],
)
def test_the_student_id_is_read_from_the_file_name(stem, student):
    assert student_of(stem, SLUG) == student


@pytest.mark.parametrize(
    ("stem", "slug"),
    [
        ("HW10 (1)", "hw10_transfer_learning"),
        ("hw-04_99123456", "hw4_convnets"),
        ("Ablation Study", "ablation_study"),
        ("تمرین ۴", "hw4_convnets"),
        ("Untitled", None),
        ("hw4 and hw10", None),
    ],
)
def test_the_assignment_is_read_from_the_file_name(stem, slug):
    slugs = ["hw4_convnets", "hw10_transfer_learning", "ablation_study"]
    assert assignment_of(stem, slugs) == slug


# ---------------------------------------------------------------- which notebook


def test_a_single_file_is_the_notebook(tmp_path):
    path = lay(tmp_path, {"99123456.ipynb": HW10}) / "99123456.ipynb"
    found = find_notebook(path, SLUG)
    assert (found.notebook, found.name, found.files, found.findings) == (HW10, path.name, (), ())


def test_the_only_notebook_of_a_folder_is_taken_with_its_files_beside_it(tmp_path):
    lay(
        tmp_path,
        {
            "Untitled3.ipynb": HW10,
            "report.pdf": b"%PDF",
            "data/cars.csv": b"1,2",
            ".ipynb_checkpoints/Untitled3-checkpoint.ipynb": HW4,
            ".git/config": b"",
            "__pycache__/a.pyc": b"",
        },
    )
    found = find_notebook(tmp_path, SLUG)
    assert (found.notebook, found.name, found.findings) == (HW10, "Untitled3.ipynb", ())
    assert [(f.name, f.data) for f in found.files] == [
        ("data/cars.csv", b"1,2"),
        ("report.pdf", b"%PDF"),
    ]


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["hw10_transfer_learning.ipynb", "scratch.ipynb"], "hw10_transfer_learning.ipynb"),
        (["HW10 (1).ipynb", "a.ipynb"], "HW10 (1).ipynb"),
        (["Copy of HW 10.ipynb", "HW1.ipynb"], "Copy of HW 10.ipynb"),
        (["تمرین ۱۰.ipynb", "تمرین ۱.ipynb"], "تمرین ۱۰.ipynb"),
        (["HW10_99123456.ipynb", "old/HW9_99123456.ipynb"], "HW10_99123456.ipynb"),
        (["a.ipynb", "HW010.ipynb"], "HW010.ipynb"),
        (
            ["hw10_transfer_learning_old.ipynb", "hw10_transfer_learning.ipynb"],
            "hw10_transfer_learning.ipynb",
        ),
    ],
)
def test_the_notebook_named_like_the_assignment_is_taken_without_a_word(tmp_path, names, taken):
    lay(tmp_path, {name: HW10 if name == taken else HW4 for name in names})
    found = find_notebook(tmp_path, SLUG)
    assert (found.name, found.notebook, found.findings) == (taken, HW10, ())
    assert len(found.files) == len(names) - 1


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["part2.ipynb", "part1.ipynb"], "part1.ipynb"),
        (["HW10 (1).ipynb", "HW10.ipynb"], "HW10.ipynb"),
        (["b/a.ipynb", "long name.ipynb"], "long name.ipynb"),
        (["HW10_final.ipynb", "HW10_a.ipynb", "c.ipynb"], "HW10_a.ipynb"),
    ],
)
def test_otherwise_one_is_taken_by_rule_and_all_are_told(tmp_path, names, taken):
    lay(tmp_path, dict.fromkeys(names, HW10))
    found = find_notebook(tmp_path, SLUG)
    assert found.name == taken
    assert found.findings == (
        Finding("several-notebooks", {"names": sorted(names), "taken": taken}),
    )


def test_files_are_placed_as_the_notebook_sees_them(tmp_path):
    files = {
        "HW10_99/code/hw10.ipynb": HW10,
        "HW10_99/code/data/a.csv": b"near",
        "HW10_99/data/a.csv": b"taken",
        "HW10_99/data/b.csv": b"far",
        "HW10_99/code/model": b"a file",
        "HW10_99/model/weights.pt": b"in the way of it",
        "HW10_99/model.py": b"x = 1",
        "other/c.txt": b"c",
    }
    path = tmp_path / "HW10_99.zip"
    path.write_bytes(pack(files))
    found = find_notebook(path, SLUG)
    assert {f.name: f.data for f in found.files} == {
        "data/a.csv": b"near",
        "data/b.csv": b"far",
        "model": b"a file",
        "model.py": b"x = 1",
        "other/c.txt": b"c",
    }
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found.put_files(scratch)
    assert (scratch / "data" / "a.csv").read_bytes() == b"near"
    assert sorted(p.name for p in scratch.rglob("*") if p.is_file()) == [
        "a.csv",
        "b.csv",
        "c.txt",
        "model",
        "model.py",
    ]


def test_a_zip_in_the_folder_is_opened_when_no_notebook_lies_beside_it(tmp_path):
    archive = pack(
        {"HW10/hw10.ipynb": HW10, "HW10/x.csv": b"1", "__MACOSX/HW10/._hw10.ipynb": b"\0"}
    )
    lay(tmp_path, {"HW10_99123456.zip": archive, "answers.pdf": b"%PDF", "x.csv": b"other"})
    found = find_notebook(tmp_path, SLUG)
    assert (found.notebook, found.name) == (HW10, "HW10_99123456.zip/HW10/hw10.ipynb")
    assert {f.name: f.data for f in found.files} == {"x.csv": b"1", "answers.pdf": b"%PDF"}


def test_a_zip_beside_a_notebook_is_a_data_file(tmp_path):
    lay(tmp_path, {"a.ipynb": HW10, "data.zip": pack({"b.ipynb": HW4})})
    found = find_notebook(tmp_path, SLUG)
    assert found.name == "a.ipynb"
    assert [f.name for f in found.files] == ["data.zip"]


def test_of_several_zips_the_one_named_like_the_assignment_is_opened(tmp_path):
    lay(tmp_path, {"a.zip": pack({"a.ipynb": HW4}), "HW10.zip": pack({"b.ipynb": HW10})})
    found = find_notebook(tmp_path, SLUG)
    assert found.notebook == HW10
    assert [f.id for f in found.findings] == ["several-archives"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "empty-hand-in"),
        ({"report.pdf": b"%PDF", "model.pt": b"PK"}, "no-notebook"),
        ({"hw10.rar": b"Rar!"}, "archive-unsupported"),
        ({"hw10.zip": pack({"inner.zip": pack({"hw10.ipynb": HW10})})}, "archive-nested"),
        ({"hw10.zip": b"PK\x03\x04 broken"}, "archive-broken"),
        ({"hw10.zip": pack({})}, "empty-hand-in"),
    ],
)
def test_a_hand_in_without_a_notebook_says_why(tmp_path, files, why):
    lay(tmp_path, files)
    with pytest.raises(Unreadable) as caught:
        find_notebook(tmp_path, SLUG)
    assert caught.value.finding.id == why


def test_a_program_handed_in_instead_is_passed_to_the_reader_which_says_so(tmp_path):
    path = lay(tmp_path, {"HW10_99123456.py": b"import torch\n"}) / "HW10_99123456.py"
    with pytest.raises(Unreadable, match="Python program"):
        read_notebook(find_notebook(path, SLUG).notebook)


def test_missing_and_foreign_archives_are_told(tmp_path):
    with pytest.raises(Unreadable, match="no ordinary file"):
        find_notebook(tmp_path / "none.ipynb", SLUG)
    path = lay(tmp_path, {"HW10_1.7z": b"7z"}) / "HW10_1.7z"
    with pytest.raises(Unreadable, match="Use zip"):
        find_notebook(path, SLUG)


# ---------------------------------------------------------------- safety of folders


def test_links_and_pipes_in_a_folder_are_neither_followed_nor_waited_for(tmp_path):
    secret = lay(tmp_path / "outside", {"secret.txt": b"secret", "other.ipynb": HW4})
    root = lay(tmp_path / "99123456", {"a.ipynb": HW10})
    (root / "link.txt").symlink_to(secret / "secret.txt")
    (root / "folder").symlink_to(secret)
    os.mkfifo(root / "pipe.csv")
    found = find_notebook(root, SLUG)
    assert (found.name, found.files) == ("a.ipynb", ())
    assert found.findings == (
        Finding("links-skipped", {"names": ["folder", "link.txt", "pipe.csv"]}),
    )


def test_names_that_no_encoding_can_write_are_refused(tmp_path):
    lay(tmp_path, {"a.ipynb": HW10})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.csv")).write_bytes(b"1")
    (tmp_path / "line\nbreak.csv").write_bytes(b"1")
    found = find_notebook(tmp_path, SLUG)
    assert found.files == ()
    assert [f.id for f in found.findings] == ["names-refused"]


def test_files_beyond_the_bounds_are_left_out_and_told(tmp_path):
    lay(tmp_path, {"a.ipynb": HW10, "b.bin": b"1" * 600, "c.bin": b"1" * 600, "d.bin": b"1" * 2000})
    found = find_notebook(tmp_path, SLUG, bounds=Bounds(file_bytes=1000, total_bytes=1000))
    assert [f.name for f in found.files] == ["b.bin"]
    assert found.findings == (Finding("files-left-out", {"names": ["c.bin", "d.bin"]}),)


def test_a_folder_with_too_many_files_is_cut(tmp_path):
    lay(tmp_path, {"a.ipynb": HW10} | {f"f{i}.txt": b"" for i in range(30)})
    found = find_notebook(tmp_path, SLUG, bounds=Bounds(files=10))
    assert len(found.files) == 9
    assert found.findings == (Finding("too-many-files", {"limit": 10}),)


def test_the_result_does_not_depend_on_the_order_on_disk(tmp_path):
    names = ["b.ipynb", "a.ipynb", "c/a.ipynb", "z.csv"]
    first = lay(tmp_path / "1", dict.fromkeys(names, HW10))
    second = lay(tmp_path / "2", dict.fromkeys(reversed(names), HW10))
    assert find_notebook(first, SLUG) == find_notebook(second, SLUG)
    shutil.rmtree(first)
