"""Theory 2: gradients of a convolution, as arrays worked out by hand or as functions."""

import pytest

from grader.checks.outcome import Failed, Missing

pytestmark = pytest.mark.question("conv-gradients")

SIZES = (((6, 7), (3, 2)), ((5, 9), (2, 4)), ((8, 4), (1, 3)))  # of image and filter


def array_or_call(student, name, function, arguments, wanted):
    """Return the answer as it was written down, or as the student's function gives it."""
    try:
        return student.value(name, like=list(wanted))
    except Missing as missing:
        try:
            return student.function(function, example=(arguments, wanted[0]))(*arguments)
        except Missing:
            raise missing from None


def function_or_none(student, name, arguments, expected):
    """Return the student's function; None where the answer was only worked out by hand."""
    try:
        function = student.function(name, example=(arguments, expected))
        function(*arguments)
    except Missing:
        return None
    except Failed:  # it is there; let it show on other inputs what it can do
        pass
    return function


def weight_gradient_mistakes(reference, X, dY, expected):
    return {
        "upstream-flipped": reference.conv2d_weight_gradient(X, dY[::-1, ::-1]),
        "filter-gradient-flipped": expected[::-1, ::-1],
        "gradient-transposed": expected.T,
        "sign-flipped": -expected,
    }


def input_gradient_mistakes(reference, W, dY, expected):
    return {
        "filter-not-rotated": reference.conv2d_input_gradient(W[::-1, ::-1], dY),
        "upstream-flipped": reference.conv2d_input_gradient(W, dY[::-1, ::-1]),
        "filter-transposed": reference.conv2d_input_gradient(W.T, dY),
        "gradient-transposed": expected.T,
        "sign-flipped": -expected,
    }


def judge_input_gradient(expect, answer, expected, mistakes):
    size = answer.array.shape
    smaller = len(size) == 2 and all(n < m for n, m in zip(size, expected.shape, strict=True))
    expect(answer).satisfies(not smaller, "valid-not-full")
    expect(answer).close(expected, misconceptions=mistakes)


@pytest.mark.part("weights", points=3)
def test_gradient_with_respect_to_the_filter(student, reference, expect):
    X, dY = reference.X, reference.dY
    expected = reference.conv2d_weight_gradient(X, dY)
    mistakes = weight_gradient_mistakes(reference, X, dY, expected)
    wanted = [expected, *mistakes.values()]
    answer = array_or_call(student, "dW", "conv2d_weight_gradient", (X, dY), wanted)
    expect(answer).close(expected, misconceptions=mistakes)


@pytest.mark.part("weights", points=2)
@pytest.mark.hidden
def test_gradient_with_respect_to_the_filter_for_other_sizes(student, reference, expect, rng):
    X, dY = reference.X, reference.dY
    expected = reference.conv2d_weight_gradient(X, dY)
    function = function_or_none(student, "conv2d_weight_gradient", (X, dY), expected)
    if function is None:
        expect(student.value("dW", like=expected)).close(expected)
        expect.note("worked-out-by-hand")
        return
    for (H, L), (h, w) in SIZES:
        X, dY = rng.normal(size=(H, L)), rng.normal(size=(H - h + 1, L - w + 1))
        expected = reference.conv2d_weight_gradient(X, dY)
        mistakes = weight_gradient_mistakes(reference, X, dY, expected)
        expect(function(X, dY)).close(expected, misconceptions=mistakes)


@pytest.mark.part("input", points=2)
def test_gradient_with_respect_to_the_input(student, reference, expect):
    W, dY = reference.W, reference.dY
    expected = reference.conv2d_input_gradient(W, dY)
    mistakes = input_gradient_mistakes(reference, W, dY, expected)
    wanted = [expected, *mistakes.values()]
    answer = array_or_call(student, "dX", "conv2d_input_gradient", (W, dY), wanted)
    judge_input_gradient(expect, answer, expected, mistakes)


@pytest.mark.part("input", points=1.5)
@pytest.mark.hidden
def test_gradient_with_respect_to_the_input_for_other_sizes(student, reference, expect, rng):
    W, dY = reference.W, reference.dY
    expected = reference.conv2d_input_gradient(W, dY)
    function = function_or_none(student, "conv2d_input_gradient", (W, dY), expected)
    if function is None:
        expect(student.value("dX", like=expected)).close(expected)
        expect.note("worked-out-by-hand")
        return
    for (H, L), (h, w) in SIZES:
        W, dY = rng.normal(size=(h, w)), rng.normal(size=(H - h + 1, L - w + 1))
        expected = reference.conv2d_input_gradient(W, dY)
        mistakes = input_gradient_mistakes(reference, W, dY, expected)
        judge_input_gradient(expect, function(W, dY), expected, mistakes)
