"""From the reference to the skeleton that students receive, and to the solved notebook."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import nbformat
import pytest

from grader.notebook import ReleaseError, to_notebook
from grader.notebook.ipython_syntax import python_of

REFERENCE = (Path(__file__).parent / "data" / "reference_conv.py.txt").read_text(encoding="utf-8")


def cell(notebook, name):
    return next(c for c in notebook.cells if c.metadata.get("karnameh", {}).get("name") == name)


def skeleton(*cells: str, language: str = "en"):
    return to_notebook("\n\n".join(cells), language=language, file="reference/hw.py")


def source(code: str, language: str = "en") -> str:
    return skeleton('# %% name="a"\n' + code, language=language).cells[0].source


# ---------------------------------------------------------------- the real reference


@pytest.mark.parametrize(
    "how",
    [
        {"language": "fa"},
        {"language": "en"},
        {"language": "fa", "solution": True},
        {"solution": True},
    ],
    ids=str,
)
def test_every_notebook_is_valid_and_the_same_each_time(how):
    notebook = to_notebook(REFERENCE, **how)
    nbformat.validate(notebook)
    assert notebook == to_notebook(REFERENCE, **how)
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)
    for one in notebook.cells:
        if one.cell_type == "code":
            ast.parse(python_of(one.source))


def test_the_skeleton_gives_no_solution_away():
    for language in ("fa", "en"):
        text = nbformat.writes(to_notebook(REFERENCE, language=language))
        for secret in (
            "SOLUTION",
            "mn / (m",
            "X.shape[0] - h",
            "self.A",
            "dW.min",
            'loss\\"',
            "multiplied",
            "ضرب",
            "inner",
        ):
            assert secret not in text, secret


def test_a_region_in_a_function_becomes_an_exception_and_the_rest_stays():
    assert cell(to_notebook(REFERENCE, language="en"), "weight-gradient").source == (
        "def conv2d(X, W):\n"
        '    """Valid cross-correlation of X with W."""\n'
        "    h, w = W.shape\n"
        "    # your code here\n"
        "    raise NotImplementedError\n"
        "    # your code here\n"
        "    raise NotImplementedError\n"
        "\n\n"
        "@functools.cache\n"
        "def rank_limit(m, n):\n"
        "    # your code here\n"
        "    raise NotImplementedError"
    )


def test_regions_in_methods_keep_their_indentation():
    assert cell(to_notebook(REFERENCE, language="fa"), "adapter").source == (
        "class Adapter:\n"
        '    """W x + B A x."""\n\n'
        "    def __init__(self, W, r):\n"
        "        self.W = W\n"
        "        # کد خود را اینجا بنویسید\n"
        "        raise NotImplementedError\n\n"
        "    def __call__(self, x):\n"
        "        if x.ndim == 1:\n"
        "            # کد خود را اینجا بنویسید\n"
        "            raise NotImplementedError\n"
        '        raise ValueError("one vector at a time")'
    )


def test_a_region_at_the_top_level_leaves_the_names_that_it_assigns():
    assert cell(to_notebook(REFERENCE, language="en"), "values").source == (
        "X = np.arange(9.0).reshape(3, 3)\n"
        "dY = np.ones((2, 2))\n"
        "total = 0\n"
        "# your code here\n"
        "dW = None\n"
        "low = None\n"
        "high = None\n"
        "total = None\n"
        "mean = None\n"
        "largest = None\n"
        "helper = None\n"
        'print("dW =", dW)'
    )


def test_a_recorded_cell_keeps_its_tag_and_an_empty_block_stays_a_block():
    train = cell(to_notebook(REFERENCE, language="en"), "train")
    assert train.metadata == {"tags": ["recorded"], "karnameh": {"name": "train"}}
    assert train.source == (
        'if __name__ == "__main__":\n    losses = [1.0, 0.5]\n    # your code here\n    pass'
    )


def test_a_cell_magic_and_a_remark_behind_code_begin_no_cell():
    notebook = skeleton(f'# %% name="a"\n# %%time\nx = 1  # %% of all\n{BEGIN}\ny = 1\n{END}')
    assert [c.source for c in notebook.cells] == [
        "%%time\nx = 1  # %% of all\n# your code here\ny = None"
    ]


def test_magics_are_live_in_the_notebook():
    assert cell(to_notebook(REFERENCE, language="en"), "setup").source.startswith(
        "%matplotlib inline\n"
    )


def test_each_language_has_its_own_cells_and_the_common_ones():
    fa, en = (to_notebook(REFERENCE, language=language) for language in ("fa", "en"))
    assert "تمرین ۴" in fa.cells[0].source
    assert "Homework 4" in en.cells[0].source
    assert [c.id for c in fa.cells if c.cell_type == "code"] == [
        c.id for c in en.cells if c.cell_type == "code"
    ]
    shared = "![](https://example.org/conv.svg)"
    assert shared in [c.source for c in fa.cells]
    assert shared in [c.source for c in en.cells]
    assert len(fa.cells) == len(en.cells) == 8
    assert fa.metadata.karnameh == {"language": "fa", "solution": False}


def test_persian_is_read_from_right_to_left():
    fa = to_notebook(REFERENCE, language="fa").cells[0].source
    assert fa.startswith('<div dir="rtl">\n\n# تمرین ۴')
    assert fa.endswith("\n\n</div>")
    own = source("x = 1")
    assert "rtl" not in own
    written = '# %% [markdown] lang="fa"\n# <p dir="auto">سلام</p>'
    assert skeleton(written, language="fa").cells[0].source == '<p dir="auto">سلام</p>'


def test_answers_are_left_blank_in_the_skeleton_and_stay_in_the_solution():
    fa, en = (to_notebook(REFERENCE, language=language).cells[-1] for language in ("fa", "en"))
    assert (fa.source, en.source) == ("پاسخ شما", "Your answer")
    assert fa.metadata.karnameh == {"lang": "fa", "answer": "depth/why"}
    assert fa.id == "answer-depth-why-fa"
    solved = to_notebook(REFERENCE, language="en", solution=True).cells[-1]
    assert solved.source == "Because derivatives are multiplied and stay small."


def test_the_solved_notebook_runs_and_has_no_markers():
    notebook = to_notebook(REFERENCE, solution=True)
    code = [python_of(c.source) for c in notebook.cells if c.cell_type == "code"]
    assert not any("SOLUTION" in c for c in code)
    namespace = {"__name__": "__main__"}
    for one in code:
        exec(one, namespace)
    assert namespace["total"] == 8 + 12 + 20 + 24
    assert namespace["rank_limit"](5, 5) == 2.5


def test_the_skeleton_runs_up_to_what_the_student_has_to_write():
    namespace = {"__name__": "__main__"}
    for one in to_notebook(REFERENCE, language="en").cells:
        if one.cell_type == "code":
            exec(python_of(one.source), namespace)
    assert namespace["dW"] is None
    with pytest.raises(NotImplementedError):
        namespace["conv2d"](namespace["X"], namespace["dY"])


def test_recorded_outputs_are_put_into_their_cells():
    outputs = {"train": [{"output_type": "stream", "name": "stdout", "text": ["loss 0.5\n"]}]}
    notebook = to_notebook(REFERENCE, solution=True, outputs=json.loads(json.dumps(outputs)))
    nbformat.validate(notebook)
    assert cell(notebook, "train").outputs[0].text == "loss 0.5\n"
    assert cell(notebook, "setup").outputs == []


# ---------------------------------------------------------------- single rules

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (f"{BEGIN}\nprint(1)\n{END}\nx = 1", "# your code here\nx = 1"),
        (f"{BEGIN}\na = b = c = 1\n{END}", "# your code here\na = None\nb = None\nc = None"),
        (f"{BEGIN}\nd['a'] = m.fc = 1\n{END}", "# your code here"),
        (f"{BEGIN}\nimport torch\nx = 1\n{END}", "# your code here\nx = None"),
        (f"{BEGIN}\nx: int\ny: int = 1\n{END}", "# your code here\ny = None"),
        (f"{BEGIN}\nwith a as f, b as (g, h):\n    x = 1\n{END}", "# your code here\nx = None"),
        (f"{BEGIN}\nif (n := 3) > 2:\n    y = n\n{END}", "# your code here\nn = None\ny = None"),
        (f"{BEGIN}\nx = [i for i in y]\n{END}", "# your code here\nx = None"),
        (f"{BEGIN}\n!pip install x\nfiles = !ls\n{END}", "# your code here\nfiles = None"),
        (f"{BEGIN}\n@d\ndef f():\n    y = 1\n{END}", "# your code here\nf = None"),
        (
            f"for i in y:\n    {BEGIN}\n    s = i\n    {END}",
            "for i in y:\n    # your code here\n    s = None",
        ),
        (
            f"class A:\n    {BEGIN}\n    k = 3\n    {END}\n    def f(self): return self.k",
            "class A:\n    # your code here\n    k = None\n    def f(self): return self.k",
        ),
        (
            f"def f(x):\n    for i in x:\n        {BEGIN}\n        yield i\n        {END}\n    return 3",
            "def f(x):\n    for i in x:\n        # your code here\n        raise NotImplementedError\n    return 3",
        ),
        (
            f"def f(x):\n    def g(y):\n        {BEGIN}\n        return y\n        {END}\n    return g(x)",
            "def f(x):\n    def g(y):\n        # your code here\n        raise NotImplementedError\n    return g(x)",
        ),
        (
            f"def f(x):\n    class A:\n        {BEGIN}\n        y = 1\n        {END}\n    return A",
            "def f(x):\n    class A:\n        # your code here\n        y = None\n    return A",
        ),
        (
            f"x = 1\n\n{BEGIN}\ny = 2\n{END}\n\nz = 3\n{BEGIN}\nw = 2\n{END}",
            "x = 1\n\n# your code here\ny = None\n\nz = 3\n# your code here\nw = None",
        ),
    ],
)
def test_regions_are_replaced_by_where_they_stand(code, expected):
    assert source(code) == expected


@pytest.mark.parametrize(
    ("cells", "line", "problem"),
    [
        ([f'# %% name="a"\n{BEGIN}\nx = 1'], 2, "BEGIN SOLUTION without END SOLUTION in its cell"),
        ([f"# %%\nx = 1\n{END}"], 3, "END SOLUTION without BEGIN SOLUTION"),
        ([f"# %%\n{BEGIN}\nx = 1", f"# %%\ny = 1\n{END}"], 2, "a region cannot span cells"),
        ([f"# %%\n\n\nx = 1\n{BEGIN}\n{BEGIN}\ny = 1\n{END}"], 6, "inside a solution region"),
        ([f"# %%\n{BEGIN}\n# nothing\n{END}"], 2, "no whole statement"),
        ([f"# %%\nx = [\n    {BEGIN}\n    1,\n    {END}\n]"], 3, "no whole statement"),
        ([f"# %%\n{BEGIN}\nx = (1 +\n{END}\n     2)"], 4, "cuts a statement in two"),
        (
            [f"# %%\nif a:\n    {BEGIN}\n    x = 1\nelse:\n    {END}\n    y = 1"],
            5,
            "belongs to a statement outside",
        ),
        (
            [f"# %%\nif a:\n    x = 0\n    {BEGIN}\n    y = 1\nz = 2\n{END}"],
            6,
            "into another block",
        ),
        ([f"# %%\n@d\n{BEGIN}\ndef f():\n    x = 1\n{END}"], 4, "belongs to a statement outside"),
        ([f"# %%\nx = = 1\n{BEGIN}\ny = 1\n{END}"], 2, "the cell is no Python"),
        (['# %% [markdown] lang="de"\n# Aufgabe'], 1, "unknown lang 'de': there are fa, en"),
        (['# %% [markdown] lang="en" answer="a/b"\n# why'], 1, "answer 'a/b' is missing in fa"),
        (["# %%\nx = 1", '# %% [markdown] answer="a/b"\n# why'], 4, "does not say its lang"),
        (['# %% lang="en" answer="a/b"\nx = 1'], 1, "is no markdown cell"),
        (
            [
                '# %% [markdown] lang="en" answer="a/b"\n# 1',
                '# %% [markdown] lang="en" answer="a/b"\n# 2',
            ],
            4,
            "already stands at line 1",
        ),
        (['# %% [markdown] lang="en" anwser="a/b"\n# why'], 1, "unknown cell option: anwser"),
        (
            ['# %% name="a"\nx = 1', '# %% name="a"\ny = 1'],
            4,
            "the name 'a' is taken by the cell at line 1",
        ),
        (['# %%\nx = """'], 2, "this is no Python"),
        (["# %%\nif a:\nx = 1\n  y = 2\n z = 3"], 5, "this is no Python"),
        (["# %%\ndef f():\n    # %% step\n    return 1"], 3, "a cell cannot begin inside a block"),
    ],
)
def test_a_malformed_reference_is_refused_with_file_and_line(cells, line, problem):
    with pytest.raises(ReleaseError) as caught:
        skeleton(*cells)
    assert str(caught.value).startswith(f"reference/hw.py:{line}: ")
    assert problem in str(caught.value)


