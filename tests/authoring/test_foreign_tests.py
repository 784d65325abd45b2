"""Assertions of other graders become questions to the student's process, or are refused with a reason."""

from __future__ import annotations

from textwrap import dedent

import pytest

from grader.authoring.namespace import Namespace
from grader.authoring.questions import Helpers
from grader.authoring.statements import Translation, translate

GIVEN = (
    "import numpy as np\nfrom math import sqrt\nX = np.ones(3)\ndef area(r):\n    return 3 * r\n"
)
ANSWERS = "def f(n):\n    return n\ndef g(h):\n    return h\nx = 3\nclass Net:\n    pass\n"


@pytest.fixture
def namespace() -> Namespace:
    names = Namespace()
    names.learn(GIVEN, solution=False)
    names.learn(ANSWERS, solution=True)
    names.learn("twice = 2 * x\nconstant = 5", solution=False)
    return names


def made_of(source: str, namespace: Namespace, *, rich: bool = True) -> Translation:
    return translate(dedent(source), namespace, Helpers(), prefix="p", rich=rich)


def test_names_are_given_imported_or_answered(namespace: Namespace) -> None:
    assert namespace.imports == {"np": "numpy", "sqrt": "math.sqrt"}
    assert namespace.given == {"X", "area", "constant"}
    assert (namespace.functions, namespace.classes) == ({"f", "g"}, {"Net"})
    assert namespace.values == {"x", "twice"}


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("assert f(2) == 4", "expect(f(2)).equal(4)"),
        ("assert [1, 2] == x", "expect(x).equal([1, 2])"),
        ("assert twice == constant", "expect(twice).equal(reference.constant)"),
        ("assert f(X) == area(2)", "expect(f(reference.X)).equal(reference.area(2))"),
        ("assert (f(2) == X).all()", "expect(f(2)).equal(reference.X)"),
        ("assert np.array_equal(x, X)", "expect(x).equal(reference.X)"),
        ("assert f(f(2)) == 4", "expect(f(f(2))).equal(4)"),
        ("assert g(f) == 1", "expect(g(f.handle())).equal(1)"),
        ("assert abs(x - 3) < 1e-3", "expect(x).close(3, atol=0.001, rtol=0)"),
        ("assert 0.1 >= abs(3 - f(1))", "expect(f(1)).close(3, atol=0.1, rtol=0)"),
        ("assert np.allclose(f(2), X)", "expect(f(2)).close(reference.X, rtol=1e-05, atol=1e-08)"),
        ("np.testing.assert_allclose(x, 3)", "expect(x).close(3, rtol=1e-07, atol=0.0)"),
        (
            "np.testing.assert_almost_equal(x, 3, decimal=2)",
            "expect(x).close(3, atol=0.015, rtol=0)",
        ),
        ("from nose.tools import assert_equal\nassert_equal(x, 3)", "expect(x).equal(3)"),
        ("self.assertAlmostEqual(x, 3, places=1)", "expect(x).close(3, atol=0.05, rtol=0)"),
        ("assert len(f(2)) == 2, 'two'", "expect.satisfies(lambda: len(f(2).value) == 2, 'p-1')"),
        (
            "assert all(f(i) == i for i in range(3))",
            "expect.satisfies(lambda: all((f(i).value == i for i in range(3))), 'p-1')",
        ),
        (
            "if x != 3:\n    raise AssertionError('no')",
            "expect.satisfies(lambda: not x.value != 3, 'p-1')",
        ),
        (
            "try:\n    f(0)\nexcept ValueError:\n    pass\nelse:\n    assert False",
            "expect.satisfies(lambda: issubclass(f.raised(0) or type(None), ValueError), 'p-1')",
        ),
        (
            "import pytest\nwith pytest.raises(KeyError):\n    f(0)",
            "expect.satisfies(lambda: issubclass(f.raised(0) or type(None), KeyError), 'p-1')",
        ),
    ],
)
def test_an_assertion_asks_the_students_process(
    statement: str, check: str, namespace: Namespace
) -> None:
    made = made_of(statement, namespace)
    assert (made.body[-1], made.carried, made.left) == (check, 1, [])


