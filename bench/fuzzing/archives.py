"""Archives: the bytes of sound ones changed, and sound ones with unsound members."""

from __future__ import annotations

import atexit
import io
import shutil
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bench.fuzzing.notebooks import samples
from bench.fuzzing.target import Target, edited, spliced
from grader.notebook import Bounds, Unreadable, describe, find_notebook, read_notebook

_BOUNDS = Bounds(files=20, file_bytes=20_000, total_bytes=40_000, archive_bytes=1 << 20)


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="karnameh-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _packed(members: list[tuple[str, int, int, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for name, mode, method, data in members:
            member = zipfile.ZipInfo("x" * max(1, len(name)))
            member.filename = name
            member.external_attr = mode << 16
            member.create_system = 3
            member.compress_type = method
            archive.writestr(member, data)
    return buffer.getvalue()


def _members() -> st.SearchStrategy[list[tuple[str, int, int, bytes]]]:
    notebook = samples()[0]
    piece = st.sampled_from(
        [
            "..",
            ".",
            "",
            "a",
            "A",
            "hw.ipynb",
            "HW.ipynb",
            "x.zip",
            "C:",
            "~",
            "\\",
            "é",
            "é",
            "\u202e",
        ]
    )
    name = st.lists(piece | st.text(max_size=4), min_size=1, max_size=4).map("/".join)
    name = name.filter(lambda n: n.isprintable())
    mode = st.sampled_from(
        [0o100644, 0o120777, 0o020666, 0o060666, 0o010644, 0o040755, 0, 0o104755]
    )
    method = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    content = st.sampled_from([notebook, b"", b"PK\x03\x04", b"\0" * 30_000]) | st.binary(
        max_size=50
    )
    return st.lists(st.tuples(name, mode, method, content), max_size=5)


def _read(data: bytes) -> str:
    path = _folder() / "hand-in.zip"
    path.write_bytes(data)
    try:
        found = find_notebook(path, "hw4_convnets", bounds=_BOUNDS)
        findings: Any = found.findings
        _within_bounds(found.files)
        read_notebook(found.notebook)
    except Unreadable as problem:
        for finding in problem.findings:
            describe(finding)
        return "refused"
    for finding in findings:
        describe(finding)
    return "read"


def _within_bounds(files: tuple[Any, ...]) -> None:
    assert len(files) < _BOUNDS.files
    assert sum(len(file.data) for file in files) <= _BOUNDS.total_bytes
    for file in files:
        parts = file.name.split("/")
        assert not {"", ".", ".."} & set(parts), file.name
    assert len({file.name for file in files}) == len(files)


def archives() -> Target:
    """Files that call themselves zip archives."""
    notebook = samples()[0]
    plain, packed = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    sound = [
        _packed([("hw4.ipynb", 0o100644, packed, notebook), ("data.csv", 0o100644, plain, b"1,2")]),
        _packed([("hw4.ipynb", 0o100644, zipfile.ZIP_LZMA, notebook), ("a/", 0o40755, plain, b"")]),
        _packed([("a/b.ipynb", 0, zipfile.ZIP_BZIP2, notebook), ("a/c.ipynb", 0, plain, notebook)]),
    ]
    words = st.sampled_from(
        [b"\xff\xff\xff\xff", b"\0\0\0\0", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06"]
    )
    inputs = (
        edited(sound, words | st.binary(max_size=9))
        | spliced(sound)
        | _members().map(_packed)
        | st.binary(max_size=100)
    )
    return Target("archive", inputs, _read)
