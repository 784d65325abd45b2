"""Every kind of slip is made, in the one place where it belongs, and nothing that is only shown."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grader.audit.mutants import Mutant, chosen, units_and_mutants

# By kind: a line of a solution, and what it must become among others.
SLIPS = [
    ("operator", "return a + b", "return a - b"),
    ("operator", "return a and b", "return a or b"),
    ("operator", "return 1 if not a else b", "return 1 if a else b"),
    ("operator", "return 1 if a else b", "return 1 if (not a) else b"),
    ("constant", "return 0.5 * a", "return 1.0 * a"),
    ("constant", "return f(a, bias=False)", "return f(a, bias=True)"),
    ("axis", "return a.sum(axis=0)", "return a.sum(axis=1)"),
    ("axis", "return a.mean(dim=(2, 3))", "return a.mean(dim=2)"),
    ("off by one", "return a[i : i + b]", "return a[i : i + b - 1]"),
    ("off by one", "return a[1:]", "return a[2:]"),
    ("off by one", "return a < b", "return a <= b"),
    ("off by one", "return [i for i in range(n)]", "return [i for i in range((n - 1))]"),
    ("off by one", "return [i for i in a]", "return [i for i in a][:-1]"),
    ("sign", "return a - b", "return -(a - b)"),
    ("sign", "return -a", "return a"),
    ("transposition", "return a.T @ b", "return a @ b"),
    ("transposition", "return a @ b", "return b @ a"),
    ("transposition", "return np.zeros((h, w))", "return np.zeros(((w, h)))"),
    ("order", "return f(a, b)", "return f(b, a)"),
    ("flip", "return W[::-1, ::-1]", "return W[:, ::-1]"),
    ("flip", "return np.flip(W, 0)", "return W"),
    ("reduction", "return loss.mean()", "return loss.sum()"),
    ("reduction", "return f(a, reduction='mean')", "return f(a, reduction='sum')"),
    ("reduction", "return max(a)", "return min(a)"),
    ("dtype", "return a.astype(np.float64)", "return a.astype(np.float32)"),
    ("omission", "return a @ w + b", "return a @ w"),
    ("omission", "return F.relu(a)", "return a"),
    ("omission", "return a.clamp(0, 6)", "return a"),
    ("omission", "optimizer.zero_grad()", "pass"),
    ("omission", "total += a", "pass"),
    ("omission", "return nn.Sequential(a, nn.ReLU(), b)", "return nn.Sequential(a, b)"),
    ("omission", "return nn.Conv2d(1, 2, 3, padding=1)", "return nn.Conv2d(1, 2, 3)"),
]


def mutants_of(
    *lines: str, solution: range | None = None, tags: tuple[str, ...] = ()
) -> list[Mutant]:
    """The mutants of a function with these lines, all of them solution unless told otherwise."""
    source = "\n".join(["def f(a, b):", *(f"    {line}" for line in lines)])
    cell = new_code_cell(source, id="cell", metadata={"tags": list(tags)})
    rows = solution or range(2, len(lines) + 2)
    return units_and_mutants(new_notebook(cells=[cell]), {"cell": [rows]})[1]


@pytest.mark.parametrize(("kind", "line", "becomes"), SLIPS)
def test_a_slip_of_this_kind_is_made(kind: str, line: str, becomes: str) -> None:
    found = mutants_of(line)
    assert becomes in [m.becomes for m in found if m.kind == kind], found
    assert {m.was for m in found} == {line}
    for mutant in found:
        compile(mutant.source, "mutant", "exec")


@pytest.mark.parametrize(
    "line",
    [
        "print(a + 1, sep='')",
        "plt.plot(a + 1, label='x')",
        "raise ValueError(f'{a + 1} is too much')",
        "assert a + 1 > 0",
        "'''Add 1 + 1.'''",
        "loss = f(a)",
        "if __name__ == '__main__': pass",
        "return a / 1e-12",
        "return list(zip(a, b, strict=True))",
    ],
)
def test_what_decides_no_value_is_left_alone(line: str) -> None:
    assert [m for m in mutants_of(line) if m.kind not in ("omission", "operator", "sign")] == []
    if "return" not in line:
        assert mutants_of(line) == []


def test_an_answer_at_top_level_is_mutated_where_it_is_computed() -> None:
    cell = new_code_cell("dW = gradient(X)\nrank = 3\nchoice = 'b'", id="cell")
    _, found = units_and_mutants(new_notebook(cells=[cell]), {"cell": [range(1, 4)]})
    assert {m.becomes for m in found} == {"dW = 2 * gradient(X)", "rank = 4", "choice = 'bb'"}


def test_only_solutions_are_mutated_and_no_recorded_cell() -> None:
    lines = ("c = a + b", "return c - 1")
    assert {m.line for m in mutants_of(*lines, solution=range(3, 4))} == {3}
    assert mutants_of(*lines, tags=("recorded",)) == []


def test_the_same_mutants_are_drawn_each_time_and_every_kind_is_among_them() -> None:
    found = mutants_of("c = (a + b) * 2 - a.sum(axis=0)", "return -c[1:, ::-1].T")
    first = chosen(found, 12, seed=0)
    assert first == chosen(found, 12, seed=0)
    assert first != chosen(found, 12, seed=1)
    assert len(first) == 12 < len(found)
    assert {m.kind for m in first} == {m.kind for m in found}
