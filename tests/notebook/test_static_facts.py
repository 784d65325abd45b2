"""What can be known about a notebook's code without running it."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.notebook import Facts, read_notebook
from grader.notebook.ipython_syntax import python_of

DATA = Path(__file__).parent / "data"


def facts(*cells: str) -> Facts:
    return Facts(enumerate(cells))


# ---------------------------------------------------------------- IPython's syntax


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("!pip install -q d2l\nx = 1", "pass\nx = 1"),
        ("!wget \\\n  https://a.ir/b.zip\nx = 1", "pass\n\nx = 1"),
        ("%matplotlib inline\nimport torch", "pass\nimport torch"),
        ("if True:\n    !ls\n    x = 1", "if True:\n    pass\n    x = 1"),
        ("files = !ls *.csv\nn = 3", "files = None\nn = 3"),
        ("t = %timeit -o f(x)", "t = None"),
        ("%time y = f(x)", "y = f(x)"),
        ("torch.nn.Linear?\n??f", "pass\npass"),
        ("%%time\nx = 1", "\nx = 1"),
        ("%%capture out --no-stderr\n!ls\nx = 1", "\npass\nx = 1"),
        ("%%capture out\nx = 1", "out = None\nx = 1"),
        ("\n%%time\n%%capture\nx = 1", "\n\n\nx = 1"),
        ("%%bash\nls -la\n", "\n\n"),
        ("%%writefile net.py\nimport torch", "\n"),
        ("  x = 1\n  y = 2", "x = 1\ny = 2"),
        ('s = """\n!no command\n%no magic?\n"""', 's = """\n!no command\n%no magic?\n"""'),
        ("x = (7\n  % 3)", "x = (7\n  % 3)"),
        ("x = 7 \\\n  % 3", "x = 7 \\\n  % 3"),
        ("print('why?')  # really?", "print('why?')  # really?"),
        ("a = b == !c", "a = b == !c"),
        ("x != 3", "x != 3"),
        ("", ""),
    ],
)
def test_ipython_syntax_is_taken_out_line_by_line(source, python):
    assert python_of(source) == python


@given(st.text(st.sampled_from("!%?\"'\\\n #=([)]ax,;/ "), max_size=40))
@settings(max_examples=500, deadline=None)
def test_lines_keep_their_numbers_whatever_the_cell_holds(source):
    assert python_of(source).count("\n") == source.count("\n")


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_cells_of_arbitrary_text_are_analysed_or_listed(source):
    found = facts(source, "y = 1")
    assert found.cell_of("y") == 1
    assert {problem.cell for problem in found.syntax_errors} <= {0}


@pytest.mark.parametrize("line", ["!ls ", '"""a""" ', "'", "(", "x = !a\\\n", "f(x)? "])
def test_long_cells_take_time_in_proportion(line):
    cell = (line + "\n") * 30_000
    start = time.process_time()
    python_of(cell)
    assert time.process_time() - start < 2.0


# ---------------------------------------------------------------- a real hand-in


def test_facts_of_a_real_colab_notebook():
    found = Facts.of(read_notebook(DATA / "colab_hw10.ipynb").notebook)
    assert found.syntax_errors == ()
    assert found.names == ("device", "Head", "head", "p", "it", "acc")
    assert found.cell_of("head") == 4, "cells are counted with the markdown between them"
    assert list(found.classes) == ["Head"]
    assert found.functions == {}
    assert [(i.cell, i.module, i.name, i.alias) for i in found.imports] == [
        (1, "google.colab", "drive", "drive"),
        (3, "torch", None, "torch"),
        (3, "torch.nn", None, "nn"),
        (3, "matplotlib.pyplot", None, "plt"),
    ]
    assert found.modules_behind("head") == {"torch"}
    assert found.calls("Head") == {
        "super",
        ".__init__",
        "torch.nn.Linear",
        "torch.relu",
        "self.fc1",
        "self.fc2",
    }


def test_the_definition_is_the_source_as_the_student_wrote_it():
    cell = "!pip install x\n@torch.no_grad()\ndef f(x, *, k=3):\n    # جمع\n    return x + k\ny = 1"
    found = facts("def f(x): pass", cell)
    assert (
        found.definition("f") == "@torch.no_grad()\ndef f(x, *, k=3):\n    # جمع\n    return x + k"
    )
    assert found.definition("y") == "y = 1"
    assert found.definition("none") is None
    definition = found.functions["f"]
    assert (definition.cell, definition.line, definition.end_line) == (1, 2, 5)
    assert definition.parameters == ("x", "k")


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "a, (x, *b) = f()",
        "x: int = 3",
        "x += 1",
        "for x in y: pass",
        "for i, (j, x) in y: pass",
        "with open(f) as x: pass",
        "with a as (b, x): pass",
        "if c:\n    pass\nelif d:\n    x = 1",
        "try:\n    x = 1\nexcept E:\n    pass",
        "try:\n    pass\nexcept* E:\n    x = 1",
        "try:\n    pass\nfinally:\n    x = 1",
        "while (x := f()): pass",
        "print(x := 3)",
        "[x := i for i in y]",
        "match y:\n    case [1, x]: pass",
        "match y:\n    case {'a': 1, **x}: pass",
        "import x",
        "import x.y",
        "import y as x",
        "from y import z as x",
        "def x(): pass",
        "async def x(): pass",
        "class x: pass",
        "def f():\n    global x\n    x = 1",
        "x = await f()",
        "%time x = 1",
        "x = !ls",
    ],
)
def test_every_way_to_bind_a_name_is_seen(source):
    assert facts("", source).cell_of("x") == 1


@pytest.mark.parametrize(
    "source",
    [
        "print(x)",
        "x.a = 1",
        "x[0] = 1",
        "x: int",
        "def f():\n    x = 1",
        "lambda x: x",
        "[x for x in y]",
        "class A:\n    x = 1",
        "def f(x): pass",
        "def f():\n    if (x := 1): pass",
        "'x = 1'",
        "%%bash\nx=1",
    ],
)
def test_what_binds_no_global_name_is_not_taken_for_it(source):
    assert not facts(source).defines("x")


def test_the_last_cell_that_binds_a_name_counts():
    found = facts("dW = None", "dW = f()", "print(dW)", "dW[0] = 3")
    assert found.cell_of("dW") == 1
    assert found.definition("dW") == "dW = f()"


def test_a_cell_with_a_syntax_error_is_listed_and_costs_only_itself():
    found = facts("x = 1", "y = = 2", "def f(:\n    pass", "z = x")
    assert found.names == ("x", "z")
    assert [(p.cell, p.line, p.source) for p in found.syntax_errors] == [
        (1, 1, "y = = 2"),
        (2, 1, "def f(:"),
    ]
    assert found.syntax_errors[0].message == "invalid syntax"


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "+".join(["a"] * 50_000),
        "x = " + "-" * 100_000 + "1",
        "x = " + "(" * 5000,
        "x = 1\n" * 200_000,
    ],
)
def test_cells_too_deep_or_long_to_be_parsed_are_listed(source):
    found = facts(source, "y = 1")
    assert [p.cell for p in found.syntax_errors] == [0]
    assert found.defines("y")


def test_a_value_too_deep_to_be_followed_is_defined_and_reaches_nothing():
    found = facts("import numpy as np\nx = " + "+".join(["np.e"] * 900))
    assert found.cell_of("x") == 0
    assert found.modules_behind("x") == set()


def test_warnings_about_the_students_strings_are_not_ours(recwarn):
    assert facts(r"x = '\d'").defines("x")
    assert list(recwarn) == []


# ---------------------------------------------------------------- modules behind a name

IMPORTS = (
    "import numpy as np\nimport torch\nimport torch.nn.functional as F\nfrom scipy import linalg"
)


@pytest.mark.parametrize(
    ("cells", "modules"),
    [
        (["def f(x): return np.sum(x)"], {"numpy"}),
        (["def f(x): return g(x)", "def g(x): return linalg.svd(x)"], {"scipy"}),
        (["def f(x): return g(x)", "g = lambda x: torch.rand(3)"], {"torch"}),
        (["conv = F.conv2d", "def f(x): return conv(x)"], {"torch"}),
        (["class A(torch.nn.Module):\n    pass", "f = A()"], {"torch"}),
        (["@torch.no_grad()\ndef f(): pass"], {"torch"}),
        (["def f(x=np.pi): pass"], {"numpy"}),
        (["def f():\n    import sklearn.svm\n    return sklearn.svm.SVC()"], {"sklearn"}),
        (["def f():\n    from . import helper"], {"."}),
        (
            ["import importlib\ndef f(): return importlib.import_module('tensorflow.keras')"],
            {"importlib", "tensorflow"},
        ),
        (["f = [1]", "f.append(torch.ones(2))"], {"torch"}),
        (["f = {}", "f['a'] = np.ones(2)"], {"numpy"}),
        (["f = 1", "f += np.ones(2)"], {"numpy"}),
        (["f = torch.ones(2)", "f = f * np.pi"], {"numpy", "torch"}),
        (["f = torch.ones(2)", "def f(): return f"], set()),
        (["f, g = np.ones(2), torch.ones(2)"], {"numpy"}),
        (["for i in np.arange(3): f = i"], {"numpy"}),
        (["with torch.no_grad() as t: f = t"], {"torch"}),
        (["try:\n    f = torch.ones(1)\nexcept E:\n    f = np.ones(1)"], {"torch", "numpy"}),
        (["def f(n): return n * f(n - 1)"], set()),
        (["def f(np): return np.sum()"], set()),
        (["def f(x):\n    torch = 3\n    return torch"], set()),
        (["f = [np for np in range(3)]"], set()),
        (["f = torch.ones(2)", "f = 3"], set()),
        (["def f(): return torch.ones(2)", "def f(): return np.ones(2)"], {"numpy"}),
        (
            [
                "if __name__ == '__main__':\n    f = torch.ones(2)",
                "if __name__ == '__main__':\n    f = 1",
            ],
            set(),
        ),
        (["f = torch.ones(2)", "if c:\n    f = 3"], {"torch"}),
        (["g = np.ones(2)", "f = g", "g = torch.ones(2)"], {"numpy"}),
        (["def f(): return g", "g = np.ones(2)", "g = torch.ones(2)"], {"torch"}),
        (
            [
                "def f():\n    class A:\n        np = 3\n        def g(self): return np.pi\n    return A"
            ],
            {"numpy"},
        ),
        (["def f():\n    x = np\n    def g():\n        return x\n    return g"], {"numpy"}),
    ],
)
def test_modules_are_followed_through_names(cells, modules):
    assert facts(IMPORTS, *cells).modules_behind("f") == modules


def test_names_that_nothing_binds_come_from_star_imports():
    found = facts("from torch.nn import *", "f = Linear(2, 3)", "g = len([1])")
    assert found.modules_behind("f") == {"torch"}
    assert found.modules_behind("g") == set()


def test_an_unknown_name_has_nothing_behind_it():
    assert facts("x = 1").modules_behind("y") == set()
    assert facts("x = 1").calls("y") == set()


# ---------------------------------------------------------------- calls


def test_calls_go_by_full_names_whatever_they_are_called_here():
    found = facts(
        "from numpy.linalg import matrix_rank as mr\nimport numpy as np\nconv = np.convolve",
        "def helper(W): return np.linalg.svd(W)",
        "def f(W):\n    import scipy.linalg as sl\n    W.backward()\n    return mr(W) + helper(W) + sl.inv(W) + conv(W) + (W @ W).sum()",
    )
    direct = {
        "numpy.linalg.matrix_rank",
        "helper",
        "scipy.linalg.inv",
        "numpy.convolve",
        "W.backward",
        ".sum",
    }
    assert found.calls("f", transitive=False) == direct
    assert found.calls("f") == direct | {"numpy.linalg.svd"}


def test_a_name_that_is_local_is_not_taken_for_the_import():
    found = facts("import numpy as np", "def f(np): return np.sum()")
    assert found.calls("f") == {"np.sum"}


def test_aliases_in_a_circle_end():
    assert facts("a = b\nb = a\ndef f(): return a()").calls("f") <= {"a", "b"}


# ---------------------------------------------------------------- cost


def test_a_name_by_itself_is_found_where_all_names_are():
    notebook = read_notebook(DATA / "colab_hw10.ipynb").notebook
    everything = Facts.of(notebook)
    for name in (*everything.definitions, "acc2", "dr"):
        known = everything.definitions.get(name)
        assert Facts.of(notebook).cell_of(name) == (known and known.cell)


def test_a_name_is_found_however_its_letters_are_written():
    assert facts("\ufb01t = 1  # as one letter: fi").cell_of("fit") == 0
    assert facts("\N{MATHEMATICAL BOLD SMALL X} = 1").cell_of("x") == 0


def test_only_cells_with_a_name_are_parsed_for_it(monkeypatch):
    parsed = []
    usual = Facts._analysis.func
    monkeypatch.setattr(
        Facts._analysis, "func", lambda one: parsed.append(list(one._sources)) or usual(one)
    )
    found = facts("x = 1", "y = 2", "print(x)", "z = 3")
    assert found.cell_of("x") == 0
    assert found.cell_of("x") == 0
    assert found.cell_of("none") is None
    assert parsed == [[2], [0]]


def test_nothing_is_parsed_before_it_is_asked_for(monkeypatch):
    found = facts("x = 1")
    monkeypatch.setattr(ast, "parse", None)
    monkeypatch.setattr("grader.notebook.facts.python_of", None)
    monkeypatch.setattr("grader.notebook.facts._parse", None)
    with pytest.raises(TypeError):
        found.defines("x")


def test_thirty_cells_are_analysed_quickly():
    cell = "import torch\n" + "\n".join(
        f"class Net{i}(torch.nn.Module):\n    def forward(self, x):\n        return [torch.relu(v) for v in x]"
        for i in range(6)
    )
    cells = [cell] * 30
    start = time.process_time()
    assert facts(*cells).modules_behind("Net0") == {"torch"}
    assert time.process_time() - start < 0.5