def test_a_test_keeps_its_data_loops_and_helpers(namespace: Namespace) -> None:
    made = made_of(
        """
        def near(a, b, tolerance=1e-3):
            assert abs(a - b) < tolerance
        def double(n):
            return 2 * n
        cases = [(1, 1), (2, sqrt(4))]
        for n, wanted in cases:
            assert f(n) == double(wanted)
        near(x, 3)
        first, second = f(7)
        assert second == 2
        rows = f(8)
        assert rows == 1
        """,
        namespace,
    )
    assert made.body == [
        "f = student.function('f')",
        "x = student.value('x')",
        "cases = [(1, 1), (2, sqrt(4))]",
        "for n, wanted in cases:\n    expect(f(n)).equal(double(wanted))",
        "expect(x).close(3, atol=0.001, rtol=0)",
        "returned_1 = f(7)",
        "expect.satisfies(lambda: returned_1.value[1] == 2, 'p-1')",
        "rows = f(8)",
        "expect(rows).equal(1)",
    ]
    assert made.imports == {"from math import sqrt"}
    assert made.definitions == ["def double(n):\n    return 2 * n"]


def test_without_explanations_a_comparison_stays_as_it_is_written(namespace: Namespace) -> None:
    made = made_of("assert np.allclose(f(2), 0)", namespace, rich=False)
    assert made.body[-1] == "expect.satisfies(lambda: np.allclose(f(2).value, 0), 'p-1')"
    assert made.imports == {"import numpy as np"}


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("del f", "changes the student's variables"),
        ("x = 4", "assigns `x`"),
        ("X[0] = 4", "not its own"),
        ("f(2)", "for what that changes"),
        ("assert 1 == 1", "asks nothing"),
        ("assert Net().size == 3", "class `Net`"),
        ("assert callable(f)", "`callable` reaches into the process"),
        ("assert 'f' in globals()", "`globals` reaches"),
        ("assert f in [f]", "without calling it"),
        ("assert unknown(x) == 3", "`unknown` is defined nowhere"),
        ("import not_installed as ni\nassert ni.size(x) == 3", "`not_installed` is not installed"),
        ("for i in f(2):\n    assert i", "loops over"),
        ("assert sorted([1], key=lambda n: f(n)) == [1]", "on as a function"),
        ("assert [x for x in f(2)] == [1]", "`x` for something else"),
        ("student = 3\nassert x == student", "`student` means something else"),
        ("while x < 3:\n    pass", "`while` loop"),
        ("assert f(2) ==", "no Python"),
    ],
)
def test_what_has_no_sound_form_is_refused(
    statement: str, reason: str, namespace: Namespace
) -> None:
    made = made_of(statement, namespace)
    assert made.carried == 0
    assert reason in made.left[0].reason
    assert not [line for line in made.body if "expect" in line]
    assert not made.properties


def test_what_stands_behind_a_change_is_refused_as_well(namespace: Namespace) -> None:
    made = made_of("assert x == 3\ndel f\nassert x == 4\nassert len([1]) == 1", namespace)
    assert made.body == ["x = student.value('x')", "expect(x).equal(3)"]
    assert [left.source for left in made.left] == ["del f", "assert x == 4", "assert len([1]) == 1"]
    assert "behind `del f`" in made.left[1].reason


def test_what_is_refused_leaves_nothing_behind(namespace: Namespace) -> None:
    """Data of an earlier test, and a helper that uses the student's, asked for twice."""
    helpers = Helpers()
    translate("limit = 3\ndef near(n):\n    return n < f(1)", namespace, helpers, prefix="p")
    source = "assert near(limit)\nassert near(x)\nassert x < limit"
    made = translate(source, namespace, helpers, prefix="p")
    assert made.body == [
        "x = student.value('x')",
        "limit = 3",
        "expect.satisfies(lambda: x.value < limit, 'p-1')",
    ]
    assert (len(made.left), made.definitions) == (2, [])


def test_a_helper_that_could_swallow_a_shortfall_is_given_no_question(namespace: Namespace) -> None:
    made = made_of(
        """
        def throws(call):
            try:
                call()
            except Exception:
                return True
            return False
        assert throws(lambda: f(0))
        """,
        namespace,
    )
    assert made.carried == 0
    assert "on as a function" in made.left[0].reason
