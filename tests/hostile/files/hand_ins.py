"""Hand-ins whose files do harm: one attack each, with what must be told of it."""

from __future__ import annotations

import io
import json
import os
import random
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MEBIBYTE = 1 << 20
Member = tuple[str | zipfile.ZipInfo, bytes]


class HandIn(NamedTuple):
    """One attack.

    Attributes
    ----------
    make
        Writes it into a folder, with the honest notebook (its bytes) somewhere in it, and
        returns its path.
    graded
        Whether that notebook is found and earns what it is worth.
    notices
        What the card must tell, by id.
    """

    make: Callable[[Path, bytes], Path]
    graded: bool
    notices: frozenset[str]


HAND_INS: dict[str, HandIn] = {}


def hand_in(*notices: str, graded: bool) -> Callable[..., Callable[[Path, bytes], Path]]:
    def register(make: Callable[[Path, bytes], Path]) -> Callable[[Path, bytes], Path]:
        HAND_INS[make.__name__.replace("_", "-")] = HandIn(make, graded, frozenset(notices))
        return make

    return register


def packed(*members: Member, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def of_kind(name: str, kind: int) -> zipfile.ZipInfo:
    """A member that says it is no regular file."""
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    return member


def with_metadata(notebook: bytes, json_text: bytes) -> bytes:
    """The notebook with one more value in its metadata, written as it is."""
    return notebook.replace(b'"metadata": {', b'"metadata": {"a": ' + json_text + b",", 1)


def with_cells(notebook: bytes, *cells: dict[str, object]) -> bytes:
    document = json.loads(notebook)
    document["cells"] += cells
    return json.dumps(document).encode()


def code(source: str, **fields: object) -> dict[str, object]:
    outputs: list[object] = []
    cell = {"cell_type": "code", "metadata": {}, "outputs": outputs, "execution_count": None}
    return {**cell, "source": source, **fields}


def dense(size: int) -> bytes:
    """Bytes that shrink about a hundredfold: less than a bomb's, more than any text's."""
    block = random.Random(3).randbytes(400) + bytes(40_000)  # longer than what zip looks back
    return (block * (size // len(block) + 1))[:size]


# -- archives that grow -----------------------------------------------------------------


@hand_in("files-left-out", graded=True)
def a_bomb_beside_the_notebook(folder: Path, notebook: bytes) -> Path:
    return written(folder, "h.zip", packed(("a.ipynb", notebook), ("b.txt", bytes(64 * MEBIBYTE))))


@hand_in("files-left-out", "empty-hand-in", graded=False)
def a_bomb_that_is_the_notebook(folder: Path, notebook: bytes) -> Path:
    return written(folder, "h.zip", packed(("a.ipynb", b" " * (64 * MEBIBYTE))))


@hand_in("files-left-out", graded=True)
def five_files_just_below_a_bomb(folder: Path, notebook: bytes) -> Path:
    large = dense(64 * MEBIBYTE)
    members = [(f"{i}.bin", large) for i in range(5)]
    data = packed(("a.ipynb", notebook), *members)
    assert len(data) < 5 * MEBIBYTE
    return written(folder, "h.zip", data)


@hand_in("archive-nested", graded=False)
def a_bomb_in_archives_in_archives(folder: Path, notebook: bytes) -> Path:
    data = packed(("0.bin", bytes(16 * MEBIBYTE)))
    for depth in range(5):
        data = packed(*((f"{depth}-{i}.zip", data) for i in range(10)))
    return written(folder, "h.zip", data)


@hand_in(graded=True)
def a_nested_archive_beside_the_notebook(folder: Path, notebook: bytes) -> Path:
    inner = packed(("0.bin", bytes(16 * MEBIBYTE)))
    return written(folder, "h.zip", packed(("a.ipynb", notebook), ("data.zip", inner)))


@hand_in("files-left-out", graded=True)
def thousands_of_members_over_one_kernel(folder: Path, notebook: bytes) -> Path:
    """Every entry of the directory points to the same 8 MB: 16 GB from 100 KB, without nesting."""
    data = packed(("a.ipynb", notebook), ("0", dense(8 * MEBIBYTE)))
    end = data.rindex(b"PK\x05\x06")
    first = data.index(b"PK\x01\x02")
    last = data.rindex(b"PK\x01\x02", 0, end)
    entry = data[last:end]
    names = (f"{i:04}".encode() for i in range(1, 1900))
    size = len(entry) + 3
    entries = b"".join(
        entry[:28] + struct.pack("<H", 4) + entry[30:46] + name + entry[47:] for name in names
    )
    count = 2 + len(entries) // size
    closing = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, end - first + len(entries), first, 0
    )
    return written(folder, "h.zip", data[:end] + entries + closing)


@hand_in("archive-broken", graded=False)
def a_directory_of_two_hundred_thousand_entries(folder: Path, notebook: bytes) -> Path:
    data = packed(("a.ipynb", notebook))
    end = data.rindex(b"PK\x05\x06")
    first = data.index(b"PK\x01\x02")
    entry = data[first:end]
    entries = entry * 200_000
    closing = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(entries), first, 0)
    return written(folder, "h.zip", data[:first] + entries + closing)


@hand_in("notebook-not-unpacked", graded=False)
def a_member_that_lies_about_its_size(folder: Path, notebook: bytes) -> Path:
    data = packed(("a.ipynb", notebook))
    real, claimed = struct.pack("<I", len(notebook)), struct.pack("<I", 10)
    return written(folder, "h.zip", data.replace(real, claimed))


@hand_in("notebook-not-unpacked", graded=False)
def a_bomb_in_bzip2_that_lies_about_its_size(folder: Path, notebook: bytes) -> Path:
    size = 32 * MEBIBYTE
    data = packed(("a.ipynb", bytes(size)), method=zipfile.ZIP_BZIP2)
    return written(folder, "h.zip", data.replace(struct.pack("<I", size), struct.pack("<I", 900)))


@hand_in(graded=True)
def lzma_that_asks_for_four_gigabytes(folder: Path, notebook: bytes) -> Path:
    data = packed(("a.ipynb", notebook), method=zipfile.ZIP_LZMA)
    head = data.index(b"\x05\0", 30)  # five bytes of properties: a byte, and the dictionary's size
    return written(folder, "h.zip", data[: head + 3] + b"\xff" * 4 + data[head + 7 :])


# -- archives that lead elsewhere ---------------------------------------------------------


@hand_in("names-refused", graded=True)
def names_that_climb_out(folder: Path, notebook: bytes) -> Path:
    evil = [
        "../up.txt",
        "a/../../../up.txt",
        "..\\..\\up.txt",
        "./../up.txt",
        "a/..",
        "．．/../up.txt",
    ]
    members = [(name, b"MINE") for name in evil]
    return written(folder, "h.zip", packed(("a.ipynb", notebook), *members))


@hand_in("names-refused", graded=True)
def absolute_names(folder: Path, notebook: bytes) -> Path:
    evil = [f"{folder}/up.txt", "/tmp/up.txt", "C:\\up.txt", "\\\\server\\up.txt", "//up.txt"]
    members = [(name, b"MINE") for name in evil]
    return written(folder, "h.zip", packed(("a.ipynb", notebook), *members))


@hand_in("names-refused", graded=True)
def names_that_a_terminal_obeys(folder: Path, notebook: bytes) -> Path:
    evil = ["a\x1b[2J.txt", "a\nb.txt", "a\x07.txt", "a\u2028b.txt", "x" * 300, "/".join("a" * 40)]
    members = [(name, b"MINE") for name in evil]
    return written(folder, "h.zip", packed(("a.ipynb", notebook), *members))


@hand_in("links-skipped", graded=True)
def links_and_devices_in_an_archive(folder: Path, notebook: bytes) -> Path:
    kinds = (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)
    members = [(of_kind(f"{i}.txt", kind), b"/etc/passwd") for i, kind in enumerate(kinds)]
    return written(folder, "h.zip", packed(("a.ipynb", notebook), *members))


@hand_in("links-skipped", graded=True)
def links_and_a_pipe_in_a_folder(folder: Path, notebook: bytes) -> Path:
    home = folder / "h"
    home.mkdir()
    written(home, "a.ipynb", notebook)
    (home / "passwd.txt").symlink_to("/etc/passwd")
    (home / "root").symlink_to("/", target_is_directory=True)
    (home / "loop").symlink_to(home, target_is_directory=True)
    (home / "zero.csv").symlink_to("/dev/zero")
    os.mkfifo(home / "pipe.csv")
    return home


@hand_in("links-skipped", "empty-hand-in", graded=False)
def a_link_to_the_notebook_of_another(folder: Path, notebook: bytes) -> Path:
    other = written(folder, "other.ipynb", notebook)
    home = folder / "h"
    home.mkdir()
    (home / "a.ipynb").symlink_to(other)
    return home


@hand_in("names-refused", graded=True)
def a_folder_five_hundred_deep(folder: Path, notebook: bytes) -> Path:
    home = folder / "h"
    home.mkdir()
    written(home, "a.ipynb", notebook)
    here = os.open(home, os.O_RDONLY)
    for _ in range(500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    return home


# -- archives with two faces ----------------------------------------------------------------


@hand_in("names-twice", graded=True)
def two_notebooks_of_one_name(folder: Path, notebook: bytes) -> Path:
    return written(folder, "h.zip", packed(("a.ipynb", b"{}"), ("a.ipynb", notebook)))


@hand_in("names-clash", graded=True)
def names_that_differ_in_case_only(folder: Path, notebook: bytes) -> Path:
    clash = [("Data.csv", b"1"), ("data.csv", b"2"), ("DATA.CSV", b"3")]
    return written(folder, "h.zip", packed(("a.ipynb", notebook), *clash))


@hand_in("names-refused", graded=True)
def a_file_where_a_folder_should_be(folder: Path, notebook: bytes) -> Path:
    members = [("data", b"1"), ("data/a.csv", b"2"), ("data/b/c.csv", b"3")]
    return written(folder, "h.zip", packed(("a.ipynb", notebook), *members))


@hand_in("files-encrypted", "archive-encrypted", graded=False)
def an_archive_with_a_password(folder: Path, notebook: bytes) -> Path:
    data = bytearray(packed(("a.ipynb", notebook), method=zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return written(folder, "h.zip", bytes(data))


@hand_in("archive-broken", graded=False)
def half_an_archive(folder: Path, notebook: bytes) -> Path:
    data = packed(("a.ipynb", notebook))
    return written(folder, "h.zip", data[: len(data) // 2])


@hand_in("notebook-not-unpacked", graded=False)
def a_member_with_damaged_bytes(folder: Path, notebook: bytes) -> Path:
    data = bytearray(packed(("a.ipynb", notebook)))
    data[100:140] = bytes(40)
    return written(folder, "h.zip", bytes(data))


# -- notebooks that are too much --------------------------------------------------------------


@hand_in("too-large", graded=False)
def a_notebook_of_two_hundred_megabytes(folder: Path, notebook: bytes) -> Path:
    path = written(folder, "a.ipynb", notebook)
    os.truncate(path, 200 * MEBIBYTE)
    return path


@hand_in("too-many-cells", graded=False)
def ten_thousand_cells(folder: Path, notebook: bytes) -> Path:
    return written(folder, "a.ipynb", with_cells(notebook, *[code("x = 1")] * 10_000))


@hand_in("too-deep", graded=False)
def json_nested_a_hundred_thousand_deep(folder: Path, notebook: bytes) -> Path:
    deep = b"[" * 100_000 + b"]" * 100_000
    return written(folder, "a.ipynb", with_metadata(notebook, deep))


@hand_in("depth-cut", graded=True)
def metadata_nested_two_hundred_deep(folder: Path, notebook: bytes) -> Path:
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    return written(folder, "a.ipynb", with_cells(notebook, code("", metadata={"deep": deep})))


@hand_in("too-complex", graded=False)
def a_million_empty_lists(folder: Path, notebook: bytes) -> Path:
    lists = b"[" + b"[]," * 1_000_000 + b"[]]"
    return written(folder, "a.ipynb", with_metadata(notebook, lists))


@hand_in("too-complex", graded=False)
def millions_of_numbers(folder: Path, notebook: bytes) -> Path:
    numbers = b"[" + b"1.5," * 4_000_000 + b"0]"
    return written(folder, "a.ipynb", with_metadata(notebook, numbers))


@hand_in("too-complex", graded=False)
def millions_of_keys(folder: Path, notebook: bytes) -> Path:
    keys = b"{" + b",".join(b'"%x":0' % n for n in range(1_000_000)) + b"}"
    return written(folder, "a.ipynb", with_metadata(notebook, keys))


@hand_in(graded=True)
def as_many_values_as_are_read(folder: Path, notebook: bytes) -> Path:
    keys = b"{" + b",".join(b'"%x":0' % n for n in range(450_000)) + b"}"
    values = b"[" + b"1.5," * 2_000_000 + b"[0]," * 450_000 + keys + b"]"
    return written(folder, "a.ipynb", with_metadata(notebook, values))


@hand_in(graded=True)
def a_table_of_millions_of_commas_in_an_output(folder: Path, notebook: bytes) -> Path:
    table = {"output_type": "stream", "name": "stdout", "text": "1,[2]:{3},\n" * 2_000_000}
    saved = {**code("x"), "cell_type": "raw"}
    shown = code("pass", outputs=[table])
    return written(folder, "a.ipynb", with_cells(notebook, saved, shown))


@hand_in("conflict-unresolved", graded=False)
def a_conflict_of_millions_of_lines(folder: Path, notebook: bytes) -> Path:
    lines = b"<<<<<<< a\n" + b"x\n" * 10_000_000 + b">>>>>>> b\n"
    return written(folder, "a.ipynb", lines)


@hand_in("truncated", graded=False)
def forty_megabytes_of_wide_letters(folder: Path, notebook: bytes) -> Path:
    text = '{"cells": ["' + "a" * (45 * MEBIBYTE) + "\U0001f600"
    return written(folder, "a.ipynb", text.encode())


@hand_in(graded=True)
def an_integer_of_a_million_digits(folder: Path, notebook: bytes) -> Path:
    number = b"9" * 1_000_000
    return written(folder, "a.ipynb", with_metadata(notebook, number))


@hand_in(graded=True)
def thirty_megabytes_of_saved_output(folder: Path, notebook: bytes) -> Path:
    image = {
        "output_type": "display_data",
        "data": {"image/png": "A" * (15 * MEBIBYTE)},
        "metadata": {},
    }
    text = {"output_type": "stream", "name": "stdout", "text": "x" * (15 * MEBIBYTE)}
    saved = code("raise SystemExit", outputs=[image, text])
    saved["cell_type"] = "raw"
    return written(folder, "a.ipynb", with_cells(notebook, saved))


@hand_in(graded=True)
def code_that_no_parser_survives(folder: Path, notebook: bytes) -> Path:
    sources = [
        "(" * 50_000,
        "-" * 200_000 + "1",
        "x" + ".a" * 100_000,
        "[" * 3000 + "]" * 3000,
        "\\\n" * 50_000,
    ]
    cells = [{"cell_type": "raw", "metadata": {}, "source": s} for s in sources]
    return written(folder, "a.ipynb", with_cells(notebook, *cells))


# -- bytes that are no text -------------------------------------------------------------------


@hand_in("characters-replaced", graded=True)
def zero_characters_in_the_code(folder: Path, notebook: bytes) -> Path:
    return written(
        folder, "a.ipynb", with_cells(notebook, code("y = 1\0\0 + 1", metadata={"a\0": "\0"}))
    )


@hand_in(graded=False)
def a_file_of_zero_bytes(folder: Path, notebook: bytes) -> Path:
    return written(folder, "a.ipynb", bytes(1 * MEBIBYTE))


@hand_in("bytes-replaced", graded=True)
def bytes_that_are_no_utf8(folder: Path, notebook: bytes) -> Path:
    marked = with_cells(notebook, code("# سلام دنیا HERE"))
    text = json.dumps(json.loads(marked), ensure_ascii=False).encode()
    return written(folder, "a.ipynb", text.replace(b"HERE", b"\xff\xfe\xc3\x28\x80"))


@hand_in("characters-replaced", graded=True)
def halves_of_surrogate_pairs(folder: Path, notebook: bytes) -> Path:
    output = {"output_type": "stream", "name": "stdout", "text": "\udfff\ud800"}
    cell = code("z = '\ud800'", outputs=[output], metadata={"\udc00": "\ud83d"})
    return written(folder, "a.ipynb", with_cells(notebook, cell))


@hand_in(graded=True)
def a_file_whose_name_is_no_utf8(folder: Path, notebook: bytes) -> Path:
    return written(folder, os.fsdecode(b"\xff\xfe\x1b[2J\n.ipynb"), notebook)


@hand_in("truncated", graded=False)
def half_a_notebook(folder: Path, notebook: bytes) -> Path:
    return written(folder, "a.ipynb", notebook[: len(notebook) // 2])


@hand_in("other-format", graded=False)
def an_archive_that_is_called_a_notebook(folder: Path, notebook: bytes) -> Path:
    return written(folder, "a.ipynb", packed(("a.ipynb", notebook)))


@hand_in(graded=True)
def a_notebook_that_repeats_every_key(folder: Path, notebook: bytes) -> Path:
    twice = b'{"cells": [], "nbformat": 3, "metadata": 5, ' + notebook.lstrip()[1:]
    return written(folder, "a.ipynb", twice)


@hand_in("archive-broken", graded=False)
def a_bomb_of_another_kind(folder: Path, notebook: bytes) -> Path:
    squeezed = zlib.compress(bytes(64 * MEBIBYTE))
    return written(folder, "h.zip", b"PK\x03\x04" + squeezed)
