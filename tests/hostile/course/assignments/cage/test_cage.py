"""One check of each kind that an attack may aim at."""

import numpy as np
import pytest
import torch

from grader.checks import module_weights

question = pytest.mark.question
M = np.array([[1.25, 2.5, 4.125], [3.5, 5.75, 9.0625], [0.5, 0.25, 7.375]])


@question("numbers")
@pytest.mark.part("value", points=2)
def test_total(student, reference, expect):
    expected = reference.row_sums(M)
    expect(student.value("total", like=expected)).close(expected)


@question("numbers")
@pytest.mark.part("value", points=1)
def test_number(student, expect):
    expect(student.value("number", like=74891, kind="integer")).equal(74891)


@question("numbers")
@pytest.mark.part("value", points=1)
def test_scaled(student, reference, expect):
    own = student.value("total").array
    expect(student.value("scaled")).close(
        reference.scale(reference.row_sums(M), 2.0),
        follow_through=lambda: reference.scale(own, 2.0),
    )


@question("numbers")
@pytest.mark.part("function", points=3)
@pytest.mark.hidden
def test_scale(student, reference, expect, rng):
    v = rng.normal(size=4)
    example = ((np.array([1.0, 2.0]), 3.0), np.array([3.0, 6.0]))
    expect(student.function("scale", example=example)(v, 3.0)).close(reference.scale(v, 3.0))


@question("numbers")
@pytest.mark.part("search", points=2)
def test_search(student, expect, rng):
    choices = list(range(8))
    values = rng.normal(size=8)
    asked = []

    def objective(choice):
        asked.append(choice)
        return float(values[choice])

    found = student.function("best")(student.callback(objective, "objective"), choices).value
    expect.satisfies(found == int(values.argmax()) and found in asked, "not-found")


@question("network")
@pytest.mark.part("layers")
def test_network(student, reference, expect):
    model = reference.Net(hidden=5)
    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    with torch.no_grad():
        expected = model.eval()(x)
    net = student.module("Net", hidden=5)
    expect(net.forward(x, weights=module_weights(model, x))).close(expected, atol=1e-5)
