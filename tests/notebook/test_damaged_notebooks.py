"""Files that are no notebooks, and notebooks with arbitrary damage: never a traceback."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.notebook import Submission, Unreadable, describe, read_notebook

DATA = Path(__file__).parent / "data"
REAL = [path.read_bytes() for path in sorted(DATA.glob("*.ipynb"))]
JUPYTER = (DATA / "jupyter_hw4.ipynb").read_bytes()


def why(data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read_notebook(data)
    return caught.value.finding.id


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hw4.ipynb", JUPYTER)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty-file"),
        (b" \r\n\t\n", "empty-file"),
        (b"\xef\xbb\xbf", "empty-file"),
        (b"\0" * 4096, "empty-file"),
        (b"<!DOCTYPE html>\n<html lang='fa'><head><title>Colab</title>", "html-page"),
        (b"\n <html><body>Sign in - Google Accounts</body></html>", "html-page"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "other-format"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "other-format"),
        (b"Rar!\x1a\x07\x01\0", "other-format"),
        (zipped(), "other-format"),
        (b"https://colab.research.google.com/drive/1AbC?usp=sharing\n", "link-saved"),
        (b"[InternetShortcut]\r\nURL=https://colab.research.google.com/drive/1", "link-saved"),
        (
            b'{"url": "https://docs.google.com/open?id=1", "doc_id": "1", "email": "a@b"}',
            "link-saved",
        ),
        (b'{"doc_id": "1", "resource_key": ""}', "link-saved"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
            "git-lfs-pointer",
        ),
        (b"import torch\n\nx = torch.ones(3)\n", "python-file"),
        (
            b'# -*- coding: utf-8 -*-\n"""HW10"""\n\n!pip install d2l\nfrom d2l import torch\n',
            "python-file",
        ),
        ("پاسخ سؤال اول: گرادیان کوچک می‌شود.".encode(), "plain-text"),
        (bytes(range(256)) * 8, "binary-file"),
        (b'{"username": "sara", "key": "0123456789abcdef"}', "credentials-file"),
        (b'{"accuracy": 0.85}', "json-without-cells"),
        (b"[1, 2, 3]", "json-without-cells"),
        (b"null", "json-without-cells"),
        (b'{"cells": [{"a": 1}]}', "json-without-cells"),
        (JUPYTER[: len(JUPYTER) // 2], "truncated"),
        (JUPYTER[:-3], "truncated"),
        (JUPYTER.replace(b'"cells": [', b'"cells": {', 1), "not-json"),
        (JUPYTER + JUPYTER, "not-json"),
        (b"[" * 200_000, "too-deep"),
        (b'{"cells": [' + b"[], " * 2_100_000, "too-complex"),
        (b"<<<<<<< HEAD\n{\n=======\n[\n>>>>>>> main\n", "conflict-unresolved"),
    ],
)
def test_what_is_no_notebook_is_named(data, expected):
    assert why(data) == expected


def test_the_format_and_the_host_are_told():
    for data, name in (
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04" + b"\0" * 26 + b"word/document.xml", "Word"),
    ):
        with pytest.raises(Unreadable) as caught:
            read_notebook(data)
        assert name in describe(caught.value.finding)["en"]
    with pytest.raises(Unreadable) as caught:
        read_notebook(b"https://sara:1234@drive.google.com/file/d/1AbC/view?usp=sharing")
    assert caught.value.finding.values == {"host": "drive.google.com"}


def test_broken_json_is_told_with_line_and_column():
    with pytest.raises(Unreadable, match="line 3, column 13"):
        read_notebook(b'{\n "cells": [],\n "metadata" {}\n}')


def test_paths_that_hold_no_file_are_told(tmp_path):
    for path, expected in ((tmp_path, "no-file"), (tmp_path / "none.ipynb", "not-opened")):
        with pytest.raises(Unreadable) as caught:
            read_notebook(path)
        assert caught.value.finding.id == expected


def test_a_pipe_is_not_waited_for(tmp_path):
    pipe = tmp_path / "hw.ipynb"
    os.mkfifo(pipe)
    with pytest.raises(Unreadable, match="no ordinary file"):
        read_notebook(pipe)


def read_or_explain(data: bytes) -> Submission | None:
    """Read `data`; what comes out must be valid and storable, or explained in both languages."""
    submission, findings = None, ()
    try:
        submission = read_notebook(data)
        findings = submission.findings
    except Unreadable as problem:
        findings = problem.findings
    assert submission or findings
    assert all(describe(finding)[language] for finding in findings for language in ("fa", "en"))
    if submission:
        nbformat.validate(submission.notebook)
        nbformat.writes(submission.notebook).encode()
    return submission


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_read_or_explained(data):
    read_or_explain(data)


@given(
    st.sampled_from(REAL),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=12)),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=200, deadline=None)
def test_notebooks_with_damaged_bytes_are_read_or_explained(data, damages):
    for place, length, inserted in damages:
        at = int(place * len(data))
        data = data[:at] + inserted + data[at + length :]
    read_or_explain(data)


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=6)
    | st.sampled_from(
        ["code", "stream", "error", "text/plain", "application/json", "a,b", "\0", "\ud800"]
    )
)
_keys = st.text(max_size=4) | st.sampled_from(
    "cells cell_type source outputs output_type data metadata id execution_count name text tags "
    "kernelspec language_info attachments ename evalue traceback worksheets nbformat scrolled "
    "collapsed jupyter execution authors title display_name image/png application/json".split()
)
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3)
)


@st.composite
def changed_notebooks(draw: st.DrawFn) -> Any:
    """A real notebook in which some values, at any depth, are other JSON."""
    document = json.loads(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 6))):
        node = document
        while True:
            places = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not places:
                break
            place = draw(st.sampled_from(places))
            if isinstance(node[place], dict | list) and draw(st.integers(0, 3)):
                node = node[place]
                continue
            if isinstance(node, dict) and draw(st.booleans()):
                node[draw(_keys)] = draw(_json)
            else:
                node[place] = draw(_json)
            break
    return document


@given(changed_notebooks())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_notebooks_with_changed_values_are_read_or_explained(document):
    submission = read_or_explain(json.dumps(document).encode())
    again = submission and read_or_explain(nbformat.writes(submission.notebook).encode())
    if submission and again:
        assert again.notebook == submission.notebook, "reading a repaired notebook changes nothing"
