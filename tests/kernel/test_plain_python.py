"""IPython's own syntax is found wherever it stands, though most cells are not searched for it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from grader.kernel.caged.shell import pass_plain_python

SIGNS = "%!?,;/=ax1 \n\t\\()[]{}'\"#:.\x0c\u2028"
WORDS = [
    "ls",
    "%time",
    "!ls",
    " = ",
    "!=",
    "if x:\n    ",
    "def f():\n",
    "f'{x!r}'",
    "\n",
    "x",
    "?",
    "%%",
    '"""',
]


@given(st.one_of(st.text(SIGNS, max_size=40), st.lists(st.sampled_from(WORDS)).map("".join)))
@example("x = \\\n%time 1\n")
@example("files = !ls\n")
@example("if x:\n    !ls\n")
@example("x = 1 % 2\ny != 3\n")
@example("print('%d' % 3)\n'''\n%time\n'''\n")
@example("/f 1 2\n")
@example("a =\x0c!ls\n")
@example("len?\n")
@settings(max_examples=400, deadline=None)
@pytest.mark.filterwarnings("ignore:.make_tokens_by_line")  # IPython's, of form feeds
def test_a_cell_becomes_what_ipython_makes_of_it(cell: str) -> None:
    quick, usual = TransformerManager(), TransformerManager()
    pass_plain_python(quick)
    try:
        expected = usual.transform_cell(cell)
    except SyntaxError:
        with pytest.raises(SyntaxError):
            quick.transform_cell(cell)
    else:
        assert quick.transform_cell(cell) == expected


def test_most_cells_are_not_searched_and_a_notebooks_own_syntax_is_heeded() -> None:
    manager = TransformerManager()
    searched = []
    usual = manager.do_token_transforms

    def search(lines: list[str]) -> list[str]:
        searched.append("".join(lines))
        return list(usual(lines))

    manager.do_token_transforms = search
    pass_plain_python(manager)
    manager.transform_cell("x = 5 % 2\nif x != 1:\n    print(f'{x!r}', x / 2)\n")
    assert searched == []
    manager.transform_cell("%time x")
    manager.token_transformers.append(object)
    with pytest.raises(AttributeError):
        manager.transform_cell("x = 5")
    assert searched == ["%time x\n", "x = 5\n"]
