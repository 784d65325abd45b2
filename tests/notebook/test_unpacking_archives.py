"""Archives that were made to do harm, or by programs with habits of their own."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.notebook import Bounds, Found, Unreadable, find_notebook

DATA = Path(__file__).parent / "data"
HW4 = (DATA / "jupyter_hw4.ipynb").read_bytes()
SLUG = "hw4_convnets"


def pack(
    *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # "duplicate name" is what one of the tests is about
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def find(tmp_path: Path, data: bytes, bounds: Bounds | None = None) -> Found:
    path = tmp_path / "HW4_99123456.zip"
    path.write_bytes(data)
    return find_notebook(path, SLUG, bounds=bounds)


def told(found: Found) -> dict[str, object]:
    return {f.id: f.values.get("names") for f in found.findings}


def test_names_that_leave_the_archive_are_refused(tmp_path):
    evil = [
        "../up.txt",
        "a/../../up.txt",
        "/etc/cron.d/x",
        "C:\\x.txt",
        "..\\b\\up.txt",
        "a//b",
        "./c",
        "d\x07.txt",
    ]
    found = find(tmp_path, pack(("hw4.ipynb", HW4), *[(name, b"x") for name in evil]))
    assert found.files == ()
    assert len(told(found)["names-refused"]) == len(evil)  # type: ignore[arg-type]


def test_a_member_without_any_name_is_refused(tmp_path):
    data = pack(("hw4.ipynb", HW4), ("x", b"1"))
    for signature, length, name in ((b"PK\x03\x04", 26, 30), (b"PK\x01\x02", 28, 46)):
        at = data.rindex(signature)
        data = data[: at + length] + b"\0\0" + data[at + length + 2 :]
        data = data[: at + name] + data[at + name + 1 :]
    end = data.rindex(b"PK\x05\x06")
    size, offset = struct.unpack_from("<II", data, end + 12)
    data = data[: end + 12] + struct.pack("<II", size - 1, offset - 1) + data[end + 20 :]
    found = find(tmp_path, data)
    assert (found.name, told(found)) == ("hw4.ipynb", {"names-refused": [""]})


def test_a_name_that_grows_when_its_letters_are_composed_is_refused(tmp_path):
    name = "\u0958" * 80 + ".csv"
    found = find(tmp_path, pack(("hw4.ipynb", HW4), (name, b"1")))
    assert (found.files, told(found)) == ((), {"names-refused": [name]})


def test_names_with_backslashes_are_folders(tmp_path):
    found = find(tmp_path, pack(("hw4.ipynb", HW4), ("data\\a.csv", b"1")))
    assert [f.name for f in found.files] == ["data/a.csv"]


def test_links_are_skipped(tmp_path):
    link = zipfile.ZipInfo("passwd.txt")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    found = find(tmp_path, pack(("hw4.ipynb", HW4), (link, b"/etc/passwd")))
    assert found.files == ()
    assert told(found) == {"links-skipped": ["passwd.txt"]}


def test_a_bomb_is_not_unpacked(tmp_path):
    found = find(tmp_path, pack(("hw4.ipynb", HW4), ("bomb.txt", b"\0" * 20_000_000)))
    assert found.files == ()
    assert told(found) == {"files-left-out": ["bomb.txt"]}


def test_a_bomb_that_calls_itself_a_notebook_is_told(tmp_path):
    with pytest.raises(Unreadable) as caught:
        find(tmp_path, pack(("hw4.ipynb", b" " * 20_000_000)))
    assert [f.id for f in caught.value.findings] == ["files-left-out", "empty-hand-in"]


def test_a_member_that_lies_about_its_size_gives_no_more_than_it_says(tmp_path):
    data = pack(("hw4.ipynb", HW4), ("big.bin", bytes(range(256)) * 8000))
    real, claimed = struct.pack("<I", 256 * 8000), struct.pack("<I", 10)
    assert data.count(real) == 2
    found = find(tmp_path, data.replace(real, claimed))
    assert found.files == ()
    assert told(found) == {"files-left-out": ["big.bin"]}


def test_all_members_together_are_bounded(tmp_path):
    members = [(f"{i}.bin", bytes(range(256)) * 40) for i in range(10)]
    found = find(tmp_path, pack(("hw4.ipynb", HW4), *members), Bounds(total_bytes=50_000))
    assert sum(len(f.data) for f in found.files) <= 50_000
    assert len(found.files) == 4


def test_the_number_of_members_is_bounded(tmp_path):
    members = [(f"{i:05}.txt", b"") for i in range(3000)]
    found = find(tmp_path, pack(("hw4.ipynb", HW4), *members))
    assert len(found.files) == 1999
    assert "too-many-files" in told(found)


def test_a_directory_of_a_million_names_is_not_even_read(tmp_path):
    data = pack(("hw4.ipynb", HW4))
    end = data.rindex(b"PK\x05\x06")
    directory = data.rindex(b"PK\x01\x02", 0, end)
    entry = data[directory:end]
    count = 5 * 1024 * 1024 // len(entry)
    closing = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, count * len(entry), directory, 0
    )
    with pytest.raises(Unreadable) as caught:
        find(tmp_path, data[:directory] + entry * count + closing)
    assert caught.value.finding.id == "archive-broken"


def test_an_archive_that_is_too_large_is_not_opened(tmp_path):
    with pytest.raises(Unreadable, match="was not opened"):
        find(tmp_path, pack(("hw4.ipynb", HW4)), Bounds(archive_bytes=100))


def test_a_password_is_told(tmp_path):
    data = bytearray(pack(("hw4.ipynb", HW4), method=zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    with pytest.raises(Unreadable, match="protected by a password"):
        find(tmp_path, bytes(data))


def test_an_encrypted_file_beside_the_notebook_costs_only_itself(tmp_path):
    data = bytearray(pack(("hw4.ipynb", HW4), ("report.pdf", b"%PDF")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(signature) + offset] |= 1
    found = find(tmp_path, bytes(data))
    assert (found.name, told(found)) == ("hw4.ipynb", {"files-encrypted": ["report.pdf"]})


def test_a_compression_that_python_does_not_know_is_told(tmp_path):
    data = bytearray(pack(("hw4.ipynb", HW4)))
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(signature) + offset] = 9  # Deflate64, as Windows uses beyond 2 GB
    with pytest.raises(Unreadable, match="could not be taken out"):
        find(tmp_path, bytes(data))


def test_a_member_whose_lzma_is_damaged_is_told(tmp_path):
    data = bytearray(pack(("hw4.ipynb", HW4), method=zipfile.ZIP_LZMA))
    at = data.index(b"\x05\0", 30)  # the size of the properties that follow
    data[at + 2] = 0xFF  # the first of them
    with pytest.raises(Unreadable, match="could not be taken out"):
        find(tmp_path, bytes(data))


def test_of_two_members_with_one_name_the_last_is_taken_and_told(tmp_path):
    found = find(tmp_path, pack(("hw4.ipynb", b"{}"), ("hw4.ipynb", HW4)))
    assert found.notebook == HW4
    assert told(found) == {"names-twice": ["hw4.ipynb"]}


def test_names_that_clash_on_other_systems_are_told_and_kept(tmp_path):
    found = find(tmp_path, pack(("hw4.ipynb", HW4), ("Data.csv", b"1"), ("data.csv", b"2")))
    assert {f.name: f.data for f in found.files} == {"Data.csv": b"1", "data.csv": b"2"}
    assert told(found) == {"names-clash": ["data.csv"]}


def test_a_file_in_the_way_of_a_folder_keeps_its_place(tmp_path):
    found = find(tmp_path, pack(("hw4.ipynb", HW4), ("data", b"file"), ("data/a.csv", b"1")))
    assert [f.name for f in found.files] == ["data"]
    found.put_files(tmp_path)
    assert told(found) == {"names-refused": ["data/a.csv"]}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1256"])
def test_persian_names_are_read_whatever_made_the_archive(tmp_path, encoding):
    name = "تمرين".encode(encoding)
    data = pack(("x" * len(name) + ".ipynb", HW4)).replace(b"x" * len(name), name)
    assert find(tmp_path, data).name == "تمرين.ipynb"


def test_composed_and_decomposed_letters_are_one_name(tmp_path):
    decomposed, composed = "\u0627\u0653.csv", "\u0622.csv"
    found = find(tmp_path, pack(("hw4.ipynb", HW4), (decomposed, b"mac"), (composed, b"linux")))
    assert [f.name for f in found.files] == [composed]
    assert found.files[0].data == b"linux"


def test_programs_leftovers_are_ignored(tmp_path):
    leftovers = [
        "__MACOSX/._hw4.ipynb",
        ".ipynb_checkpoints/hw4-checkpoint.ipynb",
        ".DS_Store",
        "Thumbs.db",
    ]
    found = find(tmp_path, pack(("hw4.ipynb", HW4), *[(name, b"x") for name in leftovers]))
    assert (found.files, found.findings) == ((), ())


ARCHIVE = pack(("HW4/hw4.ipynb", HW4), ("HW4/data.csv", b"1,2,3\n" * 50), ("HW4/a.zip", b"PK"))


@given(
    st.lists(
        st.tuples(st.integers(0, len(ARCHIVE)), st.integers(0, 8), st.binary(max_size=8)),
        max_size=5,
    )
)
@settings(max_examples=300, deadline=None)
def test_damaged_archives_are_read_or_explained(tmp_path_factory, damages):
    data = ARCHIVE
    for at, length, inserted in damages:
        data = data[:at] + inserted + data[at + length :]
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(data)
    name = why = ""
    try:
        name = find_notebook(path, SLUG).name
    except Unreadable as problem:
        why = problem.finding.id
    assert name.endswith(".ipynb") or why
