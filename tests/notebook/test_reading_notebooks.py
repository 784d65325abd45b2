"""Notebooks that can be graded: read, repaired, and told what was repaired."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.notebook import Finding, Submission, Unreadable, read_notebook

DATA = Path(__file__).parent / "data"
REAL = sorted(DATA.glob("*.ipynb"))


def ids(submission: Submission) -> list[str]:
    return [finding.id for finding in submission.findings]


def finding(submission: Submission, id: str) -> Finding:  # noqa: A002
    return next(f for f in submission.findings if f.id == id)


def notebook(*cells: Any, **changes: Any) -> bytes:
    document = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document | changes).encode()


def code(source: Any = "x = 1", outputs: Any = (), **changes: Any) -> dict[str, Any]:
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "a",
        "metadata": {},
        "outputs": list(outputs),
        "source": source,
    }
    return cell | changes


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_notebooks_come_out_valid_with_all_their_cells(path):
    submission = read_notebook(path)
    nbformat.validate(submission.notebook)
    document = json.loads(path.read_text(encoding="utf-8"))
    cells = document.get("cells") or document["worksheets"][0]["cells"]
    assert len(submission.notebook.cells) == len(cells)


def test_a_sound_notebook_is_read_as_nbformat_reads_it_and_nothing_is_said():
    path = DATA / "jupyter_hw4.ipynb"
    submission = read_notebook(path)
    assert submission.notebook == nbformat.read(path, as_version=4)
    assert submission.findings == ()
    assert submission.language == "python"
    assert submission.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_bytes_and_path_give_the_same_submission():
    path = DATA / "jupyter_hw4.ipynb"
    assert read_notebook(path.read_bytes()) == read_notebook(path) == read_notebook(str(path))


def test_a_notebook_of_format_3_has_the_cells_it_had_in_format_4():
    old = read_notebook(DATA / "ipython3_hw4.ipynb")
    new = read_notebook(DATA / "jupyter_hw4.ipynb")
    assert ids(old) == ["old-format"]
    assert [c.source for c in old.notebook.cells] == [c.source for c in new.notebook.cells]
    outputs = [[c.get("outputs") for c in submission.notebook.cells] for submission in (old, new)]
    assert outputs[0] == outputs[1]


def test_a_notebook_of_format_2_keeps_its_lines_apart():
    data = {
        "metadata": {"name": "01"},
        "nbformat": 2,
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "markdown", "source": ["# Title", "", "text"]},
                    {
                        "cell_type": "code",
                        "collapsed": False,
                        "input": ["import numpy as np", "np.eye(2)"],
                        "language": "python",
                        "outputs": [
                            {"output_type": "pyout", "prompt_number": 3, "text": ["1", "2"]}
                        ],
                        "prompt_number": 3,
                    },
                    {"cell_type": "heading", "level": 2, "source": ["Part", "one"]},
                ]
            }
        ],
    }
    submission = read_notebook(json.dumps(data).encode())
    nbformat.validate(submission.notebook)
    title, program, heading = submission.notebook.cells
    assert title.source == "# Title\n\ntext"
    assert program.source == "import numpy as np\nnp.eye(2)"
    assert program.outputs[0].data == {"text/plain": "1\n2"}
    assert program.execution_count == program.outputs[0].execution_count == 3
    assert (heading.cell_type, heading.source) == ("markdown", "## Part one")


def test_a_colab_notebook_is_read_and_its_habits_are_told():
    submission = read_notebook(DATA / "colab_hw10.ipynb")
    assert ids(submission) == ["executed-out-of-order", "errors-left"]
    order = finding(submission, "executed-out-of-order")
    assert (order.cell, order.values) == (6, {"number": 7, "before": 12})
    errors = finding(submission, "errors-left")
    assert errors.values == {"cells": [2, 8], "errors": ["ModuleNotFoundError", "AttributeError"]}
    assert [cell.id for cell in submission.notebook.cells][:2] == ["cell-0", "cell-1"]


def test_a_kernel_of_another_language_is_said():
    submission = read_notebook(DATA / "r_kernel.ipynb")
    assert submission.language == "r"
    assert finding(submission, "other-language").values == {"language": "R"}


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({"kernelspec": {"name": "julia-1.9", "display_name": "Julia"}}, "julia"),
        ({"kernelspec": {"name": "ir", "display_name": "R"}}, "r"),
        ({"kernelspec": {"name": "conda-env-dl-py", "display_name": "Python [dl]"}}, "python"),
        ({"kernelspec": {"name": "python3"}, "language_info": {"name": "R"}}, "python"),
        ({"language_info": {"name": "ipython"}}, "python"),
        ({"language_info": {"name": "scala"}}, "scala"),
        ({}, "python"),
    ],
)
def test_the_language_is_what_the_kernel_speaks(metadata, language):
    assert read_notebook(notebook(code(), metadata=metadata)).language == language


def test_a_python_2_notebook_is_said():
    metadata = {"language_info": {"name": "python", "version": "2.7.18"}}
    assert "python-2" in ids(read_notebook(notebook(code(), metadata=metadata)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_unicode_encodings_are_converted(encoding):
    text = (DATA / "jupyter_hw4.ipynb").read_text(encoding="utf-8")
    submission = read_notebook(text.encode(encoding))
    assert submission.notebook == read_notebook(DATA / "jupyter_hw4.ipynb").notebook
    assert ids(submission) == ["encoding-converted"]


def test_persian_saved_as_ansi_by_windows_is_read():
    text = json.dumps(
        {"cells": [code("print('گراديان نسبت به وزن')")], "nbformat": 4, "metadata": {}},
        ensure_ascii=False,
    )
    submission = read_notebook(text.encode("cp1256"))
    assert submission.notebook.cells[0].source == "print('گراديان نسبت به وزن')"
    assert finding(submission, "encoding-converted").values == {"encoding": "Windows-1256"}


def test_single_broken_bytes_are_replaced_and_counted():
    text = json.dumps({"cells": [code("# سلام به همه")], "nbformat": 4}, ensure_ascii=False)
    broken = text.encode().replace("همه".encode(), b"\xff\xfe")
    submission = read_notebook(broken)
    assert submission.notebook.cells[0].source == "# سلام به \ufffd\ufffd"
    assert finding(submission, "bytes-replaced").values == {"count": 2}


def test_byte_order_mark_line_ends_and_missing_ids_are_put_right_silently():
    plain = read_notebook(
        notebook(code("a = 1\nb = 2", [{"output_type": "stream", "name": "stdout", "text": "1"}]))
    )
    cell = code("a = 1\r\nb = 2", [{"output_type": "stream", "name": "stdout", "text": "1"}])
    del cell["id"]
    windows = read_notebook(b"\xef\xbb\xbf" + notebook(cell).replace(b", ", b",\r\n"))
    assert windows.findings == plain.findings == ()
    assert windows.notebook.cells[0].source == plain.notebook.cells[0].source
    assert windows.notebook.cells[0].id == "cell-0"


def test_duplicate_and_malformed_ids_are_replaced_and_unique():
    cells = [code(id="a"), code(id="a"), code(id="no spaces"), code(id=7), code(id="cell-1")]
    submission = read_notebook(notebook(*cells))
    got = [cell.id for cell in submission.notebook.cells]
    assert got[0] == "a"
    assert got[4] == "cell-1"
    assert len(set(got)) == 5
    assert finding(submission, "ids-repaired") == Finding("ids-repaired", {"count": 3}, cell=1)
    nbformat.validate(submission.notebook)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (["a = 1\n", "b = 2"], "a = 1\nb = 2"),
        (["a = 1", "b = 2"], "a = 1\nb = 2"),
        (["a = 1\n", None, 3], "a = 1\n3"),
        (5, "5"),
        ({"text": "a"}, ""),
        (None, ""),
    ],
)
def test_sources_in_every_shape_become_text(source, expected):
    assert read_notebook(notebook(code(source))).notebook.cells[0].source == expected


def test_lines_without_ends_are_told_but_lines_with_ends_are_not():
    assert "sources-repaired" in ids(read_notebook(notebook(code(["a", "b"]))))
    assert "sources-repaired" not in ids(read_notebook(notebook(code(["a\n", "b"]))))


def test_malformed_outputs_cost_only_themselves():
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["1\n", "2"]},
        {"output_type": "stream", "text": 3},
        {"output_type": "execute_result", "data": "text"},
        {"output_type": "display_data", "data": {"text/plain": ["a", "b"], "image/png": 5}},
        {"output_type": "error", "ename": "E", "traceback": "one line"},
        {"output_type": "hologram"},
        "nothing",
    ]
    submission = read_notebook(notebook(code(outputs=outputs)))
    nbformat.validate(submission.notebook)
    kept = submission.notebook.cells[0].outputs
    assert [o.output_type for o in kept] == [
        "stream",
        "stream",
        "execute_result",
        "display_data",
        "error",
    ]
    assert kept[0].text == "1\n2"
    assert kept[3].data == {"text/plain": "ab"}
    assert kept[4].traceback == ["one line"]
    assert finding(submission, "outputs-repaired").cell == 0


def test_metadata_of_wrong_types_is_mended_or_left_out_and_free_metadata_stays():
    metadata = {
        "tags": "recorded",
        "collapsed": "yes",
        "scrolled": "auto",
        "name": "",
        "jupyter": [],
        "colab": {"height": 34},
        "execution": {"iopub.status.busy": "2024-12-31", "shell": 3},
    }
    submission = read_notebook(
        notebook(
            code(metadata=metadata),
            metadata={"kernelspec": {"name": "python3"}, "title": 3, "toc": [1]},
        )
    )
    nbformat.validate(submission.notebook)
    assert submission.notebook.cells[0].metadata == {
        "tags": ["recorded"],
        "scrolled": "auto",
        "colab": {"height": 34},
        "execution": {"iopub.status.busy": "2024-12-31"},
    }
    kernel = {"name": "python3", "display_name": "python3"}
    assert submission.notebook.metadata == {"kernelspec": kernel, "toc": [1]}
    assert finding(submission, "metadata-repaired").values["count"] == 7


def test_attachments_are_kept_and_what_is_none_is_left_out():
    picture = {"image/png": "iVBORw0KGgo="}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "![](a)", "attachments": attachments}
        for attachments in ({"a": picture, "b": 3}, [picture], None)
    ]
    submission = read_notebook(notebook(*cells))
    nbformat.validate(submission.notebook)
    assert [c.attachments for c in submission.notebook.cells] == [{"a": picture}, {}, {}]
    assert finding(submission, "metadata-repaired").values == {"count": 3}


def test_line_breaks_and_tabs_that_json_wants_escaped_are_read():
    data = notebook(code("SOURCE")).replace(b"SOURCE", b"if a:\n\tb = 1")
    assert read_notebook(data).notebook.cells[0].source == "if a:\n\tb = 1"


def test_cells_that_are_none_are_dropped_and_unknown_types_kept_as_text():
    cells = [
        "text",
        {"cell_type": "sql", "source": "select 1"},
        {"source": "x", "outputs": []},
        code(),
    ]
    submission = read_notebook(notebook(*cells))
    assert [c.cell_type for c in submission.notebook.cells] == ["raw", "code", "code"]
    assert {"cells-dropped", "cell-type-unknown"} <= set(ids(submission))


def test_zero_characters_and_lone_surrogates_leave_text_that_can_be_saved():
    data = notebook(code("SOURCE")).replace(b"SOURCE", rb"a\u0000 = '\ud83d\ude00\ud800'")
    submission = read_notebook(data)
    assert submission.notebook.cells[0].source == "a = '😀\ufffd'"
    assert "characters-replaced" in ids(submission)
    nbformat.writes(submission.notebook).encode()


def test_numbers_that_json_has_not_are_read():
    data = notebook(code(), metadata={"a": 1}).replace(
        b'"a": 1', b'"a": NaN, "b": 1e999, "c": ' + b"9" * 5000
    )
    metadata = read_notebook(data).notebook.metadata
    assert metadata == {"a": None, "b": None, "c": None}


def test_surplus_commas_are_removed_outside_strings_only():
    data = notebook(code("f(1,]")).replace(b"}]", b"},]")
    submission = read_notebook(data)
    assert submission.notebook.cells[0].source == "f(1,]"
    assert "json-repaired" in ids(submission)


def test_bytes_of_zeros_behind_the_notebook_are_passed_over():
    data = (DATA / "jupyter_hw4.ipynb").read_bytes()
    padded = read_notebook(data + b"\0" * 4096)
    assert padded.notebook == read_notebook(data).notebook


def conflict(ours: str, theirs: str, base: str = "") -> bytes:
    text = json.dumps(json.loads(notebook(code("x = 1"))), indent=1)
    middle = f"||||||| base\n{base}" if base else ""
    block = f"<<<<<<< HEAD\n{ours}{middle}=======\n{theirs}>>>>>>> branch\n"
    return text.replace('   "execution_count": null,\n', block).encode()


def test_a_merge_conflict_is_decided_for_the_upper_side():
    data = conflict('   "execution_count": 3,\n', '   "execution_count": 5,\n', base="   0\n")
    submission = read_notebook(data)
    assert submission.notebook.cells[0].execution_count == 3
    assert finding(submission, "conflict-resolved-ours").values == {"count": 1}


def test_a_merge_conflict_is_decided_for_the_lower_side_where_only_that_is_sound():
    submission = read_notebook(conflict('   "execution_count": \n', '   "execution_count": 5,\n'))
    assert submission.notebook.cells[0].execution_count == 5
    assert "conflict-resolved-theirs" in ids(submission)


def test_conflict_markers_in_a_cell_are_told_with_the_cell():
    source = "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> main\n"
    submission = read_notebook(notebook(code("y = 1"), code(source)))
    assert finding(submission, "conflict-in-cell").cell == 1
    assert submission.notebook.cells[1].source == source


def test_depth_is_cut_where_a_notebook_would_break_its_reader():
    deep: Any = "bottom"
    for _ in range(300):
        deep = [deep]
    submission = read_notebook(notebook(code(), metadata={"deep": deep}))
    nbformat.validate(submission.notebook)
    assert "depth-cut" in ids(submission)
    assert "bottom" not in nbformat.writes(submission.notebook)


def test_a_future_or_missing_format_number_is_read_as_format_4():
    for version in (5, None, "4", -1):
        submission = read_notebook(notebook(code(), nbformat=version))
        assert "unknown-format" in ids(submission)
        assert submission.notebook.nbformat == 4


def test_cleared_outputs_and_missing_cells_are_told():
    assert ids(read_notebook(notebook(code()))) == ["no-outputs"]
    assert ids(read_notebook(notebook())) == ["no-cells"]


def test_a_notebook_of_thirty_cells_is_read_within_ten_milliseconds():
    picture = "iVBORw0KGgo" * 4000
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": [f"epoch {i}\n" for i in range(40)]},
        {"output_type": "display_data", "data": {"image/png": picture}, "metadata": {}},
    ]
    source = [f"layer_{i} = nn.Conv2d({i}, 64, 3)  # لایه\n" for i in range(25)]
    data = notebook(*[code(source, outputs, id=f"c{i}") for i in range(30)])
    read_notebook(data)

    def seconds() -> float:
        start = time.process_time()
        read_notebook(data)
        return time.process_time() - start

    assert min(seconds() for _ in range(20)) < 0.010


def test_too_large_files_are_not_even_opened(tmp_path):
    path = tmp_path / "hw.ipynb"
    path.write_bytes(notebook(code()))
    os.truncate(path, 60 * 1024 * 1024)
    with pytest.raises(Unreadable) as caught:
        read_notebook(path)
    assert caught.value.finding == Finding("too-large", {"size": 60.0, "limit": 50.0})


def test_the_limits_are_parameters():
    data = notebook(code(id="a"), code(id="b"))
    read_notebook(data, max_bytes=len(data), max_cells=2)
    with pytest.raises(Unreadable, match="has 2 cells; up to 1"):
        read_notebook(data, max_cells=1)
    with pytest.raises(Unreadable, match="up to"):
        read_notebook(data, max_bytes=len(data) - 1)