def test_cell_markers_in_strings_begin_no_cell():
    text = (
        '# %% name="a"\ntext = """\n# %% [markdown]\n# no cell\n"""\n\n# %% name="b"\n'
        f"{BEGIN}\nx = 1"
    )
    with pytest.raises(ReleaseError, match=r":8: BEGIN SOLUTION without"):
        to_notebook(text, language="en")


def test_text_before_the_first_marker_is_a_cell():
    notebook = to_notebook(
        f'"""About."""\n\nimport os\n\n# %% name="a"\n{BEGIN}\nx = 1\n{END}\n', language="en"
    )
    assert [c.source for c in notebook.cells][-1] == "# your code here\nx = None"
    assert "import os" in "".join(c.source for c in notebook.cells)


def test_outputs_for_unknown_cells_or_of_no_known_form_are_refused():
    with pytest.raises(ReleaseError, match="unknown cells: trian"):
        to_notebook(REFERENCE, solution=True, outputs={"trian": []})
    with pytest.raises(ReleaseError, match="outputs-repaired"):
        to_notebook(REFERENCE, solution=True, outputs={"train": [{"output_type": "hologram"}]})


def test_what_cannot_be_made_is_refused():
    with pytest.raises(ValueError, match="give language="):
        to_notebook(REFERENCE)
    with pytest.raises(ValueError, match="no language 'de'"):
        to_notebook(REFERENCE, language="de")
    with pytest.raises(ValueError, match="give answers away"):
        to_notebook(REFERENCE, language="en", outputs={"train": [{}]})


def test_a_course_in_one_language_needs_its_answers_in_that_one_only():
    text = '# %% [markdown] lang="en" answer="a/b"\n# why'
    assert to_notebook(text, language="en", languages=["en"]).cells[0].source == "Your answer"
